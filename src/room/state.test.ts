import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../protocol/index.ts";
import { RoomState } from "./state.ts";
import { range } from "./world.test-support.ts";

const WIDE = { keys: 10_000, bytes: 1_000_000 };

function told(state: RoomState, rev: number): [string, Json][] | null {
  return state.changesSince(rev)?.map(({ key, value }) => [key, value]) ?? null;
}

describe("what changed in a room's state since a revision", () => {
  it("is the newest value of every key, in the order of the last change", () => {
    const state = new RoomState(WIDE);
    state.set("topic", "old", 1);
    const { rev } = state;
    state.set("topic", "a", 1);
    state.set("topic", "b", 1);
    state.set("topic", "a", 2);
    state.remove("topic", "old");
    expect(told(state, rev)).toEqual([
      ["b", 1],
      ["a", 2],
      ["old", null],
    ]);
    expect(told(state, state.rev)).toEqual([]);
    expect(told(state, state.rev - 1)).toEqual([["old", null]]);
  });

  it("leaves out what came and went", () => {
    const state = new RoomState(WIDE);
    state.set("topic", "stays", 1);
    const { rev } = state;
    state.set("topic", "guest", 1);
    state.set("topic", "guest", 2);
    state.remove("topic", "guest");
    expect(told(state, rev)).toEqual([]);
    expect(told(state, rev + 1)).toEqual([["guest", null]]);
    state.set("topic", "guest", 3);
    expect(told(state, rev)).toEqual([["guest", 3]]);
  });

  it("tells the end of what was there before, though it came again meanwhile", () => {
    const state = new RoomState(WIDE);
    state.set("topic", "a", 1);
    const { rev } = state;
    state.remove("topic", "a");
    state.set("topic", "a", 2);
    state.remove("topic", "a");
    expect(state.changesSince(rev)).toMatchObject([{ key: "a", value: null, last: 2 }]);
  });

  it("keeps families apart, and tells what a removal says it was", () => {
    const state = new RoomState(WIDE);
    state.set("topic", "a", 1);
    state.set("typing", "a", 2);
    const { rev } = state;
    state.remove("topic", "a", false, "more");
    state.remove("typing", "a");
    expect(state.changesSince(rev)).toMatchObject([
      { family: "topic", last: "more" },
      { family: "typing", last: 2 },
    ]);
  });

  it("does not tell what was set or removed quietly", () => {
    const state = new RoomState(WIDE);
    state.set("read", "a", 1, { quiet: true });
    state.set("read", "b", 1, { quiet: true });
    state.remove("read", "b", true);
    expect(state.rev).toBe(0);
    expect(state.snapshot(["read"])).toEqual({ read: { a: 1 } });
  });

  it("is the whole for whoever is more than what is remembered behind, at least 512 changes", () => {
    const state = new RoomState(WIDE);
    for (const value of range(1, 2_100)) {
      state.set("topic", "a", value);
      for (const back of [1, 512]) if (value >= back) expect(told(state, value - back)).toEqual([["a", value]]);
      if (value > 1_024) expect(state.changesSince(value - 1_024)).toBeNull();
    }
    expect(state.changesSince(0)).toBeNull();
  });

  it("brings a reader from any revision to the state as it is", () => {
    const step = fc.record({ key: fc.constantFrom("a", "b", "c"), value: fc.option(fc.nat(3)), look: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const state = new RoomState(WIDE);
        let seen = new Map<string, Json>();
        let rev = 0;
        const look = () => {
          for (const { key, value } of state.changesSince(rev)!) {
            if (value !== null) seen.set(key, value);
            else expect(seen.delete(key)).toBe(true);
          }
          rev = state.rev;
          expect(Object.fromEntries(seen)).toEqual(state.snapshot(["topic"]).topic ?? {});
        };
        for (const { key, value, look: isLooking } of steps) {
          if (value === null) state.remove("topic", key);
          else state.set("topic", key, value);
          if (isLooking) look();
        }
        look();
        seen = new Map();
      }),
    );
  });
});

describe("how much a room's state holds", () => {
  it("is bounded by keys in a family, and replacing one is always possible", () => {
    const state = new RoomState({ keys: 2, bytes: 1_000 });
    expect(state.set("topic", "a", 1)).toBe(true);
    expect(state.set("topic", "b", 1)).toBe(true);
    expect(state.set("topic", "c", 1)).toBe(false);
    expect(state.set("typing", "c", 1)).toBe(true);
    expect(state.set("topic", "b", 2)).toBe(true);
    expect([state.get("topic", "c"), state.get("topic", "b"), state.size("topic"), state.keys]).toEqual([
      null,
      2,
      2,
      3,
    ]);
    expect(state.rev).toBe(4);
    state.remove("topic", "a");
    expect(state.set("topic", "c", 1)).toBe(true);
  });

  it("is bounded by bytes, given back when a value is replaced, removed, or expires", () => {
    const state = new RoomState({ keys: 10, bytes: 100 });
    expect(state.set("topic", "a", 1, { bytes: 60 })).toBe(true);
    expect(state.set("topic", "b", 1, { bytes: 41 })).toBe(false);
    expect(state.set("topic", "a", 2, { bytes: 101 })).toBe(false);
    expect(state.get("topic", "a")).toBe(1);
    expect(state.set("topic", "a", 2, { bytes: 100 })).toBe(true);
    expect(state.set("topic", "a", 3, { bytes: 10 })).toBe(true);
    expect(state.set("topic", "b", 1, { bytes: 90, expiresAt: 5 })).toBe(true);
    expect(state.bytes).toBe(100);
    state.sweep(5);
    expect(state.bytes).toBe(10);
    state.remove("topic", "a");
    expect([state.bytes, state.keys, state.size("topic")]).toEqual([0, 0, 0]);
    expect(state.remove("topic", "a")).toBe(false);
    expect([state.bytes, state.keys]).toEqual([0, 0]);
  });
});

describe("a value with a lease", () => {
  it("ends when its time has come, and no other does", () => {
    const state = new RoomState(WIDE);
    state.set("typing", "ann", 1, { expiresAt: 10 });
    state.set("typing", "bob", 1, { expiresAt: 20 });
    state.set("topic", "a", 1);
    state.sweep(9);
    expect(state.rev).toBe(3);
    state.sweep(10);
    expect(state.changesSince(3)).toMatchObject([{ family: "typing", key: "ann", value: null }]);
    expect(state.snapshot(["typing", "topic"])).toEqual({ typing: { bob: 1 }, topic: { a: 1 } });
  });

  it("ends by the newest lease, or not at all when it was set again without", () => {
    const state = new RoomState(WIDE);
    for (const key of ["ann", "bob", "cem"]) state.set("typing", key, 1, { expiresAt: 10 });
    state.set("typing", "ann", 2, { expiresAt: 30 });
    state.set("typing", "bob", 2);
    state.remove("typing", "cem");
    state.set("typing", "cem", 2);
    const { rev } = state;
    state.sweep(29);
    expect(state.rev).toBe(rev);
    state.sweep(1_000);
    expect(state.snapshot(["typing"])).toEqual({ typing: { bob: 2, cem: 2 } });
  });

  it("costs the sweep nothing once it is gone", () => {
    const state = new RoomState(WIDE);
    let looks = 0;
    const options = {
      get expiresAt() {
        looks++;
        return 10;
      },
    };
    state.set("typing", "ann", 1, options);
    for (const key of range(1, 1_000)) state.set("topic", `${key}`, key);
    const looksToSet = looks;
    for (const now of range(10, 100)) state.sweep(now);
    expect(looks).toBe(looksToSet);
    expect(state.keys).toBe(1_000);
  });
});

import { ChangeSet, Text } from "@codemirror/state";
import { expect, it } from "vitest";
import { movePosition, placeIn } from "../../../src/features/documents/ot/caret.ts";
import { Carets } from "../../../src/features/documents/ot/carets.ts";
import { DocumentState } from "../../../src/features/documents/ot/document-state.ts";
import { isInsidePair } from "../../../src/features/documents/ot/position.ts";
import type { Json } from "../../../src/protocol/index.ts";
import type { OpenRoom, StateView } from "../../../src/session/namespace.ts";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";
import { createRandom, randomEdit } from "./typist.ts";

/** A room that has nothing but the carets' state. */
function createCarets() {
  const clock = createFakeClock();
  const told: { at: number; key: string; value: Json }[] = [];
  const state = { now: new DocumentState(0, Text.of(["start 👍 text"])) };
  const family: StateView = {
    set(key, value) {
      told.push({ at: clock.monotonic(), key, value });
      carets.changed({ family: "caret", key, value, last: null });
      return true;
    },
    remove(key) {
      carets.changed({ family: "caret", key, value: null, last: null });
      return true;
    },
  };
  const carets: Carets = new Carets(
    { clock, state: () => family, failure: () => {} } as unknown as OpenRoom,
    () => state.now,
  );
  return { clock, told, state, family, carets };
}

it("DOC-8 a caret is where its text went, in the text, and never inside a character", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = createRandom(seed);
    const { state, family, carets } = createCarets();
    const at = { anchor: random(30), head: random(30), version: 0 };
    carets.set({ id: "u", name: "U" }, undefined, at, family);
    const set = carets.places().u as { anchor: number; head: number };
    const over: ChangeSet[] = [];
    for (let version = 1; version <= 150 + random(200); version++) {
      const change = randomEdit(state.now.text, random);
      over.push(change);
      state.now = state.now.after([change]);
      carets.advanced();
    }
    const { anchor, head, version } = carets.places().u as { anchor: number; head: number; version: number };
    expect(version).toBe(state.now.version);
    for (const position of [anchor, head]) {
      expect(position).toBeGreaterThanOrEqual(0);
      expect(position).toBeLessThanOrEqual(state.now.text.length);
      expect(isInsidePair(state.now.text, position)).toBe(false);
    }
    expect([anchor, head]).toEqual(
      [set.anchor, set.head].map((position) => placeIn(state.now.text, movePosition(position, over))),
    );
  }
});

it("DOC-8 a caret that moves faster is told 20 times a second, and the last place always", async () => {
  const { clock, told, family, carets } = createCarets();
  for (let step = 0; step < 100; step++) {
    carets.set({ id: "u", name: "U" }, "w", { anchor: step % 10, head: step % 10 }, family);
    await clock.advance(10);
  }
  await clock.advance(1_000);
  expect(told.length).toBeGreaterThanOrEqual(18);
  expect(told.length).toBeLessThanOrEqual(22);
  for (const [index, { at }] of told.entries())
    if (index > 0) expect(at - told[index - 1]!.at).toBeGreaterThanOrEqual(50);
  expect(told.at(-1)).toMatchObject({ key: "u/w", value: { anchor: 9, head: 9 } });
  carets.close();
  expect(clock.pendingTimers).toBe(0);
});

it("DOC-8 positions beyond the text, and of a version from long ago, are brought into it", () => {
  const { state, family, carets } = createCarets();
  carets.set({ id: "u", name: "U" }, undefined, { anchor: 1e9, head: 7, version: 99 }, family);
  expect(carets.places().u).toMatchObject({ anchor: state.now.text.length, head: 6, version: 0 });
  const change = ChangeSet.of({ from: 0, to: state.now.text.length, insert: "x" }, state.now.text.length);
  state.now = state.now.after([change]);
  expect(carets.places().u).toMatchObject({ anchor: 1, head: 1, version: 1 });
});

it("DOC-8 nobody has another user's carets, whatever they are called", () => {
  const { family, carets } = createCarets();
  const place = { anchor: 1, head: 1 };
  carets.set({ id: "a/b", name: "Owner" }, undefined, place, family);
  carets.set({ id: "a/b", name: "Owner" }, "tab", place, family);
  carets.set({ id: "a%2Fb", name: "Other" }, undefined, place, family);
  carets.set({ id: "a", name: "Stranger" }, "b", place, family);
  carets.remove("a", "b", family);
  for (let index = 0; index < 30; index++) carets.set({ id: "a", name: "Stranger" }, `c${index}`, place, family);
  const owners = Object.values(carets.places()).map((caret) => (caret as { userId: string }).userId);
  expect(owners.filter((userId) => userId !== "a")).toEqual(["a/b", "a/b", "a%2Fb"]);
  expect(owners.filter((userId) => userId === "a")).toHaveLength(20);
});

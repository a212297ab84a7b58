import { describe, expect, it } from "vitest";
import { createFakeClock } from "../testing/fake-clock.ts";
import { Holds } from "./holds.ts";

describe("holds", () => {
  it("ACK-5: a refusal after the time of the last ones starts anew and remembers nothing of them", async () => {
    const clock = createFakeClock();
    const holds = new Holds(clock, 10);
    holds.refuse("room", "old");
    await clock.advance(60_000);
    holds.refuse("room", "new");
    expect(holds.admits("room", "old")).toBe(false);
    await clock.advance(9_000);
    expect(holds.admits("room", "later")).toBe(false);
    expect(holds.admits("room", "new")).toBe(true);
    expect(holds.admits("room", "later")).toBe(true);
    expect(holds.ids).toBe(0);
  });

  it("ACK-5: rooms are held apart", () => {
    const holds = new Holds(createFakeClock(), 10);
    holds.refuse("one", "m1");
    expect(holds.admits("other", "m1")).toBe(true);
    expect(holds.admits("one", "m2")).toBe(false);
  });

  it("one bound holds over all rooms, and the first refusal of a room is always remembered", () => {
    const holds = new Holds(createFakeClock(), 10);
    for (let room = 0; room < 10; room++) {
      for (let id = 0; id < 100; id++) holds.refuse(`room-${room}`, `m${id}`);
    }
    expect(holds.ids).toBeLessThanOrEqual(20);
    for (let room = 0; room < 10; room++) {
      expect(holds.admits(`room-${room}`, "later")).toBe(false);
      expect(holds.admits(`room-${room}`, "m0")).toBe(true);
    }
    expect(holds.ids).toBe(0);
    for (let room = 0; room < 1_000; room++) holds.refuse(`room-${room}`, "m");
    expect(holds.ids).toBe(10);
  });
});

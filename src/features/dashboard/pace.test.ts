import { describe, expect, it } from "vitest";
import { createFakeClock } from "../../testing/index.ts";
import { Pace } from "./pace.ts";

describe("a pace", () => {
  it("gives twice as many at once, then so many per second, and says how long to wait", async () => {
    const clock = createFakeClock();
    const pace = new Pace(10, clock);
    expect(pace.take(20)).toBe(0);
    expect(pace.take(1)).toBe(100);
    await clock.advance(500);
    expect(pace.take(5)).toBe(0);
    expect(pace.take(5)).toBe(500);
    await clock.advance(60_000);
    expect(pace.take(20)).toBe(0);
    expect(pace.take(1)).toBeGreaterThan(0);
  });

  it("lets more through than it ever holds when it is full, and has it paid for afterwards", async () => {
    const clock = createFakeClock();
    const pace = new Pace(10, clock);
    expect(pace.take(50)).toBe(0);
    await clock.advance(3_000);
    expect(pace.take(1)).toBeGreaterThan(0);
    await clock.advance(1_000);
    expect(pace.take(1)).toBe(0);
  });

  it("is no limit when it is 0", () => {
    const pace = new Pace(0, createFakeClock());
    for (let turn = 0; turn < 1_000; turn++) expect(pace.take(1_000)).toBe(0);
  });
});

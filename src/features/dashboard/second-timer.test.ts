import { describe, expect, it } from "vitest";
import { createFakeClock } from "../../testing/index.ts";
import { everySecond } from "./second-timer.ts";

const START = Date.UTC(2024, 0, 1);

describe("every second", () => {
  it("is at the full seconds of the wall clock, and does not drift", async () => {
    const clock = createFakeClock(START + 123);
    const seconds: number[] = [];
    const ran: number[] = [];
    const stop = everySecond(clock, (t) => {
      seconds.push(t - START);
      ran.push(clock.now() - START);
    });
    for (let step = 0; step < 137; step++) await clock.advance(73);
    expect(seconds).toEqual(Array.from({ length: seconds.length }, (_, index) => (index + 1) * 1_000));
    expect(ran).toEqual(seconds);
    expect(seconds.at(-1)).toBe(10_000);
    stop();
    await clock.advance(5_000);
    expect(seconds).toHaveLength(10);
    expect(clock.pendingTimers).toBe(0);
  });

  it("leaves out what was slept through, and repeats nothing when the clock is set back", async () => {
    const clock = createFakeClock(START);
    const seconds: number[] = [];
    everySecond(clock, (t) => seconds.push((t - START) / 1_000));
    await clock.advance(1_000);
    clock.shiftWallClock(7_400);
    await clock.advance(2_000);
    clock.shiftWallClock(-700);
    await clock.advance(2_000);
    expect(new Set(seconds).size).toBe(seconds.length);
    expect(seconds.slice(0, 2)).toEqual([1, 9]);
  });
});

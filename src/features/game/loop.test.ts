import { describe, expect, it } from "vitest";
import { createFakeClock } from "../../testing/fake-clock.ts";
import { Loop } from "./loop.ts";

function running(perSecond = 60) {
  const clock = createFakeClock();
  const told = { steps: 0, batches: 0, lost: 0 };
  const loop = new Loop({
    clock,
    perSecond,
    step: () => void told.steps++,
    stepped: () => void told.batches++,
    lost: (steps) => {
      told.lost += steps;
    },
  });
  loop.start();
  return { clock, told, loop };
}

describe("the loop", () => {
  it("steps as often as it should, without drifting", async () => {
    const { clock, told } = running();
    for (let second = 0; second < 10; second++) await clock.advance(1_000);
    expect(told.steps).toBeGreaterThanOrEqual(599);
    expect(told.steps).toBeLessThanOrEqual(601);
    expect(told.lost).toBe(0);
  });

  it("makes up for a short delay, and not for a long one", async () => {
    // Time that passes in one leap, as in a process that was held up.
    let now = 0;
    const timers: (() => void)[] = [];
    const told = { steps: 0, batches: 0, lost: 0 };
    const loop = new Loop({
      clock: {
        now: () => now,
        monotonic: () => now,
        setTimer(run) {
          timers.push(run);
          return { cancel: () => {} };
        },
      },
      perSecond: 50,
      step: () => void told.steps++,
      stepped: () => void told.batches++,
      lost: (steps) => {
        told.lost += steps;
      },
    });
    loop.start();
    const leap = (ms: number): void => {
      now += ms;
      timers.shift()!();
    };
    leap(60);
    expect(told).toEqual({ steps: 3, batches: 1, lost: 0 });
    leap(1_000);
    expect(told.steps).toBe(8);
    expect(told.lost).toBe(45);
    leap(20);
    expect(told.steps).toBe(9);
  });

  it("stops, also from inside a step", async () => {
    const clock = createFakeClock();
    let steps = 0;
    const loop: Loop = new Loop({
      clock,
      perSecond: 60,
      step() {
        steps++;
        loop.stop();
      },
      stepped: () => {},
      lost: () => {},
    });
    loop.start();
    loop.start();
    await clock.advance(500);
    expect(steps).toBe(1);
    expect(loop.isRunning).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });
});

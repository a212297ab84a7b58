import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { watchStalls } from "./stall-watch.ts";

describe("a watch for stalls", () => {
  const stalls: number[] = [];
  let stop: () => void;

  beforeEach(() => {
    vi.useFakeTimers();
    stalls.length = 0;
    stop = watchStalls({ stalled: (ms) => void stalls.push(ms) });
  });

  afterEach(() => {
    stop();
    vi.useRealTimers();
  });

  /** Time goes on, and no timer runs. */
  const block = (ms: number): void => {
    const now = performance.now() + ms;
    vi.spyOn(performance, "now").mockImplementationOnce(() => now);
  };

  it("tells how long nothing ran, once for each time", () => {
    vi.advanceTimersByTime(10_000);
    expect(stalls).toEqual([]);
    block(2_250);
    vi.advanceTimersByTime(250);
    expect(stalls).toEqual([expect.closeTo(2_000, -2)]);
  });

  it("takes a short delay for what it is", () => {
    block(400);
    vi.advanceTimersByTime(250);
    expect(stalls).toEqual([]);
  });

  it("looks no more when it is stopped", () => {
    stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

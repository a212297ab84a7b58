import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Fold, RESOLUTIONS, type Resolution, SeriesGrid } from "./series-grid.ts";

/** A full minute. */
const START = Date.UTC(2025, 0, 1, 12, 0, 0);

interface Set {
  readonly name: string;
  readonly t: number;
  readonly value: number | null;
}

/** Everything that was set, and answers counted anew from all of it. */
class Recount {
  readonly #seconds = new Map<string, Map<number, number | null>>();
  #head = -1;

  set({ name, t, value }: Set): void {
    const second = Math.floor(t / 1_000);
    if (second <= this.#head - RESOLUTIONS["1s"].slots) return;
    this.#head = Math.max(this.#head, second);
    const ofSeries = this.#seconds.get(name) ?? new Map<number, number | null>();
    this.#seconds.set(name, ofSeries.set(second, value));
  }

  at(name: string, t: number): number | null {
    const second = Math.floor(t / 1_000);
    return second <= this.#head - RESOLUTIONS["1s"].slots ? null : (this.#seconds.get(name)?.get(second) ?? null);
  }

  /** What the slots of a resolution amount to, by the time they begin. */
  folds(name: string, resolution: Resolution): Map<number, Fold> {
    const { stepMs } = RESOLUTIONS[resolution];
    const slots = new Map<number, number[]>();
    for (const [second, value] of this.#seconds.get(name) ?? []) {
      if (value === null) continue;
      const t = Math.floor((second * 1_000) / stepMs) * stepMs;
      slots.set(t, [...(slots.get(t) ?? []), value]);
    }
    return new Map(
      Array.from(slots, ([t, values]) => [
        t,
        {
          min: Math.min(...values),
          max: Math.max(...values),
          avg: values.reduce((sum, one) => sum + one) / values.length,
        },
      ]),
    );
  }
}

/** Steps in time, mostly onwards, at times back, at times far. */
const steps = fc.array(
  fc.record({
    name: fc.constantFrom("cpu", "memory", "orders"),
    aheadMs: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
      { weight: 2, arbitrary: fc.integer({ min: -20_000, max: 0 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 3 * 3_600_000 }) },
    ),
    value: fc.option(fc.integer({ min: -1_000, max: 1_000 }), { freq: 8 }),
  }),
  { minLength: 1, maxLength: 300 },
);

describe("a grid of series", () => {
  it("holds in every slot what a recount of everything that was set gives", () => {
    fc.assert(
      fc.property(steps, (given) => {
        const grid = new SeriesGrid();
        const recount = new Recount();
        let t = START;
        for (const { name, aheadMs, value } of given) {
          t += aheadMs;
          grid.set(name, t, value);
          recount.set({ name, t, value });
        }
        for (const name of grid.series) {
          const seconds = grid.times("1s");
          expect(seconds.map((at) => grid.at(name, at))).toEqual(seconds.map((at) => recount.at(name, at)));
          for (const resolution of ["10s", "1m"] as const) {
            const folds = recount.folds(name, resolution);
            const times = grid.times(resolution);
            // Whole numbers: the order in which they are added does not matter.
            expect(times.map((at) => grid.foldAt(name, resolution, at))).toEqual(
              times.map((at) => folds.get(at) ?? null),
            );
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it("takes the same memory however much is set", () => {
    const grid = new SeriesGrid();
    grid.set("cpu", START, 1);
    const { bytes } = grid;
    for (let second = 0; second < 100_000; second++) grid.set("cpu", START + second * 1_000, second);
    expect(grid.bytes).toBe(bytes);
    expect(bytes).toBe(48_000);
    expect(grid.times("1s")).toHaveLength(600);
    expect(grid.times("10s")).toHaveLength(360);
    expect(grid.times("1m")).toHaveLength(1_440);
  });

  it("has the last value of a second, and null where there was none", () => {
    const grid = new SeriesGrid();
    grid.set("cpu", START, 1);
    grid.set("cpu", START + 900, 2);
    grid.set("cpu", START + 3_000, 3);
    grid.set("cpu", START + 4_000, 4);
    grid.set("cpu", START + 4_001, null);
    expect(grid.times("1s").map((t) => grid.at("cpu", t))).toEqual([2, null, null, 3, null]);
    expect(grid.times("1s", 2)).toEqual([START + 3_000, START + 4_000]);
    expect(grid.foldAt("cpu", "10s", START)).toEqual({ min: 2, max: 3, avg: 2.5 });
  });

  it("knows no values of series that are set for the first time, or not at all", () => {
    const grid = new SeriesGrid();
    expect(grid.newestAt).toBeNull();
    expect(grid.times("1s")).toEqual([]);
    grid.set("cpu", START, 1);
    grid.set("memory", START + 1_000, 2);
    expect(grid.at("memory", START)).toBeNull();
    expect(grid.at("nothing", START)).toBeNull();
    expect(grid.foldAt("nothing", "1m", START)).toBeNull();
    expect(grid.newestAt).toBe(START + 1_000);
  });

  it("refuses seconds it no longer keeps, and folds late ones anew", () => {
    const grid = new SeriesGrid();
    grid.set("cpu", START, 1);
    grid.set("cpu", START + 60_000, 1);
    expect(grid.set("cpu", START + 5_000, 9)).toBe(true);
    expect(grid.foldAt("cpu", "10s", START)).toEqual({ min: 1, max: 9, avg: 5 });
    expect(grid.foldAt("cpu", "1m", START)).toEqual({ min: 1, max: 9, avg: 5 });
    expect(grid.set("cpu", START + 60_000 - 600_000, 9)).toBe(false);
  });

  it("goes on from folds that somebody else made", () => {
    const grid = new SeriesGrid({ "1s": 60, "10s": 360, "1m": 0 });
    for (let slot = 0; slot < 400; slot++) {
      grid.setFold("cpu", "10s", START + slot * 10_000, { min: slot, max: slot + 2, avg: slot + 1 });
    }
    const now = START + 400 * 10_000;
    grid.set("cpu", now, 5);
    grid.set("cpu", now + 1_000, 7);
    grid.set("cpu", now + 10_000, 1);
    const times = grid.times("10s");
    expect(times).toHaveLength(360);
    expect(grid.foldAt("cpu", "10s", now - 10_000)).toEqual({ min: 399, max: 401, avg: 400 });
    expect(grid.foldAt("cpu", "10s", now)).toEqual({ min: 5, max: 7, avg: 6 });
    expect(grid.foldAt("cpu", "10s", START)).toBeNull();
    expect(grid.times("1m")).toEqual([]);
  });

  it("forgets a series, and knows one that has only gaps", () => {
    const grid = new SeriesGrid();
    grid.set("cpu", START, 1);
    grid.set("memory", START, 1);
    grid.set("memory", START, null);
    expect(grid.isEmpty("cpu")).toBe(false);
    expect(grid.isEmpty("memory")).toBe(true);
    grid.drop("cpu");
    expect(grid.series).toEqual(["memory"]);
    grid.set("memory", START + 2 * 86_400_000, 1);
    expect(grid.times("1s").filter((t) => grid.at("memory", t) !== null)).toHaveLength(1);
  });
});

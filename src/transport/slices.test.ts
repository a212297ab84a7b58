import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Slices } from "./slices.ts";

describe("work in slices", () => {
  let now: number;
  let done: number[];
  let slices: Slices;
  const work = (n: number, costMs: number) =>
    slices.run(() => {
      done.push(n);
      now += costMs;
      return n;
    });

  beforeEach(() => {
    now = 1_000;
    done = [];
    slices = new Slices(5);
    vi.spyOn(performance, "now").mockImplementation(() => now);
  });

  afterEach(() => vi.restoreAllMocks());

  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it("does what comes alone at once", () => {
    void work(1, 1);
    expect(done).toEqual([1]);
  });

  it("gives what the work gives, and what it throws", async () => {
    expect(await work(1, 1)).toBe(1);
    const failing = slices.run(() => {
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await work(2, 1)).toBe(2);
  });

  it("does as much as fits into 5 ms of a turn, and the rest in the next ones, in order", async () => {
    for (let n = 1; n <= 8; n++) void work(n, 2);
    expect(done).toEqual([1, 2, 3]);
    expect(slices.waiting).toBe(5);
    await turn();
    expect(done).toEqual([1, 2, 3, 4, 5, 6]);
    void work(9, 2);
    await turn();
    expect(done).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(slices.waiting).toBe(0);
    await turn();
    void work(10, 1);
    expect(done.at(-1)).toBe(10);
  });

  it("starts nothing before what waits, and nothing beyond the time of a turn", async () => {
    expect(slices.mayStart()).toBe(true);
    now += 4;
    expect(slices.mayStart()).toBe(true);
    now += 1;
    expect(slices.mayStart()).toBe(false);
    slices.later(() => done.push(1));
    expect(slices.mayStart()).toBe(false);
    expect(done).toEqual([]);
    await turn();
    expect(done).toEqual([1]);
    expect(slices.mayStart()).toBe(true);
  });

  it("keeps nothing of what was done, though something waits at all times", async () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    /** Work that fills a turn, and holds an object. */
    const later = (): WeakRef<object> => {
      const held = { costMs: 5 };
      slices.later(() => {
        now += held.costMs;
      });
      return new WeakRef(held);
    };
    const first = later();
    for (let n = 0; n < 8; n++) later();
    for (let n = 0; n < 20; n++) {
      later();
      await turn();
      expect(slices.waiting).toBeGreaterThan(0);
    }
    gc();
    expect(first.deref()).toBeUndefined();
  });
});

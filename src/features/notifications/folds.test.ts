import { describe, expect, it } from "vitest";
import { Folds } from "./folds.ts";
import type { Folded, LogFold } from "./log-fold.ts";

/** A fold of a size that a test sets. */
class FakeFold {
  readonly state = { size: 0 };
  isIdle = true;

  run<T>(work: () => Promise<T>): Promise<T> {
    this.isIdle = false;
    return work().finally(() => {
      this.isIdle = true;
    });
  }
}

describe("folds in memory", () => {
  const create = (most: { count: number; size: number }) => {
    const made: string[] = [];
    const folds = new Folds<Folded>((userId) => {
      made.push(userId);
      return new FakeFold() as unknown as LogFold<Folded>;
    }, most);
    const use = (userId: string, size: number) =>
      folds.run(userId, async (fold) => {
        (fold as unknown as FakeFold).state.size = size;
      });
    const known = () => [...folds.entries()].map(([userId]) => userId);
    return { folds, made, use, known };
  };

  it("are bounded by count: the longest unused leaves", async () => {
    const { use, known, made } = create({ count: 2, size: 100 });
    await use("a", 1);
    await use("b", 1);
    await use("a", 1);
    await use("c", 1);
    expect(known()).toEqual(["a", "c"]);
    await use("b", 1);
    expect(made).toEqual(["a", "b", "c", "b"]);
  });

  it("are bounded by size, as it is after each use", async () => {
    const { use, known } = create({ count: 10, size: 100 });
    await use("a", 60);
    await use("b", 60);
    expect(known()).toEqual(["b"]);
    await use("b", 10);
    await use("c", 80);
    expect(known()).toEqual(["b", "c"]);
  });

  it("stay while they are in use", async () => {
    const { folds, use, known } = create({ count: 1, size: 100 });
    let finish = () => {};
    const long = folds.run("a", () => new Promise<void>((resolve) => (finish = resolve)));
    await use("b", 1);
    expect(known()).toEqual(["a"]);
    await use("c", 1);
    finish();
    await long;
    expect(known()).toEqual(["a"]);
  });

  it("lose no count of what they hold, whoever leaves in the middle of whatever", async () => {
    const { folds, use, known } = create({ count: 3, size: 100 });
    for (let round = 0; round < 200; round++) {
      await Promise.all(Array.from({ length: 7 }, (_, index) => use(`u${(round + index) % 11}`, 5)));
    }
    await Promise.all(known().map((userId) => use(userId, 0)));
    await use("x", 100);
    await use("y", 0);
    // With a wrong sum the large one would have had to go, or there would be room for a second.
    expect(known()).toContain("x");
    await use("z", 1);
    expect(known()).not.toContain("x");
    expect(folds.count).toBeLessThanOrEqual(3);
  });
});

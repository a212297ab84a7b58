import { describe, expect, it } from "vitest";
import { checkHistory } from "../../src/testing/checker.ts";
import { formatHistory, parseHistory } from "../../src/testing/history.ts";
import { modelHistory } from "./model-history.ts";
import { MUTATIONS } from "./mutations.ts";
import { seededRandom } from "./random.ts";

const SEEDS = Array.from({ length: 60 }, (_, index) => index + 1);

describe("the checker", () => {
  it.each(SEEDS)("accepts a right history (seed %i)", (seed) => {
    const verdict = checkHistory(modelHistory(seed));
    expect(verdict.examples).toEqual([]);
    expect(verdict.ok).toBe(true);
    expect(verdict.counts.delivered).toBeGreaterThan(100);
  });

  it("is given histories with everything in them", () => {
    const all = SEEDS.map((seed) => checkHistory(modelHistory(seed)).counts);
    for (const count of ["duplicates", "refused", "unknownInLog", "losses"] as const) {
      expect(all.some((counts) => counts[count] > 1)).toBe(true);
    }
  });

  it.each(MUTATIONS)("catches: $name", ({ apply, caughtAs }) => {
    let applied = 0;
    for (const seed of SEEDS) {
      const mutated = apply(modelHistory(seed), seededRandom(seed));
      if (mutated === null) continue;
      applied++;
      const { ok, violations, examples } = checkHistory(mutated);
      expect(ok, `seed ${seed}`).toBe(false);
      const found = caughtAs.some((kind) => violations[kind] !== undefined);
      expect(found, `seed ${seed}: ${examples.join("; ")}`).toBe(true);
    }
    expect(applied).toBeGreaterThan(SEEDS.length / 4);
  });

  it("says the same of a history that was written down and read", () => {
    const history = modelHistory(1);
    const text = formatHistory(history);
    expect(parseHistory(text)).toEqual(history);
    expect(parseHistory(`${text}{"kind":"sen`)).toEqual(history);
  });
});

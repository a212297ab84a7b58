import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { PLANS } from "./system/plan.ts";
import { runPlan } from "./system/run.ts";

/** `npm run test:faults` has the long form, and those that lose data. */
const plan = PLANS.short;
const directory = fileURLToPath(new URL(`../../test-results/faults/${plan.name}-${plan.seed}/`, import.meta.url));

describe("three nodes behind nginx on one Redis, with clients on every transport", () => {
  it(
    "[case 51] [case 53] [case 54] RES-1, ACK-2, ACK-3, ACK-4: lose, repeat and reorder nothing, whatever is killed, stopped or cut off",
    async () => {
      const { seed, complaints, examples, violations, counts, kills, partitions, ...rest } = await runPlan(
        plan,
        directory,
        process.env.TEST_LOG === "1" ? console.info : undefined,
      );
      console.info(
        `faults: seed ${seed}, ${counts.acked} acked, ${counts.duplicates} duplicates, ${counts.delivered} delivered, ${kills} kills, ${partitions} partitions, ${rest.otherFaults} other faults, ${rest.loadSeconds} of ${rest.wholeSeconds} s, violations ${JSON.stringify(violations)}`,
      );
      expect(complaints).toEqual([]);
      expect(examples).toEqual([]);
      expect(violations).toEqual({});
      expect(counts.acked).toBeGreaterThanOrEqual(plan.acked);
      expect(counts.losses).toBe(0);
      expect(kills).toBeGreaterThanOrEqual(15);
      expect(partitions).toBeGreaterThanOrEqual(10);
    },
    plan.longestMs + 5 * 60_000,
  );
});

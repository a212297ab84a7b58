import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { PLANS, type RunPlan } from "./system/plan.ts";
import { runPlan } from "./system/run.ts";

/** `npm run test:faults` has the long form, and those that lose data. */
const plan = PLANS.short;
/** As much of the control as shows that the harness sees losses. */
const control = {
  ...PLANS.control,
  acked: 3_000,
  reachMs: 1_000,
  faults: { "node killed": 2, "nginx killed": 1, "clients cut off": 1 },
} as const satisfies RunPlan;

const say = process.env.TEST_LOG === "1" ? console.info : undefined;

function directoryOf({ name, seed }: RunPlan): string {
  return fileURLToPath(new URL(`../../test-results/faults/${name}-${seed}/`, import.meta.url));
}

describe("three nodes behind nginx on one Redis, with clients on every transport", () => {
  it(
    "[case 51] [case 53] [case 54] RES-1, ACK-2, ACK-3, ACK-4: lose, repeat and reorder nothing, whatever is killed, stopped or cut off",
    async () => {
      const { seed, complaints, examples, violations, counts, kills, partitions, ...rest } = await runPlan(
        plan,
        directoryOf(plan),
        say,
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

describe("the harness", () => {
  it(
    "finds what a system loses that does lose: Socket.IO with its Redis adapter",
    async () => {
      const { counts, deliveries, violations } = await runPlan(control, directoryOf(control), say);
      console.info(`control: ${counts.acked} acked, ${deliveries.missing} of ${deliveries.owed} deliveries never came`);
      expect(counts.acked).toBeGreaterThanOrEqual(control.acked);
      expect(deliveries.missing).toBeGreaterThan(0);
      expect(violations.gap ?? 0).toBeGreaterThan(0);
      // What it stored it stored well: the losses are those of the way to the readers.
      expect(violations.lost).toBeUndefined();
    },
    control.longestMs + 60_000,
  );
});

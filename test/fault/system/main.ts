/** `npm run test:faults`: runs a plan and says what it found. */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { PLANS, type PlanName } from "./plan.ts";
import { writeReport } from "./report.ts";
import { runPlan } from "./run.ts";

const { values } = parseArgs({
  options: {
    plan: { type: "string", default: "short" },
    seed: { type: "string" },
    acked: { type: "string" },
    rate: { type: "string" },
    report: { type: "boolean", default: false },
    calm: { type: "boolean", default: false },
  },
});

const base = PLANS[values.plan as PlanName];
const plan = {
  ...base,
  ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
  ...(values.rate === undefined ? {} : { ratePerSecond: Number(values.rate) }),
  // Without faults, to see what the load alone costs.
  ...(values.calm ? { faults: {} } : {}),
  ...(values.acked === undefined ? {} : { acked: Number(values.acked) }),
};
// It was compiled to two levels below the root.
const directory = fileURLToPath(new URL(`../../test-results/faults/${plan.name}-${plan.seed}/`, import.meta.url));
console.log(`${plan.name}, seed ${plan.seed}: ${plan.acked} messages; everything goes to ${directory}`);
const stop = new AbortController();
// Whoever ends it early is told what was found so far, and nothing that was started stays.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
const verdict = await runPlan(plan, directory, console.log, stop.signal);
console.log(JSON.stringify(verdict, null, 2));
if (values.report) {
  const page = fileURLToPath(new URL("../../docs/reference/faults.md", import.meta.url));
  await writeReport(`${directory}verdict.json`, page);
  console.log(`docs/reference/faults.md has it now.`);
}
const isRight = plan.participants === "yamabiko" ? verdict.ok : verdict.deliveries.missing > 0;
console.log(isRight ? "As it should be." : "NOT as it should be.");
process.exit(isRight ? 0 : 1);

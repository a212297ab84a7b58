// npm run check: everything that can be said about the code without running a server. Stops at the first failure.
// `node scripts/check.mjs types layers` runs only those.

import { existsSync } from "node:fs";
import { bin, ROOT, run, runStep, StepFailed } from "./steps.mjs";

/** The steps by name, in order. */
export const CHECKS = {
  format: [
    "Format and lint",
    () => run(bin("biome"), ["check", "--diagnostic-level=warn", "--error-on-warnings", "."]),
  ],
  types: [
    "Types",
    async () => {
      await run(bin("tsc"), ["--noEmit"]);
      if (existsSync(`${ROOT}playground/tsconfig.json`)) {
        await run(bin("tsc"), ["--noEmit", "-p", "playground/tsconfig.json"]);
      }
    },
  ],
  layers: ["Layers", () => run(bin("depcruise"), ["--config", ".dependency-cruiser.cjs", "src"])],
  docs: ["Docs against code", () => run(bin("vitest"), ["run", "--reporter=dot", "test/docs"], { env: { CI: "1" } })],
  unit: [
    "Unit tests",
    () => run(bin("vitest"), ["run", "--reporter=dot", "src", "test/contract", "test/features/chat"]),
  ],
};

/** Runs the named checks. */
export async function check(names) {
  for (const name of names) {
    const entry = CHECKS[name];
    if (entry === undefined) throw new Error(`There is no check ${name}. Checks: ${Object.keys(CHECKS).join(", ")}`);
    await runStep(...entry);
  }
}

if (import.meta.filename === process.argv[1]) {
  const names = process.argv.slice(2);
  try {
    await check(names.length > 0 ? names : Object.keys(CHECKS));
  } catch (error) {
    if (!(error instanceof StepFailed)) console.error(error.message);
    process.exitCode = 1;
  }
}

// npm run test:faults: the whole system under faults. Without a word the short form; --long, --recovery, --loss and --control are
// the other plans; --seed N repeats a run; --report writes what it found into docs/reference/faults.md; --parts runs the long
// forms of the other fault tests.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { build } from "esbuild";
import { bin, ROOT, run } from "./steps.mjs";

const PLANS = ["short", "long", "recovery", "loss", "control"];
const words = process.argv.slice(2);
const plan = PLANS.find((name) => words.includes(`--${name}`));
const rest = words.filter((word) => !PLANS.includes(word.replace(/^--/, "")));

if (rest.includes("--parts")) {
  const args = ["run", "--no-file-parallelism", "test/fault"];
  process.exit(await run(bin("vitest"), args, { env: { TEST_FAULT: "full" }, mayFail: true }));
}

mkdirSync(`${ROOT}.cache`, { recursive: true });
const directory = mkdtempSync(`${ROOT}.cache/faults-`);
try {
  await build({
    entryPoints: [`${ROOT}test/fault/system/main.ts`],
    outdir: directory,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "warning",
  });
  const args = ["--max-old-space-size=8192", `${directory}/main.js`, "--plan", plan ?? "short", ...rest];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: "inherit" });
  // It ends by itself when it is told to, and takes along what it started.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  const [code] = await once(child, "exit");
  process.exitCode = code ?? 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

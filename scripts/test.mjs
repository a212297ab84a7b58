// npm test: finds or installs what the tests need, builds, checks, runs every test with coverage, and weighs the client.
// The last line is `N passed, N failed`.

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { CHECKS } from "./check.mjs";
import { bin, ROOT, run, runStep, StepFailed } from "./steps.mjs";

const REPORT = `${ROOT}test-results/vitest.json`;
/** Files of test/fault that are run one after the other, after the rest: they need the machine for themselves. */
const ALONE = "test/fault";

/** What tests need of the machine: how it is found, and the Debian package that has it. */
const NEEDS = [
  {
    what: "Chromium",
    package: "chromium",
    isThere: () => existsSync(process.env.CHROMIUM_PATH ?? "/usr/bin/chromium"),
    remedy: "or name one with CHROMIUM_PATH",
  },
  {
    what: "Python with websockets",
    package: "python3-websockets",
    isThere: async () =>
      (await run("/usr/bin/python3", ["-c", "import websockets"], { mayFail: true, quiet: true })) === 0,
    remedy: "for /usr/bin/python3",
  },
  {
    what: "Redis 7",
    package: "redis-server",
    isThere: async () =>
      (await run(process.env.REDIS_SERVER_PATH ?? "redis-server", ["--version"], { mayFail: true, quiet: true })) === 0,
    remedy: "or name one with REDIS_SERVER_PATH",
  },
  {
    what: "PostgreSQL",
    package: "postgresql",
    isThere: () => process.env.POSTGRES_BIN !== undefined || existsSync("/usr/lib/postgresql"),
    remedy: "or name the directory of its programs with POSTGRES_BIN",
  },
  {
    what: "nginx",
    package: "nginx",
    isThere: () => existsSync(process.env.NGINX_PATH ?? "/usr/sbin/nginx"),
    remedy: "or name one with NGINX_PATH",
  },
];

async function findNeeds() {
  const missing = [];
  for (const need of NEEDS) if (!(await need.isThere())) missing.push(need);
  if (missing.length === 0) return;
  const packages = missing.map((need) => need.package);
  const names = missing.map((need) => need.what).join(" and ");
  if (process.getuid?.() === 0 && isInPath("apt-get")) {
    console.log(`Installing ${packages.join(" ")}`);
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-qq"], { env });
    await withoutStarting(() =>
      run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { env }),
    );
    return;
  }
  console.error(`The tests need ${names}. Install it: sudo apt-get install ${packages.join(" ")}`);
  for (const need of missing) console.error(`  (${need.what}: ${need.remedy})`);
  throw new StepFailed("needs");
}

/** Installs without starting services: the tests start their own. */
async function withoutStarting(install) {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return install();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await install();
  } finally {
    rmSync(policy);
  }
}

function isInPath(name) {
  return (process.env.PATH ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function build() {
  rmSync(`${ROOT}dist`, { recursive: true, force: true });
  await run(bin("tsc"), ["-p", "tsconfig.build.json"]);
  if (existsSync(`${ROOT}playground/vite.config.ts`)) {
    await run(bin("vite"), ["build", "--logLevel", "warn", "--config", "playground/vite.config.ts", "playground"]);
    await run(bin("vite"), ["build", "--logLevel", "warn", "--config", "playground/console/vite.config.ts"]);
  }
}

/** Runs vitest over `paths`; resolves to what its report counts. A run without a report counts as one failure. */
async function vitest(args) {
  rmSync(REPORT, { force: true });
  const code = await run(
    bin("vitest"),
    ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${REPORT}`, ...args],
    { env: { CI: "1" }, mayFail: true },
  );
  if (!existsSync(REPORT)) return { passed: 0, failed: 1 };
  const report = JSON.parse(readFileSync(REPORT, "utf8"));
  // A file that cannot even be loaded has no tests that failed, and errors outside of tests fail only the run.
  const unloaded = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  const failed = report.numFailedTests + unloaded.length;
  return { passed: report.numPassedTests, failed: code !== 0 && failed === 0 ? 1 : failed };
}

const total = { passed: 0, failed: 0 };
const add = ({ passed, failed }) => {
  total.passed += passed;
  total.failed += failed;
  if (failed > 0) throw new StepFailed("tests");
};
const start = performance.now();
/** Runs a step and goes on when it fails: one failure more, unless the step has counted its own. */
const attempt = async (title, step) => {
  const before = total.failed;
  try {
    await runStep(title, step);
  } catch {
    if (total.failed === before) total.failed++;
  }
};
const hasFaults = () =>
  existsSync(`${ROOT}${ALONE}`) && readdirSync(`${ROOT}${ALONE}`).some((name) => name.endsWith(".test.ts"));

try {
  mkdirSync(`${ROOT}test-results`, { recursive: true });
  await runStep("What the tests need", findNeeds);
  for (const name of ["format", "types", "layers"]) await attempt(...CHECKS[name]);
  await runStep("Build", build);
  await attempt("Tests, with the coverage of src", async () =>
    add(await vitest(["--coverage", `--exclude=${ALONE}/**`])),
  );
  if (hasFaults()) await attempt("Faults", async () => add(await vitest(["--no-file-parallelism", ALONE])));
  await attempt("Size of the client", () => run(process.execPath, ["scripts/client-size.mjs"]));
} catch (error) {
  if (!(error instanceof StepFailed)) console.error(error);
  total.failed++;
}
console.log(`\nTook ${Math.round((performance.now() - start) / 1000)} s`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;

// npm run test:attack: every test that shows a row of docs/reference/attacks.md, and which rows it showed. `--long` is the long form:
// 100,000 connections that break off, and a neighbour whose latency is held to 100 ms. What else is said goes to vitest.

import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { bin, ROOT, run } from "./steps.mjs";

const CITATION = /\[(case|article) (\d+)\]/g;
const REPORT = `${ROOT}test-results/attacks.json`;
const words = process.argv.slice(2);
const isLong = words.includes("--long");

const files = ["src", "test"].flatMap((directory) =>
  readdirSync(`${ROOT}${directory}`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `${directory}/${name}`)
    .filter((name) => readFileSync(ROOT + name, "utf8").search(/\[(?:case|article) \d+\]/) !== -1),
);
mkdirSync(`${ROOT}test-results`, { recursive: true });
rmSync(REPORT, { force: true });
const code = await run(
  bin("vitest"),
  [
    ...["run", "--no-file-parallelism", "--reporter=default", "--reporter=json", `--outputFile.json=${REPORT}`],
    ...["-t", "\\[(case|article) \\d+\\]", ...files, ...words.filter((word) => word !== "--long")],
  ],
  { env: isLong ? { TEST_ATTACK: "full" } : {}, mayFail: true },
);

/** By row: how many of its tests passed, and how many did not. */
const rows = new Map();
for (const { assertionResults } of JSON.parse(readFileSync(REPORT, "utf8")).testResults) {
  for (const { fullName, status } of assertionResults) {
    for (const [, what, id] of fullName.matchAll(CITATION)) {
      const row = rows.get(`${what} ${id}`) ?? { passed: 0, failed: 0 };
      rows.set(`${what} ${id}`, row);
      if (status === "passed") row.passed++;
      else if (status === "failed") row.failed++;
    }
  }
}
const shown = [...rows].filter(([, { passed, failed }]) => passed > 0 && failed === 0).map(([id]) => id);
const failed = [...rows].filter(([, row]) => row.failed > 0).map(([id]) => id);
const count = (what) => shown.filter((id) => id.startsWith(what)).length;
console.log(`\n${count("case")} of 60 cases and ${count("article")} of 6 defects of the article were tried and held.`);
if (failed.length > 0) console.log(`These did not hold: ${failed.join(", ")}`);
process.exitCode = code;

import { execFile } from "node:child_process";
import { access, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { logContract } from "../../src/testing/log-contract.ts";
import { sqliteHarness, sqliteTraits } from "./sqlite-harness.ts";

/**
 * The contract over the SQLite inside Node. Where this Node has none, the same file is run again by one that has: the
 * one `TEST_NODE22` names, else Node 22 from the npm registry, kept in `.cache/`.
 */
if (process.getBuiltinModule?.("node:sqlite") !== undefined) {
  logContract("sqlite, node:sqlite, full", () => sqliteHarness({ driver: "node" }), sqliteTraits);
} else {
  it("keeps the contract under Node 22", { timeout: 300_000 }, async () => {
    const node = await findNode();
    const { stdout: version } = await run(node, ["--version"]);
    expect(Number.parseInt(version.slice(1), 10)).toBeGreaterThanOrEqual(22);
    const file = "test/contract/log-node-sqlite.test.ts";
    const vitest = ["node_modules/vitest/vitest.mjs", "run", file, "--reporter=json"];
    const { stdout } = await run(node, vitest, { cwd: root }).catch((error: { stdout: string }) => error);
    const report = JSON.parse(stdout.slice(stdout.indexOf("{"))) as Report;
    const failures = report.testResults
      .flatMap((result) => result.assertionResults)
      .filter((result) => result.status !== "passed")
      .map((result) => `${result.fullName}\n${result.failureMessages.join("\n")}`);
    expect(failures).toEqual([]);
    expect(report.success).toBe(true);
    expect(report.numPassedTests).toBeGreaterThan(40);
  });
}

interface Report {
  success: boolean;
  numPassedTests: number;
  testResults: { assertionResults: { status: string; fullName: string; failureMessages: string[] }[] }[];
}

const root = fileURLToPath(new URL("../..", import.meta.url));

async function run(command: string, words: string[], options: { cwd?: string } = {}): Promise<{ stdout: string }> {
  return promisify(execFile)(command, words, { ...options, maxBuffer: 64 * 1024 * 1024 });
}

async function findNode(): Promise<string> {
  const named = process.env.TEST_NODE22;
  if (named !== undefined) return named;
  // The npm packages that hold nothing but Node for one system.
  const system = process.platform === "win32" ? "win" : process.platform;
  const name = `node-${system}-${process.arch}`;
  const prefix = `${root}.cache/node22`;
  const node = `${prefix}/node_modules/${name}/bin/${system === "win" ? "node.exe" : "node"}`;
  try {
    await access(node);
  } catch {
    await mkdir(prefix, { recursive: true });
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    await run(npm, ["install", "--prefix", prefix, "--no-save", "--no-package-lock", `${name}@22`], { cwd: prefix });
  }
  return node;
}

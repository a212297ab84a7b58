import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { transformSync } from "esbuild";
import { describe, expect, it } from "vitest";

const source = readFileSync(new URL("./young-generation.ts", import.meta.url), "utf8");
/** Calls it, makes much that lives for a while, and prints the size of the young generation, KiB. */
const PROGRAM = `${transformSync(source, { loader: "ts" }).code}
import { getHeapSpaceStatistics } from "node:v8";
keepYoungGenerationSmall(process.execArgv, process.env.NODE_OPTIONS);
let kept = [];
for (let index = 0; index < 400_000; index++) {
  kept.push({ index, more: [index] });
  if (kept.length > 100_000) kept = [];
}
console.log(getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size / 1024);`;

function youngKb(flags: readonly string[], nodeOptions: string): number {
  const args = [...flags, "--input-type=module", "-"];
  const env = { ...process.env, NODE_OPTIONS: nodeOptions };
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env, input: PROGRAM });
  if (!(Number(stdout) > 0)) throw new Error(stderr);
  return Number(stdout);
}

describe("keepYoungGenerationSmall", () => {
  it("keeps it far below what it grows to by itself", () => {
    expect(youngKb([], "")).toBeLessThanOrEqual(8 * 1024);
  });

  it.each<[string, readonly string[], string]>([
    ["a flag", ["--min-semi-space-size=8"], ""],
    ["NODE_OPTIONS", [], "--max-semi-space-size=16"],
  ])("leaves it alone where %s says how large it is", (_name, flags, nodeOptions) => {
    expect(youngKb(flags, nodeOptions)).toBeGreaterThan(8 * 1024);
  });
});

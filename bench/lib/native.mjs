import { spawnSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * Compiles a C program unless it is newer than its sources.
 *
 * @param {string} cache a directory for the program
 * @param {string} name
 * @param {readonly string[]} sources
 * @param {readonly (readonly string[])[]} variants flags for the compiler; the first that work are taken
 * @returns {string | null} the program; null where there is no compiler, or the sources do not compile with it
 */
export function compile(cache, name, sources, variants = [[]]) {
  mkdirSync(cache, { recursive: true });
  const program = join(cache, name);
  if (modifiedAt(program) > Math.max(...sources.map(modifiedAt))) return program;
  const files = sources.filter((source) => source.endsWith(".c"));
  for (const flags of variants) {
    const { status } = spawnSync("cc", ["-O2", "-o", program, ...files, ...flags], { stdio: "ignore" });
    if (status === 0) return program;
  }
  return null;
}

function modifiedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

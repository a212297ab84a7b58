import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Compiles `src/` into a directory of the benchmark's own, so that what is measured is what the sources say and does not
 * change meanwhile. Does nothing when it is newer than the sources.
 *
 * @param {string} cache
 * @returns {string} the compiled files
 */
export function buildYamabiko(cache) {
  const home = join(cache, "yamabiko");
  const dist = join(home, "dist");
  const stamp = join(home, "built");
  const newest = Math.max(...readdirSync(join(root, "src"), { recursive: true, withFileTypes: true }).map(modifiedAt));
  if ((statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0) > newest) return dist;
  mkdirSync(home, { recursive: true });
  const started = new Date();
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", "tsconfig.build.json", "--outDir", dist, "--declaration", "false", "--noCheck"];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) throw new Error("Yamabiko does not compile.");
  copyFileSync(join(root, "package.json"), join(home, "package.json"));
  writeFileSync(stamp, `${started.toISOString()}\n`);
  return dist;
}

function modifiedAt(entry) {
  return statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs;
}

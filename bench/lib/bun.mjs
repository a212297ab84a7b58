import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const VERSION = "1.4.5";

/**
 * Bun, fetched from npm (about 100 MB) into the cache of the benchmark when it is not there yet.
 *
 * @param {string} cache
 * @param {(text: string) => void} say
 * @returns {string | null} the program; null where it cannot be had or does not run
 */
export function findBun(cache, say) {
  const home = join(cache, `bun-${VERSION}`);
  const found = findIn(home);
  if (found !== null) return found;
  say(`Fetching Bun ${VERSION} from npm into bench/.cache (100 MB, once; \`--peers\` without bun avoids it).`);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "package.json"), '{ "private": true }\n');
  const args = ["install", "--prefix", home, "--workspaces=false", "--no-save", "--ignore-scripts", `bun@${VERSION}`];
  spawnSync("npm", args, { cwd: home, stdio: ["ignore", "ignore", "inherit"] });
  const fetched = findIn(home);
  if (fetched === null) say("Bun cannot be had here: it is left out.");
  return fetched;
}

/** The package has the programs of several machines as optional parts: the first that runs. */
function findIn(home) {
  const parts = join(home, "node_modules", "@oven");
  if (!existsSync(parts)) return null;
  const programs = readdirSync(parts).map((part) => join(parts, part, "bin", "bun"));
  return programs.find((program) => spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0) ?? null;
}

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CACHE } from "./programs.mjs";

const LOOK_MS = 1_000;
const lock = join(CACHE, "running");

/**
 * Waits until no other benchmark of this checkout runs: two of them would measure each other.
 *
 * @param {(text: string) => void} say
 */
export async function takeTurn(say) {
  mkdirSync(CACHE, { recursive: true });
  let isTold = false;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      process.once("exit", () => rmSync(lock, { force: true }));
      for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (isStale()) {
      rmSync(lock, { force: true });
      continue;
    }
    if (!isTold) say("Another benchmark is running: waiting until it ends.");
    isTold = true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Whether whoever took the turn is gone without giving it back. */
function isStale() {
  try {
    process.kill(Number(readFileSync(lock, "utf8")), 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

import { readdirSync, readFileSync } from "node:fs";
import type { Server } from "node:http";
import type { Observer } from "../observe/observer.ts";

/** How many descriptors are left for files, the log and other programs, unless that is more than a quarter of all. */
const RESERVE = 64;

/**
 * How many connections a process may have without running out of file descriptors; null where the system does not say.
 * @param taken how many others may need besides, such as another listener.
 */
export function connectionsByDescriptors(taken = 0): number | null {
  try {
    const [, soft = ""] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    if (soft === "") return null;
    const all = Number(soft);
    const open = readdirSync("/proc/self/fd").length;
    return Math.max(1, all - open - Math.min(RESERVE, Math.floor(all / 4)) - taken);
  } catch {
    return null;
  }
}

/**
 * Turns connections away before the process runs out of descriptors: without one for itself it could not even write what it has
 * acknowledged. Those that are there stay, and the next is taken when one has gone. Call it when the server listens.
 * @param http a server of our own.
 * @param taken how many connections another listener may have.
 */
export function spareDescriptors(http: Server, observer: Observer, taken: number): void {
  const limit = connectionsByDescriptors(taken);
  if (limit !== null) http.maxConnections = limit;
  http.on("drop", () => {
    observer.failure(
      "accepting connections",
      new Error(`There are file descriptors for ${limit} connections. Raise the limit of open files (ulimit -n).`),
    );
  });
  // What the system refuses nevertheless, such as the descriptors of the whole machine, ends nothing.
  http.on("error", (error) => observer.failure("accepting connections", error));
}

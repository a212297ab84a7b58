import { mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { loadDriver } from "../../src/log/sqlite/driver.ts";
import { SqliteLog } from "../../src/log/sqlite/log.ts";
import type { FileSettings } from "../../src/log/sqlite/messages.ts";
import type { SqliteLogOptions } from "../../src/log/sqlite.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import type { LogHarness, LogTraits } from "../../src/testing/log-contract.ts";

export const sqliteTraits: LogTraits = { clock: true, breakable: true, inspectable: true };

/** The worker in one compiled file, which starts much faster than the sources do. It must see `node_modules`. */
const workerFile = fileURLToPath(new URL("../../.cache/test/sqlite-worker.mjs", import.meta.url));
const unfinished = `${workerFile}.${process.pid}`;
await build({
  entryPoints: [fileURLToPath(new URL("../../src/log/sqlite/worker.ts", import.meta.url))],
  outfile: unfinished,
  bundle: true,
  platform: "node",
  format: "esm",
  external: ["better-sqlite3"],
});
await rename(unfinished, workerFile);

/** Starts the compiled worker. */
export function spawnCompiled(settings: FileSettings): Worker {
  return new Worker(workerFile, { workerData: settings });
}

/** A SQLite log in a directory of its own. It breaks when another connection holds the file's write lock. */
export async function sqliteHarness(options: Pick<SqliteLogOptions, "driver" | "synchronous">): Promise<LogHarness> {
  const { driver = "auto", synchronous = "full" } = options;
  const directory = await mkdtemp(join(tmpdir(), "yamabiko-log-"));
  const path = join(directory, "log.db");
  const clock = createFakeClock();
  const open = () => SqliteLog.open({ path, driver, synchronous, busyTimeoutMs: 20 }, clock, spawnCompiled);
  let log = await open();
  return {
    log,
    async reopen() {
      await log.close();
      log = await open();
      return log;
    },
    advance: clock.shiftWallClock,
    async breakAppends() {
      const intruder = (await loadDriver(driver))(path);
      intruder.exec("BEGIN IMMEDIATE");
      return async () => {
        intruder.exec("ROLLBACK");
        intruder.close();
      };
    },
    async stored() {
      const files = await readdir(directory);
      return Buffer.concat(await Promise.all(files.map((file) => readFile(join(directory, file)))));
    },
    dispose: () => rm(directory, { recursive: true }),
  };
}

import { type Clock, systemClock } from "../protocol/index.ts";
import type { Log } from "./log.ts";
import type { SqliteDriver } from "./sqlite/driver.ts";
import { SqliteLog } from "./sqlite/log.ts";
import { spawnWorker } from "./sqlite/thread.ts";

export type { SqliteDriver };

export interface SqliteLogOptions {
  /** The file. It and its directory (mode 700) are made when they are not there. `:memory:` keeps nothing. */
  readonly path: string;
  /**
   * What a resolved append promises. Order and gaplessness hold in both.
   * - `full` (the default): the event survives a power cut, as far as the disk keeps what it says it has kept.
   * - `normal`: the event survives a crash or kill of the process, but a power cut or a crash of the operating system may
   *   lose the last moments. Faster where the disk is slow to sync.
   */
  readonly synchronous?: "full" | "normal" | undefined;
  /** Which SQLite. Default `auto`: the one in Node (22.13 or newer), else the package better-sqlite3. */
  readonly driver?: SqliteDriver | undefined;
  /** How long to wait for another program that is writing to the file before an append fails, ms. Default: 5,000. */
  readonly busyTimeoutMs?: number | undefined;
  /** Where timestamps and ages come from. Default: the system's clock. */
  readonly clock?: Clock | undefined;
}

/**
 * A log in one SQLite file, in a thread of its own. One server at a time has it; other programs may read it and copy it
 * (`sqlite3 <path> ".backup <copy>"`) meanwhile. Beside it stand `<path>-wal` and `<path>-shm`, which belong to it, and
 * `<path>.lock`, which is empty.
 *
 * What one turn of the event loop appends is one commit; while it is under way the next one gathers. When a commit fails
 * (disk full, I/O error), everything called up to then fails with `unavailable`, nothing of it is kept, and the log goes
 * on with the next. A crashed thread is started anew, up to 5 times a minute; then the log stays `unavailable`.
 *
 * A payload that was amended or trimmed is overwritten in the file, and within about ten seconds (or at the next start) it
 * is gone from the write-ahead log too, unless another program keeps reading the file. What the file system, the disk's
 * own bookkeeping, snapshots and backups keep of it is out of reach from here; messageId and sender of a trimmed event
 * stay for 24 h.
 *
 * @throws {YamabikoError} `unavailable`, with a remedy, when the file is in use by another server, was written by a newer
 * version, cannot be opened, or when there is no driver.
 */
export async function createSqliteLog(options: SqliteLogOptions): Promise<Log> {
  const { path, synchronous = "full", driver = "auto", busyTimeoutMs = 5_000, clock = systemClock } = options;
  return SqliteLog.open({ path, synchronous, driver, busyTimeoutMs }, clock, spawnWorker);
}

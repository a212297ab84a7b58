import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { YamabikoError } from "../../protocol/index.ts";
import { type Database, isBusy, loadDriver } from "./driver.ts";
import type { FileSettings } from "./messages.ts";
import { migrate } from "./schema.ts";

/** The path that means "in memory, and gone with the process". */
const IN_MEMORY = ":memory:";

const CACHE_KIBIBYTES = 64 * 1024;
const CHECKPOINT_PAGES = 4_000;
const WAL_BYTES = 64 * 1024 * 1024;

/** An open file that no other process can open in the same way. */
export interface LogFile {
  readonly database: Database;
  close(): void;
}

/**
 * Opens the file of a log, makes it when it is not there, and keeps every other log away from it.
 *
 * The lock is on `<path>.lock`, not on the file itself, so that other programs can read the file and copy it while it is
 * in use; the operating system lets go of the lock however the process ends.
 *
 * @throws {YamabikoError} `unavailable`, with the remedy.
 */
export async function openLogFile(settings: FileSettings): Promise<LogFile> {
  const open = await loadDriver(settings.driver);
  const { path } = settings;
  try {
    if (path !== IN_MEMORY) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const lock = path === IN_MEMORY ? undefined : lockFile(open(`${path}.lock`), path);
    try {
      const database = open(path);
      configure(database, settings);
      migrate(database);
      return {
        database,
        close() {
          database.close();
          lock?.close();
        },
      };
    } catch (error) {
      lock?.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof YamabikoError) throw error;
    throw new YamabikoError("unavailable", `The log's file ${path} cannot be opened: ${reasonOf(error)}`, {
      remedy: "Check that the path is right, the directory writable, the disk not full and the file a SQLite database.",
      cause: error,
    });
  }
}

/** What a driver's error says, for people. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function lockFile(lock: Database, path: string): Database {
  try {
    lock.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw error;
    throw new YamabikoError("unavailable", `The log's file ${path} is in use by another server.`, {
      remedy: "Stop the other server, or give each its own file. For several nodes use a log they can share.",
    });
  }
}

function configure(database: Database, settings: FileSettings): void {
  const pragmas = {
    busy_timeout: settings.busyTimeoutMs,
    journal_mode: "WAL",
    synchronous: settings.synchronous,
    secure_delete: "ON",
    cache_size: -CACHE_KIBIBYTES,
    wal_autocheckpoint: CHECKPOINT_PAGES,
    journal_size_limit: WAL_BYTES,
    temp_store: "MEMORY",
  };
  for (const [name, value] of Object.entries(pragmas)) database.exec(`PRAGMA ${name} = ${value}`);
}

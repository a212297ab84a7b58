import { existsSync } from "node:fs";
import type { Bus } from "../bus/bus.ts";
import { createMemoryBus } from "../bus/memory.ts";
import { createPostgresBus } from "../bus/postgres.ts";
import { createRedisBus } from "../bus/redis.ts";
import { type LinkEvents, withoutCredentials } from "../link/link.ts";
import type { Log } from "../log/log.ts";
import { createMemoryLog } from "../log/memory.ts";
import { createPostgresLog, migratePostgres } from "../log/postgres.ts";
import { createRedisLog } from "../log/redis.ts";
import { createSqliteLog } from "../log/sqlite.ts";
import { type Clock, YamabikoError } from "../protocol/index.ts";
import type { Link } from "./links.ts";
import type { ServerOptions } from "./options.ts";

/** The log of a server that is not told. */
export const DEFAULT_LOG = "sqlite:./data/yamabiko.db";

const SQLITE = /^sqlite:(.+)$/s;
const REDIS = /^rediss?(\+cluster|\+sentinel)?:\/\//;
const POSTGRES = /^postgres(ql)?:\/\//;

/** What may be given as a log, and as a bus. */
export const LOG_ADDRESS = /^(memory:$|sqlite:.|rediss?(\+cluster|\+sentinel)?:\/\/|postgres(ql)?:\/\/)/;
export const BUS_ADDRESS = /^(memory:$|rediss?(\+cluster|\+sentinel)?:\/\/|postgres(ql)?:\/\/)/;

/** The SQLite file of an address; null when it is another log. */
export function sqlitePathOf(log: string): string | null {
  return SQLITE.exec(log)?.[1] ?? null;
}

/** Whether nodes can share a log of this address. */
export function isShared(log: string): boolean {
  return REDIS.test(log) || POSTGRES.test(log);
}

/** The bus that fits a log, where none is named: the same server, or none. */
export function busFor(log: string): string {
  return isShared(log) ? log : "memory:";
}

export interface StoresParts {
  readonly options: ServerOptions;
  readonly clock: Clock;
  /** Told of the connections, where there are any. */
  readonly links: { readonly log: Link; readonly bus: Link };
}

/**
 * Finds the log and the bus the options name. Returns the way to open them.
 * @throws {TypeError} for a name that is none.
 */
export function chooseStores(parts: StoresParts): () => Promise<{ log: Log; bus: Bus }> {
  const { log = DEFAULT_LOG } = parts.options;
  const bus = parts.options.bus ?? (typeof log === "string" ? busFor(log) : "memory:");
  const openLog = typeof log === "string" ? chooseLog(log, parts) : async () => log;
  const openBus = typeof bus === "string" ? chooseBus(bus, parts) : async () => bus;
  return async () => {
    const opened = await openLog();
    try {
      return { log: opened, bus: await openBus() };
    } catch (error) {
      await opened.close();
      throw error;
    }
  };
}

/**
 * Opens a log of this address, to read it beside the servers that use it. A file of SQLite belongs to one process at a time.
 * Rejects with `unavailable` when it cannot be opened.
 * @throws {TypeError} for an address that is none.
 */
export function openLogToRead(address: string): Promise<Log> {
  const quiet: LinkEvents = { up() {}, down() {}, answered() {}, dropped() {}, warning() {}, waiting() {} };
  const path = sqlitePathOf(address);
  if (path !== null) {
    if (!existsSync(path)) throw new YamabikoError("unavailable", `There is no file ${path}.`);
    return createSqliteLog({ path });
  }
  if (REDIS.test(address)) return createRedisLog({ url: address, events: quiet });
  if (POSTGRES.test(address)) return createPostgresLog({ url: address, events: quiet });
  throw new TypeError(
    `"${withoutCredentials(address)}" is not a log that can be read: sqlite:PATH, redis://…, postgres://…`,
  );
}

/** The log of this process for its workers; null for one that nodes share, which each opens for itself. */
export async function openOwnLog({ log = DEFAULT_LOG, sqliteSynchronous }: ServerOptions): Promise<Log | null> {
  if (typeof log !== "string") return log;
  if (log === "memory:") return createMemoryLog();
  const path = sqlitePathOf(log);
  return path === null ? null : createSqliteLog({ path, synchronous: sqliteSynchronous });
}

function chooseLog(address: string, { options, clock, links }: StoresParts): () => Promise<Log> {
  if (address === "memory:") return async () => createMemoryLog({ clock });
  const path = sqlitePathOf(address);
  if (path !== null) return () => createSqliteLog({ path, synchronous: options.sqliteSynchronous, clock });
  if (REDIS.test(address)) return () => createRedisLog({ url: address, events: links.log });
  if (POSTGRES.test(address)) return () => createPostgresLog({ url: address, events: links.log });
  throw new TypeError(
    `"${withoutCredentials(address)}" is not a log. Use sqlite:PATH, redis://…, postgres://… or memory:`,
  );
}

function chooseBus(address: string, { links }: StoresParts): () => Promise<Bus> {
  if (address === "memory:") return async () => createMemoryBus();
  if (REDIS.test(address)) return () => createRedisBus({ url: address, events: links.bus });
  if (POSTGRES.test(address)) return () => createPostgresBus({ url: address, events: links.bus });
  throw new TypeError(`"${withoutCredentials(address)}" is not a bus. Use redis://…, postgres://… or memory:`);
}

/**
 * Prepares what a log needs before servers may use it: the tables of PostgreSQL. Resolves to what was done, as a line. Other
 * logs need nothing, or do it when they are opened. Rejects as `createPostgresLog`.
 */
export async function migrateLog(address: string): Promise<string> {
  if (!POSTGRES.test(address)) return "There is nothing to do: only PostgreSQL has tables to prepare.";
  const { from, to } = await migratePostgres(address);
  if (from === to) return `The tables are up to date (version ${to}).`;
  return from === 0
    ? `The tables were made (version ${to}).`
    : `The tables were brought from version ${from} to ${to}.`;
}

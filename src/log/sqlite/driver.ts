import { YamabikoError } from "../../protocol/index.ts";

/** Which SQLite to use: the one inside Node, the package better-sqlite3, or the first of these that is there. */
export type SqliteDriver = "auto" | "node" | "better-sqlite3";

export type SqlValue = string | number | null;
export type SqlRow = { readonly [column: string]: SqlValue };

/** A prepared statement; what both drivers have in common. */
export interface Statement {
  run(...values: SqlValue[]): { changes: number | bigint };
  get(...values: SqlValue[]): unknown;
  iterate(...values: SqlValue[]): Iterable<unknown>;
}

/** An open database file. Everything is synchronous and throws the driver's own errors. */
export interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}

type Open = (path: string) => Database;

/**
 * Finds the driver and returns the way to open files with it.
 * @throws {YamabikoError} `unavailable`, with the remedy, when the driver is not there.
 */
export async function loadDriver(driver: SqliteDriver): Promise<Open> {
  const open =
    (driver === "better-sqlite3" ? undefined : nodeDriver()) ?? (driver === "node" ? undefined : await betterDriver());
  if (open !== undefined) return open;
  const missing = {
    auto: `Node ${process.versions.node} has no usable \`node:sqlite\`, and the package better-sqlite3 is not installed.`,
    node: `Node ${process.versions.node} has no usable \`node:sqlite\`.`,
    "better-sqlite3": "The package better-sqlite3 is not installed.",
  }[driver];
  throw new YamabikoError("unavailable", `The SQLite log needs a driver. ${missing}`, {
    remedy:
      driver === "node"
        ? "Run with Node 22.13 or newer."
        : driver === "auto"
          ? "Run `npm i better-sqlite3@12`, or use Node 22.13 or newer."
          : "Run `npm i better-sqlite3@12`.",
  });
}

function nodeDriver(): Open | undefined {
  const module = process.getBuiltinModule?.("node:sqlite") as
    | { DatabaseSync: new (path: string) => Database; StatementSync: { prototype: Partial<Statement> } }
    | undefined;
  // Without `iterate` it is the one of Node 22.5 to 22.12, which is too young.
  if (module?.StatementSync.prototype.iterate === undefined) return undefined;
  return (path) => new module.DatabaseSync(path);
}

async function betterDriver(): Promise<Open | undefined> {
  try {
    const { default: BetterSqlite } = await import("better-sqlite3");
    return (path) => new BetterSqlite(path) as Database;
  } catch (error) {
    if (isMissingModule(error)) return undefined;
    throw error;
  }
}

function isMissingModule(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
}

const SQLITE_BUSY = 5;

/** Whether another connection holds the lock that was needed. */
export function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("errcode" in error && typeof error.errcode === "number") return (error.errcode & 0xff) === SQLITE_BUSY;
  return "code" in error && typeof error.code === "string" && error.code.startsWith("SQLITE_BUSY");
}

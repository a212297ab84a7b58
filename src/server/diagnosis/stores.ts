import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { nullLinkEvents, withoutCredentials } from "../../link/link.ts";
import { PostgresLink } from "../../link/postgres.ts";
import { parsePostgresAddress } from "../../link/postgres-address.ts";
import { RedisLink } from "../../link/redis.ts";
import { parseRedisAddress } from "../../link/redis-address.ts";
import { YamabikoError } from "../../protocol/index.ts";
import type { ServerConfig } from "../config.ts";
import { isShared, sqlitePathOf } from "../stores.ts";
import { clockFinding, type Finding, ok, warning, wrong } from "./finding.ts";

/** How long a store has to answer, ms. */
const CONNECT_MS = 5_000;
/** Free space of the disk, bytes. */
const LITTLE_BYTES = 1024 ** 3;
const TOO_LITTLE_BYTES = 100 * 1024 ** 2;
/** The oldest Redis that has what the log needs, and the oldest PostgreSQL that its makers still mend. */
const OLDEST_REDIS = 6;
const OLDEST_POSTGRES = 14;

type StoreConfig = Pick<ServerConfig, "log" | "bus" | "sqliteSynchronous">;

/** Whether the log and the bus can be reached, and keep what they acknowledge. Never rejects; changes nothing. */
export async function diagnoseStores(config: StoreConfig, directory: string): Promise<Finding[]> {
  const log = await diagnoseLog(config, directory);
  if (config.bus === config.log || !isShared(config.bus)) return log;
  return [...log, ...(await reach("bus", config.bus, isPostgres(config.bus) ? askPostgres : askRedis))];
}

async function diagnoseLog(config: StoreConfig, directory: string): Promise<Finding[]> {
  const path = sqlitePathOf(config.log);
  if (path !== null && path !== ":memory:") return diagnoseSqlite(resolve(directory, path), config.sqliteSynchronous);
  if (!isShared(config.log)) {
    return [warning("The log is in memory: when the server stops, everything is forgotten.", "Set --log sqlite:PATH.")];
  }
  return reach("log", config.log, isPostgres(config.log) ? diagnosePostgres : diagnoseRedis);
}

/** Asks a store, and says what it means when that is not possible. */
async function reach(what: "log" | "bus", address: string, ask: (address: string) => Promise<Finding[]>) {
  const shown = withoutCredentials(address);
  try {
    return [ok(`The ${what} at ${shown} answers.`), ...(await ask(address))];
  } catch (error) {
    const remedy = error instanceof YamabikoError ? error.remedy : undefined;
    const reason = error instanceof Error ? error.message : String(error);
    return [
      wrong(
        `The ${what} at ${shown} cannot be used: ${reason}`,
        remedy ?? `Check its address, that it runs, its password, and what is between it and here.`,
      ),
    ];
  }
}

function isPostgres(address: string): boolean {
  return address.startsWith("postgres");
}

async function withRedis<T>(url: string, ask: (link: RedisLink) => Promise<T>): Promise<T> {
  const options = { address: parseRedisAddress(url), name: "yamabiko-doctor", events: nullLinkEvents };
  const link = await RedisLink.open({ ...options, connectMs: CONNECT_MS });
  try {
    return await ask(link);
  } finally {
    link.close();
  }
}

async function withPostgres<T>(url: string, ask: (link: PostgresLink) => Promise<T>): Promise<T> {
  const options = { url: parsePostgresAddress(url).url, name: "yamabiko-doctor", events: nullLinkEvents };
  const link = await PostgresLink.open({ ...options, connectMs: CONNECT_MS });
  try {
    return await ask(link);
  } finally {
    await link.close();
  }
}

/** A bus keeps nothing: it need only answer. */
function askRedis(url: string): Promise<Finding[]> {
  return withRedis(url, async (link) => {
    await link.command("ping");
    return [];
  });
}

function askPostgres(url: string): Promise<Finding[]> {
  return withPostgres(url, async (link) => {
    await link.query("SELECT 1");
    return [];
  });
}

function diagnoseRedis(url: string): Promise<Finding[]> {
  return withRedis(url, async (link) => {
    const told = new Map<string, string>();
    for (const section of ["server", "persistence", "memory", "replication"]) {
      const text = await link.command("info", section).catch(() => "");
      for (const [, name, value] of String(text).matchAll(/^(\w+):(.*?)\r?$/gm)) told.set(name!, value!);
    }
    const askedAt = Date.now();
    const [seconds, micros] = (await link.command("time")) as [string, string];
    const between = (askedAt + Date.now()) / 2;
    const setting = (await link.command("config", "get", "appendfsync").catch(() => [])) as string[];
    return [
      ...versionOfRedis(told.get("redis_version")),
      ...roleOfRedis(told.get("role")),
      ...persistenceOfRedis(told, setting[1]),
      ...evictionOfRedis(told.get("maxmemory_policy")),
      clockFinding("Redis", Number(seconds) * 1_000 + Number(micros) / 1_000 - between),
    ];
  });
}

function versionOfRedis(version: string | undefined): Finding[] {
  if (version === undefined) {
    return [warning("Redis does not say how it is set up.", "Let this user run INFO, and ask again.")];
  }
  if (Number.parseInt(version, 10) >= OLDEST_REDIS) return [ok(`Redis is version ${version}.`)];
  return [wrong(`Redis ${version} is too old.`, `Take Redis ${OLDEST_REDIS} or newer, or Valkey.`)];
}

function roleOfRedis(role: string | undefined): Finding[] {
  if (role !== "slave") return [];
  return [wrong("This Redis is a replica: it takes no writes.", "Name the primary, or an address that leads to it.")];
}

function persistenceOfRedis(told: ReadonlyMap<string, string>, appendfsync: string | undefined): Finding[] {
  const aof = told.get("aof_enabled");
  if (aof === undefined) return [];
  if (aof === "0") {
    return [
      wrong(
        "Redis writes no append-only file: when it restarts, acknowledged events are lost.",
        "Set `appendonly yes`, and `appendfsync always` where a power cut must lose nothing.",
      ),
    ];
  }
  const failed = told.get("aof_last_write_status") === "err";
  if (failed) return [wrong("Redis cannot write its append-only file.", "Look at its disk: space and rights.")];
  if (appendfsync === "always") return [ok("Redis keeps what it acknowledges, through a power cut too.")];
  if (appendfsync === undefined)
    return [ok("Redis writes an append-only file; it does not say how often to the disk.")];
  const lost = appendfsync === "everysec" ? "up to 2 s of" : "many";
  return [
    warning(
      `Redis writes an append-only file, but to the disk only \`${appendfsync}\`: a power cut may lose ${lost} acknowledged events.`,
      "Set `appendfsync always`, or accept it.",
    ),
  ];
}

function evictionOfRedis(policy: string | undefined): Finding[] {
  if (policy === undefined) return [];
  if (policy === "noeviction") return [ok("Redis throws nothing away when its memory is full.")];
  return [
    wrong(
      `Redis throws away keys when its memory is full (maxmemory-policy ${policy}): rooms would lose their events.`,
      "Set `maxmemory-policy noeviction`.",
    ),
  ];
}

function diagnosePostgres(url: string): Promise<Finding[]> {
  return withPostgres(url, async (link) => {
    const askedAt = Date.now();
    const [row] = await link.query(
      `SELECT current_setting('server_version') AS version, current_setting('synchronous_commit') AS commit,
        current_setting('fsync') AS fsync, pg_is_in_recovery() AS replica,
        (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS now`,
    );
    const between = (askedAt + Date.now()) / 2;
    const version = String(row!.version);
    const findings: Finding[] = [
      Number.parseInt(version, 10) >= OLDEST_POSTGRES
        ? ok(`PostgreSQL is version ${version}.`)
        : warning(`PostgreSQL ${version} is no longer mended by its makers.`, "Take a newer one."),
    ];
    if (row!.replica === true) {
      findings.push(wrong("This PostgreSQL is a replica: it takes no writes.", "Name the primary."));
    }
    findings.push(
      row!.fsync === "off" || row!.commit === "off"
        ? wrong(
            "PostgreSQL does not wait for the disk: a power cut, or its crash, may lose acknowledged events.",
            "Set `fsync = on` and `synchronous_commit = on`.",
          )
        : ok("PostgreSQL keeps what it acknowledges, through a power cut too."),
      clockFinding("PostgreSQL", Number(row!.now) - between),
    );
    return findings;
  });
}

async function diagnoseSqlite(path: string, synchronous: "full" | "normal"): Promise<Finding[]> {
  const existing = await nearest(path);
  try {
    await access(existing, constants.R_OK | constants.W_OK);
  } catch {
    return [
      wrong(`${existing} cannot be written: no event can be kept in ${path}.`, "Give the server's user the right to."),
    ];
  }
  const isFile = (await stat(existing)).isFile();
  if (existing === path ? !isFile : isFile) {
    const what = isFile ? "is a file, where a directory is needed" : "is a directory, where a file is needed";
    return [wrong(`${existing} ${what}.`, "Name another file: --log sqlite:PATH")];
  }
  const { bavail, bsize } = await statfs(existing);
  const free = bavail * bsize;
  const shown = `${Math.round(free / 1024 ** 2).toLocaleString("en")} MiB`;
  return [
    ok(existing === path ? `The log ${path} can be written.` : `The log will be made: ${path}.`),
    free >= LITTLE_BYTES
      ? ok(`The disk has ${shown} left.`)
      : (free < TOO_LITTLE_BYTES ? wrong : warning)(
          `The disk has only ${shown} left: when it is full, sends are refused.`,
          "Make space, or keep less: --retention-max-age-ms, --retention-max-bytes.",
        ),
    synchronous === "full"
      ? ok("SQLite keeps what it acknowledges, through a power cut too.")
      : warning(
          "A power cut may lose the last moments (--sqlite-synchronous normal).",
          "Set it to full, or accept it.",
        ),
  ];
}

/** The path itself, or what there is of the way to it. */
async function nearest(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const found = await stat(at).then(
      () => true,
      () => false,
    );
    if (found || dirname(at) === at) return at;
  }
}

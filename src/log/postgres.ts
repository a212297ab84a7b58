import { type LinkEvents, nullLinkEvents } from "../link/link.ts";
import { PostgresLink } from "../link/postgres.ts";
import { parsePostgresAddress } from "../link/postgres-address.ts";
import type { Clock } from "../protocol/index.ts";
import type { Log } from "./log.ts";
import { PostgresLog } from "./postgres/log.ts";
import { migrate, SCHEMA_VERSION } from "./postgres/schema.ts";

export interface PostgresLogOptions {
  /**
   * Which database: `postgres://[user:password@]host[:port]/database[?schema=yamabiko&max=8]`. `max` is how many connections
   * there are at most. Of several hosts separated by commas, the one that takes writes is used.
   */
  readonly url: string;
  /** Told of the connection. Default: nobody. */
  readonly events?: LinkEvents | undefined;
  /** How long a statement may take before the connections are given up, ms. Default: 10,000. */
  readonly silenceMs?: number | undefined;
  /** How long the first connection may take, ms. Default: 10,000. */
  readonly connectMs?: number | undefined;
  /** Where timestamps and ages come from, for tests. Default: the time of PostgreSQL, which all nodes share. */
  readonly clock?: Clock | undefined;
}

/**
 * A log in PostgreSQL 13 or newer, which several nodes can share. Needs the package postgres. The tables and functions are in
 * a schema of their own, which is made, or brought up to date, when it is opened, unless it is.
 *
 * A resolved append is committed: with `synchronous_commit = on`, PostgreSQL's default, it survives a power cut. What one turn
 * of the event loop appends is committed together, in at most four transactions at a time. While PostgreSQL is away
 * everything fails with `unavailable` at once, and so does what had no answer when a connection was lost: it may have been
 * committed, and the same messageId says so when it is tried again. When the database was restored from something older, or a
 * standby that was behind took over, a node that had seen more notices and the room's epoch ends, also when another node has gone
 * on over what was lost.
 *
 * @throws {YamabikoError} `unavailable`, with a remedy, when PostgreSQL cannot be reached, the schema cannot be made or is
 * newer, or the package is not installed; `invalid_message` when the address cannot be read.
 */
export async function createPostgresLog(options: PostgresLogOptions): Promise<Log> {
  const { events = nullLinkEvents, clock = null } = options;
  const { link, schema } = await openLink(options);
  try {
    await migrate(link, schema);
    await warnOfLoss(link, events);
  } catch (error) {
    await link.close();
    throw error;
  }
  const log = new PostgresLog(link, schema, clock);
  events.waiting(() => log.waiting);
  return log;
}

/**
 * Makes the tables and functions of a log, or brings them up to date. Resolves to the version there was, 0 for none, and the
 * one there is. Throws as `createPostgresLog`.
 */
export async function migratePostgres(url: string): Promise<{ readonly from: number; readonly to: number }> {
  const { link, schema } = await openLink({ url });
  try {
    const from = await migrate(link, schema);
    return { from, to: SCHEMA_VERSION };
  } finally {
    await link.close();
  }
}

async function openLink(options: PostgresLogOptions): Promise<{ link: PostgresLink; schema: string }> {
  const { events = nullLinkEvents, silenceMs, connectMs } = options;
  const { url, schema } = parsePostgresAddress(options.url);
  return { link: await PostgresLink.open({ url, name: "yamabiko-log", events, silenceMs, connectMs }), schema };
}

/** Warns when a commit here is not what it seems. */
async function warnOfLoss(link: PostgresLink, events: LinkEvents): Promise<void> {
  const [row] = await link.query(
    "SELECT current_setting('synchronous_commit') AS commit, current_setting('fsync') AS fsync",
  );
  if (row?.commit === "off" || row?.fsync === "off") {
    events.warning(
      "This PostgreSQL does not wait for the disk: a power cut, or its crash, may lose acknowledged events.",
      "Set `synchronous_commit = on` and `fsync = on`, or accept it.",
    );
  }
}

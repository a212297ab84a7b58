import { type LinkEvents, nullLinkEvents } from "../link/link.ts";
import { RedisLink } from "../link/redis.ts";
import { parseRedisAddress } from "../link/redis-address.ts";
import type { Clock } from "../protocol/index.ts";
import type { Log } from "./log.ts";
import { RedisKeys } from "./redis/keys.ts";
import { RedisLog } from "./redis/log.ts";
import { warnOfLoss } from "./redis/persistence.ts";

export interface RedisLogOptions {
  /**
   * Which Redis: `redis://[user:password@]host[:port][/db][?prefix=NAME]`, `rediss:` for TLS; several hosts separated by
   * commas, or `redis+cluster:`, for a Redis Cluster; `redis+sentinel://host,host/NAME` for one that Sentinels watch over. Servers that share an address and a prefix share the log.
   */
  readonly url: string;
  /** Told of the connection. Default: nobody. */
  readonly events?: LinkEvents | undefined;
  /** How long Redis may be silent while an answer is due before the connection is given up, ms. Default: 5,000. */
  readonly silenceMs?: number | undefined;
  /** How long the first connection may take, ms. Default: 10,000. */
  readonly connectMs?: number | undefined;
  /** Where timestamps and ages come from, for tests. Default: the time of Redis, which all nodes share. */
  readonly clock?: Clock | undefined;
}

/**
 * A log on Redis 6 or newer (Valkey too), single or a cluster, which several nodes can share. Needs the package ioredis.
 *
 * What a resolved append promises is what Redis promises: with `appendonly yes` and `appendfsync always` it survives a power
 * cut; with `everysec` one may lose the last second or two; without an append-only file the death of Redis loses whatever
 * was not in its last dump. `events.warning` says so at the start. A replica that takes over may not have the last moments.
 * Whatever was lost, a node that had seen it notices and the room's epoch ends: clients are told, nothing is skipped
 * silently.
 *
 * What one turn of the event loop appends leaves together, one script for each room. While Redis is away everything fails
 * with `unavailable` at once, and so does what had no answer when the connection was lost: it may have been appended, and the
 * same messageId says so when it is tried again. Without a messageId it may then be there twice if the caller repeats it;
 * the log itself never sends anything twice.
 *
 * @throws {YamabikoError} `unavailable`, with a remedy, when Redis cannot be reached or ioredis is not installed;
 * `invalid_message` when the address cannot be read.
 */
export async function createRedisLog(options: RedisLogOptions): Promise<Log> {
  const { url, events = nullLinkEvents, silenceMs, connectMs, clock = null } = options;
  const address = parseRedisAddress(url);
  const link = await RedisLink.open({ address, name: "yamabiko-log", events, silenceMs, connectMs });
  await warnOfLoss(link, events);
  const log = new RedisLog(link, new RedisKeys(address.prefix), clock);
  events.waiting(() => log.waiting);
  return log;
}

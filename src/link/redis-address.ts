import { YamabikoError } from "../protocol/index.ts";
import { withoutCredentials } from "./link.ts";

/** Where a Redis is, as its address says. */
export interface RedisAddress {
  /** The nodes to begin with: one, or those of a cluster, or the Sentinels. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly isCluster: boolean;
  /** What the Sentinels call the Redis they watch over; null where there are none. */
  readonly watched: string | null;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The number of the database; always 0 in a cluster. */
  readonly db: number;
  /** What every key and channel begins with. Default: `yamabiko`. */
  readonly prefix: string;
}

const DEFAULT_PORT = 6379;
const SENTINEL_PORT = 26_379;
const ADDRESS =
  /^(rediss?)(\+cluster|\+sentinel)?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#]*)((?:\/[\w.-]*)*)(?:\?prefix=([\w.:-]{1,64}))?$/;

/**
 * Reads `redis://[user:password@]host[:port][/db][?prefix=NAME]`. `rediss:` is TLS. Several hosts separated by commas, or
 * the scheme `redis+cluster:` (`rediss+cluster:`), are nodes of a Redis Cluster, of which one suffices.
 * `redis+sentinel://[user:password@]host[:port],…/NAME[/db]` names Sentinels, and the Redis they watch over; user and password are those of that
 * Redis.
 * @throws {YamabikoError} `invalid_message` with a remedy; it repeats no password.
 */
export function parseRedisAddress(address: string): RedisAddress {
  const match = ADDRESS.exec(address);
  if (match === null) throw bad(address);
  const [, scheme, kind, username, password, hosts = "", path = "", prefix = "yamabiko"] = match;
  const hasSentinels = kind === "+sentinel";
  const defaultPort = hasSentinels ? SENTINEL_PORT : DEFAULT_PORT;
  const nodes = (hosts === "" ? "localhost" : hosts).split(",").map((host) => parseNode(host, defaultPort, address));
  const parts = path.split("/").slice(1);
  const watched = hasSentinels ? (parts.shift() ?? "") : null;
  if (watched === "") throw bad(address, "It does not say which Redis the Sentinels watch over.");
  const [db = "", ...more] = parts;
  if (more.length > 0 || !/^\d*$/.test(db)) throw bad(address);
  const isCluster = kind === "+cluster" || (!hasSentinels && nodes.length > 1);
  if (isCluster && Number(db) > 0) throw bad(address, "A Redis Cluster has only the database 0.");
  return {
    nodes,
    isCluster,
    watched,
    tls: scheme === "rediss",
    username: decode(username, address),
    password: decode(password, address),
    db: Number(db),
    prefix,
  };
}

function parseNode(text: string, defaultPort: number, address: string): { host: string; port: number } {
  const match = /^(\[[\da-fA-F:.]+\]|[^\s:[\]]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) throw bad(address);
  const [, host = "", port] = match;
  return { host: host.replace(/^\[|\]$/g, ""), port: port === undefined ? defaultPort : Number(port) };
}

function decode(text: string | undefined, address: string): string | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad(address, "The user or the password is not percent-encoded.");
  }
}

function bad(address: string, why = ""): YamabikoError {
  const message = `"${withoutCredentials(address)}" is not the address of a Redis.${why === "" ? "" : ` ${why}`}`;
  return new YamabikoError("invalid_message", message, {
    remedy:
      "Write redis://[user:password@]host[:port][/db][?prefix=NAME], rediss:// for TLS, redis://a,b,c for a cluster, redis+sentinel://a,b,c/NAME for Sentinels.",
  });
}

import { YamabikoError } from "../protocol/index.ts";
import { withoutCredentials } from "./link.ts";

/** Where a Redis is, as its address says. */
export interface RedisAddress {
  /** The nodes to begin with; one, unless it is a cluster. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly isCluster: boolean;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The number of the database; always 0 in a cluster. */
  readonly db: number;
  /** What every key and channel begins with. Default: `yamabiko`. */
  readonly prefix: string;
}

const DEFAULT_PORT = 6379;
const ADDRESS =
  /^(rediss?)(\+cluster)?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#]*)(?:\/(\d*))?(?:\?prefix=([\w.:-]{1,64}))?$/;

/**
 * Reads `redis://[user:password@]host[:port][/db][?prefix=NAME]`. `rediss:` is TLS. Several hosts separated by commas, or
 * the scheme `redis+cluster:` (`rediss+cluster:`), are nodes of a Redis Cluster, of which one suffices.
 * @throws {YamabikoError} `invalid_message` with a remedy; it repeats no password.
 */
export function parseRedisAddress(address: string): RedisAddress {
  const match = ADDRESS.exec(address);
  if (match === null) throw bad(address);
  const [, scheme, cluster, username, password, hosts = "", db = "", prefix = "yamabiko"] = match;
  const nodes = (hosts === "" ? "localhost" : hosts).split(",").map((host) => parseNode(host, address));
  const isCluster = cluster !== undefined || nodes.length > 1;
  if (isCluster && Number(db) > 0) throw bad(address, "A Redis Cluster has only the database 0.");
  return {
    nodes,
    isCluster,
    tls: scheme === "rediss",
    username: decode(username, address),
    password: decode(password, address),
    db: Number(db),
    prefix,
  };
}

function parseNode(text: string, address: string): { host: string; port: number } {
  const match = /^(\[[\da-fA-F:.]+\]|[^\s:[\]]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) throw bad(address);
  const [, host = "", port] = match;
  return { host: host.replace(/^\[|\]$/g, ""), port: port === undefined ? DEFAULT_PORT : Number(port) };
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
      "Write redis://[user:password@]host[:port][/db][?prefix=NAME], rediss:// for TLS, redis://a,b,c for a cluster.",
  });
}

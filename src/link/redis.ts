import type { Cluster, Redis } from "ioredis";
import { YamabikoError } from "../protocol/index.ts";
import { type LinkEvents, reconnectDelayMs } from "./link.ts";
import type { RedisAddress } from "./redis-address.ts";
import type { RedisScript } from "./redis-script.ts";

/** What a command takes. */
export type RedisValue = string | number;

export interface RedisLinkOptions {
  readonly address: RedisAddress;
  /** What the connection is called in `CLIENT LIST`. */
  readonly name: string;
  readonly events: LinkEvents;
  /** How long Redis may be silent while an answer is due before the connection is given up, ms. Default: 5,000. */
  readonly silenceMs?: number | undefined;
  /** How long the first connection may take, ms. Default: 10,000. */
  readonly connectMs?: number | undefined;
}

/** How long a turned-away command may follow a cluster's redirections: hops. */
const REDIRECTIONS = 16;

/**
 * A connection to Redis, or to the nodes of a Redis Cluster, that is made again when it is lost.
 *
 * Nothing waits for a connection: while there is none, commands fail at once. Nothing is sent twice: what had no answer
 * when the connection was lost has failed, though Redis may have done it. In a single Redis all commands of one turn of
 * the event loop leave in one write, and are done in the order of the calls.
 */
export class RedisLink {
  readonly #client: Redis | Cluster;
  readonly #single: Redis | null;
  readonly #events: LinkEvents;
  #isUp = false;
  #isClosed = false;
  /** The commands of this turn. */
  #turn: Command[] = [];

  private constructor(client: Redis | Cluster, isCluster: boolean, events: LinkEvents) {
    this.#client = client;
    this.#single = isCluster ? null : (client as Redis);
    this.#events = events;
    client.on("ready", () => this.#became(true, ""));
    client.on("error", (error: Error) => this.#became(false, error.message));
    client.on("close", () => this.#became(false, "the connection was closed"));
    client.on("end", () => this.#became(false, "the connection has ended"));
  }

  /**
   * Connects.
   * @throws {YamabikoError} `unavailable`, with a remedy, when ioredis is not installed or nothing answers in time.
   */
  static async open(options: RedisLinkOptions): Promise<RedisLink> {
    const { address, events, connectMs = 10_000 } = options;
    const client = createClient(await loadIoredis(), options);
    const link = new RedisLink(client, address.isCluster, events);
    try {
      await ready(client, connectMs);
    } catch (error) {
      link.close();
      throw unreachable(address, error);
    }
    return link;
  }

  /** Whether commands can be sent now. */
  get isUp(): boolean {
    return this.#isUp && !this.#isClosed;
  }

  get isCluster(): boolean {
    return this.#single === null;
  }

  /** What Redis answers to a command. Rejects with its error, or with that of the connection. */
  command(name: string, ...values: readonly RedisValue[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#turn.push({ name, values, resolve, reject }) === 1) process.nextTick(() => this.#send());
    });
  }

  /**
   * Some of the keys that match, over all nodes of a cluster.
   * @param after `next` of the answer before; null to begin.
   * @param count about how many keys are looked at.
   */
  async scan(after: string | null, match: string, count: number): Promise<{ keys: string[]; next: string | null }> {
    const [node = "0", cursor = "0"] = (after ?? "0 0").split(" ");
    const index = Number(node);
    const masters = "nodes" in this.#client ? mastersOf(this.#client) : [this.#client];
    const master = masters[index];
    if (master === undefined) return { keys: [], next: null };
    const answer = await master.call("scan", cursor, "MATCH", match, "COUNT", Math.max(1, count));
    const [further, keys] = answer as [string, string[]];
    if (further !== "0") return { keys, next: `${index} ${further}` };
    return { keys, next: index + 1 < masters.length ? `${index + 1} 0` : null };
  }

  /** What a script answers. All `keys` are of one hash tag. */
  async run(script: RedisScript, keys: readonly string[], values: readonly RedisValue[]): Promise<unknown> {
    const asked = performance.now();
    try {
      return await this.command("evalsha", script.sha, keys.length, ...keys, ...values);
    } catch (error) {
      // A restarted or a promoted Redis has not seen it; then nothing was done.
      if (!isError(error, "NOSCRIPT")) throw error;
      return await this.command("eval", script.source, keys.length, ...keys, ...values);
    } finally {
      this.#events.answered(performance.now() - asked);
    }
  }

  /** Lets go of the connection. What has no answer yet fails. */
  close(): void {
    this.#isClosed = true;
    this.#client.disconnect();
  }

  #send(): void {
    const turn = this.#turn;
    this.#turn = [];
    if (this.#single === null || turn.length === 1) {
      for (const { name, values, resolve, reject } of turn) {
        this.#client.call(name, ...(values as RedisValue[])).then(resolve, reject);
      }
      return;
    }
    const pipeline = this.#single.pipeline();
    for (const { name, values } of turn) pipeline.call(name, ...(values as RedisValue[]));
    pipeline.exec().then(
      (answers) => {
        turn.forEach(({ resolve, reject }, index) => {
          const [error, answer] = answers?.[index] ?? [new Error("no answer")];
          if (error === null) resolve(answer);
          else reject(error);
        });
      },
      (error: Error) => {
        for (const { reject } of turn) reject(error);
      },
    );
  }

  #became(isUp: boolean, reason: string): void {
    if (this.#isUp === isUp || this.#isClosed) return;
    // A cluster reports the errors of its nodes too, and goes on with the others.
    if (!isUp && this.#client.status === "ready") return;
    this.#isUp = isUp;
    if (isUp) this.#events.up();
    else this.#events.down(reason);
  }
}

interface Command {
  readonly name: string;
  readonly values: readonly RedisValue[];
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** The masters of a cluster, always in the same order. */
function mastersOf(cluster: Cluster): Redis[] {
  const addressOf = ({ options: { host, port } }: Redis): string => `${host}:${port}`;
  return cluster.nodes("master").sort((a, b) => (addressOf(a) < addressOf(b) ? -1 : 1));
}

/** Whether Redis refused with this word. */
export function isError(error: unknown, word: string): boolean {
  return error instanceof Error && error.message.startsWith(word);
}

type Ioredis = Pick<typeof import("ioredis"), "Redis" | "Cluster">;

/** @throws {YamabikoError} `unavailable`, with the remedy, when the package is not installed. */
export async function loadIoredis(): Promise<Ioredis> {
  try {
    return await import("ioredis");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") throw error;
    throw new YamabikoError("unavailable", "Redis needs a client. The package ioredis is not installed.", {
      remedy: "Run `npm i ioredis@6`.",
    });
  }
}

/** A client that neither queues while it is not connected nor repeats anything. */
export function createClient(
  { Redis, Cluster }: Ioredis,
  options: Pick<RedisLinkOptions, "address" | "name" | "silenceMs" | "connectMs">,
  sharded = false,
): Redis | Cluster {
  const { address, name, silenceMs = 5_000, connectMs = 10_000 } = options;
  const common = {
    username: address.username,
    password: address.password,
    connectionName: name,
    socketTimeout: silenceMs,
    connectTimeout: connectMs,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    protocol: 2 as const,
    // A master that became a replica: whoever is behind the address now may be the master.
    reconnectOnError: (error: Error) => (error.message.startsWith("READONLY") ? (1 as const) : false),
    ...(address.tls ? { tls: {} } : {}),
  };
  if (address.isCluster) {
    return new Cluster(Array.from(address.nodes), {
      redisOptions: common,
      enableOfflineQueue: false,
      lazyConnect: true,
      maxRedirections: REDIRECTIONS,
      // Would send again what may have been done.
      retryDelayOnFailover: 0,
      clusterRetryStrategy: reconnectDelayMs,
      shardedSubscribers: sharded,
    });
  }
  return new Redis({
    ...common,
    ...whereOf(address),
    db: address.db,
    enableOfflineQueue: false,
    lazyConnect: true,
    retryStrategy: reconnectDelayMs,
    // Whoever listens subscribes anew by itself. ioredis leaves the failure of its own attempt to nobody, and with a connection that
    // is lost again at once that ends the process.
    autoResubscribe: false,
  });
}

/** A Redis is there, or where its Sentinels say at every connection; when they say another one, at once. */
function whereOf({ nodes, watched, tls }: RedisAddress): import("ioredis").RedisOptions {
  if (watched === null) return nodes[0]!;
  return {
    sentinels: Array.from(nodes),
    name: watched,
    failoverDetector: true,
    sentinelRetryStrategy: reconnectDelayMs,
    enableTLSForSentinelMode: tls,
    ...(tls ? { sentinelTLS: {} } : {}),
  };
}

/** Connects, trying again until the time is up, or at once no longer when no waiting mends it. */
async function ready(client: Redis | Cluster, connectMs: number): Promise<void> {
  let last: unknown = new Error("nothing answers");
  let timer: NodeJS.Timeout | undefined;
  let note = (_error: unknown): void => {};
  try {
    await new Promise<void>((resolve, reject) => {
      note = (error) => {
        last = error;
        if (isHopeless(error)) reject(error);
      };
      timer = setTimeout(() => reject(last), connectMs);
      client.on("error", note);
      client.once("ready", resolve);
      // A node that is known is connected to at once: while it is not, it refuses commands.
      client.on("+node", (node: Redis) => void node.connect().catch(() => {}));
      // It goes on by itself after a failure.
      client.connect().catch(note);
    });
    await Promise.all("nodes" in client ? client.nodes("master").map(nodeReady) : []);
  } finally {
    clearTimeout(timer);
    client.off("error", note);
  }
}

/** Waits for a node of a cluster, unless it does not answer; the others serve what is theirs. */
async function nodeReady(node: Redis): Promise<void> {
  if (node.status === "ready") return;
  await new Promise<void>((resolve) => {
    node.once("ready", resolve);
    node.once("close", resolve);
  });
}

function isHopeless(error: unknown): boolean {
  return ["WRONGPASS", "NOAUTH", "NOPERM", "ERR"].some((word) => isError(error, word));
}

function unreachable(address: RedisAddress, cause: unknown): YamabikoError {
  const where = address.nodes.map(({ host, port }) => `${host}:${port}`).join(", ");
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new YamabikoError("unavailable", `The Redis at ${where} cannot be used: ${reason}.`, {
    remedy: isHopeless(cause)
      ? "Check the user, the password and the number of the database in its address."
      : "Start it, or correct its address. A Redis Cluster is named with redis+cluster:// or with several hosts, Sentinels with redis+sentinel://.",
    cause,
  });
}

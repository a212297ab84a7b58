import type { Cluster, Redis } from "ioredis";
import { type LinkEvents, nullLinkEvents } from "../link/link.ts";
import { createClient, loadIoredis, RedisLink } from "../link/redis.ts";
import { parseRedisAddress, type RedisAddress } from "../link/redis-address.ts";
import type { Bus, Notice } from "./bus.ts";
import { noticeFromText, noticeToText } from "./notice-text.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface RedisBusOptions {
  /** Which Redis, as for the log: `redis://…`, `rediss://…`, several hosts or `redis+cluster:` for a cluster, `redis+sentinel:`. */
  readonly url: string;
  /** Told of the connection. Default: nobody. */
  readonly events?: LinkEvents | undefined;
  /** How long Redis may be silent while an answer is due before a connection is given up, ms. Default: 5,000. */
  readonly silenceMs?: number | undefined;
  /** How long the first connection may take, ms. Default: 10,000. */
  readonly connectMs?: number | undefined;
}

/** How much may be on its way to Redis; a notice beyond it is lost. */
const UNANSWERED_NOTICES = 10_000;
const UNANSWERED_SIZE = 16 * 1024 * 1024;
/** How often the listening connection is asked whether it is still there, ms. */
const PING_MS = 2_000;
/** How long what was published may take to leave before the bus lets go, ms. */
const LEAVE_MS = 1_000;
/** How many rooms one command subscribes to. */
const ROOMS_AT_ONCE = 500;

/**
 * A bus over Redis Pub/Sub, with two connections of its own. A node hears only the rooms it serves. Where the server has
 * sharded Pub/Sub (Redis 7) it is used, so that in a cluster a notice goes to the node of its room only. While Redis is
 * away notices are lost, and rooms compare heads.
 *
 * @throws {YamabikoError} `unavailable`, with a remedy, when Redis cannot be reached or ioredis is not installed;
 * `invalid_message` when the address cannot be read.
 */
export async function createRedisBus(options: RedisBusOptions): Promise<Bus> {
  const { url, events = nullLinkEvents, silenceMs, connectMs } = options;
  const address = parseRedisAddress(url);
  const link = await RedisLink.open({ address, name: "yamabiko-bus", events, silenceMs, connectMs });
  const listening = createClient(
    await loadIoredis(),
    { address, name: "yamabiko-bus-listening", silenceMs, connectMs },
    true,
  );
  return new RedisBus(link, listening, address, await hasShardedChannels(link), events);
}

class RedisBus implements Bus {
  readonly lossless = false;
  readonly #link: RedisLink;
  readonly #listening: Redis | Cluster;
  readonly #isCluster: boolean;
  /** What channels begin with; a room is their hash tag. */
  readonly #prefix: string;
  readonly #isSharded: boolean;
  readonly #events: LinkEvents;
  readonly #subscriptions = new Subscriptions({
    roomWanted: (roomId) => this.#change(roomId),
    roomUnwanted: (roomId) => this.#change(roomId),
  });
  /** Rooms whose subscription began or ended in this turn. */
  #changed = new Set<string>();
  readonly #pinging: NodeJS.Timeout;
  #unanswered = 0;
  #unansweredSize = 0;
  #retry: NodeJS.Timeout | null = null;
  #resumed = (): void => {};
  /** Called when nothing is on its way any more. */
  #hasLeft = (): void => {};
  #hasListened = false;
  #isClosed = false;

  constructor(
    link: RedisLink,
    listening: Redis | Cluster,
    { prefix, isCluster }: RedisAddress,
    isSharded: boolean,
    events: LinkEvents,
  ) {
    this.#link = link;
    this.#listening = listening;
    this.#isCluster = isCluster;
    this.#prefix = `${prefix}:{`;
    this.#isSharded = isSharded;
    this.#events = events;
    listening.on(isSharded ? "smessage" : "message", (channel: string, text: string) => this.#hear(channel, text));
    listening.on("error", () => {});
    // A connection made anew knows nothing of the rooms.
    listening.on("ready", () => void this.#listen());
    listening.connect().catch(() => {});
    this.#pinging = setInterval(() => this.#ping(), PING_MS);
    this.#pinging.unref();
  }

  publish(roomId: string, notice: Notice): void {
    if (this.#isClosed) return;
    if (!this.#link.isUp || this.#unanswered >= UNANSWERED_NOTICES || this.#unansweredSize >= UNANSWERED_SIZE) {
      this.#events.dropped();
      return;
    }
    const text = noticeToText(notice);
    this.#unanswered++;
    this.#unansweredSize += text.length;
    this.#link
      .command(this.#isSharded ? "spublish" : "publish", this.#channelOf(roomId), text)
      .catch(() => this.#events.dropped())
      .finally(() => {
        this.#unanswered--;
        this.#unansweredSize -= text.length;
        if (this.#unanswered === 0) this.#hasLeft();
      });
  }

  subscribe(roomId: string, onNotice: (notice: Notice) => void): () => void {
    return this.#isClosed ? () => {} : this.#subscriptions.add(roomId, onNotice);
  }

  onResumed(run: () => void): void {
    this.#resumed = run;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#pinging);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#subscriptions.clear();
    this.#listening.disconnect();
    if (this.#unanswered > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LEAVE_MS);
        this.#hasLeft = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#link.close();
  }

  #hear(channel: string, text: string): void {
    const notice = noticeFromText(text);
    if (notice !== null && !this.#isClosed) this.#subscriptions.deliver(channel.slice(this.#prefix.length, -1), notice);
  }

  /** What begins and ends in one turn is told to Redis as it stands at its end. */
  #change(roomId: string): void {
    if (this.#changed.add(roomId).size > 1) return;
    process.nextTick(() => {
      const changed = Array.from(this.#changed);
      this.#changed = new Set();
      if (this.#isClosed) return;
      void this.#subscribe(changed.filter((room) => this.#subscriptions.has(room)));
      void this.#unsubscribe(changed.filter((room) => !this.#subscriptions.has(room)));
    });
  }

  /** The connection is there, at first or again. */
  async #listen(): Promise<void> {
    const isAgain = this.#hasListened;
    this.#hasListened = true;
    await this.#subscribe(Array.from(this.#subscriptions.rooms));
    if (isAgain && !this.#isClosed) this.#resumed();
  }

  #subscribe(roomIds: readonly string[]): Promise<void> {
    return this.#tell(this.#isSharded ? "ssubscribe" : "subscribe", roomIds);
  }

  #unsubscribe(roomIds: readonly string[]): Promise<void> {
    return this.#tell(this.#isSharded ? "sunsubscribe" : "unsubscribe", roomIds);
  }

  /** Resolves when Redis has done it, or could not. */
  async #tell(
    command: "subscribe" | "ssubscribe" | "unsubscribe" | "sunsubscribe",
    roomIds: readonly string[],
  ): Promise<void> {
    if (this.#listening.status !== "ready") return;
    // In a cluster the channels of one command must belong to one slot.
    const step = this.#isCluster ? 1 : ROOMS_AT_ONCE;
    const told: Promise<unknown>[] = [];
    for (let from = 0; from < roomIds.length; from += step) {
      const channels = roomIds.slice(from, from + step).map((roomId) => this.#channelOf(roomId));
      told.push(this.#listening[command](...channels).catch(() => this.#retryLater()));
    }
    await Promise.all(told);
  }

  /** A node of a cluster was not there; its rooms are asked for again with all others, which does no harm. */
  #retryLater(): void {
    if (this.#isClosed || !this.#isCluster || this.#retry !== null) return;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      if (!this.#isClosed) void this.#subscribe(Array.from(this.#subscriptions.rooms));
    }, PING_MS);
    this.#retry.unref();
  }

  /** Keeps a listening connection from being dead without anybody noticing: without an answer it is given up. */
  #ping(): void {
    if (!this.#isCluster && this.#listening.status === "ready") this.#listening.ping().catch(() => {});
  }

  #channelOf(roomId: string): string {
    return `${this.#prefix}${roomId}}`;
  }
}

/** Whether this server has sharded Pub/Sub. All nodes get the same answer, as they ask the same server. */
async function hasShardedChannels(link: RedisLink): Promise<boolean> {
  const answer = await link.command("command", "info", "spublish").catch(() => [null]);
  return Array.isArray(answer) && answer[0] !== null && answer.length > 0;
}

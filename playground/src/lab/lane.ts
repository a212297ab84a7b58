import { type Client, createClient, type Room, type TransportName } from "yamabiko/client";
import { fieldsOf, numeric, text } from "../chat/message.ts";
import { FeedCheck, type FeedCount } from "./feed-check.ts";
import { LatencyHistogram } from "./latency.ts";
import { Recent, type Spark } from "./recent.ts";
import { type TrafficCount, TrafficMeter } from "./traffic.ts";

/** The room all lanes follow. */
export const FEED = "demo:ticker";

/** The transports side by side, in the order of the cards. */
export const TRANSPORTS = ["websocket", "sse", "long-polling", "polling"] as const satisfies readonly TransportName[];

/** A price of the feed. */
export interface Price {
  readonly seq: number;
  readonly symbol: string;
  readonly price: number;
}

/** Everything the page shows of one transport, at one moment. */
export interface LaneView {
  readonly transport: TransportName;
  readonly status: "connecting" | "connected" | "waiting" | "closed" | "refused";
  /** Why it cannot follow the feed. */
  readonly error: string | null;
  readonly feed: FeedCount;
  readonly traffic: TrafficCount;
  readonly reconnects: number;
  /** The newest number this lane has; null before the first. */
  readonly at: number | null;
  /** Whether it has everything from before it joined last. */
  readonly isCaughtUp: boolean;
  readonly last: Price | null;
  /** ms; null before there are any. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly measured: number;
  readonly bars: readonly number[];
  readonly spark: Spark;
}

/** What a lane tells the lab. */
export interface LaneHost {
  readonly token: () => Promise<string>;
  readonly keepSignedIn: (client: Client) => void;
  /** How far the server's clock is ahead of this one, ms; null while that is not known. */
  readonly clockAheadMs: () => number | null;
  rateChanged(perSecond: number): void;
}

/** One transport, followed by a client of its own that may come by no other. */
export class Lane {
  readonly transport: TransportName;
  readonly client: Client;
  readonly room: Room;
  readonly #host: LaneHost;
  readonly #feed = new FeedCheck();
  readonly #latency = new LatencyHistogram();
  readonly #recent = new Recent();
  readonly #meter = new TrafficMeter();
  readonly #stopMeter: () => void;
  #connections = 0;
  #reconnects = 0;
  #last: Price | null = null;
  #error: string | null = null;

  constructor(transport: TransportName, host: LaneHost, pollIntervalMs: number) {
    this.transport = transport;
    this.#host = host;
    this.#stopMeter = this.#meter.start();
    this.client = createClient(`${window.location.origin}/ws`, {
      transports: [transport],
      pollIntervalMs,
      token: host.token,
      fetch: this.#meter.fetch,
      WebSocket: this.#meter.webSocket(),
    });
    host.keepSignedIn(this.client);
    this.client.on("connected", () => {
      this.#connections += 1;
      if (this.#connections > 1) this.#reconnects += 1;
    });
    this.client.on("error", () => {}); // the numbers tell
    this.room = this.client.join(FEED);
    this.room.on("joined", ({ epoch, cursor, head, state }) => {
      this.#feed.join(epoch, seqOf(cursor), head);
      this.#rate(state?.rate?.perSecond);
    });
    this.room.on("failed", ({ message }) => {
      this.#error = message;
    });
    this.room.on("error", () => {});
    this.room.on("rate_changed", (payload) => this.#rate(fieldsOf(payload).perSecond));
    this.room.on("price", (payload, { seq }) => this.#received(fieldsOf(payload), seq ?? 0));
  }

  view(now: number): LaneView {
    const { status } = this.client;
    const known = status === "connected" || status === "waiting" || status === "connecting" ? status : "closed";
    return {
      transport: this.transport,
      status: this.#error === null ? known : "refused",
      error: this.#error,
      feed: this.#feed.count,
      traffic: this.#meter.count,
      reconnects: this.#reconnects,
      at: this.#feed.last,
      isCaughtUp: this.#feed.isCaughtUp,
      last: this.#last,
      p50: this.#latency.quantile(0.5),
      p99: this.#latency.quantile(0.99),
      measured: this.#latency.count,
      bars: this.#latency.bars(),
      spark: this.#recent.spark(now),
    };
  }

  /** Counts from 0 on. */
  clear(): void {
    this.#feed.clear();
    this.#latency.clear();
    this.#recent.clear();
    this.#meter.clear();
    this.#reconnects = 0;
  }

  cut(): void {
    this.client.cut();
  }

  close(): void {
    this.#stopMeter();
    this.client.close();
  }

  #received({ symbol, price, at }: Readonly<Record<string, unknown>>, seq: number): void {
    const now = preciseNow();
    this.#last = { seq, symbol: text(symbol), price: numeric(price) ?? 0 };
    const isLive = this.#feed.see(seq);
    const publishedAt = numeric(at);
    const aheadMs = this.#host.clockAheadMs();
    // What was published while the connection was away says nothing about the way it came.
    if (!isLive || publishedAt === null || aheadMs === null) return;
    const latencyMs = now - (publishedAt - aheadMs);
    this.#latency.add(latencyMs);
    this.#recent.add(now, latencyMs);
  }

  #rate(value: unknown): void {
    const perSecond = numeric(value);
    if (perSecond !== null) this.#host.rateChanged(perSecond);
  }
}

/** Ms since 1970 with fractions, by the same clock as `performance`. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

function seqOf(cursor: string): number {
  const seq = Number(cursor.slice(cursor.lastIndexOf(":") + 1));
  return Number.isSafeInteger(seq) ? seq : 0;
}

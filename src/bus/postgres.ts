import { createHash } from "node:crypto";
import type { Sql } from "postgres";
import { type LinkEvents, nullLinkEvents, reconnectDelayMs } from "../link/link.ts";
import { connectPostgres, loadPostgres, type Postgres, PostgresLink } from "../link/postgres.ts";
import { parsePostgresAddress } from "../link/postgres-address.ts";
import type { Bus, Notice } from "./bus.ts";
import { noticeFromText, noticeToTextWithin } from "./notice-text.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface PostgresBusOptions {
  /** Which database, as for the log: `postgres://…`. Not by way of a pooler that shares connections between transactions. */
  readonly url: string;
  /** Told of the connection. Default: nobody. */
  readonly events?: LinkEvents | undefined;
  /** How long a statement may take before the connections are given up, ms. Default: 10,000. */
  readonly silenceMs?: number | undefined;
  /** How long the first connection may take, ms. Default: 10,000. */
  readonly connectMs?: number | undefined;
}

/** What NOTIFY carries, bytes; it refuses 8,000 and more. */
const MOST_BYTES = 7_900;
/** The notices that wait for the statement under way; one more is lost. */
const WAITING_NOTICES = 10_000;
/** How many notices one statement sends. */
const NOTICES_AT_ONCE = 500;
/** How long what was published may take to leave before the bus lets go, ms. */
const LEAVE_MS = 1_000;
/** How often the listening connection is asked whether it is still there, and how long it may take to say so, ms. */
const PING_MS = 2_000;
const PONG_MS = 5_000;

/**
 * A bus over LISTEN and NOTIFY, with connections of its own: two. A node hears only the rooms it serves. What one turn of the
 * event loop publishes leaves as one statement. A notice over 7,900 bytes is not brought, as that is more than NOTIFY
 * carries; that something is new always is, so that events of any size arrive from the log. While PostgreSQL is away notices
 * are lost, and rooms compare heads.
 *
 * Throws as `createPostgresLog`.
 */
export async function createPostgresBus(options: PostgresBusOptions): Promise<Bus> {
  const { events = nullLinkEvents, silenceMs, connectMs } = options;
  const { url, schema } = parsePostgresAddress(options.url);
  const common = { url, name: "yamabiko-bus", events, silenceMs, connectMs, connections: 1 };
  const link = await PostgresLink.open(common);
  return new PostgresBus(
    link,
    new Ear(await loadPostgres(), { ...common, name: "yamabiko-bus-listening" }),
    schema,
    events,
  );
}

class PostgresBus implements Bus {
  readonly lossless = false;
  readonly #link: PostgresLink;
  readonly #ear: Ear;
  readonly #schema: string;
  readonly #events: LinkEvents;
  readonly #roomsByChannel = new Map<string, string>();
  readonly #subscriptions = new Subscriptions({
    roomWanted: (roomId) => {
      this.#roomsByChannel.set(this.#channelOf(roomId), roomId);
      this.#ear.want(this.#channelOf(roomId));
    },
    roomUnwanted: (roomId) => {
      this.#roomsByChannel.delete(this.#channelOf(roomId));
      this.#ear.unwant(this.#channelOf(roomId));
    },
  });
  #waiting: (readonly [channel: string, text: string])[] = [];
  #isSending = false;
  #isClosed = false;
  /** Called when nothing is on its way any more. */
  #hasLeft = (): void => {};

  constructor(link: PostgresLink, ear: Ear, schema: string, events: LinkEvents) {
    this.#link = link;
    this.#ear = ear;
    this.#schema = schema;
    this.#events = events;
    ear.listen((channel, text) => this.#hear(channel, text));
  }

  publish(roomId: string, notice: Notice): void {
    if (this.#isClosed) return;
    const text = noticeToTextWithin(notice, MOST_BYTES);
    if (text === null || this.#waiting.length >= WAITING_NOTICES || !this.#link.isUp) {
      this.#events.dropped();
      return;
    }
    if (this.#waiting.push([this.#channelOf(roomId), text]) === 1 && !this.#isSending) {
      process.nextTick(() => void this.#send());
    }
  }

  subscribe(roomId: string, onNotice: (notice: Notice) => void): () => void {
    return this.#isClosed ? () => {} : this.#subscriptions.add(roomId, onNotice);
  }

  onResumed(run: () => void): void {
    this.#ear.onAgain = run;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#subscriptions.clear();
    if (this.#isSending || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LEAVE_MS);
        this.#hasLeft = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    await Promise.all([this.#ear.close(), this.#link.close()]);
  }

  /** One statement at a time, so that notices come in the order they were given. */
  async #send(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    while (this.#waiting.length > 0) {
      const notices = this.#waiting.splice(0, NOTICES_AT_ONCE);
      const statement =
        "SELECT count(pg_notify(value->>0, value->>1)) FROM jsonb_array_elements($1::text::jsonb) AS notices";
      await this.#link.query(statement, [JSON.stringify(notices)]).catch(() => {
        for (const _ of notices) this.#events.dropped();
      });
    }
    this.#isSending = false;
    this.#hasLeft();
  }

  #hear(channel: string, text: string): void {
    const roomId = this.#roomsByChannel.get(channel);
    const notice = noticeFromText(text);
    if (roomId !== undefined && notice !== null && !this.#isClosed) this.#subscriptions.deliver(roomId, notice);
  }

  /** A channel is a name of at most 63 bytes; a room's may be longer. */
  #channelOf(roomId: string): string {
    return `y_${createHash("sha256").update(`${this.#schema} ${roomId}`).digest("base64url")}`;
  }
}

/** The connection that listens. It is made again when it is lost, and then listens again to all that is wanted. */
class Ear {
  readonly #postgres: Postgres;
  readonly #options: Parameters<typeof connectPostgres>[1];
  readonly #wanted = new Set<string>();
  readonly #pinging: NodeJS.Timeout;
  #onNotice: (channel: string, text: string) => void = () => {};
  #sql: Sql<{ bigint: number }> | null = null;
  /** Channels whose wanting changed in this turn. */
  #changed = new Set<string>();
  #attempts = 0;
  #isClosed = false;
  #hasListened = false;
  /** Called when it listens again. */
  onAgain = (): void => {};

  constructor(postgres: Postgres, options: Parameters<typeof connectPostgres>[1]) {
    this.#postgres = postgres;
    this.#options = options;
    this.#pinging = setInterval(() => void this.#tell("SELECT 1"), PING_MS);
    this.#pinging.unref();
  }

  /** Begins; `onNotice` hears every notice of the wanted channels. */
  listen(onNotice: (channel: string, text: string) => void): void {
    this.#onNotice = onNotice;
    this.#connect();
  }

  want(channel: string): void {
    this.#wanted.add(channel);
    this.#change(channel);
  }

  unwant(channel: string): void {
    this.#wanted.delete(channel);
    this.#change(channel);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#pinging);
    await this.#sql?.end({ timeout: 0 });
  }

  /** What changes in one turn is told as it stands at its end. */
  #change(channel: string): void {
    if (this.#changed.add(channel).size > 1) return;
    process.nextTick(() => {
      const words = Array.from(this.#changed, (name) => `${this.#wanted.has(name) ? "LISTEN" : "UNLISTEN"} "${name}"`);
      this.#changed = new Set();
      void this.#tell(words.join("; "));
    });
  }

  #connect(): void {
    const sql = connectPostgres(
      this.#postgres,
      this.#options,
      (channel, text) => this.#onNotice(channel, text),
      () => {
        // Its connection is gone, and with it what it listened to.
        if (this.#sql === sql) this.#again();
      },
    );
    this.#sql = sql;
    void this.#tell(["SELECT 1", ...Array.from(this.#wanted, (name) => `LISTEN "${name}"`)].join("; ")).then(
      (isHeard) => {
        if (!isHeard) return;
        this.#attempts = 0;
        if (this.#hasListened) this.onAgain();
        this.#hasListened = true;
      },
    );
  }

  /** Says it to PostgreSQL. When it does not answer in time the connection is made again. */
  async #tell(words: string): Promise<boolean> {
    const sql = this.#sql;
    if (sql === null || this.#isClosed) return false;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("no answer")), PONG_MS);
    });
    try {
      await Promise.race([sql.unsafe(words), silence]);
      return true;
    } catch {
      if (this.#sql === sql) this.#again();
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  #again(): void {
    const sql = this.#sql;
    this.#sql = null;
    void sql?.end({ timeout: 0 }).catch(() => {});
    setTimeout(
      () => {
        if (!this.#isClosed) this.#connect();
      },
      reconnectDelayMs(++this.#attempts),
    ).unref();
  }
}

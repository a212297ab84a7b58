import type { Clock } from "../../protocol/clock.ts";
import type { Envelope } from "../../protocol/envelope.ts";
import { YamabikoError } from "../../protocol/errors.ts";
import { ABNORMAL, closeCodeOf, FORBIDDEN, PROTOCOL_ERROR, TRY_LATER, UNAUTHENTICATED } from "../close-code.ts";
import { newMessageId } from "../message-id.ts";
import { roomIdOf } from "../room-name.ts";
import {
  absolute,
  type ClientTransport,
  type TransportEvents,
  type TransportLink,
  type TransportName,
  type TransportTarget,
} from "./transport.ts";

/** What the transports over HTTP need of the client's options. */
export interface HttpOptions {
  readonly clock: Clock;
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** How a link reads; the rest the transports over HTTP have in common. */
export interface Reader {
  /** What is to be asked for is another: reads anew. Called first when the link is to start. */
  restart(): void;
  /** Something was POSTed, so there may be something to read. */
  posted?(): void;
}

/** What is asked for, at the moment the question was made. */
export interface Question {
  readonly body: object;
  /** The token it tries out, when that is not the one already accepted. */
  readonly fresh?: Fresh | null;
  /** Whether there is something to be answered at once. */
  readonly isUrgent?: boolean;
}

/** A token that no answer has accepted yet, and the `authenticate` it came by. */
export interface Fresh {
  readonly token: string;
  readonly messageId: string | undefined;
}

interface Queued {
  readonly key: string;
  readonly roomId: string | null;
  readonly envelope: Envelope;
  readonly bytes: number;
}

/** Why a link ended that got no answer. */
export const SILENT = "The server is silent.";
/** How long a POST may take, ms. */
const POST_MS = 10_000;
/** Joins that come within this time share one request, ms. */
const COALESCE_MS = 10;
/** As much goes into one POST; servers, and most proxies, take 1 MiB. A character of JSON has up to 3 bytes. */
const BATCH_MESSAGES = 256;
const BATCH_LENGTH = 256 * 1024;
/** As many times in a row a POST may fail. */
const MAX_FAILURES = 3;
const RETRY_MS = 500;

/** The address of `/api/<path>` beside the WebSocket endpoint `url`. */
export function apiUrl(url: string, path: string): string {
  const beside = /(\/(ws)?)?([?#].*)?$/;
  return absolute(url).href.replace(/^ws/, "http").replace(beside, `/api/${path}`);
}

/** A transport that POSTs what the client says, and reads with `read`. */
export function httpTransport(
  name: TransportName,
  options: HttpOptions,
  read: (link: HttpLink) => Reader,
): ClientTransport {
  return { name, open: (target, events) => new HttpLink(options, target, events, read) };
}

/**
 * A link over HTTP: what the client says goes out in POSTs, one at a time and in order; a {@link Reader} brings what the
 * server says. It keeps the cursor of every room, so that a reader can be replaced by another at any moment.
 */
export class HttpLink implements TransportLink {
  ended = false;
  backlogBytes = 0;
  /** The last one. */
  welcome: Welcome | null = null;
  readonly #options: HttpOptions;
  readonly #url: string;
  readonly #events: TransportEvents;
  readonly #reader: Reader;
  /** The rooms that are followed or to be, and how far each was handed on; empty until that is known. */
  readonly #rooms = new Map<string, string>();
  /** By `messageId`, each `join_room` that is not answered. */
  readonly #joins = new Map<string | undefined, Envelope>();
  /** Go out when no reader asks for their rooms any more: only then do they end the membership at once. */
  #leaves: Envelope[] = [];
  /** What is being POSTed, and behind it what waits; by `messageId`, or by another one where there is none. */
  readonly #queue = new Map<string, Queued>();
  #posting = false;
  #token: string | null;
  /** A token that no answer has accepted yet. */
  #fresh: Fresh | null = null;
  #restart: (() => void) | null = null;
  /** What waits for its time. */
  readonly #pending = new Set<() => void>();

  constructor(
    options: HttpOptions,
    { url, token }: TransportTarget,
    events: TransportEvents,
    read: (link: HttpLink) => Reader,
  ) {
    this.#options = options;
    this.#url = url;
    this.#token = token;
    this.#events = events;
    this.#reader = read(this);
    this.#renew();
    // At once, so that the first request can carry the joins already. What is POSTed waits for `welcome`.
    queueMicrotask(() => this.ended || events.opened());
  }

  send(envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) {
      const { type, payload, messageId } = envelope;
      const roomId = roomIdOf(payload)!;
      const isJoin = type === "join_room";
      if (type === "authenticate") this.#fresh = { token: (payload as { token: string }).token, messageId };
      else if (isJoin || type === "leave_room") {
        for (const [id, join] of this.#joins) if (roomIdOf(join.payload) === roomId) this.#joins.delete(id);
        if (isJoin) {
          this.#rooms.set(roomId, "");
          this.#joins.set(messageId, envelope);
        } else {
          this.#rooms.delete(roomId);
          this.#leaves.push(envelope);
          queueMicrotask(() => this.#tell({ type: "left_room", payload: { roomId } }));
        }
      } else {
        this.#enqueue(envelope);
        continue;
      }
      this.#renew();
    }
  }

  close(): void {
    this.drop();
  }

  drop(): void {
    this.ended = true;
    for (const due of this.#pending) due();
  }

  /** Ends the link by itself. */
  end(code: number, reason: string): void {
    if (this.ended) return;
    this.drop();
    this.#events.closed(code, reason);
  }

  /** Runs something after a time, or when the link ends, unless it is called off by what is returned. */
  after(delayMs: number, run: () => void): () => void {
    const due = (): void => {
      cancel();
      run();
    };
    const timer = this.#options.clock.setTimer(due, delayMs);
    const cancel = (): void => {
      timer.cancel();
      this.#pending.delete(due);
    };
    this.#pending.add(due);
    return cancel;
  }

  /** What a reader has to ask for now. */
  question(): Question {
    const cursor = new URLSearchParams([...this.#rooms].filter(([, known]) => known)).toString();
    const fresh = this.#fresh;
    const messages = [...this.#joins.values()];
    const welcome = !this.welcome || !!fresh;
    return {
      fresh,
      isUrgent: welcome || messages.length > 0,
      body: { cursor, messages, welcome },
    };
  }

  /**
   * A request and its whole answer: undefined when that is not JSON, and status 0 when none came in time or it broke off. With
   * `take` a good answer is a stream: each piece is given to it, and it says how long the next may take, ms.
   */
  async call(
    path: string,
    { body, fresh }: Question,
    timeoutMs: number,
    stop = new AbortController(),
    take?: (piece: string) => number,
  ): Promise<[status: number, answer?: unknown]> {
    const { fetch = globalThis.fetch } = this.#options;
    const token = fresh?.token ?? this.#token;
    const abort = (): void => stop.abort();
    let cancel = this.after(timeoutMs, abort);
    try {
      const response = await fetch(apiUrl(this.#url, path), {
        method: "POST",
        headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
        signal: stop.signal,
      });
      const { status } = response;
      if (take && response.ok) {
        const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return [status];
          const nextMs = take(value);
          if (stop.signal.aborted) return [0];
          cancel();
          cancel = this.after(nextMs, abort);
        }
      }
      return [status, await response.json().catch(() => {})];
    } catch {
      return [0];
    } finally {
      cancel();
    }
  }

  /** Something came, if not a word. */
  alive(): void {
    if (!this.ended) this.#events.alive();
  }

  /** Hands on what a reader read, and moves the cursors. What was left or is joined anew meanwhile is not handed on. */
  hear(envelope: Envelope, { fresh }: Question): void {
    const { type, roomId, seq, messageId } = envelope;
    const payload = envelope.payload as Record<string, unknown> | null;
    if (this.ended) return;
    if (type === "closed") return this.end(payload?.code as number, String(payload?.reason));
    if (type === "welcome") return this.#welcomed(envelope as Welcome, fresh);
    const of = payload?.roomId as string;
    if (type === "left_room") this.#rooms.delete(of);
    else if (type === "ack") {
      const join = this.#joins.get(messageId);
      this.#joins.delete(messageId);
      if (join && !payload?.success) this.#rooms.delete(roomIdOf(join.payload)!);
    } else if (type === "joined_room" || type === "history_lost") {
      if (this.#rooms.has(of)) this.#rooms.set(of, payload!.cursor as string);
    } else if (roomId !== undefined) {
      const cursor = this.#rooms.get(roomId);
      if (!cursor) return;
      if (seq !== undefined) this.#rooms.set(roomId, cursor.replace(/:.*/, `:${seq}`));
    }
    this.#events.received(envelope);
    void this.#post();
  }

  /** The cursors of a whole answer; they know more than the numbers of its events. */
  moveTo(cursor: string | undefined): void {
    for (const [roomId, value] of new URLSearchParams(cursor)) {
      if (this.#rooms.get(roomId)) this.#rooms.set(roomId, value);
    }
    this.#goodbye();
  }

  /**
   * A read was answered with a refusal. True when it was a refused refresh of the token, which changes nothing: the reader goes on
   * as before. Otherwise the link has ended.
   */
  refused(status: number, answer: unknown, { fresh }: Question): boolean {
    const error = refusalIn(answer);
    // A proxy's own words: it cannot reach the server, or does not let this through.
    const code = error ? closeCodeOf(error) : status < 500 ? PROTOCOL_ERROR : TRY_LATER;
    if (this.welcome && fresh && code >= UNAUTHENTICATED) {
      if (this.#fresh === fresh) this.#fresh = null;
      this.#refuse(fresh, error!);
    } else this.end(code, error?.message ?? `HTTP ${status}`);
    return !this.ended;
  }

  #welcomed(welcome: Welcome, fresh: Question["fresh"]): void {
    const before = this.welcome;
    const { user, guestToken, expiresAt } = welcome.payload;
    if (before && before.payload.user.id !== user.id) return this.end(FORBIDDEN, "Another user.");
    this.#token = fresh?.token ?? this.#token ?? guestToken ?? null;
    if (this.#fresh === fresh) this.#fresh = null;
    this.welcome = welcome;
    if (!before) this.#tell(welcome);
    this.#answer(fresh?.messageId, { success: true, expiresAt });
    this.#goodbye();
    void this.#post();
  }

  /** Nobody reads any more what was left. */
  #goodbye(): void {
    for (const leave of this.#leaves.splice(0)) this.#enqueue(leave);
  }

  /** An answer the server gives on a WebSocket and here by deeds. */
  #answer(messageId: string | undefined, payload: object): void {
    if (messageId) this.#tell({ type: "ack", messageId, payload, timestamp: this.welcome!.timestamp });
  }

  #refuse({ messageId }: { messageId?: string | undefined }, error: object): void {
    this.#answer(messageId, { success: false, error });
  }

  #tell(envelope: object): void {
    if (!this.ended) this.#events.received(envelope);
  }

  #enqueue(envelope: Envelope): void {
    const key = envelope.messageId ?? newMessageId();
    // What is queued already goes out until it is answered: once is enough.
    if (this.#queue.has(key)) return;
    const bytes = JSON.stringify(envelope).length;
    this.backlogBytes += bytes;
    this.#queue.set(key, { key, roomId: roomIdOf(envelope.payload), envelope, bytes });
    queueMicrotask(() => void this.#post());
  }

  #remove(some: readonly Queued[]): void {
    for (const { key, bytes } of some) if (this.#queue.delete(key)) this.backlogBytes -= bytes;
  }

  #renew(): void {
    this.#restart ??= this.after(COALESCE_MS, () => {
      this.#restart = null;
      if (!this.ended) this.#reader.restart();
    });
  }

  /**
   * Sends the queue from its front. A POST without a good answer may have arrived or not: the same goes again, and nothing
   * overtakes it.
   */
  async #post(): Promise<void> {
    if (this.#posting || !this.welcome) return;
    this.#posting = true;
    let failures = 0;
    let most = BATCH_MESSAGES;
    while (!this.ended) {
      const batch: Queued[] = [];
      let sum = 0;
      for (const queued of this.#queue.values()) {
        // Before its room is joined it might be missing among the events that follow the join.
        if (this.#rooms.get(queued.roomId!) === "") continue;
        sum += queued.bytes;
        if (batch.length === most || (sum > BATCH_LENGTH && batch.length > 0)) break;
        batch.push(queued);
      }
      if (batch.length === 0) break;
      const body = batch.map(({ envelope }) => envelope);
      const [status, answer] = await this.call("messages", { body }, POST_MS);
      if (this.ended) return;
      const refusal = refusalIn(answer);
      const answers = answer as Envelope[] | undefined;
      if (answers && answers.length >= batch.length) {
        failures = 0;
        most = BATCH_MESSAGES;
        this.#take(batch, answers);
      } else if (refusal && closeCodeOf(refusal) >= UNAUTHENTICATED) this.refused(status, answer, { body });
      // One of them is bad, and all were refused for it.
      else if (refusal?.retryable === false && batch.length > 1) most = batch.length >> 1;
      else if (refusal) {
        // Nothing was done. What may come again must not be overtaken by what waits behind it.
        const refused = refusal.retryable ? [...this.#queue.values()] : batch;
        this.#remove(refused);
        for (const { envelope } of refused) this.#refuse(envelope, refusal);
      } else if (++failures === MAX_FAILURES) this.end(ABNORMAL, SILENT);
      else {
        // Without a messageId it would come twice.
        this.#remove(batch.filter(({ envelope }) => !envelope.messageId));
        await new Promise<void>((resolve) => this.after(RETRY_MS * (failures - 1), resolve));
      }
    }
    this.#posting = false;
  }

  /** A batch was answered. */
  #take(batch: readonly Queued[], answers: readonly Envelope[]): void {
    // One ack each, in order. A room whose message is to come again (ACK-5): what waits here must not overtake it.
    const errors = new Map<string | null, object>();
    batch.forEach(({ roomId, envelope }, index) => {
      const { error } = answers[index]!.payload as { error?: { retryable: boolean } };
      if (error?.retryable && envelope.messageId) errors.set(roomId, error);
    });
    const behind = [...this.#queue.values()].filter(({ roomId }) => errors.has(roomId));
    this.#remove(batch);
    this.#remove(behind);
    // `left_room` was told when the room was left; by now it may be joined again.
    for (const answer of answers) if (answer.type !== "left_room") this.#tell(answer);
    for (const { roomId, envelope } of behind) this.#refuse(envelope, errors.get(roomId)!);
    this.#reader.posted?.();
  }
}

/** The part of `welcome` that a link reads. */
interface Welcome extends Envelope {
  payload: { user: { id: string }; guestToken?: string; expiresAt?: number };
}

/** The error in an answer; null when it is none of ours, but a proxy's. */
function refusalIn(answer: unknown): YamabikoError | null {
  const error = (answer as { error?: { code?: unknown } } | null | undefined)?.error;
  return error?.code ? YamabikoError.fromWire(error as object) : null;
}

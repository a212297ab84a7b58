import { randomUUID } from "node:crypto";
import type { GuestTokens } from "../auth/identity.ts";
import { isoTime } from "../codec/json.ts";
import {
  type Clock,
  type Envelope,
  type Limits,
  messageIdOf,
  toEnvelope,
  toYamabikoError,
  traceparentOf,
  YamabikoError,
} from "../protocol/index.ts";
import type { Connection } from "../session/connection.ts";
import type { Sessions } from "../session/sessions.ts";
import { type Caller, closedError, introduce, rateKey } from "./caller.ts";
import { pollJson } from "./http-formats.ts";
import { answerWith, readMessages, type SendAnswer } from "./read-messages.ts";
import { refusalIn } from "./refusal.ts";
import type { RequestRates } from "./request-rates.ts";

/** What the transports over HTTP stand on. */
export interface RequestParts {
  readonly sessions: Sessions;
  readonly guests: GuestTokens | null;
  readonly rates: RequestRates;
  readonly limits: Limits;
  readonly clock: Clock;
}

/**
 * POST: one envelope or an array of them, each answered by its ack, in order (HTTP-3, HTTP-4). Needs no joined room.
 * @param traceparent of the request, for those that say nothing of their own (ENV-8).
 * @throws {YamabikoError} when nothing of it was done.
 */
export async function sendMessages(
  body: Uint8Array,
  caller: Caller,
  traceparent: string | undefined,
  parts: RequestParts,
): Promise<SendAnswer> {
  const { isArray, messages } = readMessages(body, parts.limits);
  const connection = new SendConnection(parts.clock);
  const session = parts.sessions.open(connection, { rates: parts.rates.of(rateKey(caller)), address: caller.address });
  try {
    introduce(session, caller, parts.guests);
    if (connection.closed !== null) throw connection.refusal ?? connection.closed;
    for (const { value: given, bytes } of messages) {
      const value = named(given, traceparent);
      // Whose answer it is can be told only when the first of two with the same messageId has been answered.
      if (connection.awaits(value)) await session.whenIdle();
      const refusal = connection.expect(value);
      if (refusal === null) session.receive(value, bytes);
    }
    await session.whenIdle();
  } finally {
    session.end("normal");
  }
  return answerWith(connection.answers(), isArray);
}

/** A message without an id is given one: every message of a request is answered. What the request belongs to, so does it. */
function named(value: unknown, traceparent: string | undefined): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const isNameless = (value as Envelope).messageId === undefined;
  const isTraced = traceparent !== undefined && traceparentOf(value) === null;
  if (!isNameless && !isTraced) return value;
  return { ...value, ...(isNameless ? { messageId: randomUUID() } : {}), ...(isTraced ? { traceparent } : {}) };
}

/** Types that are about what a client reads, or answer it, and so say nothing in a request that only writes. */
const NOT_HERE: ReadonlySet<string> = new Set(["join_room", "authenticate", "ack"]);

/** A client that sends and does not listen: it collects what it is answered. */
class SendConnection implements Connection {
  readonly transport = "send";
  readonly isDuplex = false;
  readonly format = pollJson;
  readonly writable = false;
  readonly isCongested = false;
  readonly #clock: Clock;
  readonly #acks: (Envelope | null)[] = [];
  /** The messageId of each. */
  readonly #ids: (string | undefined)[] = [];
  /** Where the answer to a messageId belongs. */
  readonly #places = new Map<string, number>();
  readonly #others: Envelope[] = [];
  /** Why the server ended it before all was answered. */
  closed: YamabikoError | null = null;
  /** What was said before it was ended. */
  refusal: YamabikoError | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get heardAt(): number {
    return this.#clock.monotonic();
  }

  /** Whether a message with the same messageId is not answered yet. */
  awaits(value: unknown): boolean {
    return this.#places.has(messageIdOf(value) ?? "");
  }

  /** A message is to be answered, in this place. Gives why it is refused without asking anybody, or null. */
  expect(value: unknown): YamabikoError | null {
    const place = this.#acks.push(null) - 1;
    const messageId = messageIdOf(value);
    this.#ids.push(messageId);
    let refusal: YamabikoError | null = null;
    try {
      const { type } = toEnvelope(value);
      if (NOT_HERE.has(type)) {
        refusal = new YamabikoError("invalid_message", `"${type}" has no place in a request that only sends.`, {
          remedy:
            "Send the token in the Authorization header; name the rooms to read in GET /api/events or /api/messages.",
        });
      }
    } catch (error) {
      refusal = toYamabikoError(error);
    }
    if (refusal !== null) this.#acks[place] = this.#refused(messageId, refusal);
    else if (messageId !== undefined) this.#places.set(messageId, place);
    return refusal;
  }

  /** One ack per message, in order, then whatever else was said. */
  answers(): Envelope[] {
    // It may be in the log all the same, so it must come again, whatever the reason.
    const missing =
      this.closed?.retryable === true
        ? this.closed
        : new YamabikoError("unavailable", "What became of the message is not known; send it again.");
    const acks = this.#acks.map((ack, place) => ack ?? this.#refused(this.#ids[place], missing));
    return [...acks, ...this.#others];
  }

  send(envelope: Envelope): void {
    if (envelope.type === "welcome") return;
    const place = envelope.type === "ack" ? this.#places.get(envelope.messageId ?? "") : undefined;
    if (place !== undefined) {
      this.#acks[place] = envelope;
      this.#places.delete(envelope.messageId!);
    } else if (envelope.type === "error" && this.#acks.length === 0) {
      this.refusal = refusalIn(envelope);
    } else this.#others.push(envelope);
  }

  close(code: number, reason: string): void {
    this.closed ??= closedError(code, reason);
  }

  deliver(): void {}

  ping(): boolean {
    return false;
  }

  pauseReading(): void {}

  #refused(messageId: string | undefined, error: YamabikoError): Envelope {
    const ack: Envelope = {
      type: "ack",
      payload: { success: false, error: error.toWire() },
      timestamp: isoTime(this.#clock.now()),
    };
    if (messageId !== undefined) ack.messageId = messageId;
    return ack;
  }
}

import { YamabikoError } from "./errors.ts";

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON object. */
export type JsonObject = { [key: string]: Json };

/** One message on the wire (PROTOCOL.md section 2). */
export interface Envelope {
  type: string;
  payload: unknown;
  /** ISO 8601 in UTC with milliseconds; only from the server. */
  timestamp?: string;
  /** Asks for an ack and makes the message safe to repeat. */
  messageId?: string;
  /** The full form of the room's address. */
  roomId?: string;
  /** The event's position in the room's log; absent on signals, state and control messages. */
  seq?: number;
}

const TYPE = /^[A-Za-z0-9_.:-]{1,64}$/;
/** Anything but the control characters U+0000 to U+001F and U+007F. */
const MESSAGE_ID = /^[ -~\u0080-\uffff]{1,128}$/;
const KNOWN: ReadonlySet<string> = new Set([
  "type",
  "payload",
  "timestamp",
  "messageId",
  "roomId",
  "seq",
  "traceparent",
]);

/**
 * Makes an envelope of a decoded value (ENV-1). When `payload` is absent, the remaining members are the payload.
 * @throws {YamabikoError} `invalid_message`.
 */
export function toEnvelope(value: unknown): Envelope {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new YamabikoError("invalid_message", "A message must be an object.", {
      remedy: 'Send {"type": "…", "payload": {…}}.',
    });
  }
  const fields = value as Record<string, unknown>;
  const { type, messageId } = fields;
  if (typeof type !== "string" || !TYPE.test(type)) {
    throw new YamabikoError("invalid_message", "`type` must be 1 to 64 characters of A-Z a-z 0-9 _ . : -");
  }
  if (messageId !== undefined && (typeof messageId !== "string" || !MESSAGE_ID.test(messageId))) {
    throw new YamabikoError(
      "invalid_message",
      "`messageId` must be a string of 1 to 128 characters, none of them control characters.",
    );
  }
  const envelope: Envelope = { type, payload: fields.payload };
  if (!Object.hasOwn(fields, "payload")) {
    const rest: Record<string, unknown> = {};
    for (const key of Object.keys(fields)) if (!KNOWN.has(key)) rest[key] = fields[key];
    if (typeof fields.roomId === "string") rest.roomId = fields.roomId;
    envelope.payload = rest;
  }
  if (messageId !== undefined) envelope.messageId = messageId;
  return envelope;
}

/** What a message that looks like an envelope says its spans belong to (ENV-8), as it came; null when it says nothing. */
export function traceparentOf(value: unknown): string | null {
  if (typeof value !== "object" || value === null) return null;
  const traceparent = (value as Record<string, unknown>).traceparent;
  return typeof traceparent === "string" ? traceparent : null;
}

/** The messageId of something that looks like an envelope, so that even a refusal of a bad envelope can be an ack. */
export function messageIdOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const id = (value as Record<string, unknown>).messageId;
  return typeof id === "string" && MESSAGE_ID.test(id) ? id : undefined;
}

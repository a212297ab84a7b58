import { type Envelope, type Limits, SUBPROTOCOLS, YamabikoError } from "../protocol/index.ts";
import { checkJsonValue } from "./check.ts";
import type { Codec, EncodableEvent } from "./codec.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Envelopes as JSON text (RFC 8259). The default. */
export const jsonCodec: Codec = {
  id: SUBPROTOCOLS.json,
  binary: false,
  encode: (envelope) => encoder.encode(jsonText(envelope)),
  encodeEvent: (event) => encoder.encode(jsonEventText(event)),
  decode(bytes, bounds) {
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      throw new YamabikoError("invalid_message", "The message is not valid UTF-8.");
    }
    return parseJson(text, bounds);
  },
};

/** Parses JSON text from a stranger and checks it against the bounds of ENV-5. */
export function parseJson(text: string, bounds: Pick<Limits, "depth" | "elements">): unknown {
  checkJsonDepth(text, bounds.depth);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new YamabikoError("invalid_message", "The message is not valid JSON.", {
      remedy: 'Send {"type": "…", "payload": {…}}.',
    });
  }
  checkJsonValue(value, bounds);
  return value;
}

/** Refuses nesting deeper than `depth` before the parser sees it. */
function checkJsonDepth(text: string, depth: number): void {
  // Few messages have as many brackets, in strings or outside; those need no second look.
  if (hasMore(text, depth)) checkNesting(text, depth);
}

/** Whether there are more opening brackets than `count`. */
function hasMore(text: string, count: number): boolean {
  let left = count;
  for (const bracket of OPENING) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) if (--left < 0) return true;
  }
  return false;
}

const OPENING = ["{", "["] as const;

/** Counts brackets outside strings. */
function checkNesting(text: string, depth: number): void {
  let open = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === 0x5c) index++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++open > depth) throw new YamabikoError("invalid_message", `The message is nested deeper than ${depth}.`);
    } else if (code === 0x7d || code === 0x5d) open--;
  }
}

/** A payload that already is JSON text: what many are told is made once. Any codec takes it where it takes the value. */
export class JsonPayload {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** The value. */
  toJSON(): unknown {
    return JSON.parse(this.text);
  }
}

/** An envelope as JSON text. */
export function jsonText(envelope: Envelope): string {
  if (!(envelope.payload instanceof JsonPayload)) return JSON.stringify(envelope);
  const { type, payload, ...others } = envelope as Envelope & { payload: JsonPayload };
  const rest = JSON.stringify(others).slice(1);
  return `{"type":${JSON.stringify(type)},"payload":${payload.text}${rest === "}" ? "" : ","}${rest}`;
}

/** An event as JSON text, made by joining: its payload already is JSON text. Members in the order of `eventEnvelope`. */
export function jsonEventText(event: EncodableEvent): string {
  const id = event.messageId === null ? "" : `,"messageId":${JSON.stringify(event.messageId)}`;
  return `{"type":"${event.type}","payload":${event.data},"timestamp":"${isoTime(event.timestamp)}"${id},"roomId":${JSON.stringify(event.roomId)},"seq":${event.seq}}`;
}

/** An event as an envelope. */
export function eventEnvelope(event: EncodableEvent): Envelope {
  const envelope: Envelope = {
    type: event.type,
    payload: JSON.parse(event.data) as unknown,
    timestamp: isoTime(event.timestamp),
  };
  if (event.messageId !== null) envelope.messageId = event.messageId;
  envelope.roomId = event.roomId;
  envelope.seq = event.seq;
  return envelope;
}

let lastTime = Number.NaN;
let lastText = "";

/** ISO 8601 in UTC with milliseconds. Remembers the last one: many messages share a millisecond. */
export function isoTime(ms: number): string {
  if (ms !== lastTime) {
    lastText = new Date(ms).toISOString();
    lastTime = ms;
  }
  return lastText;
}

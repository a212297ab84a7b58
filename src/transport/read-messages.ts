import { parseJson } from "../codec/json.ts";
import { splitJsonArray } from "../codec/json-array.ts";
import { ERRORS, type ErrorCode, type Limits, YamabikoError } from "../protocol/index.ts";

/** The most messages in one request. */
const MAX_MESSAGES = 1_000;

/** One message of a body, and its size in it. */
export interface ReadMessage {
  readonly value: unknown;
  readonly bytes: number;
}

/** What a request that sends is answered with. */
export interface SendAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfterMs?: number | undefined;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a body that is one message or an array of them; each is held to the bounds of one.
 * @throws {YamabikoError} `invalid_message`, `payload_too_large`.
 */
export function readMessages(body: Uint8Array, limits: Limits): { isArray: boolean; messages: ReadMessage[] } {
  const text = decodeText(body);
  const parts = splitJsonArray(text, MAX_MESSAGES);
  if (parts?.length === 0) throw new YamabikoError("invalid_message", "There is no message in it.");
  const messages = (parts ?? [text]).map((part) => {
    const bytes = parts === null ? body.length : Buffer.byteLength(part);
    if (bytes > limits.messageBytes) {
      throw new YamabikoError("payload_too_large", `A message may have ${limits.messageBytes} bytes.`);
    }
    return { value: parseJson(part, limits), bytes };
  });
  return { isArray: parts !== null, messages };
}

/** An array is answered by its acks, one message by its ack with the status of what it says (HTTP-3, HTTP-4). */
export function answerWith(acks: readonly { readonly payload: unknown }[], isArray: boolean): SendAnswer {
  if (isArray) return { status: 200, body: acks };
  const [ack] = acks;
  const { error } = ack!.payload as { error?: { code: ErrorCode; retryAfterMs?: number } };
  const status = error === undefined ? 200 : ERRORS[error.code].status;
  return { status, body: ack, retryAfterMs: error?.retryAfterMs };
}

function decodeText(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch {
    throw new YamabikoError("invalid_message", "The body is not valid UTF-8.");
  }
}

import type { Envelope, Limits } from "../protocol/index.ts";

/**
 * The codec seam: envelope to bytes and back.
 *
 * `encode` gives what stands inside one WebSocket message, one SSE `data:` or one HTTP body. `decode` takes bytes from a
 * stranger: it must be safe on anything, bounded by `bounds` before it allocates in proportion to what the input claims,
 * and it gives only JSON values (ENV-5), on every codec the same.
 */
export interface Codec {
  /** The WebSocket subprotocol. */
  readonly id: string;
  /** Whether it travels in binary frames. */
  readonly binary: boolean;
  encode(envelope: Envelope): Uint8Array;
  /**
   * Encodes an event whose payload already is JSON text, without reading it where the codec allows.
   * The result equals `encode` of the same envelope.
   */
  encodeEvent(event: EncodableEvent): Uint8Array;
  /**
   * Decodes one message to a JSON value; whether it is an envelope is checked by `toEnvelope`.
   * @throws {YamabikoError} `invalid_message`.
   */
  decode(bytes: Uint8Array, bounds: Pick<Limits, "depth" | "elements">): unknown;
}

/** What a codec needs of an event. A `LogEvent` is one. */
export interface EncodableEvent {
  readonly roomId: string;
  readonly seq: number;
  readonly type: string;
  readonly messageId: string | null;
  /** ms since 1970. */
  readonly timestamp: number;
  /** The payload as JSON text. */
  readonly data: string;
}

import type { Envelope } from "../protocol/envelope.ts";
import type { SUBPROTOCOLS } from "../protocol/subprotocols.ts";

/** Envelopes to WebSocket frames and back. The server is trusted: `decode` need not bound what it reads. */
export interface ClientCodec {
  /** Asked for in the handshake (CON-2). */
  readonly subprotocol: string;
  /** A string becomes a text frame, bytes a binary one. */
  encode(envelope: Envelope): string | Uint8Array;
  /** Throws when the frame is not of this codec. */
  decode(data: string | ArrayBuffer): unknown;
}

/** JSON in text frames: the default. */
export const jsonClientCodec: ClientCodec = {
  subprotocol: "yamabiko.v1.json" satisfies typeof SUBPROTOCOLS.json,
  encode: (envelope) => JSON.stringify(envelope),
  decode: (data) => JSON.parse(data as string) as unknown,
};

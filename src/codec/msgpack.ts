import { decode, encode } from "@msgpack/msgpack";
import { type Envelope, SUBPROTOCOLS, YamabikoError } from "../protocol/index.ts";
import type { Codec } from "./codec.ts";
import { eventEnvelope, JsonPayload } from "./json.ts";
import { scanMessagePack } from "./msgpack-scan.ts";

/** Envelopes as MessagePack. Only JSON values travel: no bin, no ext, no NaN, string keys only (ENV-5). */
export const msgpackCodec: Codec = {
  id: SUBPROTOCOLS.msgpack,
  binary: true,
  encode: (envelope) => encode(withValue(envelope), { ignoreUndefined: true }),
  encodeEvent: (event) => encode(eventEnvelope(event), { ignoreUndefined: true }),
  decode(bytes, bounds) {
    scanMessagePack(bytes, bounds);
    try {
      return decode(bytes);
    } catch {
      throw new YamabikoError("invalid_message", "The message is not valid MessagePack.");
    }
  },
};

function withValue(envelope: Envelope): Envelope {
  const { payload } = envelope;
  return payload instanceof JsonPayload ? { ...envelope, payload: payload.toJSON() } : envelope;
}

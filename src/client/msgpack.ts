import { decode, encode } from "@msgpack/msgpack";
import { SUBPROTOCOLS } from "../protocol/subprotocols.ts";
import type { ClientCodec } from "./codec.ts";

/**
 * MessagePack in binary frames, for `createClient(url, { codec: msgpack() })`. Smaller than JSON for numbers, about equal for
 * text. Needs `@msgpack/msgpack`; it is not part of the core bundle.
 */
export function msgpack(): ClientCodec {
  return {
    subprotocol: SUBPROTOCOLS.msgpack,
    encode: (envelope) => encode(envelope, { ignoreUndefined: true }),
    decode: (data) => {
      if (typeof data === "string") throw new TypeError("A text frame on a MessagePack connection.");
      return decode(data);
    },
  };
}

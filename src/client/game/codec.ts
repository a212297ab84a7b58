import { isTickFrame, roomOfFrame } from "../../protocol/game/frame.ts";
import { type ClientCodec, jsonClientCodec } from "../codec.ts";

/** The envelope that a tick frame becomes; its payload is the frame. */
export const TICK_TYPE = "game_tick";

/**
 * The codec of a client that plays: `createClient(url, { codec: gameCodec() })`. Ticks come in binary frames of their own; everything
 * else is as the codec below has it.
 *
 * @param base Default: JSON. For MessagePack: `gameCodec(msgpack())`.
 */
export function gameCodec(base: ClientCodec = jsonClientCodec): ClientCodec {
  return {
    subprotocol: base.subprotocol,
    encode: (envelope) => base.encode(envelope),
    decode(data) {
      if (typeof data === "string") return base.decode(data);
      const bytes = new Uint8Array(data);
      if (!isTickFrame(bytes)) return base.decode(data);
      return { type: TICK_TYPE, payload: bytes, roomId: roomOfFrame(bytes) };
    },
  };
}

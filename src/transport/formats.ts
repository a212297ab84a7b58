import { jsonEventText, jsonText } from "../codec/json.ts";
import { msgpackCodec } from "../codec/msgpack.ts";
import type { Format } from "../room/sink.ts";
import { frameBytes, frameText, OPCODE } from "./frame.ts";

/** JSON in WebSocket text frames. */
export const webSocketJson: Format = {
  id: "ws-json",
  event: (event) => frameText(jsonEventText(event)),
  envelope: (envelope) => frameText(jsonText(envelope)),
};

/** MessagePack in WebSocket binary frames. */
export const webSocketMessagePack: Format = {
  id: "ws-msgpack",
  event: (event) => frameBytes(msgpackCodec.encodeEvent(event), OPCODE.binary),
  envelope: (envelope) => frameBytes(msgpackCodec.encode(envelope), OPCODE.binary),
};

import { jsonEventText, jsonText } from "../codec/json.ts";
import { msgpackCodec } from "../codec/msgpack.ts";
import type { Format } from "../room/sink.ts";
import { deflateMessage } from "./deflate.ts";
import { COMPRESSED, frameBytes, frameText, OPCODE } from "./frame.ts";

/** How long messages are gathered for a connection that asked for batches, ms. */
const BATCH_MS = 50;

/** How a WebSocket connection is spoken to. */
export interface WebSocketSpeech {
  readonly binary: boolean;
  /** Whether it takes compressed messages. */
  readonly deflated: boolean;
  /** Whether it asked for batches (ENV-7). */
  readonly batched: boolean;
}

/** The format of a connection; always the same object for the same speech. */
export function webSocketFormat({ binary, deflated, batched }: WebSocketSpeech): Format {
  return FORMATS[(binary ? 4 : 0) + (deflated ? 2 : 0) + (batched ? 1 : 0)]!;
}

/** JSON in text frames, MessagePack in binary ones. */
const OPCODES = { json: OPCODE.text, msgpack: OPCODE.binary } as const;
type Kind = keyof typeof OPCODES;

const PAYLOADS: { readonly [kind in Kind]: Pick<Format, "event" | "envelope"> } = {
  json: {
    event: (event) => Buffer.from(jsonEventText(event)),
    envelope: (envelope) => Buffer.from(jsonText(envelope)),
  },
  msgpack: {
    event: (event) => asBuffer(msgpackCodec.encodeEvent(event)),
    envelope: (envelope) => asBuffer(msgpackCodec.encode(envelope)),
  },
};

const FORMATS: readonly Format[] = (["json", "msgpack"] as const).flatMap((kind) =>
  [false, true].flatMap((deflated) => [framed(kind, deflated), batched(kind, deflated)]),
);

/** One frame per message. */
function framed(kind: Kind, deflated: boolean): Format {
  const id = `ws-${kind}${deflated ? "-deflated" : ""}`;
  if (kind === "json" && !deflated) {
    // Without a buffer in between: the way of most messages.
    return {
      id,
      event: (event) => frameText(jsonEventText(event)),
      envelope: (envelope) => frameText(jsonText(envelope)),
      bytes: frameBinary,
    };
  }
  const { event, envelope } = PAYLOADS[kind];
  const frame = deflated ? frameDeflated : frameBytes;
  return {
    id,
    event: (each, epoch) => frame(event(each, epoch), OPCODES[kind]),
    envelope: (each) => frame(envelope(each), OPCODES[kind]),
    bytes: frameBinary,
  };
}

/** One frame per delivery: several messages travel as one `batch` (ENV-7), and are compressed together. */
function batched(kind: Kind, deflated: boolean): Format {
  const frame = deflated ? frameDeflated : frameBytes;
  const wrap = kind === "json" ? wrapJson : wrapMessagePack;
  return {
    id: `ws-${kind}-batched${deflated ? "-deflated" : ""}`,
    ...PAYLOADS[kind],
    join: (messages) => frame(messages.length === 1 ? messages[0]! : wrap(messages), OPCODES[kind]),
    gatherMs: BATCH_MS,
    bytes: frameBinary,
  };
}

/** Never compressed: it is as short as it can be already. */
function frameBinary(payload: Uint8Array): Buffer {
  return frameBytes(payload, OPCODE.binary);
}

function frameDeflated(payload: Buffer, opcode: number): Buffer {
  const deflated = deflateMessage(payload);
  return deflated === null ? frameBytes(payload, opcode) : frameBytes(deflated, opcode | COMPRESSED);
}

const JSON_HEAD = Buffer.from('{"type":"batch","payload":[');
const JSON_TAIL = Buffer.from("]}");
const COMMA = Buffer.from(",");

function wrapJson(messages: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [JSON_HEAD];
  for (const message of messages) {
    if (parts.length > 1) parts.push(COMMA);
    parts.push(message);
  }
  parts.push(JSON_TAIL);
  return Buffer.concat(parts);
}

/** A map of two with its first member, and the key of the second. */
const MESSAGE_PACK_HEAD = Buffer.from("\x82\xa4type\xa5batch\xa7payload", "latin1");

function wrapMessagePack(messages: readonly Buffer[]): Buffer {
  // An array of up to 2^32 - 1 elements, whatever their number.
  const array = Buffer.from([0xdd, 0, 0, 0, 0]);
  array.writeUInt32BE(messages.length, 1);
  return Buffer.concat([MESSAGE_PACK_HEAD, array, ...messages]);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

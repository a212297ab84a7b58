import type { EncodableEvent } from "../../codec/codec.ts";
import type { Envelope } from "../../protocol/index.ts";
import type { Format } from "../../room/sink.ts";
import { frameBytes, OPCODE } from "../frame.ts";
import { type AwarenessEntry, awareness, stateless, update } from "./body.ts";

const NOTHING = Buffer.alloc(0);

/**
 * Stands for `history_lost`, which neither dialect has words for: whoever is given this very buffer has to start anew. It comes alone.
 */
export const HISTORY_LOST = Buffer.of(0);

/** y-websocket: one document per connection, so that a message is a frame, the same for everybody. */
export const Y_WEBSOCKET: Format = format("y-websocket", (body) => frameBytes(body, OPCODE.binary));

/** Hocuspocus: every message begins with the name by which this client calls the document, so that the frame is made for each. */
export const HOCUSPOCUS: Format = format("hocuspocus", withLength);

/** The bodies in what was delivered in the format `HOCUSPOCUS`. */
export function* bodiesOf(bytes: Buffer): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const start = at + 4;
    const end = start + bytes.readUInt32LE(at);
    yield bytes.subarray(start, end);
    at = end;
  }
}

function withLength(body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(4 + body.length);
  bytes.writeUInt32LE(body.length, 0);
  bytes.set(body, 4);
  return bytes;
}

function format(id: string, wrap: (body: Uint8Array) => Buffer): Format {
  return {
    id,
    event(event) {
      const body = bodyOfEvent(event);
      return body === null ? NOTHING : wrap(body);
    },
    envelope(envelope) {
      if (envelope.type === "history_lost") return HISTORY_LOST;
      const body = bodyOfEnvelope(envelope);
      return body === null ? NOTHING : wrap(body);
    },
  };
}

function bodyOfEvent({ type, data }: EncodableEvent): Uint8Array | null {
  if (type !== "yjs_update") return null;
  return update(Buffer.from((JSON.parse(data) as { update: string }).update, "base64"));
}

/** What is told to everybody; null for what these clients have no ear for. */
function bodyOfEnvelope({ type, payload }: Envelope): Uint8Array | null {
  if (type === "awareness_changed") return awareness((payload as { states: AwarenessEntry[] }).states);
  if (type === "yjs_stateless") return stateless((payload as { payload: string }).payload);
  if (type === "room_state") return awareness(awarenessOf((payload as { state?: unknown }).state));
  return null;
}

/** What the clients of a document say of themselves, in its state. */
export function awarenessOf(state: unknown): AwarenessEntry[] {
  const family = (state as { awareness?: Record<string, Omit<AwarenessEntry, "clientId">> } | undefined)?.awareness;
  return Object.entries(family ?? {}).map(([key, { clock, state: text }]) => ({
    clientId: Number(key),
    clock,
    state: text,
  }));
}

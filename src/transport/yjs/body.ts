import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";

/** What a message of Yjs' clients is about: its first number, in both dialects the same as far as both have it. */
const TOPIC = {
  sync: 0,
  awareness: 1,
  auth: 2,
  queryAwareness: 3,
  syncReply: 4,
  stateless: 5,
  broadcastStateless: 6,
  close: 7,
  syncStatus: 8,
} as const;

/** The second number of a message about the document (y-protocols, sync). */
const SYNC = { step1: 0, step2: 1, update: 2 } as const;

/** The second number of a message about who one is (y-protocols, auth, and Hocuspocus). */
const AUTH = { token: 0, denied: 1, authenticated: 2 } as const;

/** What a client says of itself. */
export interface AwarenessEntry {
  readonly clientId: number;
  readonly clock: number;
  /** JSON text. */
  readonly state: string | null;
}

/** What a client says about a document. The bytes are a part of what came in. */
export type ClientMessage =
  | { readonly kind: "sync"; readonly stateVector: Uint8Array }
  | { readonly kind: "update"; readonly update: Uint8Array }
  | { readonly kind: "awareness"; readonly states: readonly AwarenessEntry[] }
  | { readonly kind: "query_awareness" }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "stateless"; readonly payload: string }
  | { readonly kind: "close" };

/** The most clients one message may speak of. */
const MAX_STATES = 1_000;

/**
 * Reads the rest of a message, from its topic on.
 * @throws {Error} for anything that is none.
 */
export function readClientMessage(decoder: decoding.Decoder): ClientMessage {
  const topic = decoding.readVarUint(decoder);
  switch (topic) {
    case TOPIC.sync:
    case TOPIC.syncReply:
      return readSync(decoder);
    case TOPIC.awareness:
      return { kind: "awareness", states: readAwareness(decoding.readVarUint8Array(decoder)) };
    case TOPIC.auth:
      if (decoding.readVarUint(decoder) !== AUTH.token) break;
      return { kind: "token", token: decoding.readVarString(decoder) };
    case TOPIC.queryAwareness:
      return { kind: "query_awareness" };
    case TOPIC.stateless:
    case TOPIC.broadcastStateless:
      return { kind: "stateless", payload: decoding.readVarString(decoder) };
    case TOPIC.close:
      return { kind: "close" };
  }
  throw new RangeError(`There is no message ${topic}.`);
}

function readSync(decoder: decoding.Decoder): ClientMessage {
  const step = decoding.readVarUint(decoder);
  const bytes = decoding.readVarUint8Array(decoder);
  if (step === SYNC.step1) return { kind: "sync", stateVector: bytes };
  if (step === SYNC.step2 || step === SYNC.update) return { kind: "update", update: bytes };
  throw new RangeError(`There is no step ${step}.`);
}

function readAwareness(bytes: Uint8Array): AwarenessEntry[] {
  const decoder = decoding.createDecoder(bytes);
  const states: AwarenessEntry[] = [];
  const count = decoding.readVarUint(decoder);
  if (count > MAX_STATES) throw new RangeError("too many clients");
  for (let left = count; left > 0; left--) {
    const clientId = decoding.readVarUint(decoder);
    const clock = decoding.readVarUint(decoder);
    states.push({ clientId, clock, state: decoding.readVarString(decoder) });
  }
  return states;
}

/** What the other side lacks. The first of these tells a provider that it is in sync. */
export function syncStep2(update: Uint8Array): Uint8Array {
  return write(TOPIC.sync, SYNC.step2, (encoder) => encoding.writeVarUint8Array(encoder, update));
}

/** Asks the other side for what we lack. */
export function syncStep1(stateVector: Uint8Array): Uint8Array {
  return write(TOPIC.sync, SYNC.step1, (encoder) => encoding.writeVarUint8Array(encoder, stateVector));
}

/** Something new. */
export function update(bytes: Uint8Array): Uint8Array {
  return write(TOPIC.sync, SYNC.update, (encoder) => encoding.writeVarUint8Array(encoder, bytes));
}

/** What clients say of themselves. Without any, it is a sign of life. */
export function awareness(states: readonly AwarenessEntry[]): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, TOPIC.awareness);
  const inner = encoding.createEncoder();
  encoding.writeVarUint(inner, states.length);
  for (const { clientId, clock, state } of states) {
    encoding.writeVarUint(inner, clientId);
    encoding.writeVarUint(inner, clock);
    encoding.writeVarString(inner, state ?? "null");
  }
  encoding.writeVarUint8Array(encoder, encoding.toUint8Array(inner));
  return encoding.toUint8Array(encoder);
}

/** The client may not do what it wants. y-websocket shows the reason; for Hocuspocus it ends the document. */
export function permissionDenied(reason: string): Uint8Array {
  return write(TOPIC.auth, AUTH.denied, (encoder) => encoding.writeVarString(encoder, reason));
}

/** The client was let into the document (Hocuspocus). */
export function authenticated(mayWrite: boolean): Uint8Array {
  return write(TOPIC.auth, AUTH.authenticated, (encoder) =>
    encoding.writeVarString(encoder, mayWrite ? "read-write" : "readonly"),
  );
}

/** Whether an update of the client is durable (Hocuspocus). */
export function syncStatus(isSaved: boolean): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, TOPIC.syncStatus);
  encoding.writeVarInt(encoder, isSaved ? 1 : 0);
  return encoding.toUint8Array(encoder);
}

/** Words of the application's own (Hocuspocus). */
export function stateless(payload: string): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, TOPIC.stateless);
  encoding.writeVarString(encoder, payload);
  return encoding.toUint8Array(encoder);
}

/** The document is closed to the client, while others on its connection go on (Hocuspocus). */
export function closed(reason: string): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, TOPIC.close);
  encoding.writeVarString(encoder, reason);
  return encoding.toUint8Array(encoder);
}

function write(topic: number, step: number, rest: (encoder: encoding.Encoder) => void): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, topic);
  encoding.writeVarUint(encoder, step);
  rest(encoder);
  return encoding.toUint8Array(encoder);
}

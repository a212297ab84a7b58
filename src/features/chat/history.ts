import type { Json, JsonObject } from "../../protocol/index.ts";
import { type Context, message, type RoomView, type StoredEvent } from "../../session/namespace.ts";
import { acks, DEFAULT_HISTORY_LIMIT, type PayloadSchemas } from "./schemas.ts";

/** Reads of the log for one page of history, at most. */
const MAX_READS = 5;
/** Events in one read. */
const READ_EVENTS = 200;
/** Characters of payload in one page of history, beyond its first message. */
const PAGE_CHARACTERS = 256 * 1024;

/** The message that reads older or newer messages. */
export function createHistory(schemas: PayloadSchemas, historyLimit: number) {
  return {
    load_history: message({
      payload: schemas.load_history,
      ack: acks.load_history,
      right: "read",
      handle: (context, { before, after, limit = Math.min(DEFAULT_HISTORY_LIMIT, historyLimit) }) =>
        handleLoadHistory(context, before, after, limit),
    }),
  };
}

async function handleLoadHistory(
  { room }: Context,
  before: number | undefined,
  after: number | undefined,
  limit: number,
): Promise<JsonObject> {
  const page = after === undefined ? await readOlder(room, before, limit) : await readNewer(room, after, limit);
  return { ...page, messages: page.messages.map(toJson) };
}

/**
 * One page. Edits, deletions and reactions are folded into the stored messages, so they are passed over. The page covers
 * every event between `nextBefore` (included) and `nextAfter` (included), whether it is a message or not.
 */
interface Page {
  /** Oldest first. */
  readonly messages: readonly StoredEvent[];
  readonly more: boolean;
  readonly nextBefore: number;
  readonly nextAfter: number;
}

async function readOlder(room: RoomView, before: number | undefined, limit: number): Promise<Page> {
  const taken = createTaken(limit);
  let events = await room.readBack(before ?? Number.POSITIVE_INFINITY, READ_EVENTS);
  const nextAfter = events.at(-1)?.seq ?? Math.min(room.head, (before ?? Number.POSITIVE_INFINITY) - 1);
  let oldest = nextAfter + 1;
  for (let reads = 1; events.length > 0; reads += 1) {
    for (const event of events.toReversed()) {
      if (!taken.take(event))
        return { messages: taken.messages.toReversed(), more: true, nextBefore: oldest, nextAfter };
      oldest = event.seq;
    }
    if (oldest === 1) break;
    if (reads === MAX_READS)
      return { messages: taken.messages.toReversed(), more: true, nextBefore: oldest, nextAfter };
    events = await room.readBack(oldest, READ_EVENTS);
  }
  return { messages: taken.messages.toReversed(), more: false, nextBefore: oldest, nextAfter };
}

async function readNewer(room: RoomView, after: number, limit: number): Promise<Page> {
  const taken = createTaken(limit);
  const nextBefore = after + 1;
  let newest = after;
  for (let reads = 0; reads < MAX_READS; reads += 1) {
    const events = await room.read(newest, READ_EVENTS);
    if (events.length === 0) return { messages: taken.messages, more: false, nextBefore, nextAfter: newest };
    for (const event of events) {
      if (!taken.take(event)) return { messages: taken.messages, more: true, nextBefore, nextAfter: newest };
      newest = event.seq;
    }
  }
  // The log may be ahead of what this node follows, so only an empty read says that there is no more.
  return { messages: taken.messages, more: true, nextBefore, nextAfter: newest };
}

/** Takes messages until the page is full. The first one that does not fit is the proof that there is more. */
function createTaken(limit: number) {
  const messages: StoredEvent[] = [];
  let characters = 0;
  return {
    messages,
    take(event: StoredEvent): boolean {
      if (event.type !== "new_message") return true;
      const tooLarge = messages.length > 0 && characters + event.data.length > PAGE_CHARACTERS;
      if (messages.length === limit || tooLarge) return false;
      characters += event.data.length;
      messages.push(event);
      return true;
    },
  };
}

function toJson(event: StoredEvent): JsonObject {
  const { type, payload, timestamp, messageId, roomId, seq } = event.toEnvelope();
  const json: JsonObject = { type, payload: payload as Json };
  if (timestamp !== undefined) json.timestamp = timestamp;
  if (messageId !== undefined) json.messageId = messageId;
  if (roomId !== undefined) json.roomId = roomId;
  if (seq !== undefined) json.seq = seq;
  return json;
}

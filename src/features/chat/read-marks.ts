import type { Json, JsonObject } from "../../protocol/index.ts";
import {
  type Context,
  type JoinContext,
  message,
  type RoomView,
  type StateDefinition,
} from "../../session/namespace.ts";
import { acks, type PayloadSchemas } from "./schemas.ts";
import { countUnread } from "./unread.ts";

/** How far each user has read: a durable mark that only moves forward (CHAT-4). */
export const readState = {
  event: "messages_read",
  kept: true,
  change(userId: string, upTo: Json): JsonObject {
    return { userId, upTo };
  },
} satisfies StateDefinition;

/** The message that moves the sender's mark. */
export function createReadMarks(schemas: PayloadSchemas) {
  return {
    read_messages: message({
      payload: schemas.read_messages,
      ack: acks.read_messages,
      right: "read",
      handle: handleReadMessages,
    }),
  };
}

/** Sets the mark of a user who comes for the first time to the head, and says what is unread (CHAT-4, CHAT-5). */
export async function handleJoin(context: JoinContext): Promise<JsonObject | undefined> {
  if (context.resumed) return undefined;
  const { room, user } = context;
  const { head } = room;
  const mark = readMark(room, user.id) ?? (await findOrMakeMark(context, head));
  return { readUpTo: mark, ...(await countUnread(room, mark, user.id)) };
}

// A mark made through another node may be unknown here, and moving it to the head would lose what is unread. Setting 0
// moves nothing that is there, so the log tells who is new.
async function findOrMakeMark(context: JoinContext, head: number): Promise<number> {
  const marks = context.state("read");
  const isNew = await marks.set(context.user.id, 0);
  if (isNew && head > 0) await marks.set(context.user.id, head);
  return readMark(context.room, context.user.id) ?? head;
}

async function handleReadMessages(context: Context, { upTo }: { upTo?: number | undefined }): Promise<JsonObject> {
  const { room, user } = context;
  const target = upTo === undefined ? room.head : await clampToHead(room, upTo);
  await context.state("read").set(user.id, target);
  return { readUpTo: Math.max(target, readMark(room, user.id) ?? 0) };
}

// A client may have read, through another node, what this node has not heard of yet; the log knows.
async function clampToHead(room: RoomView, upTo: number): Promise<number> {
  if (upTo <= room.head) return upTo;
  const [event] = await room.read(upTo - 1, 1);
  return event?.seq === upTo ? upTo : room.head;
}

function readMark(room: RoomView, userId: string): number | null {
  const mark = room.value("read", userId);
  return typeof mark === "number" ? mark : null;
}

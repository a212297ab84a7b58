import type { JsonObject } from "../../protocol/index.ts";
import { type Context, message, type RoomView } from "../../session/namespace.ts";
import { acks } from "./schemas.ts";
import { countUnread, MAX_UNREAD_EVENTS } from "./unread.ts";

/** The most rooms one list names. */
const MAX_ROOMS = 200;
/** Rooms that are opened at a time. */
const VISITS = 25;
/** Events looked at for one list, over all its rooms: one small message must not cost the log 200,000 events. */
const LIST_EVENTS = 20_000;

/** The message that lists the rooms in which the user has a mark, those whose mark moved latest first (CHAT-5). */
export function createRoomList(namespace: string) {
  return {
    list_rooms: message({
      ack: acks.list_rooms,
      right: "read",
      joined: false,
      roomless: true,
      handle: (context) => handleListRooms(context, `${namespace}:`),
    }),
  };
}

interface Visited {
  readonly room: RoomView;
  readonly readUpTo: number;
}

async function handleListRooms(context: Context, prefix: string): Promise<JsonObject> {
  const visited = await visitMarked(context, prefix);
  const behind = visited.filter(({ room, readUpTo }) => readUpTo < room.head).length;
  const maxEvents = Math.min(MAX_UNREAD_EVENTS, Math.floor(LIST_EVENTS / Math.max(1, behind)));
  const rooms = await inSteps(visited, async ({ room, readUpTo }) => {
    const unread = await countUnread(room, readUpTo, context.user.id, maxEvents);
    return { roomId: room.roomId, head: room.head, readUpTo, ...unread };
  });
  return { rooms };
}

/** Rooms the user may no longer read, or that are gone, are left out. */
async function visitMarked(context: Context, prefix: string): Promise<Visited[]> {
  const marks = [...(await context.marks("read"))].filter(([roomId]) => roomId.startsWith(prefix));
  const visited: Visited[] = [];
  for (let from = 0; from < marks.length && visited.length < MAX_ROOMS; from += VISITS) {
    const step = marks.slice(from, from + VISITS);
    const rooms = await Promise.all(step.map(([roomId]) => context.visit(roomId)));
    for (const [index, room] of rooms.entries()) {
      if (room !== null) visited.push({ room, readUpTo: step[index]![1] });
    }
  }
  return visited.slice(0, MAX_ROOMS);
}

async function inSteps<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += VISITS) {
    results.push(...(await Promise.all(items.slice(from, from + VISITS).map(run))));
  }
  return results;
}

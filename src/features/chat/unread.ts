import type { RoomView, StoredEvent } from "../../session/namespace.ts";
import { isDeleted, payloadOf } from "./stored-message.ts";

/** The most events after a read mark that are looked at (CHAT-4). */
export const MAX_UNREAD_EVENTS = 1_000;

/** What a user has not read. Counts of what was looked at: with more events than that they are lower bounds. */
export type Unread = {
  /** Messages of others that are not deleted. */
  unread: number;
  /** Those of them that mention the user. */
  mentions: number;
};

/** Counts what `userId` has not read after `readUpTo`, looking at no more than `maxEvents` events (CHAT-4). */
export async function countUnread(
  room: RoomView,
  readUpTo: number,
  userId: string,
  maxEvents = MAX_UNREAD_EVENTS,
): Promise<Unread> {
  const counts: Unread = { unread: 0, mentions: 0 };
  const quotedUserId = JSON.stringify(userId);
  let after = readUpTo;
  let left = maxEvents;
  while (left > 0 && after < room.head) {
    const page = await room.read(after, left);
    const last = page.at(-1);
    if (last === undefined) break;
    for (const event of page) {
      if (!isUnread(event, userId)) continue;
      counts.unread += 1;
      if (isMentioned(event, userId, quotedUserId)) counts.mentions += 1;
    }
    after = last.seq;
    left -= page.length;
  }
  return counts;
}

// Parsing a thousand messages for two numbers would hold up the node, so only those are parsed whose text has the words.

function isUnread(event: StoredEvent, userId: string): boolean {
  if (event.type !== "new_message" || event.sender === userId) return false;
  return !event.data.includes('"deleted"') || !isDeleted(payloadOf(event));
}

function isMentioned(event: StoredEvent, userId: string, quotedUserId: string): boolean {
  if (!event.data.includes(quotedUserId)) return false;
  const { mentions } = payloadOf(event);
  return Array.isArray(mentions) && mentions.includes(userId);
}

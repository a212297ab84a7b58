import type { Timeline } from "./timeline.ts";

/** What the server counted for this user when the room was joined. */
export interface UnreadBase {
  /** The head the count looks back from. */
  readonly head: number;
  readonly readUpTo: number;
  readonly unread: number;
  readonly mentions: number;
}

/** Messages of others after the user's mark, and those of them that mention the user. */
export interface UnreadCount {
  readonly unread: number;
  readonly mentions: number;
}

/**
 * Counts what is unread. Exact when everything after the mark is loaded; otherwise the server's count at the join
 * plus what came since.
 */
export function countUnread(timeline: Timeline, base: UnreadBase, readUpTo: number, userId: string): UnreadCount {
  const loadedFromMark = timeline.oldest !== null && readUpTo >= timeline.oldest - 1;
  const useBase = !loadedFromMark && readUpTo <= base.readUpTo;
  const from = useBase ? Math.max(base.head, readUpTo) : readUpTo;
  let unread = useBase ? base.unread : 0;
  let mentions = useBase ? base.mentions : 0;
  for (let index = timeline.order.length - 1; index >= 0; index--) {
    const message = timeline.messages.get(timeline.order[index]!);
    if (message === undefined || message.seq <= from) break;
    if (message.userId === userId || message.deleted) continue;
    unread++;
    if (message.mentions.includes(userId)) mentions++;
  }
  return { unread, mentions };
}

/**
 * The first message of others after `after`, where the unread line stands. Null when there is none, or when it may lie
 * before what is loaded.
 */
export function firstUnread(timeline: Timeline, after: number, userId: string): number | null {
  if (!timeline.complete && (timeline.oldest === null || timeline.oldest > after + 1)) return null;
  for (const seq of timeline.order) {
    if (seq <= after) continue;
    const message = timeline.messages.get(seq);
    if (message !== undefined && message.userId !== userId && !message.deleted) return seq;
  }
  return null;
}

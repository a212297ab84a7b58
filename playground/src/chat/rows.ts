import { type ChatMessage, fieldsOf, numeric, type PendingSend, text } from "./message.ts";
import { changeMessage, type LostStretch, type Timeline } from "./timeline.ts";

/** How far a message of this page's user has come. */
export type Delivery = "queued" | "sent" | "acked" | "read" | "failed";

/** A message as it stands in the list. */
export interface MessageRow {
  readonly kind: "message";
  readonly key: string;
  /** Has seq 0 while the room has not numbered it. */
  readonly message: ChatMessage;
  readonly own: boolean;
  /** Whether name and avatar are shown: the first of a group. */
  readonly first: boolean;
  /** Only for own messages. */
  readonly delivery: Delivery | null;
  /** The send behind it while it is not confirmed; or the failed change to it. */
  readonly pending: PendingSend | null;
  /** The users whose read mark stands at this message. */
  readonly readers: readonly string[];
  /** The message it answers, when that is loaded. */
  readonly quoted: ChatMessage | null;
}

/** One line of the message list. */
export type Row =
  | { readonly kind: "beginning"; readonly key: string }
  | { readonly kind: "day"; readonly key: string; readonly at: number }
  | { readonly kind: "unread"; readonly key: string }
  | { readonly kind: "lost"; readonly key: string; readonly stretch: LostStretch }
  | MessageRow;

/** What the rows are made of. */
export interface RowSource {
  readonly timeline: Timeline;
  readonly pending: readonly PendingSend[];
  readonly userId: string;
  readonly userName: string;
  /** Read marks by user. */
  readonly read: ReadonlyMap<string, number>;
  /** The first unread message when the line was drawn, or null. */
  readonly unreadAt: number | null;
}

/** Messages of one author closer than this stand under one name. */
export const GROUP_MS = 5 * 60_000;

/** Lays the room out as lines, oldest first: days, groups, the unread line, lost stretches, and sends not confirmed yet. */
export function buildRows(source: RowSource): Row[] {
  const { timeline, userId } = source;
  const rows: Row[] = [];
  const changes = changesByTarget(source.pending);
  const readers = readersBySeq(source);
  const othersRead = Math.max(0, ...[...source.read].filter(([id]) => id !== userId).map(([, upTo]) => upTo));
  const lost = [...timeline.lost].sort((a, b) => a.after - b.after);
  let previous: ChatMessage | null = null;
  if (timeline.complete) rows.push({ kind: "beginning", key: "beginning" });

  const push = (message: ChatMessage, pending: PendingSend | null, delivery: Delivery | null, key: string): void => {
    let first = previous === null || previous.userId !== message.userId || message.at - previous.at > GROUP_MS;
    if (previous === null || dayOf(previous.at) !== dayOf(message.at)) {
      rows.push({ kind: "day", key: `day-${dayOf(message.at)}-${key}`, at: message.at });
      first = true;
    }
    if (message.seq !== 0 && message.seq === source.unreadAt) {
      rows.push({ kind: "unread", key: "unread" });
      first = true;
    }
    if (rows.at(-1)?.kind === "lost" || (message.replyTo !== null && !message.deleted)) first = true;
    rows.push({
      kind: "message",
      key,
      message,
      own: message.userId === userId,
      first,
      delivery,
      pending,
      readers: readers.get(message.seq) ?? [],
      quoted: message.replyTo === null ? null : (timeline.messages.get(message.replyTo) ?? null),
    });
    previous = message;
  };

  for (const seq of timeline.order) {
    while (lost[0] !== undefined && lost[0].after < seq) rows.push(lostRow(lost.shift()!));
    const stored = timeline.messages.get(seq);
    if (stored === undefined) continue;
    const pendingChanges = changes.get(seq) ?? [];
    const message = pendingChanges.reduce((now, change) => overlay(now, change, userId), stored);
    const unsettled = pendingChanges.at(-1) ?? null;
    push(
      message,
      unsettled,
      stored.userId !== userId ? null : (unsettled?.state ?? (othersRead >= seq ? "read" : "acked")),
      stored.messageId ?? `seq-${seq}`,
    );
  }
  for (const stretch of lost) rows.push(lostRow(stretch));
  for (const send of source.pending) {
    if (send.type !== "send_message") continue;
    push(draftOf(send, source), send, send.state, send.messageId);
  }
  return rows;
}

/** The local day of a time, as a number that is equal for equal days. */
export function dayOf(at: number): number {
  const date = new Date(at);
  return date.getFullYear() * 10_000 + (date.getMonth() + 1) * 100 + date.getDate();
}

function draftOf(send: PendingSend, source: RowSource): ChatMessage {
  const mentions = Array.isArray(send.payload.mentions) ? send.payload.mentions : [];
  return {
    seq: 0,
    messageId: send.messageId,
    userId: source.userId,
    userName: source.userName,
    content: text(send.payload.content),
    at: send.at,
    replyTo: numeric(send.payload.replyTo),
    mentions: mentions.filter((id) => typeof id === "string"),
    editedAt: null,
    deleted: false,
    reactions: {},
  };
}

function lostRow(stretch: LostStretch): Row {
  return { kind: "lost", key: `lost-${stretch.reason}-${stretch.after}`, stretch };
}

/** The changes on their way, by the message they change. */
function changesByTarget(pending: readonly PendingSend[]): Map<number, PendingSend[]> {
  const changes = new Map<number, PendingSend[]>();
  for (const send of pending) {
    const seq = send.type === "send_message" ? null : numeric(send.payload.seq);
    if (seq !== null) changes.set(seq, [...(changes.get(seq) ?? []), send]);
  }
  return changes;
}

/** `message` as it will be when `send` has arrived. A failed change is not shown as done. */
function overlay(message: ChatMessage, send: PendingSend, userId: string): ChatMessage {
  if (send.state === "failed") return message;
  const fields = fieldsOf(send.payload);
  switch (send.type) {
    case "edit_message":
      return changeMessage(message, { type: "message_edited", payload: { ...fields, editedAt: "" } });
    case "delete_message":
      return changeMessage(message, { type: "message_deleted", payload: fields });
    case "add_reaction":
    case "remove_reaction": {
      const payload = { ...fields, userId, added: send.type === "add_reaction" };
      return changeMessage(message, { type: "reaction_changed", payload });
    }
    default:
      return message;
  }
}

/** Where each other user's read mark stands: at the newest loaded message that the mark covers. */
function readersBySeq(source: RowSource): Map<number, string[]> {
  const { order } = source.timeline;
  const readers = new Map<number, string[]>();
  for (const [userId, upTo] of source.read) {
    if (userId === source.userId) continue;
    const seq = lastUpTo(order, upTo);
    if (seq !== null) readers.set(seq, [...(readers.get(seq) ?? []), userId]);
  }
  return readers;
}

function lastUpTo(order: readonly number[], upTo: number): number | null {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (order[middle]! <= upTo) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : order[low - 1]!;
}

import { type ChatEnvelope, type ChatMessage, fieldsOf, numeric, readMessage, text } from "./message.ts";

/** A stretch of the room that is gone for this reader. */
export interface LostStretch {
  /** Stands after the message with this seq. */
  readonly after: number;
  readonly reason: "retention" | "epoch";
  readonly from: number | null;
  readonly to: number | null;
}

/** The messages of one room as far as they are loaded, with every change applied. Immutable. */
export interface Timeline {
  readonly epoch: string | null;
  /** By seq, in no particular order. */
  readonly messages: ReadonlyMap<number, ChatMessage>;
  /** The seqs of `messages`, ascending. */
  readonly order: readonly number[];
  /** The first event read: pages of history end before it. Null until the room was joined. */
  readonly oldest: number | null;
  /** The newest event read. */
  readonly newest: number;
  /** Whether there is nothing before `oldest`. */
  readonly complete: boolean;
  /** Changes to messages not loaded yet, oldest first; bounded by `MAX_ORPHANS`. */
  readonly orphans: readonly ChatEnvelope[];
  readonly lost: readonly LostStretch[];
}

/** What a page of history says of what lies before it. */
export interface PageRest {
  readonly more: boolean;
  /** Where the next page ends; a page may cover events it does not show. Null: before its first message. */
  readonly nextBefore: number | null;
}

/** How many changes to messages not loaded are remembered. */
export const MAX_ORPHANS = 500;

/** A room nothing is known of. */
export const EMPTY_TIMELINE: Timeline = {
  epoch: null,
  messages: new Map(),
  order: [],
  oldest: null,
  newest: 0,
  complete: false,
  orphans: [],
  lost: [],
};

/**
 * The room was joined and its events follow after `from`. Another epoch is another log: what was loaded is dropped,
 * because its numbers mean other messages now.
 */
export function joined(timeline: Timeline, epoch: string, from: number): Timeline {
  if (timeline.epoch !== null && timeline.epoch !== epoch) {
    const lost: LostStretch[] = [{ after: from, reason: "epoch", from: null, to: null }];
    return { ...EMPTY_TIMELINE, epoch, oldest: from + 1, newest: from, complete: from === 0, lost };
  }
  if (timeline.oldest !== null) return { ...timeline, epoch };
  return { ...timeline, epoch, oldest: from + 1, newest: Math.max(timeline.newest, from), complete: from === 0 };
}

/** Applies events in their order. Applying an event again changes nothing. */
export function applyEvents(timeline: Timeline, events: readonly ChatEnvelope[]): Timeline {
  if (events.length === 0) return timeline;
  const messages = new Map(timeline.messages);
  const orphans = [...timeline.orphans];
  let newest = timeline.newest;
  let oldest = timeline.oldest;
  for (const event of events) {
    if (event.seq === undefined) continue;
    newest = Math.max(newest, event.seq);
    if (oldest === null) oldest = event.seq;
    applyOne(messages, orphans, event);
  }
  if (orphans.length > MAX_ORPHANS) orphans.splice(0, orphans.length - MAX_ORPHANS);
  return { ...timeline, messages, order: orderOf(messages, timeline), orphans, newest, oldest };
}

/**
 * Puts a page of history before what is loaded. A page shows messages as they are when it is read; changes that
 * reached this page meanwhile are applied again, which is safe because they are applied in order.
 */
export function prepend(timeline: Timeline, page: readonly ChatEnvelope[], rest: PageRest): Timeline {
  const messages = new Map(timeline.messages);
  let oldest = timeline.oldest;
  if (rest.nextBefore !== null) oldest = Math.min(oldest ?? rest.nextBefore, rest.nextBefore);
  for (const envelope of page) {
    if (envelope.seq === undefined) continue;
    oldest = oldest === null ? envelope.seq : Math.min(oldest, envelope.seq);
    const message = readMessage(envelope);
    if (message !== null && !messages.has(message.seq)) messages.set(message.seq, message);
  }
  const orphans: ChatEnvelope[] = [];
  for (const orphan of timeline.orphans) applyOne(messages, orphans, orphan);
  return { ...timeline, messages, order: orderOf(messages, timeline), orphans, oldest, complete: !rest.more };
}

/** Notes that events are gone; the reader goes on after `after`. */
export function loseHistory(timeline: Timeline, stretch: LostStretch): Timeline {
  if (timeline.lost.some((known) => known.after === stretch.after && known.reason === stretch.reason)) return timeline;
  return { ...timeline, lost: [...timeline.lost, stretch], newest: Math.max(timeline.newest, stretch.after) };
}

/** `message` with one change event applied; the same object when the event does not change it. */
export function changeMessage(message: ChatMessage, event: Pick<ChatEnvelope, "type" | "payload">): ChatMessage {
  const fields = fieldsOf(event.payload);
  switch (event.type) {
    case "message_edited": {
      if (message.deleted || typeof fields.content !== "string") return message;
      return { ...message, content: fields.content, editedAt: `${fields.editedAt ?? ""}` };
    }
    case "message_deleted":
      return message.deleted ? message : { ...message, content: "", deleted: true, mentions: [], reactions: {} };
    case "reaction_changed":
      return message.deleted
        ? message
        : {
            ...message,
            reactions: react(message.reactions, text(fields.emoji), text(fields.userId), fields.added !== false),
          };
    default:
      return message;
  }
}

/** The newest message of `userId` that can still be edited. */
export function lastOwnMessage(timeline: Timeline, userId: string): ChatMessage | null {
  for (let index = timeline.order.length - 1; index >= 0; index--) {
    const message = timeline.messages.get(timeline.order[index]!);
    if (message !== undefined && message.userId === userId && !message.deleted) return message;
  }
  return null;
}

function applyOne(messages: Map<number, ChatMessage>, orphans: ChatEnvelope[], event: ChatEnvelope): void {
  const message = readMessage(event);
  if (message !== null) {
    if (!messages.has(message.seq)) messages.set(message.seq, message);
    return;
  }
  if (event.type === "events_erased") {
    const { seqs } = fieldsOf(event.payload);
    for (const seq of Array.isArray(seqs) ? seqs : []) {
      const erased = messages.get(Number(seq));
      if (erased !== undefined) messages.set(erased.seq, { ...changeMessage(erased, DELETION), userName: "" });
    }
    return;
  }
  if (!CHANGES.has(event.type)) return;
  const target = numeric(fieldsOf(event.payload).seq);
  if (target === null) return;
  const found = messages.get(target);
  if (found === undefined) orphans.push(event);
  else messages.set(target, changeMessage(found, event));
}

/** What erasing a person's data does to their messages. */
const DELETION = { type: "message_deleted", payload: {} } as const;

const CHANGES: ReadonlySet<string> = new Set(["message_edited", "message_deleted", "reaction_changed"]);

function react(
  reactions: ChatMessage["reactions"],
  emoji: string,
  userId: string,
  added: boolean,
): ChatMessage["reactions"] {
  const users = reactions[emoji] ?? [];
  if (emoji === "" || userId === "" || users.includes(userId) === added) return reactions;
  const next: Record<string, readonly string[]> = { ...reactions };
  if (added) next[emoji] = [...users, userId];
  else if (users.length > 1) next[emoji] = users.filter((id) => id !== userId);
  else delete next[emoji];
  return next;
}

function orderOf(messages: ReadonlyMap<number, ChatMessage>, before: Timeline): readonly number[] {
  if (messages.size === before.order.length) return before.order;
  return [...messages.keys()].sort((a, b) => a - b);
}

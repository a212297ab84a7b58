import { z } from "zod";
import { isEmoji } from "./emoji.ts";

/** The most users one message may mention. */
export const MAX_MENTIONS = 50;

/** A history page has this many messages unless the client asks for another number. */
export const DEFAULT_HISTORY_LIMIT = 50;

const VISIBLE = /[^\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}]/u;

const seq = z.int().min(1);
const upTo = z.int().min(0);
const userId = z.string().min(1).max(255);
const emoji = z.string().refine(isEmoji, "must be one emoji");

/** The payloads clients send, by type. `maxLength` is in characters (code points), `historyLimit` in messages. */
export function createPayloadSchemas({ maxLength, historyLimit }: { maxLength: number; historyLimit: number }) {
  const content = z
    .string()
    .refine((text) => VISIBLE.test(text), "must not be blank")
    .refine((text) => isWithin(text, maxLength), `must be at most ${maxLength} characters`);
  return {
    send_message: z.object({
      content,
      replyTo: seq.nullable().optional(),
      mentions: z.array(userId).max(MAX_MENTIONS).optional(),
    }),
    edit_message: z.object({ seq, content }),
    delete_message: z.object({ seq }),
    reaction: z.object({ seq, emoji }),
    read_messages: z.object({ upTo: upTo.optional() }),
    load_history: z
      .object({
        before: seq.optional(),
        after: upTo.optional(),
        limit: z.int().min(1).max(historyLimit).optional(),
      })
      .refine(({ before, after }) => before === undefined || after === undefined, {
        error: "takes `before` or `after`, not both",
      }),
  };
}

/** What {@link createPayloadSchemas} makes. */
export type PayloadSchemas = ReturnType<typeof createPayloadSchemas>;

// Counting code points costs a walk over the text; most texts are short enough to need none.
function isWithin(text: string, maxLength: number): boolean {
  if (text.length <= maxLength) return true;
  if (text.length > maxLength * 2) return false;
  let length = 0;
  for (const _ of text) length += 1;
  return length <= maxLength;
}

const reactions = z.record(z.string(), z.array(z.string()));

/** The payloads of chat's events, by type. */
export const events = {
  /** A message as it stands now: edits, deletion and reactions are folded into what the log keeps (CHAT-2). */
  new_message: z.object({
    /** The `messageId` it was sent with, or a random one. Unique for one sender only: `seq` is what names it. */
    id: z.string(),
    userId: z.string(),
    userName: z.string(),
    /** Null once it is deleted. */
    content: z.string().nullable(),
    replyTo: seq.nullable(),
    mentions: z.array(z.string()),
    /** ms since 1970; absent when never edited. */
    editedAt: z.number().optional(),
    deleted: z.literal(true).optional(),
    /** emoji → the users who reacted with it, first one first; absent when nobody did. */
    reactions: reactions.optional(),
  }),
  message_edited: z.union([
    z.object({ seq, content: z.string(), userId: z.string(), editedAt: z.number() }),
    /** What is left of it after the next edit or a deletion (CHAT-2): to be ignored, the later event says what is so now. */
    z.object({ seq, content: z.null(), userId: z.string(), superseded: z.literal(true) }),
  ]),
  message_deleted: z.object({ seq, userId: z.string() }),
  reaction_changed: z.object({
    seq,
    emoji: z.string(),
    userId: z.string(),
    userName: z.string(),
    added: z.boolean(),
  }),
};

/** An envelope in the ack of `load_history`. */
export const historyEnvelope = z.object({
  type: z.literal("new_message"),
  payload: events.new_message,
  timestamp: z.string(),
  messageId: z.string().optional(),
  roomId: z.string(),
  seq,
});

/** The acks' own members, by type of message. */
export const acks = {
  /** Where the user's mark stands now. */
  read_messages: z.object({ readUpTo: z.number() }),
  load_history: z.object({
    /** Oldest first. */
    messages: z.array(historyEnvelope),
    /** Whether reading on in the asked direction may find more. */
    more: z.boolean(),
    /** `before` of the page of older messages that follows this one. */
    nextBefore: z.number(),
    /** `after` of the page of newer messages that follows this one. */
    nextAfter: z.number(),
  }),
  list_rooms: z.object({
    rooms: z.array(
      z.object({
        roomId: z.string(),
        head: z.number(),
        readUpTo: z.number(),
        unread: z.number(),
        mentions: z.number(),
      }),
    ),
  }),
};

/** The payload of `new_message`. */
export type NewMessage = z.output<typeof events.new_message>;
/** The ack of `load_history`. */
export type HistoryPage = z.output<typeof acks.load_history>;
/** A room in the ack of `list_rooms`. */
export type ListedRoom = z.output<typeof acks.list_rooms>["rooms"][number];

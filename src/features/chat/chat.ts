import { type AccessRule, defineNamespace, type Namespace } from "../../session/namespace.ts";
import { eraseFromChat } from "./erasing.ts";
import { createHistory } from "./history.ts";
import { createMessages } from "./messages.ts";
import { createReactions } from "./reactions.ts";
import { createReadMarks, handleJoin, readState } from "./read-marks.ts";
import { createRoomList } from "./room-list.ts";
import { createPayloadSchemas, events } from "./schemas.ts";
import { createTyping, createTypingState } from "./typing.ts";

export { isEmoji } from "./emoji.ts";
export type { HistoryPage, ListedRoom, NewMessage } from "./schemas.ts";
export { acks as chatAcks, events as chatEvents } from "./schemas.ts";
export type { Typing } from "./typing.ts";
export type { Unread } from "./unread.ts";

/** What may be said about a chat. All of it has a default. */
export interface ChatOptions {
  /** The part of a `roomId` before the colon. Default: `chat`, the namespace of a `roomId` without a colon. */
  name?: string;
  /** Who may read, write and, as `admin`, delete the messages of others. Default: everyone reads and writes. */
  access?: AccessRule;
  /** The longest message, in characters (code points). Default: 4,000. */
  maxLength?: number;
  /** Messages of one user in one room, per second, burst twice that. Default: only the connection's limit. */
  messagesPerSecond?: number;
  /** How much of each room's log is kept. Default: what the server is configured to keep. */
  retention?: NonNullable<Namespace["retention"]>;
  /** Typing ends by itself this long after the last sign of it, ms. Default: 6,000. */
  typingMs?: number;
  /** Different emoji on one message. Default: 20. */
  reactionsPerMessage?: number;
  /** Reactions on one message, of all users and emoji; they are stored with it. Default: 500. */
  reactionUsersPerMessage?: number;
  /** The largest `limit` of `load_history`, in messages. Default: 200. */
  historyLimit?: number;
}

/**
 * A chat: messages with replies and mentions, edits, deletions, reactions, typing, read marks, unread counts and history
 * (PROTOCOL.md section 11).
 *
 * @throws {RangeError} when a number is not a whole one above 0.
 * @throws {TypeError} when `name` cannot be the name of a namespace.
 */
export function chat(options: ChatOptions = {}) {
  const { name = "chat", access, messagesPerSecond, retention } = options;
  const maxLength = above0("maxLength", options.maxLength, 4_000);
  const typingMs = above0("typingMs", options.typingMs, 6_000);
  const kinds = above0("reactionsPerMessage", options.reactionsPerMessage, 20);
  const total = above0("reactionUsersPerMessage", options.reactionUsersPerMessage, 500);
  const historyLimit = above0("historyLimit", options.historyLimit, 200);
  const schemas = createPayloadSchemas({ maxLength, historyLimit });

  return defineNamespace({
    name,
    messages: {
      ...createMessages(schemas),
      ...createReactions(schemas, { kinds, total }),
      ...createTyping(typingMs),
      ...createReadMarks(schemas),
      ...createHistory(schemas, historyLimit),
      ...createRoomList(name),
    },
    events,
    state: { typing: createTypingState(typingMs), read: readState },
    ...(access === undefined ? {} : { access }),
    ...(messagesPerSecond === undefined ? {} : { messagesPerSecond }),
    ...(retention === undefined ? {} : { retention }),
    erase: eraseFromChat,
    onJoin: handleJoin,
  });
}

/** The chat's types for the client: `client.join<ChatNamespace>(roomId)`. */
export type ChatNamespace = ReturnType<typeof chat>;

function above0(name: string, value: number | undefined, byDefault: number): number {
  const number = value ?? byDefault;
  if (!Number.isSafeInteger(number) || number < 1) throw new RangeError(`chat: ${name} must be a whole number above 0`);
  return number;
}

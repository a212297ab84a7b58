import type { Json, JsonObject } from "../../protocol/index.ts";
import { type Context, message, type StateDefinition } from "../../session/namespace.ts";

/** The value of the state family `typing`; its key is the user. */
export type Typing = {
  userName: string;
  /** ms since 1970, by the server's clock. */
  expiresAt: number;
};

/** A client that sends `typing_start` with every key is told to the room at most this often, ms. */
const ANNOUNCE_MS = 1_000;

/** The messages about typing (CHAT-3). `typing` is another word for `typing_start`. */
export function createTyping(typingMs: number) {
  const start = message({ handle: (context) => handleTypingStart(context, typingMs) });
  return { typing: start, typing_start: start, typing_end: message({ handle: handleTypingEnd }) };
}

/** Who is typing: removed by its lease, by `typing_end`, by sending, by leaving and by a drop (CHAT-3). */
export function createTypingState(typingMs: number) {
  return {
    event: "user_typing",
    leaseMs: typingMs,
    change(userId: string, value: Json, last: Json): JsonObject {
      const { userName } = (value ?? last ?? { userName: userId }) as Typing;
      return { userId, userName, typing: value !== null, expiresInMs: value === null ? 0 : typingMs };
    },
  } satisfies StateDefinition;
}

function handleTypingStart(context: Context, typingMs: number): void {
  const { user, now } = context;
  const current = context.room.value("typing", user.id) as Typing | null;
  const expiresAt = now + typingMs;
  if (current !== null && current.expiresAt <= expiresAt && expiresAt - current.expiresAt < ANNOUNCE_MS) return;
  const typing: Typing = { userName: user.name, expiresAt };
  context.state("typing").set(user.id, typing);
}

function handleTypingEnd(context: Context): void {
  context.state("typing").remove(context.user.id);
}

import { z } from "zod";
import type { Json } from "../../protocol/index.ts";
import type { Words } from "../../room/words.ts";
import type { Session } from "../../session/session.ts";

/** Something to be said to clients, at most once, by an operator. */
export const announcement = z.object({
  text: z.string().trim().min(1).max(2_000),
  level: z.enum(["info", "warning"]).default("info"),
  /** Whom it is for. Default: everybody. */
  to: z
    .object({
      user: z.string().min(1).max(255).optional(),
      room: z.string().min(1).max(255).optional(),
      namespace: z.string().min(1).max(32).optional(),
    })
    .default({}),
});

export type Announcement = z.output<typeof announcement>;

/** Says something to the clients of all nodes. Who has several connections hears it on each. */
export class Announcer {
  readonly #words: Words;
  readonly #sessions: () => Iterable<Session>;

  constructor(words: Words, sessions: () => Iterable<Session>) {
    this.#words = words;
    this.#sessions = sessions;
    words.on("announcement", (said) => void this.#sayHere(said as unknown as Announcement));
  }

  /** Resolves to how many connections of this node heard it. */
  say(said: Announcement): number {
    this.#words.say("announcement", said as unknown as Json);
    return this.#sayHere(said);
  }

  #sayHere({ text, level, to }: Announcement): number {
    let count = 0;
    for (const session of this.#sessions()) {
      if (session.user === null || !isFor(session, to)) continue;
      session.send("announcement", { text, level });
      count++;
    }
    return count;
  }
}

function isFor({ user, memberships }: Session, { user: userId, room, namespace }: Announcement["to"]): boolean {
  if (userId !== undefined && user?.id !== userId) return false;
  if (room !== undefined && !memberships.has(room)) return false;
  if (namespace === undefined) return true;
  for (const membership of memberships.values()) if (membership.room.roomId.startsWith(`${namespace}:`)) return true;
  return false;
}

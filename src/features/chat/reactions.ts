import { type Json, type JsonObject, YamabikoError } from "../../protocol/index.ts";
import { type Context, type Draft, message } from "../../session/namespace.ts";
import type { PayloadSchemas } from "./schemas.ts";
import { findMessage, refuseDeleted } from "./stored-message.ts";

/** How much reacting one message bears; without a bound its stored payload would grow with every user. */
export interface ReactionLimits {
  /** Different emoji on one message. */
  readonly kinds: number;
  /** Reactions on one message, of all users and emoji. */
  readonly total: number;
}

interface Reaction {
  seq: number;
  emoji: string;
}

/** The messages that react (CHAT-2). Adding what is there, or removing what is not, is a plain ack and no event. */
export function createReactions(schemas: PayloadSchemas, limits: ReactionLimits) {
  return {
    add_reaction: message({
      payload: schemas.reaction,
      handle: (context, reaction) => handleReaction(context, reaction, true, limits),
    }),
    remove_reaction: message({
      payload: schemas.reaction,
      handle: (context, reaction) => handleReaction(context, reaction, false, limits),
    }),
  };
}

async function handleReaction(
  context: Context,
  { seq, emoji }: Reaction,
  added: boolean,
  limits: ReactionLimits,
): Promise<Draft | undefined> {
  const { user } = context;
  const { event, payload } = await findMessage(context.room, seq);
  refuseDeleted(payload);
  const before = reactionsOf(payload);
  const after = added ? add(before, emoji, user.id) : remove(before, emoji, user.id);
  if (after === before) return undefined;
  if (added) refuseTooMany(after, limits);

  const { reactions: _before, ...rest } = payload;
  const data: JsonObject = after.size === 0 ? rest : { ...rest, reactions: Object.fromEntries(after) };
  return context.event(
    "reaction_changed",
    { seq, emoji, userId: user.id, userName: user.name, added },
    { amend: [{ seq, expectData: event.data, data }] },
  );
}

type Reactions = ReadonlyMap<string, string[]>;

function reactionsOf(payload: JsonObject): Reactions {
  const reactions = new Map<string, string[]>();
  const stored = payload.reactions;
  if (!isObject(stored)) return reactions;
  for (const [emoji, users] of Object.entries(stored)) {
    if (Array.isArray(users)) reactions.set(emoji, users.map(String));
  }
  return reactions;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function add(reactions: Reactions, emoji: string, userId: string): Reactions {
  const users = reactions.get(emoji) ?? [];
  if (users.includes(userId)) return reactions;
  return new Map(reactions).set(emoji, [...users, userId]);
}

function remove(reactions: Reactions, emoji: string, userId: string): Reactions {
  const users = reactions.get(emoji);
  if (users === undefined || !users.includes(userId)) return reactions;
  const others = users.filter((user) => user !== userId);
  const after = new Map(reactions).set(emoji, others);
  if (others.length === 0) after.delete(emoji);
  return after;
}

function refuseTooMany(reactions: Reactions, { kinds, total }: ReactionLimits): void {
  let count = 0;
  for (const users of reactions.values()) count += users.length;
  if (reactions.size > kinds || count > total) {
    throw new YamabikoError("conflict", "This message has all the reactions it can bear.", {
      remedy: reactions.size > kinds ? "Use an emoji that is already there." : "Remove a reaction first.",
    });
  }
}

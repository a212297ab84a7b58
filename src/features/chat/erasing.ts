import type { Json, JsonObject } from "../../protocol/index.ts";
import type { EraseRequest } from "../../session/namespace.ts";

/**
 * What is left of a chat's event when a person's data are erased (ERA-1, ERA-3): of their own messages that there was one, as
 * after a deletion; of others' everything but their mentions and reactions.
 */
export function eraseFromChat({ userId, type, sender, payload }: EraseRequest): JsonObject | null {
  if (sender === userId) return payload.erased === true ? null : remainsOf(type, payload);
  return type === "new_message" ? withoutUser(payload, userId) : null;
}

function remainsOf(type: string, { seq, id, replyTo }: JsonObject): JsonObject {
  const nobody = { userId: "", erased: true };
  if (type === "new_message") {
    const message = { userName: "", content: null, deleted: true, mentions: [] };
    return { ...message, ...nobody, ...(id !== undefined && { id }), ...(replyTo !== undefined && { replyTo }) };
  }
  if (type === "message_edited")
    return { ...nobody, ...(seq !== undefined && { seq }), content: null, superseded: true };
  return { ...nobody, ...(seq !== undefined && { seq }) };
}

/** Null when the user is not in it. */
function withoutUser(payload: JsonObject, userId: string): JsonObject | null {
  const { mentions, reactions } = payload;
  const next: JsonObject = { ...payload };
  let isChanged = false;
  if (Array.isArray(mentions) && mentions.includes(userId)) {
    next.mentions = mentions.filter((each) => each !== userId);
    isChanged = true;
  }
  if (typeof reactions === "object" && reactions !== null && !Array.isArray(reactions)) {
    const left: Record<string, Json> = {};
    for (const [emoji, users] of Object.entries(reactions)) {
      const others = Array.isArray(users) ? users.filter((each) => each !== userId) : [];
      if (Array.isArray(users) && others.length < users.length) isChanged = true;
      if (others.length > 0) left[emoji] = others;
    }
    next.reactions = left;
  }
  return isChanged ? next : null;
}

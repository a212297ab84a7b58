import { type JsonObject, YamabikoError } from "../../protocol/index.ts";
import type { RoomView, StoredEvent } from "../../session/namespace.ts";

/** A `new_message` as the log keeps it. */
export interface StoredMessage {
  readonly event: StoredEvent;
  readonly payload: JsonObject;
}

/**
 * The `new_message` that `seq` names in a room (CHAT-1); deleted ones are found too.
 * @throws {YamabikoError} `invalid_message` when there is none, or retention has removed it.
 */
export async function findMessage(room: RoomView, seq: number, member = "seq"): Promise<StoredMessage> {
  // The log is asked, not `room.head`: a client may know of a message before this node does.
  const [event] = await room.read(seq - 1, 1);
  if (event === undefined || event.seq !== seq || event.type !== "new_message") {
    throw new YamabikoError("invalid_message", `\`${member}\` names no message of this room.`, {
      remedy: "Use the `seq` of a `new_message`.",
    });
  }
  return { event, payload: payloadOf(event) };
}

/** The payload of an event. */
export function payloadOf(event: StoredEvent): JsonObject {
  return JSON.parse(event.data) as JsonObject;
}

/** Whether this is the payload of a deleted message. */
export function isDeleted(payload: JsonObject): boolean {
  return payload.deleted === true;
}

/** @throws {YamabikoError} `conflict` when the message has been deleted. */
export function refuseDeleted(payload: JsonObject): void {
  if (isDeleted(payload)) throw new YamabikoError("conflict", "This message has been deleted.");
}

import type { LogEvent } from "../log.ts";

/**
 * An event as one text, its parts divided by U+0000, which no part contains: when, what it amends, type, sender, messageId,
 * payload. Sender and messageId begin with a letter when they are there, so that an empty one is not none.
 */
const DIVIDER = "\0";

/** A sender as it stands in a record: nothing is the server itself. */
export function senderPart(sender: string | null): string {
  return sender === null ? "" : `u${sender}`;
}

/** A messageId as it stands in a record; nothing is none. */
export function messageIdPart(messageId: string | null): string {
  return messageId === null ? "" : `m${messageId}`;
}

/** Reads the record of an event. */
export function toEvent(roomId: string, seq: number, record: string): LogEvent {
  const parts = record.split(DIVIDER);
  const [timestamp, amends, type, sender, messageId, data] = parts as [string, string, string, string, string, string];
  return {
    roomId,
    seq,
    type,
    sender: sender === "" ? null : sender.slice(1),
    messageId: messageId === "" ? null : messageId.slice(1),
    timestamp: Number(timestamp),
    data,
    amends: amends === "" ? null : Number(amends),
  };
}

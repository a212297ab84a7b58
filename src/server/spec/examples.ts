import type { JsonObject } from "../../protocol/index.ts";

const timestamp = "2025-01-01T00:00:00.000Z";
const roomId = "chat:room-123";

/** Envelopes as they stand on the wire, by namespace and type. */
export const EXAMPLES: Readonly<Record<string, JsonObject>> = {
  ack: {
    type: "ack",
    payload: { success: true, savedId: "k3x:42", seq: 42, epoch: "k3x", duplicate: false },
    timestamp,
    messageId: "msg-456",
  },
  "chat.send_message": {
    type: "send_message",
    payload: { roomId: "room-123", content: "Hello!", replyTo: null },
    messageId: "msg-456",
  },
  "chat.edit_message": {
    type: "edit_message",
    payload: { roomId: "room-123", seq: 42, content: "Hello, Ada!" },
    messageId: "msg-457",
  },
  "chat.delete_message": { type: "delete_message", payload: { roomId: "room-123", seq: 42 }, messageId: "msg-458" },
  "chat.add_reaction": {
    type: "add_reaction",
    payload: { roomId: "room-123", seq: 42, emoji: "👍" },
    messageId: "msg-459",
  },
  "chat.typing_start": { type: "typing_start", payload: { roomId: "room-123" } },
  "chat.typing_end": { type: "typing_end", payload: { roomId: "room-123" } },
  "chat.read_messages": { type: "read_messages", payload: { roomId: "room-123", upTo: 42 } },
  "chat.load_history": {
    type: "load_history",
    payload: { roomId: "room-123", before: 42, limit: 50 },
    messageId: "msg-460",
  },
  "chat.list_rooms": { type: "list_rooms", payload: {}, messageId: "msg-461" },
  "chat.new_message": {
    type: "new_message",
    payload: { id: "msg-456", userId: "ada", userName: "Ada", content: "Hello!", replyTo: null, mentions: [] },
    timestamp,
    messageId: "msg-456",
    roomId,
    seq: 42,
  },
  "chat.message_edited": {
    type: "message_edited",
    payload: { seq: 42, content: "Hello, Ada!", userId: "ada", editedAt: 1735689600000 },
    timestamp,
    messageId: "msg-457",
    roomId,
    seq: 43,
  },
  "chat.user_typing": {
    type: "user_typing",
    payload: { userId: "ada", userName: "Ada", typing: true, expiresInMs: 6000 },
    timestamp,
    roomId,
  },
  "chat.messages_read": { type: "messages_read", payload: { userId: "ada", upTo: 42 }, timestamp, roomId },
};

import { CLOSE_CODES, ERRORS, MAX_ROOM_ID_BYTES } from "../../protocol/index.ts";
import type { JsonSchema } from "./json-schema.ts";

/** A reference to a schema of either document. */
export function ref(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/** An object with these members; those whose name ends with `?` may be absent. */
export function object(members: Readonly<Record<string, JsonSchema>>, description?: string): JsonSchema {
  const names = Object.keys(members);
  const required = names.filter((name) => !name.endsWith("?"));
  return {
    type: "object",
    ...(description === undefined ? {} : { description }),
    properties: Object.fromEntries(names.map((name) => [name.replace(/\?$/, ""), members[name]!])),
    ...(required.length === 0 ? {} : { required }),
  };
}

/** A list of these. */
export function list(items: JsonSchema, more: JsonSchema = {}): JsonSchema {
  return { type: "array", items, ...more };
}

const text: JsonSchema = { type: "string" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const anything: JsonSchema = {};

/** The words of PROTOCOL.md that both documents use, by name. In no dialect's own words, so that they are right in each. */
export const SHARED_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  RoomId: {
    type: "string",
    minLength: 1,
    maxLength: MAX_ROOM_ID_BYTES,
    description: `\`namespace:name\`; without a colon the namespace is \`chat\`. At most ${MAX_ROOM_ID_BYTES} bytes (ENV-4).`,
    examples: ["room-123", "chat:room-123"],
  },
  MessageType: { type: "string", minLength: 1, maxLength: 64, pattern: "^[A-Za-z0-9_.:-]+$" },
  MessageId: {
    type: "string",
    minLength: 1,
    maxLength: 128,
    pattern: "^[^\\u0000-\\u001F\\u007F]+$",
    description: "Asks for an ack and makes the message safe to repeat (ACK-1, ACK-3).",
    examples: ["msg-456"],
  },
  Timestamp: {
    type: "string",
    format: "date-time",
    description: "ISO 8601 in UTC with milliseconds.",
    examples: ["2025-01-01T00:00:00.000Z"],
  },
  Seq: { type: "integer", minimum: 1, description: "The event's position in the room's log." },
  Cursor: {
    type: "string",
    pattern: "^[A-Za-z0-9_-]{1,64}:(0|[1-9][0-9]{0,15})$",
    description: "`epoch:seq`: everything of this room up to here is known. The `savedId` of an event is its cursor.",
    examples: ["k3x:42"],
  },
  RoomsCursor: {
    type: "string",
    description: "The cursor of all rooms of a request. Opaque: send back what you were given.",
    examples: ["chat%3Alobby=k3x:42"],
  },
  Envelope: object(
    {
      type: ref("MessageType"),
      "payload?": anything,
      "messageId?": ref("MessageId"),
      "timestamp?": ref("Timestamp"),
      "roomId?": ref("RoomId"),
      "seq?": ref("Seq"),
    },
    "Any message on the wire. Without `payload`, the remaining members are the payload (ENV-1); a payload that is a string is the `roomId` (ENV-3).",
  ),
  Event: object(
    {
      type: ref("MessageType"),
      payload: anything,
      timestamp: ref("Timestamp"),
      roomId: ref("RoomId"),
      seq: ref("Seq"),
      "messageId?": ref("MessageId"),
    },
    "Any event of a room's log.",
  ),
  ErrorCode: { type: "string", enum: Object.keys(ERRORS) },
  Error: object({
    code: ref("ErrorCode"),
    message: { type: "string", description: "For people; may change between versions." },
    retryable: { type: "boolean", description: "Whether the same message may succeed later." },
    "retryAfterMs?": { type: "number", minimum: 0 },
    "remedy?": text,
  }),
  ErrorAnswer: object({ error: ref("Error") }, "Why the whole request was refused. Nothing was done."),
  AckSuccess: object(
    {
      success: { const: true },
      "savedId?": ref("Cursor"),
      "seq?": ref("Seq"),
      "epoch?": text,
      "duplicate?": { type: "boolean", description: "The same message came before; this is its first answer again." },
    },
    "`savedId`, `seq`, `epoch` and `duplicate` are there when the message became an event, and then it is durable (ACK-2).",
  ),
  AckFailure: object({ success: { const: false }, error: ref("Error") }),
  Member: object({
    userId: text,
    userName: text,
    joinedAt: { type: "number", description: "ms since 1970." },
  }),
  RoomUsers: object({
    roomId: ref("RoomId"),
    count: { ...count, description: "Of all users; at most 100 are named." },
    users: list(ref("Member"), { maxItems: 100 }),
  }),
  State: {
    type: "object",
    description: "The latest values: family → key → value (STA-1).",
    additionalProperties: { type: "object" },
  },
  CloseCode: { type: "integer", enum: Object.values(CLOSE_CODES).map(({ code }) => code) },
};

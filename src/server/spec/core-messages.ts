import type { JsonSchema } from "./json-schema.ts";
import { list, object, ref } from "./shared-schemas.ts";

/** A message that belongs to the protocol, whatever the namespace. */
export interface CoreMessage {
  readonly type: string;
  readonly from: "client" | "server";
  /** Whether it is about a room. */
  readonly inRoom: boolean;
  readonly summary: string;
  readonly payload: JsonSchema;
  /** What it is answered with besides the ack, by type. */
  readonly answers?: readonly string[];
  readonly example?: JsonSchema;
}

const text: JsonSchema = { type: "string" };
const seq: JsonSchema = { type: "integer", minimum: 0 };
const userEntry = { userId: text, userName: text };

/** The messages of PROTOCOL.md sections 3 to 9. `joinEvents` is the limit of that name. */
export function coreMessages({ joinEvents }: { readonly joinEvents: number }): readonly CoreMessage[] {
  return [
    {
      type: "authenticate",
      from: "client",
      inRoom: false,
      summary: "Says who the client is; later, refreshes its token in place (AUTH-1, AUTH-2).",
      payload: object({ token: text }),
      answers: ["welcome"],
    },
    {
      type: "join_room",
      from: "client",
      inRoom: true,
      summary: "Reads a room from a cursor on, or from its head (JOIN-1).",
      payload: object({
        roomId: ref("RoomId"),
        "after?": {
          anyOf: [ref("Cursor"), seq, { type: "null" }],
          description: "A cursor, or a bare seq when the epoch does not matter.",
        },
        "limit?": {
          type: ["integer", "null"],
          minimum: 0,
          maximum: joinEvents,
          description: "Without `after`: start this many events before the head. Default: 0.",
        },
      }),
      answers: ["joined_room"],
      example: { type: "join_room", payload: { roomId: "room-123" } },
    },
    {
      type: "leave_room",
      from: "client",
      inRoom: true,
      summary: "Ends reading a room (JOIN-5).",
      payload: object({ roomId: ref("RoomId") }),
      answers: ["left_room"],
      example: { type: "leave_room", payload: { roomId: "room-123" } },
    },
    {
      type: "ping",
      from: "client",
      inRoom: false,
      summary: "A sign of life, answered by `pong` (HB-2).",
      payload: {},
      answers: ["pong"],
      example: { type: "ping", payload: {} },
    },
    {
      type: "welcome",
      from: "server",
      inRoom: false,
      summary: "The user is known (CON-4).",
      payload: object({
        connectionId: text,
        user: object({ id: text, name: text }),
        guest: { type: "boolean" },
        protocol: { const: "v1" },
        server: text,
        heartbeatMs: { type: "number", description: "When nothing was heard for this long, send `ping`." },
        limits: object({ messageBytes: seq, rooms: seq }),
        "expiresAt?": { type: "number", description: "When the token ends, ms since 1970." },
        "guestToken?": { type: "string", description: "Makes the next connection the same guest (AUTH-5)." },
      }),
    },
    {
      type: "joined_room",
      from: "server",
      inRoom: true,
      summary: "The answer to `join_room`; what the reader is owed follows at once (JOIN-1, JOIN-2).",
      payload: object({
        roomId: ref("RoomId"),
        epoch: text,
        head: seq,
        cursor: ref("Cursor"),
        recovered: { type: "boolean", description: "`after` was given and everything after it follows." },
        state: ref("State"),
        "you?": { type: "object", description: "What the namespace tells this user." },
        "snapshot?": {},
      }),
    },
    {
      type: "left_room",
      from: "server",
      inRoom: true,
      summary: "Nothing of the room is delivered after this (JOIN-5).",
      payload: object({ roomId: ref("RoomId"), "reason?": text }),
    },
    {
      type: "room_users",
      from: "server",
      inRoom: true,
      summary: "Who is in the room (MEM-1, MEM-3).",
      payload: ref("RoomUsers"),
    },
    {
      type: "user_joined",
      from: "server",
      inRoom: true,
      summary: "A user's first connection joined (MEM-1).",
      payload: object(userEntry),
      example: {
        type: "user_joined",
        payload: { userId: "ada", userName: "Ada" },
        timestamp: "2025-01-01T00:00:00.000Z",
        roomId: "chat:room-123",
      },
    },
    {
      type: "user_left",
      from: "server",
      inRoom: true,
      summary: "A user's last connection left, or dropped 10 s ago (MEM-2).",
      payload: object({ ...userEntry, reason: text }),
    },
    {
      type: "room_state",
      from: "server",
      inRoom: true,
      summary: "The whole state, for a reader too far behind to be told each change (STA-3).",
      payload: object({ "roomId?": ref("RoomId"), state: ref("State") }),
    },
    {
      type: "history_lost",
      from: "server",
      inRoom: true,
      summary: "Events the reader was owed are gone; delivery goes on after `cursor` (RES-2, RES-3).",
      payload: object({
        roomId: ref("RoomId"),
        reason: { enum: ["retention", "epoch"] },
        from: { type: ["integer", "null"] },
        to: { type: ["integer", "null"] },
        cursor: ref("Cursor"),
      }),
    },
    {
      type: "events_erased",
      from: "server",
      inRoom: true,
      summary: "An event of the room: what a person said there was erased (ERA-2).",
      payload: object({ seqs: list(seq) }),
    },
    {
      type: "error",
      from: "server",
      inRoom: false,
      summary: "A message without a `messageId` was refused. In an event stream its event is named `refusal`.",
      payload: ref("Error"),
    },
    {
      type: "pong",
      from: "server",
      inRoom: false,
      summary: "The answer to `ping`, with its payload.",
      payload: {},
    },
    {
      type: "batch",
      from: "server",
      inRoom: false,
      summary: "Several envelopes in order, for connections that asked for batching (ENV-7).",
      payload: list(ref("Envelope")),
    },
    {
      type: "server_closing",
      from: "server",
      inRoom: false,
      summary: "The server restarts: come back after this time (CLS-1).",
      payload: object({ reconnectInMs: { type: "number", minimum: 0 } }),
    },
    {
      type: "announcement",
      from: "server",
      inRoom: false,
      summary: "Something an operator says (CLS-4).",
      payload: object({ text, level: { enum: ["info", "warning"] } }),
    },
    {
      type: "token_expiring",
      from: "server",
      inRoom: false,
      summary: "The token ends soon: send another one in `authenticate` (AUTH-9).",
      payload: object({ expiresAt: { type: "integer", description: "When, ms since 1970." } }),
    },
    {
      type: "closed",
      from: "server",
      inRoom: false,
      summary: "Over HTTP, where there are no close frames: the server ended the session.",
      payload: object({ code: ref("CloseCode"), reason: text }),
    },
  ];
}

import type { ErrorCode, JsonObject, LimitName } from "../../protocol/index.ts";
import { EXAMPLES } from "./examples.ts";
import type { JsonSchema } from "./json-schema.ts";
import { list, object, ref } from "./shared-schemas.ts";

/** One HTTP route as the documents tell it; `server/route.ts` is how it is answered. */
export interface DescribedRoute {
  readonly method: "GET" | "POST";
  /** `{roomId}` stands for a percent-encoded `roomId`. */
  readonly path: string;
  readonly operationId: string;
  readonly tag:
    | "messages"
    | "rooms"
    | "documents"
    | "notifications"
    | "dashboards"
    | "credentials"
    | "access"
    | "server";
  readonly summary: string;
  readonly description?: string;
  /** Who may ask: a user (by token, by ticket, or as a guest where guests are allowed), a back end by its API key, anybody. */
  readonly auth: "user" | "backEnd" | "none";
  /** False for a route of users that is not for guests. */
  readonly guests?: false;
  /** Only with `dev`. */
  readonly dev?: true;
  readonly query: readonly Parameter[];
  readonly body: Body | null;
  readonly answers: readonly Answer[];
  /** The codes with which the whole request may be refused. */
  readonly errors: readonly ErrorCode[];
}

/** One parameter of the query. All are optional. */
export interface Parameter {
  readonly name: string;
  readonly what: string;
  readonly schema: JsonSchema;
  /** The limit of this name is its largest value. */
  readonly maximum?: LimitName;
  readonly example?: string | number;
}

/** What a route takes. Always JSON. */
export interface Body {
  readonly schema: JsonSchema;
  readonly required: boolean;
  readonly examples: Readonly<Record<string, JsonObject | JsonObject[]>>;
}

/** What a route answers when it does not refuse. */
export interface Answer {
  readonly status: number;
  readonly what: string;
  /** The schema by media type; empty for an answer without a body. */
  readonly content: Readonly<Record<string, JsonSchema>>;
  readonly headers?: readonly ("ETag" | "Last-Event-ID")[];
}

const json = (schema: JsonSchema): Record<string, JsonSchema> => ({ "application/json": schema });
const eventStream = { "text/event-stream": { type: "string" } as JsonSchema };
const count: JsonSchema = { type: "integer", minimum: 0 };
const text: JsonSchema = { type: "string" };
const textOrNull: JsonSchema = { type: ["string", "null"] };
const flag: JsonSchema = { type: "integer", enum: [0, 1] };
const LINK_STATE: JsonSchema = { enum: ["up", "down"] };

/** Refusals that every route may give. */
const ALWAYS: readonly ErrorCode[] = ["access_denied", "rate_limited", "unavailable", "internal"];
const OF_USERS: readonly ErrorCode[] = ["unauthenticated", "token_expired", "invalid_message", ...ALWAYS];
const OF_READERS: readonly ErrorCode[] = [...OF_USERS, "too_many_connections", "too_many_rooms"];
const OF_BODIES: readonly ErrorCode[] = ["payload_too_large"];

const OF_MODERATORS: readonly ErrorCode[] = ["unauthenticated", "invalid_message", ...OF_BODIES, ...ALWAYS];
const REASON: JsonSchema = { type: "string", maxLength: 200, description: "For operators; no client is told." };

const ROOMS: Parameter = {
  name: "roomId",
  what: "A room; may be given several times. Default: the server's default room.",
  schema: list(ref("RoomId")),
  example: "chat:lobby",
};
const AFTER: Parameter = {
  name: "after",
  what: "The cursor an answer gave; for one room also `E:N` or a bare seq.",
  schema: text,
};
const LIMIT: Parameter = {
  name: "limit",
  what: "Events in the answer, at most. Default: 50 without `after`, 500 with it.",
  schema: { type: "integer", minimum: 1 },
  maximum: "joinEvents",
};
const STATE: Parameter = {
  name: "state",
  what: "1: also the state and the members of rooms where it is newer.",
  schema: flag,
};
const TIMEOUT: Parameter = {
  name: "timeoutMs",
  what: "How long to wait for something to say, ms. Default: 25,000. 0 answers at once.",
  schema: { type: "integer", minimum: 0, maximum: 60_000 },
};

const POLLED: JsonSchema = object({
  messages: list(ref("EventMessage")),
  cursor: ref("RoomsCursor"),
  "state?": { type: "object", additionalProperties: ref("State") },
  "users?": { type: "object", additionalProperties: ref("RoomUsers") },
});

const NOT_NOTIFIED: JsonSchema = object({ userId: text, error: ref("Error") });

const JOINS: JsonSchema = object({
  "cursor?": ref("RoomsCursor"),
  "messages?": list(ref("join_room")),
  "welcome?": { type: "boolean", description: "Whether `welcome` is wanted. Default: false." },
});
const JOIN_EXAMPLE: JsonObject = {
  cursor: "chat%3Alobby=k3x:42",
  messages: [{ type: "join_room", payload: { roomId: "room-123" }, messageId: "join-1" }],
};

/** Every HTTP route of the server. The handshake of WebSockets (`/ws`) is in the AsyncAPI document. */
export const ROUTES: readonly DescribedRoute[] = [
  {
    method: "POST",
    path: "/api/messages",
    operationId: "sendMessages",
    tag: "messages",
    summary: "Send one message or several, without joining.",
    description:
      "One envelope is answered by its ack, with the status of its error. An array is answered by an array: one ack per envelope in the same order, then whatever else was said. An envelope without a `messageId` is given one; the same `messageId` again is the same event. After a retryable refusal later messages to the same room in the array are refused too. `join_room` and `authenticate` are refused. The header `traceparent` says which trace they belong to.",
    auth: "user",
    query: [],
    body: {
      required: true,
      schema: { anyOf: [ref("ClientMessage"), list(ref("ClientMessage"), { minItems: 1, maxItems: 1_000 })] },
      examples: { one: EXAMPLES["chat.send_message"]!, several: [EXAMPLES["chat.send_message"]!] },
    },
    answers: [
      {
        status: 200,
        what: "The ack, or all acks and replies.",
        content: json({ anyOf: [ref("AckAnswer"), list(ref("ServerMessage"))] }),
      },
    ],
    errors: [...OF_USERS, ...OF_BODIES, "unknown_type", "conflict"],
  },
  {
    method: "GET",
    path: "/api/messages",
    operationId: "pollMessages",
    tag: "messages",
    summary: "What is new, at once (short polling).",
    description: "Without `after`: the newest `limit` events. Send `If-None-Match` to be told 304 when nothing is new.",
    auth: "user",
    query: [ROOMS, AFTER, LIMIT, STATE],
    body: null,
    answers: [
      { status: 200, what: "Events, oldest first, and where to go on.", content: json(POLLED), headers: ["ETag"] },
      { status: 304, what: "Nothing is new.", content: {} },
    ],
    errors: [...OF_READERS, "unknown_type"],
  },
  {
    method: "GET",
    path: "/api/messages/wait",
    operationId: "waitForMessages",
    tag: "messages",
    summary: "What is new, as soon as there is something (long polling).",
    description: "Without `after` it starts at the head. With `state=1` a newer state ends the wait too.",
    auth: "user",
    query: [ROOMS, AFTER, LIMIT, STATE, TIMEOUT],
    body: null,
    answers: [
      {
        status: 200,
        what: "Events, oldest first, and where to go on; none when the time was over.",
        content: json(POLLED),
        headers: ["ETag"],
      },
      { status: 304, what: "Nothing is new.", content: {} },
    ],
    errors: [...OF_READERS, "unknown_type"],
  },
  {
    method: "POST",
    path: "/api/messages/wait",
    operationId: "resumeAndWait",
    tag: "messages",
    summary: "Resume and join rooms, and be told everything a WebSocket would be told (long polling).",
    description:
      "Rooms in `cursor` are resumed; `messages` are handled as on a WebSocket. The answer's `cursor` covers every room that is read now. When the server ends the session the last envelope is `closed`.",
    auth: "user",
    query: [TIMEOUT],
    body: { required: false, schema: JOINS, examples: { resume: JOIN_EXAMPLE } },
    answers: [
      {
        status: 200,
        what: "Every envelope that was said, in order.",
        content: json(object({ messages: list(ref("ServerMessage")), cursor: ref("RoomsCursor") })),
      },
    ],
    errors: [...OF_READERS, ...OF_BODIES],
  },
  {
    method: "GET",
    path: "/api/events",
    operationId: "streamEvents",
    tag: "messages",
    summary: "Follow rooms (Server-Sent Events).",
    description:
      "An event of the log has an `id:` (the cursor of all rooms) and no `event:`; everything else has an `event:` (its type; `refusal` for `error`) and no `id:`. `data:` is one envelope as JSON. Ended by `event: closed`.",
    auth: "user",
    query: [ROOMS, { ...AFTER, what: "Where to start. The header `Last-Event-ID` wins over it." }, LIMIT],
    body: null,
    answers: [
      { status: 200, what: "The stream; `welcome` comes first.", content: eventStream, headers: ["Last-Event-ID"] },
    ],
    errors: [...OF_READERS, "unknown_type"],
  },
  {
    method: "POST",
    path: "/api/events",
    operationId: "joinAndStream",
    tag: "messages",
    summary: "Resume and join rooms, and follow them (Server-Sent Events).",
    description: "Joins are answered in the stream. An `id:` is the cursor of its own room only.",
    auth: "user",
    query: [],
    body: { required: false, schema: JOINS, examples: { resume: JOIN_EXAMPLE } },
    answers: [{ status: 200, what: "The stream; `welcome` comes first.", content: eventStream }],
    errors: [...OF_READERS, ...OF_BODIES],
  },
  {
    method: "GET",
    path: "/api/documents/{documentId}",
    operationId: "readDocument",
    tag: "documents",
    summary: "The text of a document, as it is or was.",
    auth: "user",
    query: [{ name: "version", what: "As it was at this version. Default: the newest.", schema: count, example: 42 }],
    body: null,
    answers: [
      {
        status: 200,
        what: "The text; its lines end with a line feed.",
        content: json(object({ documentId: text, version: count, text })),
      },
    ],
    errors: [...OF_USERS, "conflict", "history_lost"],
  },
  {
    method: "GET",
    path: "/api/documents/{documentId}/history",
    operationId: "readDocumentHistory",
    tag: "documents",
    summary: "Who changed a document when.",
    auth: "user",
    query: [
      { name: "before", what: "The `nextBefore` of the page before. Default: the newest.", schema: count },
      { name: "limit", what: "Entries in the answer, at most 500. Default: 50.", schema: count },
    ],
    body: null,
    answers: [
      {
        status: 200,
        what: "Accepted changes, newest first.",
        content: json(
          object({
            documentId: text,
            version: count,
            entries: list(
              object({ version: count, from: count, userId: text, timestamp: text, inserted: count, removed: count }),
            ),
            nextBefore: { type: ["integer", "null"] },
          }),
        ),
      },
    ],
    errors: [...OF_USERS, "conflict"],
  },
  {
    method: "GET",
    path: "/api/rooms/{roomId}/history",
    operationId: "readHistory",
    tag: "rooms",
    summary: "A page of a room's events.",
    auth: "user",
    query: [
      { name: "before", what: "Events before this cursor or seq. Without it and `after`: the newest.", schema: text },
      { name: "after", what: "Events after this cursor or seq.", schema: text },
      { ...LIMIT, what: "Events in the answer, at most. Default: 50." },
    ],
    body: null,
    answers: [
      {
        status: 200,
        what: "Events, oldest first.",
        content: json(
          object({
            messages: list(ref("EventMessage")),
            more: { type: "boolean", description: "Whether the asked direction goes on." },
            cursor: ref("Cursor"),
            head: count,
            epoch: text,
          }),
        ),
      },
    ],
    errors: [...OF_USERS, "unknown_type", "history_lost"],
  },
  {
    method: "GET",
    path: "/api/rooms/{roomId}/members",
    operationId: "listMembers",
    tag: "rooms",
    summary: "Who is in a room.",
    auth: "user",
    query: [],
    body: null,
    answers: [
      { status: 200, what: "At most 100 users are named; the count is of all.", content: json(ref("RoomUsers")) },
    ],
    errors: [...OF_READERS, "unknown_type"],
  },
  {
    method: "POST",
    path: "/api/rooms/{roomId}/events",
    operationId: "publishEvents",
    tag: "rooms",
    summary: "Publish one event or several into a room, as the server.",
    description:
      "Scope `publish`; into an inbox, `user:<id>`, the scope `notify` as well. No schema of the namespace is applied. The same `messageId` again is the same event. After a retryable refusal the rest of an array is refused too. The header `traceparent` says which trace they belong to.",
    auth: "backEnd",
    query: [],
    body: {
      required: true,
      schema: { anyOf: [ref("Publication"), list(ref("Publication"), { minItems: 1, maxItems: 1_000 })] },
      examples: { one: { type: "news", payload: { title: "Hello" }, messageId: "news-1" } },
    },
    answers: [
      {
        status: 200,
        what: "The ack, or all acks in the same order.",
        content: json({ anyOf: [ref("AckAnswer"), list(ref("AckAnswer"))] }),
      },
    ],
    errors: ["unauthenticated", "invalid_message", "unknown_type", "conflict", ...OF_BODIES, ...ALWAYS],
  },
  {
    method: "GET",
    path: "/api/rooms/{roomId}/log",
    operationId: "readLog",
    tag: "rooms",
    summary: "The record of a room, for back ends: who sent what when, oldest first.",
    description: "Follow it with `after`, the `seq` of the last event, until there is none more.",
    auth: "backEnd",
    query: [
      { name: "after", what: "Start after this seq. Default: 0.", schema: count, example: 0 },
      { name: "limit", what: "How many events at most. Default: 500.", schema: count, example: 100 },
    ],
    body: null,
    answers: [
      {
        status: 200,
        what: "Some of the events that are kept, and where the log stands.",
        content: json(
          object({
            roomId: ref("RoomId"),
            epoch: text,
            first: count,
            head: count,
            events: list(
              object({
                seq: count,
                timestamp: text,
                type: text,
                sender: textOrNull,
                messageId: textOrNull,
                payload: { type: "object" },
              }),
            ),
          }),
        ),
      },
    ],
    errors: ["unauthenticated", "invalid_message", ...ALWAYS],
  },
  {
    method: "POST",
    path: "/api/users/{userId}/erase",
    operationId: "eraseUser",
    tag: "rooms",
    summary: "Erases what a person said, and what is kept for them.",
    description:
      "Closes their connections and answers when it is durable; it reads the whole log. May be asked for again.",
    auth: "backEnd",
    query: [],
    body: null,
    answers: [
      {
        status: 200,
        what: "What was erased; `kept` are events of theirs in documents, which stay.",
        content: json(object({ userId: text, rooms: count, events: count, marks: count, kept: count })),
      },
    ],
    errors: ["unauthenticated", "invalid_message", ...ALWAYS],
  },
  {
    method: "GET",
    path: "/api/notifications",
    operationId: "readNotifications",
    tag: "notifications",
    summary: "The user's inbox, or a stream of it.",
    description: "With `Accept: text/event-stream` it is a stream (Server-Sent Events) as of `/api/events`.",
    auth: "user",
    query: [
      { name: "before", what: "Notifications older than this seq.", schema: { type: "integer", minimum: 1 } },
      {
        name: "limit",
        what: "Notifications in the answer, at most. Default: 20.",
        schema: { type: "integer", minimum: 1, maximum: 100 },
      },
      { name: "unread", what: "1: only those not read.", schema: flag },
      { name: "archived", what: "1: only those archived, instead of only those not archived.", schema: flag },
      { name: "category", what: "Only those of this category.", schema: text },
    ],
    body: null,
    answers: [
      {
        status: 200,
        what: "Notifications, and how many there are.",
        content: {
          ...json(
            object({
              notifications: list(ref("Notification")),
              unread: count,
              unseen: count,
              "more?": { type: "boolean", description: "Whether there are older ones of the kind asked for." },
              cursor: { type: "string", description: "Who joins the user's room after it misses nothing." },
            }),
          ),
          ...eventStream,
        },
      },
    ],
    errors: OF_READERS,
  },
  {
    method: "POST",
    path: "/api/notifications",
    operationId: "sendNotification",
    tag: "notifications",
    summary: "Notify a user, or several.",
    auth: "backEnd",
    query: [],
    body: {
      required: true,
      schema: ref("NewNotification"),
      examples: {
        one: { userId: "ada", type: "mention", title: "Grace mentioned you", body: "in #lobby", url: "/rooms/lobby" },
      },
    },
    answers: [
      {
        status: 200,
        what: "What became of it: for `userId` its result, for `userIds` one for each.",
        content: json({
          anyOf: [ref("Notified"), object({ results: list({ anyOf: [ref("Notified"), NOT_NOTIFIED] }) })],
        }),
      },
    ],
    errors: ["unauthenticated", "invalid_message", "conflict", ...OF_BODIES, ...ALWAYS],
  },
  {
    method: "GET",
    path: "/api/notifications/push-key",
    operationId: "readPushKey",
    tag: "notifications",
    summary: "The key a browser subscribes to Web Push with; null where the server sends no push messages.",
    auth: "none",
    query: [],
    body: null,
    answers: [{ status: 200, what: "The VAPID public key.", content: json(object({ publicKey: textOrNull })) }],
    errors: ALWAYS,
  },
  {
    method: "GET",
    path: "/api/dashboards",
    operationId: "listDashboards",
    tag: "dashboards",
    summary: "The dashboards on this node that have series and that the user may read.",
    auth: "user",
    query: [],
    body: null,
    answers: [
      {
        status: 200,
        what: "The dashboards, by name.",
        content: json(object({ dashboards: list(object({ name: text, series: count, updatedAt: count })) })),
        headers: ["ETag"],
      },
      { status: 304, what: "They are as you know them.", content: {} },
    ],
    errors: OF_USERS,
  },
  {
    method: "GET",
    path: "/api/dashboards/{name}",
    operationId: "readDashboard",
    tag: "dashboards",
    summary: "The newest slots of a dashboard.",
    auth: "user",
    query: [
      {
        name: "last",
        what: "How many slots back. Default: 60.",
        schema: { type: "integer", minimum: 0, maximum: 1_440 },
      },
      {
        name: "resolution",
        what: "How long a slot is: `1s` (default; 600 are kept), `10s` (360) or `1m` (1,440).",
        schema: { type: "string", enum: ["1s", "10s", "1m"] },
      },
    ],
    body: null,
    answers: [
      { status: 200, what: "The slots, as columns.", content: json(ref("Metrics")), headers: ["ETag"] },
      { status: 304, what: "It is as you know it.", content: {} },
    ],
    errors: OF_USERS,
  },
  {
    method: "POST",
    path: "/api/dashboards/{name}",
    operationId: "publishMetrics",
    tag: "dashboards",
    summary: "Publish the newest values of series. The dashboard is there from then on.",
    auth: "backEnd",
    query: [],
    body: {
      required: true,
      schema: ref("MetricValues"),
      examples: { two: { orders: 12, "revenue/min": 1_830.5 }, gap: { orders: null } },
    },
    answers: [
      {
        status: 200,
        what: "What was taken, and when, ms since 1970.",
        content: json(object({ name: text, t: count, values: ref("MetricValues") })),
      },
    ],
    errors: ["unauthenticated", "invalid_message", ...OF_BODIES, ...ALWAYS],
  },
  {
    method: "POST",
    path: "/api/tickets",
    operationId: "issueTicket",
    tag: "credentials",
    summary: "A single-use ticket for a URL, for clients that cannot set headers.",
    auth: "user",
    guests: false,
    query: [],
    body: null,
    answers: [
      {
        status: 200,
        what: "Used once, as `?ticket=`, before it expires.",
        content: json(object({ ticket: text, expiresInMs: count })),
      },
    ],
    errors: OF_USERS,
  },
  {
    method: "POST",
    path: "/api/tokens",
    operationId: "signToken",
    tag: "credentials",
    summary: "A token for a user, signed with the server's secret. Only where tokens are checked with a secret.",
    description: "Scope `tokens`.",
    auth: "backEnd",
    query: [],
    body: {
      required: true,
      schema: object({
        user: text,
        "name?": text,
        "rooms?": {
          type: "object",
          description: "Room patterns and rights (AUTH-8).",
          additionalProperties: list(text),
        },
        "expiresInMs?": { type: "integer", minimum: 1_000, description: "Default: an hour." },
      }),
      examples: { ada: { user: "ada", name: "Ada", rooms: { "chat:*": ["read", "write"] }, expiresInMs: 900_000 } },
    },
    answers: [{ status: 200, what: "The token.", content: json(object({ token: text, expiresInMs: count })) }],
    errors: OF_MODERATORS,
  },
  {
    method: "POST",
    path: "/api/revoke",
    operationId: "revoke",
    tag: "access",
    summary: "Take back the access of a user, a token or a connection, on all nodes.",
    description:
      "Its connections end within a second, and its tokens are not accepted any more; those issued later are. Scope `moderate`.",
    auth: "backEnd",
    query: [],
    body: {
      required: true,
      schema: {
        ...object({
          "user?": { type: "string", description: "All tokens of this user that were issued until now." },
          "token?": { type: "string", description: "One token: its `jti`, or the token itself." },
          "connection?": { type: "string", description: "The token that this connection came with." },
          "reason?": REASON,
        }),
        oneOf: [{ required: ["user"] }, { required: ["token"] }, { required: ["connection"] }],
      },
      examples: { user: { user: "ada", reason: "lost laptop" }, token: { token: "d9c2…" } },
    },
    answers: [
      {
        status: 200,
        what: "Done, and durable. False: there is no such connection.",
        content: json(object({ revoked: { type: "boolean" } })),
      },
    ],
    errors: OF_MODERATORS,
  },
  {
    method: "POST",
    path: "/api/recheck",
    operationId: "recheckAccess",
    tag: "access",
    summary: "Ask the access rules again about everybody who is in a room, or about one user.",
    description: "Who may not read a room any more leaves it. Scope `moderate`.",
    auth: "backEnd",
    query: [],
    body: { required: true, schema: object({ "user?": text }), examples: { all: {}, one: { user: "ada" } } },
    answers: [
      {
        status: 200,
        what: "Done on this node, and asked of the others.",
        content: json(object({ rechecked: { const: true } })),
      },
    ],
    errors: OF_MODERATORS,
  },
  {
    method: "GET",
    path: "/api/connections",
    operationId: "listConnections",
    tag: "access",
    summary: "The connections of all nodes, a page at a time.",
    description: "Scope `moderate`.",
    auth: "backEnd",
    query: [
      { name: "user", what: "Only those of this user.", schema: text },
      { name: "roomId", what: "Only those in this room.", schema: ref("RoomId") },
      {
        name: "limit",
        what: "At most so many. Default: 100.",
        schema: { type: "integer", minimum: 1, maximum: 1_000 },
      },
      { name: "after", what: "Goes on behind this connection, the last one of the page before.", schema: text },
    ],
    body: null,
    answers: [
      {
        status: 200,
        what: "By node, and of each node the oldest first.",
        content: json(object({ connections: list(ref("Connection")), more: { type: "boolean" } })),
      },
    ],
    errors: OF_MODERATORS,
  },
  {
    method: "POST",
    path: "/api/rooms/{roomId}/kick",
    operationId: "kick",
    tag: "access",
    summary: "Take a user out of a room, on all nodes. It may join again.",
    description: "Scope `moderate`.",
    auth: "backEnd",
    query: [],
    body: { required: true, schema: object({ user: text }), examples: { one: { user: "ada" } } },
    answers: [{ status: 200, what: "Done.", content: json(object({ roomId: ref("RoomId"), userId: text })) }],
    errors: OF_MODERATORS,
  },
  {
    method: "POST",
    path: "/api/rooms/{roomId}/ban",
    operationId: "ban",
    tag: "access",
    summary: "Take a user out of a room, and do not let it in again.",
    description: "Another ban of the same user takes the place of the first. Scope `moderate`.",
    auth: "backEnd",
    query: [],
    body: {
      required: true,
      schema: object({
        user: text,
        "forMs?": { type: "integer", minimum: 1, description: "For how long. Default: until it is lifted." },
        "reason?": REASON,
      }),
      examples: { hour: { user: "eve", forMs: 3_600_000, reason: "spam" } },
    },
    answers: [{ status: 200, what: "The ban, which is durable.", content: json(ref("Ban")) }],
    errors: OF_MODERATORS,
  },
  {
    method: "POST",
    path: "/api/rooms/{roomId}/unban",
    operationId: "unban",
    tag: "access",
    summary: "Lift a ban.",
    description: "Scope `moderate`.",
    auth: "backEnd",
    query: [],
    body: { required: true, schema: object({ user: text }), examples: { one: { user: "eve" } } },
    answers: [{ status: 200, what: "Whether there was one.", content: json(object({ lifted: { type: "boolean" } })) }],
    errors: OF_MODERATORS,
  },
  {
    method: "GET",
    path: "/api/rooms/{roomId}/bans",
    operationId: "listBans",
    tag: "access",
    summary: "The bans of a room that are in force, the oldest first.",
    description: "Scope `moderate`.",
    auth: "backEnd",
    query: [],
    body: null,
    answers: [{ status: 200, what: "The bans.", content: json(object({ bans: list(ref("Ban")) })) }],
    errors: OF_MODERATORS,
  },
  {
    method: "POST",
    path: "/api/dev/token",
    operationId: "issueDevToken",
    tag: "credentials",
    summary: "A token for whoever asks. Only in development mode.",
    auth: "none",
    dev: true,
    query: [],
    body: {
      required: true,
      schema: object({ user: text, "name?": text }),
      examples: { ada: { user: "ada", name: "Ada" } },
    },
    answers: [{ status: 200, what: "The token.", content: json(object({ token: text, expiresInMs: count })) }],
    errors: ["invalid_message", ...OF_BODIES, ...ALWAYS],
  },
  {
    method: "GET",
    path: "/healthz",
    operationId: "isAlive",
    tag: "server",
    summary: "Whether the process is alive.",
    auth: "none",
    query: [],
    body: null,
    answers: [{ status: 200, what: "It is.", content: json(object({ status: { const: "ok" } })) }],
    errors: [],
  },
  {
    method: "GET",
    path: "/readyz",
    operationId: "isReady",
    tag: "server",
    summary: "Whether the server can serve now.",
    auth: "none",
    query: [],
    body: null,
    answers: [
      {
        status: 200,
        what: "It can.",
        content: json(object({ status: { const: "ready" }, log: LINK_STATE, bus: LINK_STATE })),
      },
      {
        status: 503,
        what: "It cannot: it starts or it ends, or the log is away.",
        content: json(object({ status: { const: "not ready" }, log: LINK_STATE, bus: LINK_STATE })),
      },
    ],
    errors: [],
  },
  {
    method: "GET",
    path: "/metrics",
    operationId: "readMetrics",
    tag: "server",
    summary: "The metrics, in Prometheus' text format. Only in development mode.",
    auth: "none",
    dev: true,
    query: [],
    body: null,
    answers: [{ status: 200, what: "The metrics.", content: { "text/plain": text } }],
    errors: [],
  },
  {
    method: "GET",
    path: "/openapi.json",
    operationId: "readOpenApi",
    tag: "server",
    summary: "This document.",
    auth: "none",
    query: [],
    body: null,
    answers: [
      {
        status: 200,
        what: "The HTTP interface, as OpenAPI 3.1.",
        content: json({ type: "object" }),
        headers: ["ETag"],
      },
      { status: 304, what: "It is as you know it.", content: {} },
    ],
    errors: [],
  },
  {
    method: "GET",
    path: "/asyncapi.json",
    operationId: "readAsyncApi",
    tag: "server",
    summary: "What goes over WebSockets and event streams, as AsyncAPI 3.0.",
    auth: "none",
    query: [],
    body: null,
    answers: [
      { status: 200, what: "The messages, as AsyncAPI 3.0.", content: json({ type: "object" }), headers: ["ETag"] },
      { status: 304, what: "It is as you know it.", content: {} },
    ],
    errors: [],
  },
];

const USER_ID: JsonSchema = { anyOf: [{ type: "string", minLength: 1, maxLength: 255 }, { type: "integer" }] };
const METRICS_ROW: JsonSchema = list({ type: ["number", "null"] });
const upTo = (maxLength: number): JsonSchema => ({ type: "string", maxLength });

/** The schemas that only routes speak of, by name. */
export const ROUTE_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  MetricValues: {
    type: "object",
    description:
      "Values by series; null is a gap. A name begins with a letter, a digit or `_`, and has at most 64 letters, digits and `_ . : / % @ -` or blanks.",
    minProperties: 1,
    additionalProperties: { type: ["number", "null"] },
  },
  Metrics: object(
    {
      name: text,
      resolution: { type: "string", enum: ["1s", "10s", "1m"] },
      columns: list(text, { description: "`t`, then the series." }),
      rows: list(METRICS_ROW, { description: "Oldest first: values for `1s`, else means of slots that are over." }),
      "min?": list(METRICS_ROW, { description: "Beside `rows`, without the time: the lowest." }),
      "max?": list(METRICS_ROW, { description: "Beside `rows`, without the time: the highest." }),
      "recent?": list(METRICS_ROW, { description: "The seconds of the slot that is not over." }),
      latest: {
        type: "object",
        description: "What each series was last set to, and when: `[t, value]`.",
        additionalProperties: METRICS_ROW,
      },
    },
    "The newest slots of a dashboard. A row is the time its slot began, ms since 1970, then a value for each series; null is a gap.",
  ),
  Ban: object(
    {
      roomId: ref("RoomId"),
      userId: text,
      since: { type: "integer", description: "ms since 1970." },
      until: { type: ["integer", "null"], description: "When it ends by itself, ms since 1970; null for never." },
      reason: textOrNull,
    },
    "That a user may not be in a room.",
  ),
  Connection: object(
    {
      connectionId: text,
      transport: text,
      userId: textOrNull,
      userName: textOrNull,
      guest: { type: "boolean" },
      address: textOrNull,
      since: { type: "integer", description: "ms since 1970." },
      expiresAt: { type: ["integer", "null"], description: "When its token ends, ms since 1970." },
      rooms: list(ref("RoomId"), { description: "At most five of them." }),
      roomCount: count,
      latencyMs: { type: ["number", "null"], description: "Of its newest ping that was answered." },
      outboxBytes: { type: ["integer", "null"], description: "What it has not taken yet." },
      state: { enum: ["authenticating", "live", "behind"] },
    },
    "A connection, as an operator sees it.",
  ),
  Publication: object(
    { type: ref("MessageType"), payload: { type: "object" }, "messageId?": ref("MessageId") },
    "An event to publish.",
  ),
  AckAnswer: object(
    {
      type: { const: "ack" },
      payload: { anyOf: [ref("AckSuccess"), ref("AckFailure")] },
      "timestamp?": ref("Timestamp"),
      "messageId?": ref("MessageId"),
    },
    "The ack of a message that came by HTTP.",
  ),
  Notification: object({
    id: text,
    seq: ref("Seq"),
    type: text,
    title: text,
    body: text,
    url: textOrNull,
    category: textOrNull,
    timestamp: ref("Timestamp"),
    read: { type: "boolean" },
    seen: { type: "boolean" },
    archived: { type: "boolean" },
  }),
  Notified: object({
    userId: text,
    id: { type: "string", description: "Names the notification for ever." },
    seq: ref("Seq"),
    duplicate: { type: "boolean", description: "Its `dedupKey` was used before; nothing was added." },
  }),
  NewNotification: {
    ...object(
      {
        "userId?": USER_ID,
        "userIds?": list(USER_ID, { minItems: 1, maxItems: 10_000 }),
        type: { ...upTo(64), description: "What kind it is, for the page.", examples: ["order_shipped"] },
        title: upTo(200),
        "body?": upTo(4_000),
        "url?": {
          type: ["string", "null"],
          maxLength: 2_000,
          description: "Where a click leads: a path, or `http(s)://`.",
        },
        "category?": { type: ["string", "null"], maxLength: 64 },
        "dedupKey?": {
          ...upTo(200),
          minLength: 1,
          description: "The same key again for the same user within 24 h is the same notification.",
        },
        "collapseKey?": { ...upTo(200), minLength: 1, description: "Takes the place of those of the same key." },
        "expiresAt?": { type: "integer", minimum: 1, description: "When it leaves the inbox, ms since 1970." },
      },
      "A notification, to `userId` or to each of `userIds`.",
    ),
    oneOf: [{ required: ["userId"] }, { required: ["userIds"] }],
  },
};

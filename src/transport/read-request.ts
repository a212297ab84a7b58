import {
  type Limits,
  parseRoomCursor,
  parseRoomCursors,
  parseRoomId,
  type RoomAddress,
  type RoomCursor,
  YamabikoError,
} from "../protocol/index.ts";

/** What somebody who reads by HTTP asks for. */
export interface ReadRequest {
  /** Rooms to go on with, from where an earlier request stopped. */
  readonly resumed: readonly { readonly address: RoomAddress; readonly from: RoomCursor }[];
  /** What is wanted of the rooms to go on with, as `join_room` has it besides a cursor. */
  readonly members: Readonly<Record<string, unknown>>;
  /** Envelopes to be handled as on a WebSocket, `join_room` for each further room. */
  readonly messages: readonly unknown[];
  /** How many events at most; undefined for as many as fit. */
  readonly limit: number | undefined;
  /**
   * `envelopes`: everything that is said, as on a WebSocket. `events`: only the log, and one room that may not be read
   * refuses the whole request.
   */
  readonly wants: "envelopes" | "events";
  /** Whether `welcome` is wanted. */
  readonly welcome: boolean;
  /** Whether state newer than what the cursor names is wanted with `events`. */
  readonly state: boolean;
}

/** The defaults of a query, by what is asked. */
export interface QueryDefaults {
  /** The events before the head that a request without a cursor gets. */
  readonly fresh: number;
  /** The most events of an answer; undefined for a stream. */
  readonly most: number | undefined;
  /** The room of a query that names none. */
  readonly room: RoomAddress | null;
}

/** Query parameters that have a meaning of their own; all others are members of `join_room` (JOIN-6). */
const OWN_PARAMETERS: ReadonlySet<string> = new Set([
  "roomId",
  "after",
  "limit",
  "state",
  "timeoutMs",
  "token",
  "access_token",
  "ticket",
]);

/**
 * Reads `roomId` (repeatable), `after`, `limit` and `state` of a query. Other parameters are members of `join_room`.
 * @param lastEventId of an EventSource that comes back; wins over `after`.
 * @throws {YamabikoError} `invalid_message`, `too_many_rooms`.
 */
export function readQuery(
  query: URLSearchParams,
  lastEventId: string | undefined,
  defaults: QueryDefaults,
  limits: Limits,
): ReadRequest {
  const named = query.getAll("roomId").map(parseRoomId);
  if (named.length === 0 && defaults.room !== null) named.push(defaults.room);
  const rooms = Array.from(new Map(named.map((address) => [address.roomId, address])).values());
  if (rooms.length === 0) {
    throw new YamabikoError("invalid_message", "Name the room.", { remedy: "Add `?roomId=…`, once for each room." });
  }
  if (rooms.length > limits.roomsPerConnection) throw tooManyRooms(limits);
  const after = lastEventId || query.get("after");
  const cursors = after === null ? new Map<string, RoomCursor>() : readAfter(after, rooms, limits);
  const limit = readLimit(query.get("limit"), limits.joinEvents);
  const members = readMembers(query);
  const fresh = rooms.filter(({ roomId }) => !cursors.has(roomId));
  return {
    resumed: rooms.flatMap((address) => {
      const from = cursors.get(address.roomId);
      return from === undefined ? [] : [{ address, from }];
    }),
    members,
    messages: fresh.map(({ roomId }, index) => ({
      type: "join_room",
      payload: { ...members, roomId, limit: limit ?? defaults.fresh },
      messageId: `join-${index}`,
    })),
    limit: defaults.most === undefined ? undefined : (limit ?? defaults.most),
    wants: "events",
    welcome: true,
    state: isSet(query.get("state")),
  };
}

/**
 * Reads `{cursor?, messages?, welcome?}`, what a client of ours sends in the body.
 * @throws {YamabikoError} `invalid_message`.
 */
export function readBody(body: unknown, limits: Limits): ReadRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw badBody();
  const { cursor = "", messages = [], welcome = false } = body as Record<string, unknown>;
  if (typeof cursor !== "string" || !Array.isArray(messages) || typeof welcome !== "boolean") throw badBody();
  // Rooms beyond the limit are refused one by one, as on a WebSocket: the others are read.
  if (messages.length > limits.inFlight) {
    throw new YamabikoError("invalid_message", `At most ${limits.inFlight} messages at once.`);
  }
  const isJoin = (message: unknown): boolean => (message as { type?: unknown } | null)?.type === "join_room";
  if (!messages.every(isJoin)) {
    throw new YamabikoError("invalid_message", "Only `join_room` has a place in a request that reads.", {
      remedy: "Send other messages by POST /api/messages.",
    });
  }
  // By address: a room has two names, with its namespace and without, and is entered once.
  const resumed = new Map<string, ReadRequest["resumed"][number]>();
  for (const [roomId, from] of parseRoomCursors(cursor, limits.roomsPerConnection)) {
    const address = parseRoomId(roomId);
    resumed.set(address.roomId, { address, from });
  }
  return {
    resumed: Array.from(resumed.values()),
    members: {},
    messages,
    limit: undefined,
    wants: "envelopes",
    welcome,
    state: false,
  };
}

/** What looks like a number is one, `true` and `false` are what they say. */
function readMembers(query: URLSearchParams): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  for (const [name, text] of query) {
    if (OWN_PARAMETERS.has(name) || name === "__proto__") continue;
    if (text === "true" || text === "false") members[name] = text === "true";
    else members[name] = /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : text;
  }
  return members;
}

/** `after`: the cursor of all rooms, or, for one room, its own cursor or a bare seq. */
function readAfter(after: string, rooms: readonly RoomAddress[], limits: Limits): Map<string, RoomCursor> {
  const [only] = rooms;
  if (!after.includes("=")) {
    if (rooms.length > 1) {
      throw new YamabikoError("invalid_message", "`after` must be the cursor of all rooms.", {
        remedy: "Use the `cursor` of the last answer, or the `id` of the last event.",
      });
    }
    return new Map([[only!.roomId, parseRoomCursor(after)]]);
  }
  const cursors = new Map<string, RoomCursor>();
  for (const [roomId, cursor] of parseRoomCursors(after, limits.roomsPerConnection)) {
    cursors.set(parseRoomId(roomId).roomId, cursor);
  }
  return cursors;
}

/** @throws {YamabikoError} `invalid_message`. */
export function readLimit(text: string | null, max: number): number | undefined {
  return text === null ? undefined : readNumber("limit", text, 0, max);
}

/**
 * A whole number of a query.
 * @throws {YamabikoError} `invalid_message` when it is none, or not from `min` to `max`.
 */
export function readNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    throw new YamabikoError("invalid_message", `\`${name}\` must be a whole number from ${min} to ${max}.`);
  }
  return value;
}

function isSet(text: string | null): boolean {
  return text !== null && text !== "0" && text !== "false";
}

function tooManyRooms({ roomsPerConnection }: Limits): YamabikoError {
  return new YamabikoError("too_many_rooms", `At most ${roomsPerConnection} rooms at once.`);
}

function badBody(): YamabikoError {
  return new YamabikoError("invalid_message", "The body must be {cursor?, messages?, welcome?}.", {
    remedy: 'Send {"messages": [{"type": "join_room", "payload": {"roomId": "…"}}]}.',
  });
}

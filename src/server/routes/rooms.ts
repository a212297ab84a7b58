import type { BackEnd } from "../../auth/api-keys.ts";
import { OPERATOR_NAMESPACE } from "../../auth/operator.ts";
import { jsonEventText } from "../../codec/json.ts";
import {
  formatCursor,
  type JsonObject,
  type Limits,
  parseCursor,
  parseRoomId,
  type RoomAddress,
  toEnvelope,
  toYamabikoError,
  traceparentOf,
  YamabikoError,
} from "../../protocol/index.ts";
import type { Room } from "../../room/room.ts";
import type { Rooms } from "../../room/rooms.ts";
import type { Namespace } from "../../session/namespace.ts";
import { kindOf } from "../../session/room-kind.ts";
import type { Can } from "../../session/services.ts";
import { unknownNamespace } from "../../session/unknown.ts";
import type { Caller } from "../../transport/caller.ts";
import { answerWith, readMessages } from "../../transport/read-messages.ts";
import { readNumber } from "../../transport/read-request.ts";
import { readBytes } from "../body.ts";
import { type BackEnds, type CredentialParts, callerOf } from "../credentials.ts";
import { PUSH_NAMESPACE } from "../notifications.ts";
import type { Answer, Route, RouteRequest } from "../route.ts";
import type { ServerRoom } from "../server-room.ts";
import { traceparentIn } from "../traceparent.ts";

/** How many events a page of history has, unless it is asked for another number. */
const PAGE_EVENTS = 50;
/** The namespace of inboxes: who speaks there notifies. */
const INBOX_NAMESPACE = "user";
/** The namespaces whose rooms are for one user each, or for operators, and nobody else may read. */
const PRIVATE_NAMESPACES: ReadonlySet<string> = new Set([INBOX_NAMESPACE, PUSH_NAMESPACE, OPERATOR_NAMESPACE]);

export interface RoomParts extends CredentialParts {
  rooms(): Promise<Rooms>;
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly can: Can;
  readonly limits: Limits;
  readonly backEnds: BackEnds;
  /** @throws {YamabikoError} as `ServerRoom`. */
  room(roomId: string): ServerRoom;
}

/** Rooms by address: their history and members for users, and events of back ends. */
export function roomRoutes(parts: RoomParts): Route[] {
  return [
    {
      method: "GET",
      path: "/api/rooms/:roomId/history",
      async handle(route) {
        return historyPage(await readable(route, parts), route.url, parts.limits);
      },
    },
    {
      method: "GET",
      path: "/api/rooms/:roomId/members",
      async handle(route) {
        const room = await readable(route, parts);
        return { status: 200, body: room.users() };
      },
    },
    { method: "POST", path: "/api/rooms/:roomId/events", handle: (route) => publishEvents(route, parts) },
  ];
}

/** The room of a request, when whoever makes it may read there. */
export async function readable(
  { request, url, params, address: from }: RouteRequest,
  parts: RoomParts,
  roomId: unknown = params.roomId,
): Promise<Room> {
  const backEnd = parts.backEnds.find(request);
  const caller = backEnd === null ? await callerOf(request, url, from, parts) : null;
  const address: RoomAddress = parseRoomId(roomId);
  const namespace = parts.namespaces.get(address.namespace);
  if (namespace === undefined) throw unknownNamespace(address.namespace, parts.namespaces);
  if (caller === null) checkReader(backEnd!, address);
  else await checkCaller(caller, address, parts);
  return (await parts.rooms()).open(address.roomId, kindOf(namespace));
}

/** A back end reads what is no single user's own (INB-1). */
function checkReader(backEnd: BackEnd, { namespace, roomId }: RoomAddress): void {
  backEnd.checkScope("read");
  backEnd.checkRoom(roomId);
  if (PRIVATE_NAMESPACES.has(namespace)) throw new YamabikoError("access_denied", "This room is its user's alone.");
}

async function checkCaller(caller: Caller, address: RoomAddress, parts: RoomParts): Promise<void> {
  const { identity, guest } = caller;
  const user = {
    id: identity?.id ?? guest?.id ?? "",
    name: identity?.name ?? "Guest",
    guest: identity === null,
    claims: identity?.claims ?? {},
  };
  parts.revocations.checkBan(address.roomId, user.id);
  if (!(await parts.can(user, address, "read")))
    throw new YamabikoError("access_denied", "You may not read this room.");
}

/** `before` or `after` (a seq, or a cursor of the room's epoch) and `limit`; without either, the newest. */
async function historyPage(room: Room, url: URL, limits: Limits): Promise<Answer> {
  const [before, after] = [url.searchParams.get("before"), url.searchParams.get("after")];
  if (before !== null && after !== null) {
    throw new YamabikoError("invalid_message", "History takes `before` or `after`, not both.");
  }
  const limitText = url.searchParams.get("limit");
  const limit = limitText === null ? PAGE_EVENTS : readNumber("limit", limitText, 1, limits.joinEvents);
  const place = before ?? after;
  const cursor = place === null ? null : parseCursor(/^\d{1,16}$/.test(place) ? Number(place) : place);
  const seq = cursor?.seq ?? Number.POSITIVE_INFINITY;
  const page = after === null ? await room.readPageBack(seq, limit) : await room.readPage(seq, limit);
  // Where the log stands is what it says, not what this node has heard: what was acknowledged elsewhere is in it already.
  const { epoch, first, head, events } = page;
  if (cursor !== null && cursor.epoch !== null && cursor.epoch !== epoch) {
    throw new YamabikoError("history_lost", "The log this cursor is of is no longer there.");
  }
  const last = events.at(-1)?.seq;
  const more = after === null ? events.length > 0 && events[0]!.seq > first : last !== undefined && last < head;
  const end = last ?? (after === null ? head : seq);
  const rest = JSON.stringify({ more, cursor: formatCursor(epoch, end), head, epoch });
  return { status: 200, text: `{"messages":[${events.map(jsonEventText).join(",")}],${rest.slice(1)}` };
}

/** One event or an array of them; each is answered by its ack. After one that may come again the rest is not tried. */
async function publishEvents({ request, params }: RouteRequest, parts: RoomParts): Promise<Answer> {
  const backEnd = parts.backEnds.check(request, "publish");
  const room = parts.room(params.roomId!);
  backEnd.checkRoom(room.roomId);
  const { namespace } = parseRoomId(room.roomId);
  if (namespace === INBOX_NAMESPACE) backEnd.checkScope("notify");
  // Whoever writes there says where a user's notifications go.
  if (namespace === PUSH_NAMESPACE) throw new YamabikoError("access_denied", "This room is its user's alone.");
  const { isArray, messages } = readMessages(await readBytes(request, parts.limits.requestBytes), parts.limits);
  const traceparent = traceparentIn(request);
  const events = messages.map(({ value }) => readEvent(value, traceparent));
  const acks: Ack[] = [];
  let stopped: YamabikoError | null = null;
  for (const event of events) {
    const ack: Ack = stopped === null ? await publish(room, event) : refused(event.messageId, stopped);
    const { error } = ack.payload;
    if (error?.retryable === true) {
      stopped ??= new YamabikoError("unavailable", "An earlier event was refused; send that one first.");
    }
    acks.push(ack);
  }
  return answerWith(acks, isArray);
}

interface NewEvent {
  readonly type: string;
  readonly payload: JsonObject;
  readonly messageId: string | undefined;
  readonly traceparent: string | undefined;
}

interface Ack {
  readonly type: "ack";
  readonly messageId?: string | undefined;
  readonly payload: { readonly success: boolean; readonly error?: ReturnType<YamabikoError["toWire"]> };
}

/** @param traceparent of the request; that of the event comes first. */
function readEvent(value: unknown, traceparent: string | undefined): NewEvent {
  const { type, payload, messageId } = toEnvelope(value);
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    throw new YamabikoError("invalid_message", "The payload must be an object.");
  }
  return { type, payload: payload as JsonObject, messageId, traceparent: traceparentOf(value) ?? traceparent };
}

async function publish(room: ServerRoom, { type, payload, messageId, traceparent }: NewEvent): Promise<Ack> {
  try {
    const saved = await room.publish(type, payload, { messageId, traceparent });
    return { type: "ack", messageId, payload: { success: true, ...saved } };
  } catch (error) {
    return refused(messageId, toYamabikoError(error));
  }
}

function refused(messageId: string | undefined, error: YamabikoError): Ack {
  return { type: "ack", messageId, payload: { success: false, error: error.toWire() } };
}

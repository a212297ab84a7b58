import { jsonCodec } from "../../codec/json.ts";
import type { NotificationService } from "../../features/index.ts";
import { parseRoomId, type RoomAddress, YamabikoError } from "../../protocol/index.ts";
import type { User } from "../../session/namespace.ts";
import type { Can } from "../../session/services.ts";
import { type Caller, unauthenticated } from "../../transport/caller.ts";
import { sseOnly } from "../../transport/http-formats.ts";
import { readBytes } from "../body.ts";
import { type BackEnds, callerOf } from "../credentials.ts";
import type { Answer, Route, RouteRequest } from "../route.ts";
import { type MessageParts, stream, streamQuery } from "./messages.ts";

export interface NotificationRouteParts extends MessageParts {
  readonly service: NotificationService;
  readonly can: Can;
  readonly backEnds: BackEnds;
}

/** Users' inboxes: to read, to follow, and to notify (INB-10, INB-16). */
export function notificationRoutes(parts: NotificationRouteParts): Route[] {
  const { service } = parts;
  return [
    {
      method: "GET",
      path: "/api/notifications",
      handle: (route) => (wantsStream(route) ? streamInbox(route, parts) : readInbox(route, parts)),
    },
    {
      method: "POST",
      path: "/api/notifications",
      async handle({ request }) {
        const backEnd = parts.backEnds.check(request, "notify");
        const bytes = await readBytes(request, parts.limits.requestBytes);
        // Its users are bounded by the schema; each of them is an element, and the notification itself is small.
        const body = jsonCodec.decode(bytes, { ...parts.limits, elements: Math.max(parts.limits.elements, 20_000) });
        for (const userId of usersIn(body)) backEnd.checkRoom(`user:${userId}`);
        return { status: 200, body: await service.notifyRequest(body) };
      },
    },
    {
      method: "GET",
      path: "/api/notifications/push-key",
      async handle() {
        return { status: 200, body: { publicKey: service.pushKey } };
      },
    },
  ];
}

function wantsStream({ request }: RouteRequest): boolean {
  return (request.headers.accept ?? "").split(",").some((type) => type.trim().startsWith("text/event-stream"));
}

async function readInbox({ request, url, address }: RouteRequest, parts: NotificationRouteParts): Promise<Answer> {
  const user = userOf(await callerOf(request, url, address, parts));
  // The token may say less than that this is the user: its claim may leave the inbox out.
  if (!(await parts.can(user, inboxOf(user.id), "read"))) {
    throw new YamabikoError("access_denied", "You may not read this inbox.");
  }
  return { status: 200, body: await parts.service.inboxRequest(user.id, url.searchParams) };
}

/** A stream of the user's own room, whatever room the query names: notifications go to `onmessage`. */
function streamInbox(route: RouteRequest, parts: NotificationRouteParts): Promise<null> {
  const read = (caller: Caller) => {
    route.url.searchParams.delete("roomId");
    return streamQuery(route, parts, inboxOf(userOf(caller).id));
  };
  return stream(route, read, parts, sseOnly("notification"));
}

function inboxOf(userId: string): RoomAddress {
  return parseRoomId(`user:${userId}`);
}

/** @throws {YamabikoError} `unauthenticated` for a guest who is another one with every request. */
function userOf({ identity, guest }: Caller): User {
  if (identity !== null) return { id: identity.id, name: identity.name, guest: false, claims: identity.claims };
  if (guest === null) throw unauthenticated();
  return { id: guest.id, name: "Guest", guest: true, claims: {} };
}

/** Whom a request names; what is no name is refused later. */
function usersIn(body: unknown): unknown[] {
  const { userId, userIds } = (body ?? {}) as { userId?: unknown; userIds?: unknown };
  const named = Array.isArray(userIds) ? userIds : [];
  return userId === undefined ? named : [userId, ...named];
}

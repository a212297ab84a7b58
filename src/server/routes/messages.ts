import { createHash } from "node:crypto";
import { jsonCodec } from "../../codec/json.ts";
import type { Observer } from "../../observe/observer.ts";
import { type Limits, type RoomAddress, YamabikoError } from "../../protocol/index.ts";
import type { Format } from "../../room/sink.ts";
import type { Caller } from "../../transport/caller.ts";
import { type Leave, poll } from "../../transport/poll.ts";
import { type ReadRequest, readBody, readNumber, readQuery } from "../../transport/read-request.ts";
import { sendMessages } from "../../transport/send.ts";
import { type SseParts, type SseRequest, serveSse } from "../../transport/sse.ts";
import { readBytes } from "../body.ts";
import { type CredentialParts, callerOf } from "../credentials.ts";
import { isKnownTag } from "../etag.ts";
import type { IpLimits } from "../ip-limits.ts";
import type { Answer, Route, RouteRequest } from "../route.ts";
import { traceparentIn } from "../traceparent.ts";

/** How many events a poll without a cursor gets. */
const FRESH_EVENTS = 50;
/** How many events an answer has, unless it is asked for another number. */
const ANSWER_EVENTS = 500;
/** How long a long poll waits, unless it is asked for another time, ms. */
const WAIT_MS = 25_000;
/** How long it may be asked to wait, ms. */
const MAX_WAIT_MS = 60_000;

export interface MessageParts extends CredentialParts {
  /** What serves clients, once the log is open. Rejects with `unavailable` when it cannot be. */
  serving(): Promise<SseParts>;
  readonly defaultRoom: RoomAddress | null;
  readonly limits: Limits;
  readonly ipLimits: IpLimits;
  readonly observer: Observer;
}

/** The transports over HTTP: polls, streams, and sending. */
export function messageRoutes(parts: MessageParts): Route[] {
  return [
    { method: "GET", path: "/api/messages", handle: (request) => answerPoll(request, false, parts) },
    { method: "GET", path: "/api/messages/wait", handle: (request) => answerPoll(request, true, parts) },
    { method: "POST", path: "/api/messages/wait", handle: (request) => answerClientPoll(request, parts) },
    {
      method: "POST",
      path: "/api/messages",
      async handle(route) {
        const caller = await callerOf(route.request, route.url, route.address, parts);
        const bytes = await bodyOf(route, parts);
        return sendMessages(bytes, caller, traceparentIn(route.request), await parts.serving());
      },
    },
    {
      method: "GET",
      path: "/api/events",
      handle: (request) => stream(request, () => streamQuery(request, parts), parts),
    },
    {
      method: "POST",
      path: "/api/events",
      handle: (request) =>
        stream(request, async () => ({ ...(await clientRequest(request, parts)), welcome: true }), parts),
    },
  ];
}

/** Reads the query of a stream. */
export function streamQuery(
  { request, url }: RouteRequest,
  { defaultRoom, limits }: Pick<MessageParts, "defaultRoom" | "limits">,
  room = defaultRoom,
): SseRequest {
  const lastEventId = request.headers["last-event-id"];
  const defaults = { fresh: 0, most: undefined, room };
  return readQuery(url.searchParams, typeof lastEventId === "string" ? lastEventId : undefined, defaults, limits);
}

/** Serves a stream; it holds a place of its address for as long as it lasts. */
export async function stream(
  { request, response, url, address }: RouteRequest,
  read: (caller: Caller) => SseRequest | Promise<SseRequest>,
  parts: MessageParts,
  format?: Format,
): Promise<null> {
  const release = parts.ipLimits.take(address);
  response.once("close", release);
  try {
    const caller = await callerOf(request, url, address, parts);
    const asked = await read(caller);
    const serving = await parts.serving();
    checkPlace(serving, parts);
    await serveSse(format === undefined ? asked : { ...asked, format }, caller, response, serving);
    return null;
  } catch (error) {
    release();
    throw error;
  }
}

async function answerPoll(route: RouteRequest, waits: boolean, parts: MessageParts): Promise<Answer> {
  const { request, url, address } = route;
  const waitMs = waits ? readWait(url) : 0;
  const defaults = { fresh: waits ? 0 : FRESH_EVENTS, most: ANSWER_EVENTS, room: parts.defaultRoom };
  const asked = readQuery(url.searchParams, undefined, defaults, parts.limits);
  const caller = await callerOf(request, url, address, parts);
  const text = await pollRooms(route, asked, waitMs, caller, parts);
  const etag = `W/"${createHash("sha1").update(text).digest("base64url")}"`;
  const headers = {
    ETag: etag,
    "Cache-Control": waits ? "no-store" : "private, no-cache",
    Vary: "Authorization, Accept-Encoding, Origin",
  };
  return isKnownTag(request, etag) ? { status: 304, headers } : { status: 200, text, headers };
}

async function answerClientPoll(route: RouteRequest, parts: MessageParts): Promise<Answer> {
  const { request, url, address } = route;
  const waitMs = readWait(url);
  const caller = await callerOf(request, url, address, parts);
  const asked = await clientRequest(route, parts);
  const text = await pollRooms(route, asked, waitMs, caller, parts);
  return { status: 200, text };
}

/** A body; those that are slow to come have a limit per address. */
async function bodyOf({ request, address }: RouteRequest, { limits, ipLimits }: MessageParts): Promise<Buffer> {
  const release = ipLimits.holdBody(address);
  try {
    return await readBytes(request, limits.requestBytes);
  } finally {
    release();
  }
}

async function clientRequest(route: RouteRequest, parts: MessageParts): Promise<ReadRequest> {
  const bytes = await bodyOf(route, parts);
  const { limits } = parts;
  return readBody(bytes.length === 0 ? {} : jsonCodec.decode(bytes, limits), limits);
}

function readWait(url: URL): number {
  const text = url.searchParams.get("timeoutMs");
  return text === null ? WAIT_MS : readNumber("timeoutMs", text, 0, MAX_WAIT_MS);
}

/** One poll. While it may wait it holds a place of its address. */
async function pollRooms(
  route: RouteRequest,
  asked: ReadRequest,
  waitMs: number,
  caller: Caller,
  parts: MessageParts,
): Promise<Buffer> {
  const release = waitMs === 0 ? () => {} : parts.ipLimits.hold(route.address);
  try {
    const serving = await parts.serving();
    checkPlace(serving, parts);
    return await poll(asked, waitMs, caller, leaveOf(route), serving);
  } finally {
    release();
  }
}

function checkPlace({ sessions }: SseParts, { observer }: MessageParts): void {
  if (sessions.hasRoom) return;
  observer.limited("connections");
  throw new YamabikoError("too_many_connections", "The server is full.", { retryAfterMs: 1_000 });
}

/** Tells when the client has gone before its answer. */
function leaveOf({ request, response }: RouteRequest): Leave {
  return {
    onGone(run) {
      // Gone while its credential was checked.
      if (request.socket.destroyed) run();
      else {
        response.once("close", () => {
          if (!response.writableFinished) run();
        });
      }
    },
  };
}

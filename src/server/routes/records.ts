import type { Log, LogEvent } from "../../log/log.ts";
import { type JsonObject, parseRoomId, YamabikoError } from "../../protocol/index.ts";
import type { Namespace } from "../../session/namespace.ts";
import { unknownNamespace } from "../../session/unknown.ts";
import { readNumber } from "../../transport/read-request.ts";
import { SERVER_NAMESPACE } from "../access-log.ts";
import type { BackEnds } from "../credentials.ts";
import { type Erasure, OWN_NAMESPACES } from "../erasure.ts";
import type { Route } from "../route.ts";

/** How many events a page of a log has, unless it is asked for another number, and at most. */
const PAGE_EVENTS = 500;
const MAX_PAGE_EVENTS = 1_000;

export interface RecordParts {
  /** Rejects with `unavailable` when it cannot be read now. */
  log(): Promise<Log>;
  readonly backEnds: BackEnds;
  readonly namespaces: ReadonlyMap<string, Namespace>;
  erase(userId: string): Promise<Erasure>;
}

/** An event as the record of a room has it: who sent what when. */
export interface RecordedEvent {
  readonly seq: number;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly type: string;
  /** Null for the server. */
  readonly sender: string | null;
  readonly messageId: string | null;
  readonly payload: JsonObject;
}

/** What was said, for back ends: the log of a room as it is, and the erasure of a person's data. */
export function recordRoutes({ log, backEnds, namespaces, erase }: RecordParts): Route[] {
  return [
    {
      method: "GET",
      path: "/api/rooms/:roomId/log",
      async handle({ request, url, params }) {
        const { roomId, namespace } = parseRoomId(params.roomId);
        // What is one user's alone is for operators.
        const backEnd = backEnds.check(request, OWN_NAMESPACES.has(namespace) ? "admin" : "read");
        backEnd.checkRoom(roomId);
        // What was decided about users, and why, is said where they are moderated. Logs of namespaces that are served no more are read.
        if (namespace === SERVER_NAMESPACE) throw unknownNamespace(namespace, namespaces);
        const after = numberIn(url, "after", 0, Number.MAX_SAFE_INTEGER) ?? 0;
        const limit = numberIn(url, "limit", 1, MAX_PAGE_EVENTS) ?? PAGE_EVENTS;
        const page = await (await log()).read(roomId, after, limit);
        const { epoch, first, head } = page;
        return { status: 200, body: { roomId, epoch, first, head, events: page.events.map(toRecord) } };
      },
    },
    {
      method: "POST",
      path: "/api/users/:userId/erase",
      async handle({ request, params }) {
        backEnds.check(request, "admin").checkUnlimited();
        return { status: 200, body: await erase(params.userId!) };
      },
    },
  ];
}

/** An event as it is recorded. */
export function toRecord({ seq, timestamp, type, sender, messageId, data }: LogEvent): RecordedEvent {
  const payload = JSON.parse(data) as JsonObject;
  return { seq, timestamp: new Date(timestamp).toISOString(), type, sender, messageId, payload };
}

/** @throws {YamabikoError} `invalid_message`. */
function numberIn(url: URL, name: string, min: number, max: number): number | null {
  const text = url.searchParams.get(name);
  if (text === null) return null;
  if (text === "") throw new YamabikoError("invalid_message", `\`${name}\` is empty.`);
  return readNumber(name, text, min, max);
}

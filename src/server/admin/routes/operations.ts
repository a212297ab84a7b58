import { z } from "zod";
import { type JsonObject, type Limits, validate, YamabikoError } from "../../../protocol/index.ts";
import { readJson } from "../../body.ts";
import type { Moderation } from "../../moderation.ts";
import type { Route, RouteRequest } from "../../route.ts";
import { announcement } from "../announcement.ts";
import { CONNECTION_ORDERS } from "../connection-rows.ts";
import type { Operations } from "../operations.ts";
import { ROOM_ORDERS } from "../room-rows.ts";

export interface OperationRouteParts {
  /** Rejects while the server cannot serve. */
  operations(): Promise<Operations>;
  readonly moderation: Moderation;
  readonly limits: Limits;
}

const search = z
  .string()
  .max(255)
  .transform((text) => (text.trim() === "" ? null : text.trim()))
  .default(null);
const limit = (most: number, byDefault: number) => z.coerce.number().int().min(1).max(most).default(byDefault);
const text = z.string().min(1).max(255);

const connectionsQuery = z.object({
  search,
  transport: z
    .string()
    .max(32)
    .transform((name) => (name === "" ? null : name))
    .default(null),
  order: z.enum(CONNECTION_ORDERS).default("slow"),
  isSlow: z.stringbool().default(false),
  limit: limit(500, 100),
});
const roomsQuery = z.object({ search, order: z.enum(ROOM_ORDERS).default("readers"), limit: limit(500, 100) });
const logQuery = z.object({
  before: z.coerce.number().int().min(1).default(Number.MAX_SAFE_INTEGER),
  limit: limit(200, 50),
});
const userBody = z.object({ user: text });
const memberBody = z.object({ user: text, room: text });
const reason = z.string().max(200).optional();
const banBody = memberBody.extend({ forMs: z.number().positive().optional(), reason });
const revokeBody = z.object({ user: text.optional(), connection: text.optional(), reason });
const bansQuery = z.object({ room: text.optional(), user: text.optional() });
const drainBody = z.object({ nodeId: text, isDraining: z.boolean() });

/** What the console asks, and what it does. */
export function operationsRoutes({ operations, moderation, limits }: OperationRouteParts): Route[] {
  const get = (path: string, answer: (asked: RouteRequest, operations: Operations) => Promise<unknown>): Route => ({
    method: "GET",
    path,
    handle: async (asked) => ({ status: 200, body: await answer(asked, await operations()) }),
  });
  const post = <S extends z.ZodType>(
    path: string,
    schema: S,
    act: (body: z.output<S>, operations: Operations) => unknown,
  ): Route => ({
    method: "POST",
    path,
    async handle({ request }) {
      const body = (await validate(schema as never, await readJson(request, limits))) as z.output<S>;
      await act(body, await operations());
      return { status: 200, body: { success: true } };
    },
  });
  return [
    get("/api/nodes", async (_, operations) => operations.nodes()),
    get("/api/connections", async ({ url }, operations) =>
      operations.connections(await queryOf(url, connectionsQuery)),
    ),
    get("/api/rooms", async ({ url }, operations) => operations.rooms(await queryOf(url, roomsQuery))),
    get("/api/rooms/:roomId", async ({ params }, operations) => operations.room(params.roomId!)),
    get("/api/rooms/:roomId/log", async ({ params, url }, operations) => {
      const { before, limit } = await queryOf(url, logQuery);
      return operations.log(params.roomId!, before, limit);
    }),
    post("/api/announce", announcement, (said, operations) => operations.announce(said)),
    post("/api/disconnect", userBody, ({ user }, operations) => operations.disconnect(user)),
    post("/api/kick", memberBody, (member) => moderation.kick(member)),
    post("/api/ban", banBody, (ban) => moderation.ban(ban)),
    post("/api/unban", memberBody, (member) => moderation.unban(member)),
    post("/api/revoke", revokeBody, (revocation) => moderation.revoke(revocation)),
    get("/api/bans", async ({ url }) => ({ bans: await moderation.bans(await queryOf(url, bansQuery)) })),
    post("/api/drain", drainBody, ({ nodeId, isDraining }, operations) => operations.drain(nodeId, isDraining)),
  ];
}

/** @throws {YamabikoError} `invalid_message`. */
async function queryOf<S extends z.ZodType>(url: URL, schema: S): Promise<z.output<S>> {
  const result = schema.safeParse(Object.fromEntries(url.searchParams) as JsonObject);
  if (result.success) return result.data;
  throw new YamabikoError("invalid_message", `The query cannot be used: ${z.prettifyError(result.error)}`);
}

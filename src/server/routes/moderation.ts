import { readRoomRights } from "../../auth/access.ts";
import { signToken, type TokenContents } from "../../auth/jwt.ts";
import { type Clock, type Limits, parseRoomId, YamabikoError } from "../../protocol/index.ts";
import type { ConnectionPage, ConnectionQuery } from "../../session/connection-list.ts";
import { readNumber } from "../../transport/read-request.ts";
import { readJson } from "../body.ts";
import type { BackEnds } from "../credentials.ts";
import type { Moderation } from "../moderation.ts";
import type { Route, RouteRequest } from "../route.ts";

/** How tokens are signed for back ends. */
export interface TokenSigner {
  readonly secret: string;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly maxLifetimeMs: number;
}

export interface ModerationRouteParts {
  readonly moderation: Moderation;
  readonly backEnds: BackEnds;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Null where the server only checks tokens. */
  readonly signer: TokenSigner | null;
  listConnections(query: ConnectionQuery): Promise<ConnectionPage>;
}

/** How long a token is good, unless it is asked for another time, ms. */
const TOKEN_MS = 60 * 60 * 1000;

/** Back ends that take access back and give it: tokens, revocations, kicks and bans (AUTH-10 to AUTH-13). */
export function moderationRoutes(parts: ModerationRouteParts): Route[] {
  const { moderation, backEnds, limits, signer } = parts;
  const body = async (route: RouteRequest) => readObject(await readJson(route.request, limits));
  /** The room of a request by a key that may moderate there. */
  const roomOf = ({ request, params }: RouteRequest): string => {
    const backEnd = backEnds.check(request, "moderate");
    const { roomId } = parseRoomId(params.roomId);
    backEnd.checkRoom(roomId);
    return roomId;
  };
  const routes: Route[] = [
    {
      method: "POST",
      path: "/api/revoke",
      async handle(route) {
        backEnds.check(route.request, "moderate").checkUnlimited();
        const { user, token, connection, reason } = await body(route);
        return { status: 200, body: { revoked: await moderation.revoke({ user, token, connection, reason }) } };
      },
    },
    {
      method: "POST",
      path: "/api/recheck",
      async handle(route) {
        backEnds.check(route.request, "moderate").checkUnlimited();
        const { user } = await body(route);
        await moderation.recheck(user);
        return { status: 200, body: { rechecked: true } };
      },
    },
    {
      method: "GET",
      path: "/api/connections",
      async handle({ request, url }) {
        backEnds.check(request, "moderate").checkUnlimited();
        const { searchParams } = url;
        const roomId = searchParams.get("roomId");
        const limit = searchParams.get("limit");
        const page = await parts.listConnections({
          userId: searchParams.get("user") ?? undefined,
          roomId: roomId === null ? undefined : parseRoomId(roomId).roomId,
          limit: limit === null ? undefined : readNumber("limit", limit, 1, 1_000),
          after: searchParams.get("after") ?? undefined,
        });
        return { status: 200, body: page };
      },
    },
    {
      method: "POST",
      path: "/api/rooms/:roomId/kick",
      async handle(route) {
        const room = roomOf(route);
        const { user } = await body(route);
        await moderation.kick({ user: user!, room });
        return { status: 200, body: { roomId: room, userId: user } };
      },
    },
    {
      method: "POST",
      path: "/api/rooms/:roomId/ban",
      async handle(route) {
        const room = roomOf(route);
        const { user, forMs, reason } = await body(route);
        return { status: 200, body: await moderation.ban({ user: user!, room, forMs, reason }) };
      },
    },
    {
      method: "POST",
      path: "/api/rooms/:roomId/unban",
      async handle(route) {
        const room = roomOf(route);
        const { user } = await body(route);
        return { status: 200, body: { lifted: await moderation.unban({ user: user!, room }) } };
      },
    },
    {
      method: "GET",
      path: "/api/rooms/:roomId/bans",
      handle: async (route) => ({ status: 200, body: { bans: await moderation.bans({ room: roomOf(route) }) } }),
    },
  ];
  if (signer !== null) {
    routes.push({
      method: "POST",
      path: "/api/tokens",
      async handle(route) {
        backEnds.check(route.request, "tokens").checkUnlimited();
        return { status: 200, body: await issueToken(await body(route), signer, parts.clock) };
      },
    });
  }
  return routes;
}

/** The members of a body. Those of the wrong kind are refused where they are used. */
type Members = Readonly<Record<string, never>> & {
  readonly user?: string;
  readonly token?: string;
  readonly connection?: string;
  readonly reason?: string;
  readonly forMs?: number;
};

function readObject(value: unknown): Members {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Members;
  throw new YamabikoError("invalid_message", "The body must be an object.");
}

async function issueToken(asked: object, signer: TokenSigner, clock: Clock) {
  const { user, name, rooms, expiresInMs = TOKEN_MS } = asked as Record<string, unknown>;
  if (!(typeof expiresInMs === "number" && expiresInMs >= 1_000 && expiresInMs <= signer.maxLifetimeMs)) {
    throw new YamabikoError("invalid_message", `\`expiresInMs\` must be from 1,000 to ${signer.maxLifetimeMs}.`);
  }
  if (rooms !== undefined && readRoomRights(rooms) === null) {
    throw new YamabikoError("invalid_message", "`rooms` must be an object from room patterns to rights.", {
      remedy: 'Send {"user": "ada", "rooms": {"chat:*": ["read", "write"]}}.',
    });
  }
  const { secret, issuer, audience } = signer;
  const contents = { user, name, rooms, expiresInMs, issuer, audience } as TokenContents;
  try {
    return { token: await signToken(secret, contents, clock), expiresInMs };
  } catch (error) {
    // What cannot be in a token; the secret was checked when the server began.
    if (error instanceof TypeError) throw new YamabikoError("invalid_message", error.message);
    throw error;
  }
}

import type { IncomingMessage } from "node:http";
import type { Identity, VerifyToken } from "../auth/identity.ts";
import type { Tickets } from "../auth/tickets.ts";
import { YamabikoError } from "../protocol/index.ts";

/**
 * Who a request's own credential names: `Authorization: Bearer` or `?ticket=` (AUTH-1). Null when it has none.
 * @throws {YamabikoError} `unauthenticated` or `token_expired` when it has one that is not accepted.
 */
export async function identify(
  request: IncomingMessage,
  url: URL,
  verifyToken: VerifyToken | null,
  tickets: Tickets,
): Promise<Identity | null> {
  if (url.searchParams.has("token") || url.searchParams.has("access_token")) {
    throw new YamabikoError("unauthenticated", "A token in a URL is not accepted: URLs end up in logs.", {
      remedy: "Send it in the Authorization header, in `authenticate`, or get a ticket from POST /api/tickets.",
    });
  }
  const ticket = url.searchParams.get("ticket");
  if (ticket !== null) {
    const identity = tickets.redeem(ticket);
    if (identity === null) throw new YamabikoError("unauthenticated", "The ticket is not accepted.");
    return identity;
  }
  const { authorization } = request.headers;
  if (authorization === undefined) return null;
  const match = /^Bearer +(\S+) *$/i.exec(authorization);
  if (match === null || verifyToken === null) {
    throw new YamabikoError("unauthenticated", "The Authorization header is not accepted.", {
      remedy: "Send `Authorization: Bearer <token>`.",
    });
  }
  return verifyToken(match[1]!);
}

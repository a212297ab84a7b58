import type { IncomingMessage } from "node:http";
import { type ApiKey, type BackEnd, createApiKeys, type Scope, UNLIMITED } from "../auth/api-keys.ts";
import type { GuestTokens, Identity, VerifyToken } from "../auth/identity.ts";
import type { Revocations } from "../auth/revocations.ts";
import type { Tickets } from "../auth/tickets.ts";
import { YamabikoError } from "../protocol/index.ts";
import type { Caller } from "../transport/caller.ts";

/** What credentials are checked with. */
export interface CredentialParts {
  readonly verifyToken: VerifyToken | null;
  readonly tickets: Tickets;
  readonly revocations: Revocations;
  /** How clients without a token are let in; null when they are not. */
  readonly guests: GuestTokens | null;
  /** Development: requests without a credential from one program on this machine are one guest's. */
  readonly dev: boolean;
}

/** What a request's own credential is checked with. */
export type IdentityParts = Pick<CredentialParts, "verifyToken" | "tickets" | "revocations">;

/**
 * Who a request's own credential names: `Authorization: Bearer` or `?ticket=` (AUTH-1). Null when it has none.
 * @throws {YamabikoError} `unauthenticated` or `token_expired` when it has one that is not accepted, or was revoked.
 */
export async function identify(request: IncomingMessage, url: URL, parts: IdentityParts): Promise<Identity | null> {
  const identity = await readIdentity(request, url, parts);
  if (identity !== null) parts.revocations.check(identity, identity.expiresAt);
  return identity;
}

async function readIdentity(
  request: IncomingMessage,
  url: URL,
  { verifyToken, tickets }: IdentityParts,
): Promise<Identity | null> {
  const ticket = ticketOf(url);
  if (ticket !== null) {
    const identity = await tickets.redeemAnywhere(ticket);
    if (identity === null) throw new YamabikoError("unauthenticated", "The ticket is not accepted.");
    return identity;
  }
  const token = bearerOf(request);
  if (token === null) return null;
  if (verifyToken === null) throw notAccepted();
  return verifyToken(token);
}

/**
 * Who makes a request: the user of its credential, the guest of its guest token, or somebody nobody knows, where guests are
 * let in (HTTP-1).
 * @throws {YamabikoError} `unauthenticated`, `token_expired`.
 */
export async function callerOf(
  request: IncomingMessage,
  url: URL,
  address: string,
  parts: CredentialParts,
): Promise<Caller> {
  const token = ticketOf(url) === null ? bearerOf(request) : null;
  const guestId = token === null ? null : (parts.guests?.verify(token) ?? null);
  if (guestId !== null) parts.revocations.check({ id: guestId, claims: {} }, null);
  if (token !== null && guestId !== null) return { identity: null, guest: { id: guestId, token }, address };
  const identity = await identify(request, url, parts);
  if (identity === null && parts.guests === null) {
    throw new YamabikoError("unauthenticated", "Say who you are.", {
      remedy: "Send `Authorization: Bearer <token>`, or `?ticket=` from POST /api/tickets.",
    });
  }
  if (identity === null && parts.dev) {
    const program = `${address} ${request.headers["user-agent"] ?? ""}`;
    return { identity, guest: parts.guests!.named(program), address };
  }
  return { identity, guest: null, address };
}

/** Finds out which back end of the application a request comes from. */
export interface BackEnds {
  /**
   * The back end that makes a request, when it may do this.
   * @throws {YamabikoError} `unauthenticated` for one that shows no key or a wrong one, `access_denied` for a key without the scope.
   */
  check(request: IncomingMessage, scope: Scope): BackEnd;
  /** The back end whose key a request shows; null for one that shows none. */
  find(request: IncomingMessage): BackEnd | null;
}

/**
 * Makes the check of API keys. Without a key nobody is a back end – or, in development mode, everybody on this machine is.
 * @throws {TypeError} as `createApiKeys`.
 */
export function createBackEnds(apiKeys: readonly (string | ApiKey)[], dev: boolean): BackEnds {
  const keys = createApiKeys(apiKeys);
  const find = (request: IncomingMessage): BackEnd | null =>
    keys.count === 0 ? null : keys.find(bearerOf(request) ?? "");
  return {
    find,
    check(request, scope) {
      if (keys.count === 0) {
        // Whoever is on the network can say `Host: localhost`; nobody else has these addresses.
        if (dev && LOOPBACK_ADDRESS.test(request.socket.remoteAddress ?? "")) return UNLIMITED;
        throw new YamabikoError("access_denied", "This server has no API key.", {
          remedy: "Set YAMABIKO_API_KEY (option `apiKeys`).",
        });
      }
      const backEnd = find(request);
      if (backEnd === null) {
        throw new YamabikoError("unauthenticated", "The API key is not accepted.", {
          remedy: "Send `Authorization: Bearer <API key>`.",
        });
      }
      backEnd.checkScope(scope);
      return backEnd;
    },
  };
}

const LOOPBACK_ADDRESS = /^(::ffff:)?127\.|^::1$/;

function ticketOf(url: URL): string | null {
  if (url.search === "") return null;
  if (url.searchParams.has("token") || url.searchParams.has("access_token")) {
    throw new YamabikoError("unauthenticated", "A token in a URL is not accepted: URLs end up in logs.", {
      remedy: "Send it in the Authorization header, in `authenticate`, or get a ticket from POST /api/tickets.",
    });
  }
  return url.searchParams.get("ticket");
}

function bearerOf(request: IncomingMessage): string | null {
  const { authorization } = request.headers;
  if (authorization === undefined) return null;
  const match = /^Bearer +(\S+) *$/i.exec(authorization);
  if (match === null) throw notAccepted();
  return match[1]!;
}

function notAccepted(): YamabikoError {
  return new YamabikoError("unauthenticated", "The Authorization header is not accepted.", {
    remedy: "Send `Authorization: Bearer <token>`.",
  });
}

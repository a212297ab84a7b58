import type { GuestTokens, Identity } from "../auth/identity.ts";
import { CLOSE_CODES, type CloseName, type ErrorCode, YamabikoError } from "../protocol/index.ts";
import type { Session } from "../session/session.ts";

/** Who makes a request: a user, a guest who is known again, or (both null) somebody nobody knows. */
export interface Caller {
  readonly identity: Identity | null;
  readonly guest: { readonly id: string; readonly token: string } | null;
  /** The address it comes from, for the limits of those nobody knows. */
  readonly address: string;
}

/** Whether the caller can be known again by its next request. */
export function isKnown({ identity, guest }: Caller): boolean {
  return identity !== null || guest !== null;
}

/** What the limits of a caller are counted by. */
export function rateKey({ identity, guest, address }: Caller): string {
  if (identity !== null) return `user ${identity.id}`;
  return guest === null ? `address ${address}` : `user ${guest.id}`;
}

/**
 * Tells a session who came.
 * @throws {YamabikoError} `unauthenticated` for somebody nobody knows, where guests are not let in.
 */
export function introduce(session: Session, caller: Caller, guests: GuestTokens | null): void {
  if (caller.identity !== null) session.identify(caller.identity);
  else if (guests !== null) session.becomeGuest(guests, caller.guest ?? undefined);
  else throw unauthenticated();
}

/** The refusal of a request without a credential. */
export function unauthenticated(): YamabikoError {
  return new YamabikoError("unauthenticated", "Say who you are.", { remedy: "Send `Authorization: Bearer <token>`." });
}

/** The error that says what closing with this code says on a connection. */
export function closedError(code: number, reason: string): YamabikoError {
  const name = (Object.keys(CLOSE_CODES) as CloseName[]).find((each) => CLOSE_CODES[each].code === code);
  const error: ErrorCode = ERROR_OF[name ?? "server_error"] ?? "unavailable";
  return new YamabikoError(error, `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`);
}

const ERROR_OF: { readonly [name in CloseName]?: ErrorCode } = {
  unauthenticated: "unauthenticated",
  forbidden: "access_denied",
  too_many: "too_many_connections",
  policy: "rate_limited",
  server_error: "internal",
};

/** What a checked credential says. */
export interface Identity {
  /** The user's id (JWT `sub`). */
  readonly id: string;
  readonly name: string;
  /** When the credential ends, ms since 1970. */
  readonly expiresAt: number;
  /** All claims. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Checks a token. Handed to the session and the HTTP routes, which know nothing of JWT.
 * Rejects with a `YamabikoError`: `unauthenticated` in the same words whatever was wrong, or `token_expired`.
 */
export type VerifyToken = (token: string) => Promise<Identity>;

/** How guests are known again. */
export interface GuestTokens {
  /** A new guest, and what it shows when it comes back. */
  issue(): { id: string; token: string };
  /** The guest that goes by this name: the same every time. */
  named(name: string): { id: string; token: string };
  /** The guest of a token, or null for one that was not issued with this secret. */
  verify(token: string): string | null;
}

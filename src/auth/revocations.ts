import { YamabikoError } from "../protocol/index.ts";

/** Somebody who shows a credential, or showed one. */
export interface Bearer {
  readonly id: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** What was decided about users. Times are ms since 1970; a `reason` is for operators and goes to no client. */
export type Decision =
  /** Tokens of a user that were issued up to `issuedBy` are good no more. */
  | {
      readonly type: "user_revoked";
      readonly userId: string;
      readonly issuedBy: number;
      readonly until: number;
      readonly reason: string | null;
    }
  /** One token is good no more. */
  | { readonly type: "token_revoked"; readonly tokenId: string; readonly until: number; readonly reason: string | null }
  /** A user may not be in a room; `until` is null for as long as nobody lifts it. */
  | ({ readonly type: "banned" } & Ban)
  | { readonly type: "unbanned"; readonly roomId: string; readonly userId: string };

/** That a user may not be in a room. */
export interface Ban {
  readonly roomId: string;
  readonly userId: string;
  /** When it was decided, ms since 1970. */
  readonly since: number;
  /** When it ends by itself, ms since 1970; null for never. */
  readonly until: number | null;
  /** For operators. */
  readonly reason: string | null;
}

/** The most revocations in force at once, and the most bans. */
export const MOST_DECISIONS = 50_000;

/** Everything in force, as JSON. */
interface Kept {
  readonly users: readonly (readonly [userId: string, issuedBy: number, until: number])[];
  readonly tokens: readonly (readonly [tokenId: string, until: number])[];
  readonly bans: readonly Ban[];
}

/**
 * Which tokens were revoked, and who is banned from where: what the decisions amount to, taken in their order. Knows nothing of where they
 * are kept. Forgets what is over.
 */
export class Revocations {
  readonly #now: () => number;
  readonly #users = new Map<string, { readonly issuedBy: number; readonly until: number }>();
  readonly #tokens = new Map<string, number>();
  /** By room, then by user. */
  readonly #bans = new Map<string, Map<string, Ban>>();
  #banCount = 0;

  /** @param now ms since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Revoked users and tokens that are remembered. */
  get count(): number {
    return this.#users.size + this.#tokens.size;
  }

  /** Bans that are remembered. */
  get banCount(): number {
    return this.#banCount;
  }

  /** Takes the next decision. */
  apply(decision: Decision): void {
    if (decision.type === "user_revoked") {
      const { userId, issuedBy, until } = decision;
      const before = this.#users.get(userId);
      this.#users.set(userId, {
        issuedBy: Math.max(issuedBy, before?.issuedBy ?? 0),
        until: Math.max(until, before?.until ?? 0),
      });
    } else if (decision.type === "token_revoked") {
      const { tokenId, until } = decision;
      this.#tokens.set(tokenId, Math.max(until, this.#tokens.get(tokenId) ?? 0));
    } else {
      this.#lift(decision.roomId, decision.userId);
      if (decision.type === "banned") this.#put(decision);
    }
  }

  /** Whether what somebody shows was revoked. One without a time of issue counts as issued before. */
  revoked(bearer: Bearer, expiresAt: number | null): boolean {
    if (this.count === 0) return false;
    const user = this.#users.get(bearer.id);
    const now = this.#now();
    if (user !== undefined && now < user.until && issuedAtOf(bearer) <= user.issuedBy) return true;
    if (this.#tokens.size === 0) return false;
    const until = this.#tokens.get(tokenIdOf(bearer, expiresAt));
    return until !== undefined && now < until;
  }

  /** @throws {YamabikoError} `unauthenticated`, in the words of every token that is not accepted, when it was revoked. */
  check(bearer: Bearer, expiresAt: number | null): void {
    if (this.revoked(bearer, expiresAt)) throw new YamabikoError("unauthenticated", "The token is not accepted.");
  }

  /** The ban of a user from a room; null when there is none in force. */
  banOf(roomId: string, userId: string): Ban | null {
    const ban = this.#banCount === 0 ? undefined : this.#bans.get(roomId)?.get(userId);
    return ban !== undefined && isInForce(ban, this.#now()) ? ban : null;
  }

  /** @throws {YamabikoError} `access_denied` for one who is banned from the room. */
  checkBan(roomId: string, userId: string): void {
    const ban = this.banOf(roomId, userId);
    if (ban === null) return;
    const until = ban.until === null ? "" : ` until ${new Date(ban.until).toISOString()}`;
    throw new YamabikoError("access_denied", `You are banned from this room${until}.`);
  }

  /** The bans in force, of one room or one user where that is said, the oldest first. */
  bans({ roomId, userId }: { roomId?: string | undefined; userId?: string | undefined } = {}): Ban[] {
    const now = this.#now();
    const rooms = roomId === undefined ? this.#bans.values() : [this.#bans.get(roomId) ?? new Map<string, Ban>()];
    const found: Ban[] = [];
    for (const room of rooms) {
      for (const ban of room.values()) {
        if ((userId === undefined || ban.userId === userId) && isInForce(ban, now)) found.push(ban);
      }
    }
    return found.sort((a, b) => a.since - b.since);
  }

  /** Forgets what is over. */
  sweep(): void {
    const now = this.#now();
    for (const [userId, { until }] of this.#users) if (until <= now) this.#users.delete(userId);
    for (const [tokenId, until] of this.#tokens) if (until <= now) this.#tokens.delete(tokenId);
    for (const room of this.#bans.values()) {
      for (const ban of room.values()) if (!isInForce(ban, now)) this.#lift(ban.roomId, ban.userId);
    }
  }

  /** Everything in force, as text that `restore` takes. */
  toSnapshot(): string {
    this.sweep();
    const kept: Kept = {
      users: Array.from(this.#users, ([userId, { issuedBy, until }]) => [userId, issuedBy, until] as const),
      tokens: Array.from(this.#tokens),
      bans: this.bans(),
    };
    return JSON.stringify(kept);
  }

  /** Becomes what `toSnapshot` gave; null for nothing. */
  restore(snapshot: string | null): void {
    this.#users.clear();
    this.#tokens.clear();
    this.#bans.clear();
    this.#banCount = 0;
    if (snapshot === null) return;
    const { users, tokens, bans } = JSON.parse(snapshot) as Kept;
    for (const [userId, issuedBy, until] of users) this.#users.set(userId, { issuedBy, until });
    for (const [tokenId, until] of tokens) this.#tokens.set(tokenId, until);
    for (const ban of bans) this.#put(ban);
  }

  #put({ roomId, userId, since, until, reason }: Ban): void {
    const room = this.#bans.get(roomId) ?? new Map<string, Ban>();
    room.set(userId, { roomId, userId, since, until, reason });
    this.#bans.set(roomId, room);
    this.#banCount++;
  }

  #lift(roomId: string, userId: string): void {
    const room = this.#bans.get(roomId);
    if (room?.delete(userId) !== true) return;
    this.#banCount--;
    if (room.size === 0) this.#bans.delete(roomId);
  }
}

/**
 * What a token is known by: its `jti`, or, where it has none, whose it is, when it was issued and when it ends. A guest, who has no token, is known by its id.
 */
export function tokenIdOf({ id, claims }: Bearer, expiresAt: number | null): string {
  return typeof claims.jti === "string"
    ? `jti ${claims.jti}`
    : `of ${id} ${String(claims.iat ?? "")} ${expiresAt ?? ""}`;
}

/** When a token was issued, ms since 1970; 0 when it does not say. */
function issuedAtOf({ claims }: Bearer): number {
  return typeof claims.iat === "number" ? claims.iat * 1000 : 0;
}

function isInForce({ until }: Ban, now: number): boolean {
  return until === null || now < until;
}

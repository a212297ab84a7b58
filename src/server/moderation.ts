import { type Ban, MOST_DECISIONS, type Revocations, tokenIdOf } from "../auth/revocations.ts";
import { type Clock, type Json, parseRoomId, YamabikoError } from "../protocol/index.ts";
import type { Rooms } from "../room/rooms.ts";
import { nodeOf } from "../session/connection-list.ts";
import type { Sessions } from "../session/sessions.ts";
import type { AccessLog } from "./access-log.ts";

/** Whose access is taken back: exactly one of `user`, `token` and `connection`. */
export interface Revocation {
  /** All tokens of this user that were issued until now. */
  readonly user?: string | undefined;
  /** One token: its `jti`, or the token itself. */
  readonly token?: string | undefined;
  /** The token that this connection came with; of a guest, the guest. */
  readonly connection?: string | undefined;
  /** Why, for operators: at most 200 characters. */
  readonly reason?: string | undefined;
}

/** Who is taken out of which room. */
export interface Expulsion {
  readonly user: string;
  readonly room: string;
}

/** Who may not be in which room, and for how long. */
export interface NewBan extends Expulsion {
  /** For how long, ms. Default: until it is lifted. */
  readonly forMs?: number | undefined;
  /** Why, for operators: at most 200 characters. */
  readonly reason?: string | undefined;
}

/** Which bans are asked for. */
export interface BanQuery {
  readonly room?: string | undefined;
  readonly user?: string | undefined;
}

export interface ModerationParts {
  readonly nodeId: string;
  readonly revocations: Revocations;
  /** How long the longest token is good, and so how long a revocation is kept, ms. */
  readonly tokenLifetimeMs: number;
  readonly clock: Clock;
  /** What it acts upon, once the log is open. */
  readonly opened: Promise<{ readonly rooms: Rooms; readonly sessions: Sessions; readonly accessLog: AccessLog }>;
}

/** The word by which the node of a connection is asked what it came with, or to close it. */
const WORD = "revoke_connection";
/** How far clocks may be apart (AUTH-4), and a sweep: no token is good for longer than its time and this, ms. */
const SKEW_MS = 60_000;
const MAX_REASON = 200;
/** When there are too many decisions, how long to wait until some are over, ms. */
const FULL_RETRY_MS = 60_000;

/** Takes access back, and gives it again: by the server's own code, by back ends and by operators. */
export class Moderation {
  readonly #parts: ModerationParts;

  constructor(parts: ModerationParts) {
    this.#parts = parts;
    void parts.opened.then(
      ({ rooms, sessions }) => rooms.words.answer(WORD, (asked) => this.#answer(sessions, asked as unknown as Asked)),
      () => {},
    );
  }

  /**
   * Takes back the access of a user, a token or a connection: its connections end within a second on all nodes, whatever they came by,
   * and its tokens are good no more, also after restarts, until the longest of them would have ended anyway. A token that is issued later is good.
   * Resolves to false for a connection that is not there, else to true when it is durable.
   * Rejects with `invalid_message`; with `unavailable` when the log cannot take it: then it may be said again.
   */
  async revoke({ user, token, connection, reason }: Revocation): Promise<boolean> {
    if ([user, token, connection].filter((each) => each !== undefined).length !== 1) {
      throw new YamabikoError("invalid_message", "Name one of `user`, `token` and `connection`.");
    }
    const why = readReason(reason);
    if (user !== undefined) await this.#revokeUser(readUser(user), why);
    else if (token !== undefined) await this.#revokeToken(readToken(token), why);
    else return this.#revokeConnection(readText("connection", connection), why);
    return true;
  }

  /** Takes a user out of a room, on all nodes. It may join again, unless it is banned or a rule says otherwise. */
  async kick({ user, room }: Expulsion): Promise<void> {
    const { roomId } = parseRoomId(room);
    (await this.#parts.opened).sessions.kick(readUser(user), roomId);
  }

  /**
   * Takes a user out of a room and does not let it in again. Resolves when it is durable; it holds on all nodes within a second. Another ban of the
   * same user takes the place of the first. Rejects as `revoke`.
   */
  async ban({ user, room, forMs, reason }: NewBan): Promise<Ban> {
    const { roomId } = parseRoomId(room);
    const userId = readUser(user);
    if (forMs !== undefined && !(Number.isFinite(forMs) && forMs > 0 && forMs <= MOST_BAN_MS)) {
      throw new YamabikoError("invalid_message", "`forMs` must be more than 0, and at most ten years.");
    }
    const since = this.#parts.clock.now();
    const ban = {
      roomId,
      userId,
      since,
      until: forMs === undefined ? null : since + forMs,
      reason: readReason(reason),
    };
    this.#checkSpace(this.#parts.revocations.banCount);
    await (await this.#parts.opened).accessLog.add({ type: "banned", ...ban });
    return ban;
  }

  /** Lifts a ban. Resolves to whether there was one. Rejects as `revoke`. */
  async unban({ user, room }: Expulsion): Promise<boolean> {
    const { roomId } = parseRoomId(room);
    const userId = readUser(user);
    const { accessLog } = await this.#parts.opened;
    // It may have been made on another node a moment ago.
    await accessLog.refresh();
    if (this.#parts.revocations.banOf(roomId, userId) === null) return false;
    await accessLog.add({ type: "unbanned", roomId, userId });
    return true;
  }

  /** The bans in force, the oldest first. */
  async bans({ room, user }: BanQuery = {}): Promise<Ban[]> {
    await this.#parts.opened;
    const roomId = room === undefined ? undefined : parseRoomId(room).roomId;
    return this.#parts.revocations.bans({ roomId, userId: user });
  }

  /** Asks the rules again about everybody who is in a room, or about one user; on all nodes. */
  async recheck(user?: string): Promise<void> {
    const userId = user === undefined ? null : readUser(user);
    await (await this.#parts.opened).sessions.recheck(userId);
  }

  async #revokeUser(userId: string, reason: string | null): Promise<void> {
    this.#checkSpace(this.#parts.revocations.count);
    const issuedBy = this.#parts.clock.now();
    const { accessLog } = await this.#parts.opened;
    await accessLog.add({ type: "user_revoked", userId, issuedBy, until: this.#until(), reason });
  }

  async #revokeToken(tokenId: string, reason: string | null): Promise<void> {
    this.#checkSpace(this.#parts.revocations.count);
    const { accessLog } = await this.#parts.opened;
    await accessLog.add({ type: "token_revoked", tokenId, until: this.#until(), reason });
  }

  async #revokeConnection(connectionId: string, reason: string | null): Promise<boolean> {
    const { rooms, sessions } = await this.#parts.opened;
    const node = nodeOf(connectionId);
    const isHere = node === this.#parts.nodeId;
    if (!isHere && !rooms.otherNodes.includes(node)) return false;
    const ask = async (isRevoked: boolean): Promise<Json> => {
      const asked = { connectionId, isRevoked } satisfies Asked;
      return isHere ? this.#answer(sessions, asked) : rooms.words.ask(node, WORD, asked);
    };
    const shown = await ask(false);
    if (shown === null) return false;
    const { guestId, tokenId } = shown as { guestId?: string; tokenId?: string };
    if (guestId !== undefined) await this.#revokeUser(guestId, reason);
    if (tokenId !== undefined) await this.#revokeToken(tokenId, reason);
    // Only now: whoever asks again, because it was not durable, must find it. It may have another token meanwhile.
    await ask(true);
    return true;
  }

  /** What a connection of this node came with; null when it is not there. Closes it when that was revoked. */
  #answer(sessions: Sessions, { connectionId, isRevoked }: Asked): Json {
    const session = sessions.find(connectionId);
    if (session === undefined) return null;
    const { user, expiresAt } = session;
    if (isRevoked) session.close("unauthenticated", "the token was revoked");
    if (user === null) return {};
    return user.guest ? { guestId: user.id } : { tokenId: tokenIdOf(user, expiresAt) };
  }

  #until(): number {
    return this.#parts.clock.now() + this.#parts.tokenLifetimeMs + SKEW_MS;
  }

  /** @throws {YamabikoError} `unavailable` when there are as many as may be. */
  #checkSpace(count: number): void {
    if (count < MOST_DECISIONS) return;
    this.#parts.revocations.sweep();
    const { revocations } = this.#parts;
    if (Math.max(revocations.count, revocations.banCount) < MOST_DECISIONS) return;
    throw new YamabikoError("unavailable", `More than ${MOST_DECISIONS} are in force.`, {
      retryAfterMs: FULL_RETRY_MS,
    });
  }
}

/** What the node of a connection is asked. */
type Asked = { readonly connectionId: string; readonly isRevoked: boolean };

const MOST_BAN_MS = 10 * 366 * 24 * 60 * 60 * 1000;

function readUser(user: unknown): string {
  return readText("user", user);
}

/** What a token is known by, given its `jti` or itself. */
function readToken(token: unknown): string {
  const text = readText("token", token, 8 * 1024);
  const [, payload, signature] = text.split(".");
  if (payload !== undefined && signature !== undefined) {
    try {
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
      if (typeof claims.sub === "string" && typeof claims.exp === "number") {
        return tokenIdOf({ id: claims.sub, claims }, claims.exp * 1000);
      }
    } catch {
      // An id with dots in it.
    }
  }
  return `jti ${readText("token", token)}`;
}

function readReason(reason: unknown): string | null {
  if (reason === undefined || reason === null) return null;
  if (typeof reason !== "string" || reason.length > MAX_REASON) {
    throw new YamabikoError("invalid_message", `\`reason\` must be a text of at most ${MAX_REASON} characters.`);
  }
  return reason;
}

function readText(name: string, value: unknown, most = 128): string {
  if (typeof value === "string" && value.length >= 1 && value.length <= most && !UNPRINTABLE.test(value)) {
    return value;
  }
  throw new YamabikoError("invalid_message", `\`${name}\` must be a text of 1 to ${most} characters.`);
}

/** Control characters and halves of surrogate pairs. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u;

import type { Clock } from "../protocol/index.ts";
import { MEMBERS, type RoomState } from "./state.ts";

/** Above this many members single arrivals are not told any more (MEM-3). */
export const CROWD = 100;

/** How often a crowd is told its count: once a second, or once in this long for each member, ms, and at most `CROWD_MS`. */
const MEMBER_MS = 5;
const CROWD_MS = 30_000;
const SECOND_MS = 1_000;

/** From this many members on their list is kept as text for those who join: each is told all of them. */
const KEEP_TEXT = 16;

/** How long a user stays a member after the last connection dropped, ms (MEM-2). */
export const GRACE_MS = 10_000;

/** Who a member is. */
export interface MemberUser {
  readonly id: string;
  readonly name: string;
}

/** A member as readers are told of it. One object of each is held by all who keep it. */
export type Presence = {
  readonly userId: string;
  readonly userName: string;
  /** ms since 1970. */
  readonly joinedAt: number;
};

/** Who tells other nodes of the members here. */
export interface PresenceVoice {
  /** A user is present on this node. */
  join(userId: string, presence: Presence): void;
  /** A user is present on this node no longer. */
  leave(userId: string, reason: "left" | "dropped"): void;
  /** A user said that it leaves: no grace is to hold it anywhere. */
  say(userId: string, isDeparting: boolean): void;
}

/**
 * Who is in a room, by user and not by connection. A user stays for as long as one connection is joined, on whichever node,
 * and for a grace after a drop, so that a reconnect is nothing to tell (MEM-1 to MEM-3).
 */
export class Members {
  readonly #state: RoomState;
  readonly #clock: Clock;
  readonly #voice: PresenceVoice;
  readonly #here = new Map<string, LocalPresence>();
  /** Users whom other nodes have, and how many do. */
  readonly #elsewhere = new Map<string, { readonly presence: Presence; nodes: number }>();
  /** Users who dropped and whose grace runs. */
  readonly #leaving = new Set<LocalPresence>();
  #count = 0;
  #crowdChanged = false;
  /** When a crowd was told its count last, by the monotonic clock, ms. */
  #crowdToldAt = Number.NEGATIVE_INFINITY;
  /** The users of `list` as JSON text; null when it has to be made. */
  #usersText: string | null = null;

  constructor(state: RoomState, clock: Clock, voice: PresenceVoice) {
    this.#state = state;
    this.#clock = clock;
    this.#voice = voice;
  }

  /** How many users, over all nodes. */
  get count(): number {
    return this.#count;
  }

  /** Whether a user is one, on whichever node. */
  has(userId: string): boolean {
    return this.#here.has(userId) || this.#elsewhere.has(userId);
  }

  /** A connection of the user joined. */
  join(user: MemberUser): void {
    const known = this.#here.get(user.id);
    if (known !== undefined) {
      known.connections++;
      known.graceEndsAt = null;
      known.departsUntil = null;
      this.#leaving.delete(known);
      return;
    }
    const elsewhere = this.#elsewhere.get(user.id)?.presence;
    const joinedAt = elsewhere?.joinedAt ?? this.#clock.now();
    const presence = { userId: user.id, userName: user.name, joinedAt };
    this.#here.set(user.id, {
      presence,
      connections: 1,
      graceEndsAt: null,
      departsUntil: null,
      reason: "dropped",
    });
    // In a crowd the list is of those who came first.
    if (this.#here.size <= CROWD) this.#appendText(presence);
    this.#voice.join(user.id, presence);
    if (elsewhere === undefined) this.#arrive(presence);
  }

  /** A connection of the user went: by `leave_room` at once, by a drop after the grace. */
  leave(userId: string, reason: "left" | "dropped"): void {
    const local = this.#here.get(userId);
    if (local === undefined || local.connections === 0) return;
    local.connections--;
    if (local.connections > 0) return;
    const hasSaidSo = local.departsUntil !== null && this.#clock.monotonic() < local.departsUntil;
    local.reason = hasSaidSo ? "left" : reason;
    if (local.reason === "left") {
      this.#voice.say(userId, false);
      this.#remove(local);
    } else {
      local.graceEndsAt = this.#clock.monotonic() + GRACE_MS;
      this.#leaving.add(local);
    }
  }

  /**
   * The user says, by a request of its own, that it will not come back. What it read with may not have ended yet: when the
   * last of it drops within the time of a grace, there is no grace.
   */
  depart(userId: string): void {
    this.#voice.say(userId, true);
    this.hearLeft(userId, true);
  }

  /** A user said on another node that it leaves (`isDeparting`: as `depart`). */
  hearLeft(userId: string, isDeparting: boolean): void {
    const local = this.#here.get(userId);
    if (local === undefined) return;
    if (local.connections > 0) {
      if (isDeparting) local.departsUntil = this.#clock.monotonic() + GRACE_MS;
      return;
    }
    local.reason = "left";
    this.#remove(local);
  }

  /** One more of the other nodes has the user. */
  arrived(presence: Presence): void {
    const known = this.#elsewhere.get(presence.userId);
    if (known !== undefined) {
      known.nodes++;
      return;
    }
    this.#elsewhere.set(presence.userId, { presence, nodes: 1 });
    if (this.#count <= CROWD) this.#usersText = null;
    if (!this.#here.has(presence.userId)) this.#arrive(presence);
  }

  /** One of the other nodes has the user no longer. */
  departed(userId: string, reason: "left" | "dropped"): void {
    const known = this.#elsewhere.get(userId);
    if (known === undefined || --known.nodes > 0) return;
    this.#elsewhere.delete(userId);
    this.#usersText = null;
    if (!this.#here.has(userId)) this.#depart(known.presence, reason);
  }

  /**
   * Ends the graces that are over. Called about once a second. True when a crowd's count should be told: everybody is told,
   * and with the count the list, so a larger crowd is told less often (MEM-3).
   */
  sweep(): boolean {
    const now = this.#clock.monotonic();
    for (const local of this.#leaving) {
      if (local.graceEndsAt !== null && local.graceEndsAt <= now) this.#remove(local);
    }
    if (!this.#crowdChanged || now - this.#crowdToldAt < this.#crowdPauseMs()) return false;
    this.#crowdChanged = false;
    this.#crowdToldAt = now;
    return true;
  }

  /** By the count of now: those who are left when most have gone need not wait for what would be due to all. */
  #crowdPauseMs(): number {
    const pauseMs = Math.min(this.#count * MEMBER_MS, CROWD_MS);
    // The sweep keeps the second, and one that comes a little early is not to cost another.
    return pauseMs <= SECOND_MS ? 0 : pauseMs - SECOND_MS / 2;
  }

  /** The users, at most `limit` of them, and the count of all. */
  list(limit = CROWD): { count: number; users: { userId: string; userName: string; joinedAt: number }[] } {
    const users: Presence[] = [];
    for (const { presence } of this.#here.values()) {
      if (users.length >= limit) break;
      users.push({ ...presence });
    }
    for (const [userId, { presence }] of this.#elsewhere) {
      if (users.length >= limit) break;
      if (!this.#here.has(userId)) users.push({ ...presence });
    }
    return { count: this.#count, users };
  }

  /** The users of `list` as JSON text. */
  usersText(): string {
    const text = this.#usersText ?? JSON.stringify(this.list().users);
    if (this.#count >= KEEP_TEXT) this.#usersText = text;
    return text;
  }

  /** Who came last stands last, unless there are others elsewhere: those stand behind all who are here. */
  #appendText(presence: Presence): void {
    const text = this.#usersText;
    if (text === null) return;
    this.#usersText = this.#elsewhere.size > 0 ? null : `${text.slice(0, -1)},${JSON.stringify(presence)}]`;
  }

  #remove(local: LocalPresence): void {
    const { presence, reason } = local;
    this.#usersText = null;
    this.#leaving.delete(local);
    this.#here.delete(presence.userId);
    this.#voice.leave(presence.userId, reason);
    if (!this.#elsewhere.has(presence.userId)) this.#depart(presence, reason);
  }

  #arrive(presence: Presence): void {
    this.#count++;
    const crowd = this.#count > CROWD;
    this.#state.announce(MEMBERS, presence.userId, presence, null, crowd);
    if (crowd) this.#crowdChanged = true;
  }

  #depart({ userId, userName }: Presence, reason: "left" | "dropped"): void {
    const crowd = this.#count > CROWD;
    this.#count--;
    this.#state.announce(MEMBERS, userId, null, { userId, userName, reason }, crowd);
    if (crowd) this.#crowdChanged = true;
  }
}

interface LocalPresence {
  readonly presence: Presence;
  connections: number;
  graceEndsAt: number | null;
  /** Until when a drop is a leave. */
  departsUntil: number | null;
  reason: "left" | "dropped";
}

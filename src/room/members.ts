import type { Clock } from "../protocol/index.ts";
import type { RoomState } from "./state.ts";

/** The family of the room's state that says who is here. Told by `room_users`, not by `joined_room.state`. */
export const MEMBERS = "members";

/** Above this many members single arrivals are not told any more (MEM-3). */
export const CROWD = 100;

/** How long a user stays a member after the last connection dropped, ms (MEM-2). */
export const GRACE_MS = 10_000;

/** Who a member is. */
export interface MemberUser {
  readonly id: string;
  readonly name: string;
}

/**
 * Who is in a room, by user and not by connection. A user stays for as long as one connection is joined, and for a grace
 * after a drop, so that a reconnect is nothing to tell (MEM-1 to MEM-3).
 */
export class Members {
  readonly #state: RoomState;
  readonly #clock: Clock;
  readonly #users = new Map<string, Presence>();
  /** Users who dropped and whose grace runs. */
  readonly #leaving = new Set<Presence>();
  #crowdChanged = false;

  constructor(state: RoomState, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  /** How many users. */
  get count(): number {
    return this.#users.size;
  }

  /** A connection of the user joined. */
  join(user: MemberUser): void {
    const known = this.#users.get(user.id);
    if (known !== undefined) {
      known.connections++;
      known.graceEndsAt = null;
      known.departsUntil = null;
      this.#leaving.delete(known);
      return;
    }
    const joinedAt = this.#clock.now();
    this.#users.set(user.id, {
      user,
      joinedAt,
      connections: 1,
      graceEndsAt: null,
      departsUntil: null,
      reason: "dropped",
    });
    const crowd = this.#users.size > CROWD;
    this.#state.set(MEMBERS, user.id, { userId: user.id, userName: user.name, joinedAt }, { quiet: crowd });
    if (crowd) this.#crowdChanged = true;
  }

  /** A connection of the user went: by `leave_room` at once, by a drop after the grace. */
  leave(userId: string, reason: "left" | "dropped"): void {
    const presence = this.#users.get(userId);
    if (presence === undefined || presence.connections === 0) return;
    presence.connections--;
    if (presence.connections > 0) return;
    const hasSaidSo = presence.departsUntil !== null && this.#clock.monotonic() < presence.departsUntil;
    presence.reason = hasSaidSo ? "left" : reason;
    if (presence.reason === "left") this.#remove(presence);
    else {
      presence.graceEndsAt = this.#clock.monotonic() + GRACE_MS;
      this.#leaving.add(presence);
    }
  }

  /**
   * The user says, by a request of its own, that it will not come back. What it read with may not have ended yet: when the
   * last of it drops within the time of a grace, there is no grace.
   */
  depart(userId: string): void {
    const presence = this.#users.get(userId);
    if (presence === undefined) return;
    if (presence.connections > 0) {
      presence.departsUntil = this.#clock.monotonic() + GRACE_MS;
      return;
    }
    presence.reason = "left";
    this.#remove(presence);
  }

  /** Ends the graces that are over. True when a crowd's count should be told. */
  sweep(): boolean {
    const now = this.#clock.monotonic();
    for (const presence of this.#leaving) {
      if (presence.graceEndsAt !== null && presence.graceEndsAt <= now) this.#remove(presence);
    }
    const tell = this.#crowdChanged;
    this.#crowdChanged = false;
    return tell;
  }

  /** The users, at most `limit` of them, and the count of all. */
  list(limit = CROWD): { count: number; users: { userId: string; userName: string; joinedAt: number }[] } {
    const users = [];
    for (const { user, joinedAt } of this.#users.values()) {
      if (users.length >= limit) break;
      users.push({ userId: user.id, userName: user.name, joinedAt });
    }
    return { count: this.#users.size, users };
  }

  #remove(presence: Presence): void {
    const crowd = this.#users.size > CROWD;
    this.#leaving.delete(presence);
    this.#users.delete(presence.user.id);
    const { user, reason } = presence;
    this.#state.remove(MEMBERS, user.id, crowd, { userId: user.id, userName: user.name, reason });
    if (crowd) this.#crowdChanged = true;
  }
}

interface Presence {
  readonly user: MemberUser;
  readonly joinedAt: number;
  connections: number;
  graceEndsAt: number | null;
  /** Until when a drop is a leave. */
  departsUntil: number | null;
  reason: "left" | "dropped";
}

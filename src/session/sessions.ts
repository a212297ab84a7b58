import type { Decision } from "../auth/revocations.ts";
import type { CloseReason } from "../observe/observer.ts";
import { type CloseName, type RoomAddress, type RoomCursor, type Timer, YamabikoError } from "../protocol/index.ts";
import type { Connection } from "./connection.ts";
import { resumeRoom } from "./handlers/join-room.ts";
import { leaveRoom, leaveUnreadable } from "./handlers/leave-room.ts";
import type { User } from "./namespace.ts";
import type { Router } from "./router.ts";
import { Session, type SessionKeeper, type SessionOptions } from "./session.ts";
import { SharedCounts } from "./shared-counts.ts";

/** How often connections are looked at, ms. One sweep serves all. */
const SWEEP_MS = 1_000;
/** How often those that have not said who they are are looked at, ms. */
const GATE_MS = 250;
/** How long a guest may stay silent before it is welcomed anyway, ms (AUTH-5). */
const GUEST_MS = 1_000;
/** How long a client has to answer a ping, ms (HB-1). */
const ANSWER_MS = 10_000;
/** Up to here a timer that is late is only late, ms. */
const LATE_MS = 500;
/** How many connections are asked about at once when rules have changed. */
const RECHECKS = 64;

/** The clients of this node: their number, their heartbeat, their expiry. */
export class Sessions implements SessionKeeper {
  readonly #router: Router;
  readonly #all = new Set<Session>();
  /** Those that have not said who they are. */
  readonly #unknown = new Set<Session>();
  readonly #perUser = new Map<string, number>();
  /** What the users have at other nodes. */
  readonly #perUserElsewhere: SharedCounts;
  /** Told of every session whose user is known from now on; null while nobody wants to know. */
  onAdmitted: ((session: Session, user: User) => void) | null = null;
  #nextId = 0;
  readonly #prefix: string;
  readonly #sweeps: Beat;
  readonly #gates: Beat;
  /** Until then nobody is too late with its token. */
  #patientUntil = 0;
  #sweepTimer: Timer | null = null;
  #gateTimer: Timer | null = null;
  #closed = false;

  /** @param prefix makes connection ids of this node unlike those of others. */
  constructor(router: Router, prefix: string) {
    this.#router = router;
    this.#prefix = prefix;
    const { limits, clock, rooms } = router.services;
    const limit = limits.connectionsPerUser;
    this.#perUserElsewhere = new SharedCounts({ name: "users", limit, clock, here: () => this.#perUser });
    if (limit > 0) this.#perUserElsewhere.attach(rooms);
    this.#sweeps = new Beat(SWEEP_MS, clock.monotonic());
    this.#gates = new Beat(GATE_MS, clock.monotonic());
    this.#listen();
    this.#every(SWEEP_MS, () => this.sweep());
    this.#gateEvery();
    router.services.observer.gauge("rooms_joined", () => {
      let sum = 0;
      for (const session of this.#all) sum += session.memberships.size;
      return sum;
    });
  }

  /** How many there are. */
  get count(): number {
    return this.#all.size;
  }

  all(): Iterable<Session> {
    return this.#all;
  }

  /** Whether one more may come (limit `connections`). */
  get hasRoom(): boolean {
    const { connections } = this.#router.services.limits;
    return !this.#closed && (connections === 0 || this.#all.size < connections);
  }

  /** A transport accepted a client. */
  open(connection: Connection, options?: SessionOptions): Session {
    const id = `${this.#prefix}${(this.#nextId++).toString(36)}`;
    const session = new Session(id, connection, this.#router, this, options);
    this.#all.add(session);
    const { observer } = this.#router.services;
    this.#unknown.add(session);
    observer.connectionOpened(connection.transport);
    return session;
  }

  /** A session knows its user now. Returns why it may not stay, or null. */
  admit(session: Session, user: User): YamabikoError | null {
    const { limits, observer } = this.#router.services;
    const here = this.#perUser.get(user.id) ?? 0;
    const count = here + this.#perUserElsewhere.elsewhere(user.id);
    if (limits.connectionsPerUser !== 0 && count >= limits.connectionsPerUser) {
      observer.limited("connectionsPerUser");
      return new YamabikoError("too_many_connections", `You have ${count} connections already.`);
    }
    this.#perUser.set(user.id, here + 1);
    this.#perUserElsewhere.changed(user.id, here + 1);
    this.#unknown.delete(session);
    this.onAdmitted?.(session, user);
    return null;
  }

  /** A session's user is no longer its user. For `Session` only. */
  release(_session: Session, user: User): void {
    const left = (this.#perUser.get(user.id) ?? 1) - 1;
    if (left === 0) this.#perUser.delete(user.id);
    else this.#perUser.set(user.id, left);
    this.#perUserElsewhere.changed(user.id, left);
  }

  /** A session is over. For `Session` only. */
  ended(session: Session, reason: CloseReason): void {
    if (!this.#all.delete(session)) return;
    this.#unknown.delete(session);
    if (session.user !== null) this.release(session, session.user);
    const { clock, observer } = this.#router.services;
    const { transport, pendingBytes = 0 } = session.connection;
    observer.connectionClosed({
      transport,
      reason,
      isDraining: this.#closed,
      isBehind: pendingBytes > 0,
      ageMs: clock.monotonic() - session.openedAt,
      address: session.address,
      connectionId: session.id,
      userId: session.user?.id ?? null,
    });
  }

  /** Heartbeat and expiry of all, and the router's own upkeep. */
  sweep(): void {
    const { clock, heartbeatMs } = this.#router.services;
    const mono = clock.monotonic();
    const now = clock.now();
    const stalledMs = this.#sweeps.stalledMs(mono);
    for (const session of this.#all) {
      const { heardAt, quietMs = heartbeatMs } = session.connection;
      if (session.askedAt !== null && heardAt >= session.askedAt) session.askedAt = null;
      // Its answer may wait to be read since the process stood still, which is not its fault (HB-3).
      if (session.askedAt !== null) session.askedAt += stalledMs;
      if (session.askedAt !== null) {
        if (mono - session.askedAt >= ANSWER_MS) session.close("heartbeat_timeout", "no sign of life");
      } else if (mono - heardAt >= quietMs && session.connection.ping()) {
        session.askedAt = mono;
      }
      session.checkExpiry(now);
      session.rest();
    }
    this.#router.sweep();
  }

  /** Those that have not said who they are: guests are welcomed, others run out of time (AUTH-3, AUTH-5). */
  sweepUnknown(): void {
    const { clock, guests, limits } = this.#router.services;
    const now = clock.monotonic();
    const stalledMs = this.#gates.stalledMs(now);
    // What those who came before had to say may wait to be read (HB-3).
    if (stalledMs > 0) this.#patientUntil = now + stalledMs;
    for (const session of this.#unknown) {
      const age = now - session.openedAt;
      if (guests !== null && age >= GUEST_MS && !session.isAuthenticating) session.presumeGuest(guests);
      else if (age >= limits.authenticateMs && now >= this.#patientUntil)
        session.close("try_later", "no token in time");
    }
  }

  /**
   * Goes on reading a room where another request of the same client stopped. Resolves to false for one who was taken out of
   * it since then. Rejects as a join does.
   * @param members what `join_room` would have besides the cursor.
   */
  async resume(
    session: Session,
    address: RoomAddress,
    from: RoomCursor,
    members: Readonly<Record<string, unknown>>,
  ): Promise<boolean> {
    if (this.#router.kicks.has(address.roomId, session.user!.id)) return false;
    await resumeRoom(session, address, from, members, this.#router.services);
    return true;
  }

  /** Takes a user's connections, on all nodes, out of a room. They may join again, unless a rule says otherwise. */
  kick(userId: string, roomId: string): void {
    this.#router.services.rooms.words.say("kick", { userId, roomId });
    this.#kickHere(userId, roomId);
  }

  #kickHere(userId: string, roomId: string): void {
    this.#router.kicks.add(roomId, userId);
    this.#expel(userId, roomId, "kicked");
  }

  #expel(userId: string, roomId: string, reason: "kicked" | "banned"): void {
    for (const session of this.#all) {
      if (session.user?.id !== userId) continue;
      // What let it in may have been asked before it was to go.
      const entry = session.entering?.get(roomId);
      if (entry !== undefined) entry.isKicked = true;
      if (session.memberships.has(roomId)) leaveRoom(session, roomId, reason);
    }
    // Between two polls it is a member that is not there.
    const room = this.#router.services.rooms.get(roomId);
    room?.members.hearLeft(userId, true);
    room?.mark();
  }

  /** Something was decided about users: who it is about loses at once, on this node, what it may not have any more. Null: anything may have been. */
  enforce(decision: Decision | null): void {
    if (decision === null) {
      for (const session of this.#all) {
        session.checkRevocation();
        this.#leaveBanned(session);
      }
    } else if (decision.type === "banned") {
      this.#expel(decision.userId, decision.roomId, "banned");
    } else if (decision.type === "user_revoked") {
      for (const session of this.#all) if (session.user?.id === decision.userId) session.checkRevocation();
    } else if (decision.type === "token_revoked") {
      for (const session of this.#all) session.checkRevocation();
    }
  }

  #leaveBanned(session: Session): void {
    const { user, memberships } = session;
    const { revocations } = this.#router.services;
    const rooms = Array.from(memberships.values(), ({ room }) => room.roomId);
    for (const roomId of rooms) {
      if (user !== null && revocations.banOf(roomId, user.id) !== null) leaveRoom(session, roomId, "banned");
    }
  }

  /**
   * Asks again, on all nodes, whether those who are in rooms may read them: a user's connections, or all. Who may not is taken
   * out. Resolves when it is done on this node.
   */
  async recheck(userId: string | null): Promise<void> {
    this.#router.services.rooms.words.say("recheck", { userId });
    await this.#recheckHere(userId);
  }

  async #recheckHere(userId: string | null): Promise<void> {
    const asked = Array.from(this.#all).filter(({ user }) => user !== null && (userId === null || user.id === userId));
    // What the rules said to those on their way in may be what they said before.
    for (const { entering } of asked) for (const entry of entering?.values() ?? []) entry.isAskedAnew = true;
    const next = async (): Promise<void> => {
      for (let session = asked.pop(); session !== undefined; session = asked.pop()) {
        await leaveUnreadable(session, this.#router.services);
      }
    };
    await Promise.all(Array.from({ length: RECHECKS }, next));
  }

  /** A connection of this node; undefined when there is none of that id. */
  find(connectionId: string): Session | undefined {
    for (const session of this.#all) if (session.id === connectionId) return session;
    return undefined;
  }

  /** Closes a user's connections on all nodes. */
  disconnect(userId: string, code: CloseName, reason: string): void {
    this.#router.services.rooms.words.say("disconnect", { userId, code, reason });
    this.#disconnectHere(userId, code, reason);
  }

  #disconnectHere(userId: string, code: CloseName, reason: string): void {
    for (const session of this.#all) if (session.user?.id === userId) session.close(code, reason);
  }

  /**
   * Tells all when to come back, the first after `firstMs` and the others evenly over `withinMs` more, and takes nothing more
   * in. Resolves when what came in is answered.
   */
  async settle(firstMs: number, withinMs: number): Promise<void> {
    this.#closed = true;
    this.#sweepTimer?.cancel();
    this.#gateTimer?.cancel();
    const count = this.#all.size;
    await Promise.all(
      Array.from(this.#all, (session, index) => session.settle(Math.round(firstMs + (withinMs * index) / count))),
    );
  }

  /**
   * Sends everybody elsewhere who is here now, evenly over `withinMs`: each is told to come back at once, and closed. Whoever comes
   * meanwhile is left alone.
   */
  sendAway(withinMs: number, mayStay: (user: User) => boolean): void {
    const { clock } = this.#router.services;
    const away = Array.from(this.#all).filter(({ user }) => user === null || !mayStay(user));
    for (const [index, session] of away.entries()) {
      clock.setTimer(
        () => {
          session.send("server_closing", { reconnectInMs: 0 });
          session.close("restart", "the node is being emptied");
        },
        (withinMs * index) / away.length,
      );
    }
  }

  /** Closes all. */
  close(): void {
    for (const session of this.#all) session.close("restart", "the server is closing");
  }

  /** What is decided about users on another node holds here too. */
  #listen(): void {
    const { words } = this.#router.services.rooms;
    words.on("kick", (said) => {
      const { userId, roomId } = said as { userId: string; roomId: string };
      this.#kickHere(userId, roomId);
    });
    words.on("disconnect", (said) => {
      const { userId, code, reason } = said as { userId: string; code: CloseName; reason: string };
      this.#disconnectHere(userId, code, reason);
    });
    words.on("recheck", (said) => {
      const { userId } = said as { userId: string | null };
      void this.#recheckHere(userId);
    });
    words.on("back", (said) => {
      const { userId, roomId } = said as { userId: string; roomId: string };
      this.#router.kicks.forget(roomId, userId);
    });
  }

  #every(ms: number, run: () => void): void {
    const arm = (): void => {
      this.#sweepTimer = this.#router.services.clock.setTimer(() => {
        this.#safely(run);
        if (!this.#closed) arm();
      }, ms);
    };
    arm();
  }

  #gateEvery(): void {
    this.#gateTimer = this.#router.services.clock.setTimer(() => {
      this.#safely(() => this.sweepUnknown());
      if (!this.#closed) this.#gateEvery();
    }, GATE_MS);
  }

  #safely(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#router.services.observer.failure("looking after connections", error);
    }
  }
}

/** Something that is done again and again, and how late it was. */
class Beat {
  readonly #everyMs: number;
  #lastAt: number;

  constructor(everyMs: number, now: number) {
    this.#everyMs = everyMs;
    this.#lastAt = now;
  }

  /** How long the process stood still since the last time, ms; 0 when it did not. */
  stalledMs(now: number): number {
    const lateMs = now - this.#lastAt - this.#everyMs;
    this.#lastAt = now;
    return lateMs > LATE_MS ? lateMs : 0;
  }
}

import type { GuestTokens, Identity } from "../auth/identity.ts";
import { isoTime } from "../codec/json.ts";
import type { CloseReason } from "../observe/observer.ts";
import type { MessageSpan } from "../observe/tracing.ts";
import {
  CLOSE_CODES,
  type CloseName,
  type Envelope,
  type JsonObject,
  type LimitName,
  messageIdOf,
  PROTOCOL_VERSION,
  parseRoomId,
  type RoomAddress,
  toEnvelope,
  toYamabikoError,
  traceparentOf,
  YamabikoError,
} from "../protocol/index.ts";
import { Allowance } from "./allowance.ts";
import type { Connection } from "./connection.ts";
import { Holds } from "./holds.ts";
import { Lane } from "./lane.ts";
import { Bucket } from "./limits.ts";
import { Memberships } from "./memberships.ts";
import type { User } from "./namespace.ts";
import type { Services } from "./services.ts";
import { Turn } from "./turn.ts";

/** What becomes of a session's messages. */
export interface SessionRouter {
  readonly services: Services;
  /**
   * One message of so many bytes, with its span where it is traced. Answers it, whatever happens; undefined when it is answered, else a
   * promise that settles then and never rejects.
   */
  route(
    session: Session,
    envelope: Envelope,
    refusal: YamabikoError | null,
    bytes: number,
    span: MessageSpan | null,
  ): Promise<void> | undefined;
  /** The session's user is known. */
  welcomed(session: Session): void;
}

/** The rates a client's messages are taken from. */
export interface Rates {
  readonly messages: Bucket;
  readonly bytes: Bucket;
}

/** How a session is opened. */
export interface SessionOptions {
  /** Rates this client shares with its other requests. Default: its own. */
  readonly rates?: Rates | undefined;
  /** False for a client that nobody will know again after this request: it is no member of the rooms it reads. Default: true. */
  readonly isMember?: boolean | undefined;
  /** The address it comes from, for whoever looks. Default: not known. */
  readonly address?: string | undefined;
}

/** Somebody who looks at what one client sends and is sent, rooms' messages aside. */
export interface SessionTap {
  /** A message came in. */
  received(envelope: Envelope, bytes: number): void;
  /** A message made for this client alone left. */
  sent(envelope: Envelope): void;
}

/** What happened while a session was being let into a room. */
export interface Entry {
  /** It was taken out of it. */
  isKicked: boolean;
  /** What the rules said of it may not hold any more. */
  isAskedAnew: boolean;
}

/** Who counts the sessions of a node. */
export interface SessionKeeper {
  /** A session knows its user now. Returns why it may not stay, or null. */
  admit(session: Session, user: User): YamabikoError | null;
  /** A session's user is no longer its user. */
  release(session: Session, user: User): void;
  /** A session is over. */
  ended(session: Session, reason: CloseReason): void;
}

/**
 * One client, whatever it came by: who it is, the rooms it joined, and what it is owed.
 *
 * Most clients do nothing most of the time: what is needed only while something is in work is made then, and let go of
 * when the client rests.
 */
export class Session {
  readonly id: string;
  readonly connection: Connection;
  /** When it came, by the monotonic clock, ms. */
  readonly openedAt: number;
  /** The rooms this connection joined, by full roomId. */
  readonly memberships = new Memberships();
  /** The rooms it is being let into. */
  entering: Map<string, Entry> | null = null;
  /** Whether it counts as a member of the rooms it joined. */
  readonly isMember: boolean;
  /** The address it comes from; null when that is not known. */
  readonly address: string | null;
  /** When it was opened, ms since 1970. */
  readonly since: number;
  readonly #sessions: SessionKeeper;
  readonly #router: SessionRouter;
  /** Null while they would be full. */
  #rates: Rates | null;
  /** Whether other requests share them, so that they are not its own to forget. */
  readonly #sharesRates: boolean;
  /** What is done for this client at once; null at rest. */
  #allowance: Allowance | null = null;
  /** Everything waits here while the client authenticates; null while it does not. */
  #gate: Lane | null = null;
  /** What the client calls the rooms it joined; null until it sends to one. */
  #addresses: Map<string, RoomAddress> | null = null;
  /** Null at rest. */
  #lanes: Map<string, Lane> | null = null;
  /** Null until something was refused. */
  #holds: Holds | null = null;
  #user: User | null = null;
  /** Whether it is a guest only because it said nothing for a while. */
  #isPresumed = false;
  #expiresAt: number | null = null;
  /** When it is told that its token will end, ms since 1970. */
  #warnAt = Number.POSITIVE_INFINITY;
  #inFlight = 0;
  #inFlightBytes = 0;
  #isPaused = false;
  #ended = false;
  /** Set when the server ends: called when nothing is in work any more. */
  #onSettled: (() => void) | null = null;
  /** Called once when nothing is in work. */
  #onIdle: (() => void)[] | null = null;
  /** When a sign of life was asked for; null when none is awaited. Kept by the heartbeat. */
  askedAt: number | null = null;
  /** Who looks at it; null while nobody does. */
  tap: SessionTap | null = null;
  /** How often a message came faster than a rate allows. */
  rateRefusals = 0;

  constructor(
    id: string,
    connection: Connection,
    router: SessionRouter,
    sessions: SessionKeeper,
    { rates, isMember = true, address }: SessionOptions = {},
  ) {
    this.id = id;
    this.connection = connection;
    this.openedAt = router.services.clock.monotonic();
    this.#router = router;
    this.#sessions = sessions;
    this.isMember = isMember;
    this.address = address ?? null;
    this.since = router.services.clock.now();
    this.#rates = rates ?? null;
    this.#sharesRates = rates !== undefined;
  }

  /** Null until the client has said who it is. */
  get user(): User | null {
    return this.#user;
  }

  /** When the token ends, ms since 1970; null for guests. */
  get expiresAt(): number | null {
    return this.#expiresAt;
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** Whether a token is being checked now. */
  get isAuthenticating(): boolean {
    return this.#gate !== null;
  }

  // ---- in

  /** A decoded message came in. Never throws. */
  receive(value: unknown, bytes: number): void {
    if (this.#ended) return;
    const { clock, observer, tracing } = this.#router.services;
    const cameAt = clock.monotonic();
    observer.messageReceived(bytes);
    const messageId = messageIdOf(value);
    const wait = this.#limit(bytes);
    if (this.#ended) return;
    let envelope: Envelope;
    try {
      envelope = toEnvelope(value);
    } catch (error) {
      this.refuse(messageId, wait > 0 ? tooMany(wait) : error);
      return;
    }
    this.tap?.received(envelope, bytes);
    const { transport } = this.connection;
    const span = tracing === null ? null : tracing.received(envelope.type, transport, traceparentOf(value));
    this.#inFlight++;
    this.#inFlightBytes += bytes;
    this.#press();
    const refusal = wait > 0 ? tooMany(wait) : null;
    if (envelope.type === "authenticate") this.#gate ??= new Lane();
    const gate = this.#gate;
    if (gate === null) this.#work(envelope, bytes, cameAt, span, refusal, null);
    else gate.enter(() => this.#work(envelope, bytes, cameAt, span, refusal, gate));
  }

  /**
   * @param cameAt when it came in, by the monotonic clock, ms.
   * @param span null where it is not traced.
   * @param gate what it came through.
   */
  #work(
    envelope: Envelope,
    bytes: number,
    cameAt: number,
    span: MessageSpan | null,
    refusal: YamabikoError | null,
    gate: Lane | null,
  ): void {
    // Only authentication holds everybody else up; rooms have lanes of their own.
    const holdsUp = envelope.type === "authenticate";
    // In its turn: before it may have stood an `authenticate` that was still being checked.
    if (!holdsUp) this.#isPresumed = false;
    const work = this.#ended ? undefined : this.#router.route(this, envelope, refusal, bytes, span);
    if (!holdsUp) gate?.leave();
    const done = (): void => {
      if (holdsUp) this.#openGate();
      this.#inFlight--;
      this.#inFlightBytes -= bytes;
      const { clock, observer } = this.#router.services;
      observer.answered(clock.monotonic() - cameAt);
      span?.end();
      this.#press();
    };
    if (work === undefined) done();
    else
      work.then(done, (error: unknown) => {
        this.refuse(envelope.messageId, error);
        done();
      });
  }

  #openGate(): void {
    this.#gate?.leave();
    if (this.#gate?.isIdle) this.#gate = null;
  }

  /** A ping of the transport's own came in. Whether it is to be answered. */
  receivePing(): boolean {
    return !this.#ended && this.#take("messages", PING_COST) === 0;
  }

  /** Takes a message of this size from the connection's rates. How long it has to wait, ms; then nothing was taken. */
  #limit(bytes: number): number {
    const messagesWait = this.#take("messages", 1);
    if (messagesWait > 0) return messagesWait;
    const bytesWait = this.#take("bytes", bytes);
    if (bytesWait > 0) this.#rates?.messages.giveBack();
    return bytesWait;
  }

  /** Takes from a rate. One that goes on and on beyond it is closed: even refusing costs. */
  #take(what: keyof Rates, count: number): number {
    const limit = RATES[what];
    const { clock, limits, observer } = this.#router.services;
    if (limits[limit] === 0) return 0;
    this.#rates ??= {
      messages: new Bucket(limits.messagesPerSecond, clock),
      bytes: new Bucket(limits.bytesPerSecond, clock),
    };
    const bucket = this.#rates[what];
    const wait = bucket.take(count);
    if (wait === 0) return 0;
    observer.limited(limit);
    this.rateRefusals++;
    if (bucket.isOverdrawn) this.close("too_many", "too many messages");
    return wait;
  }

  /** Bytes came in that are no message. One that sends little else is closed with 1008. */
  refuseInput(error: unknown, bytes: number): void {
    const { observer } = this.#router.services;
    observer.messageReceived(bytes);
    if (this.#limit(bytes) > 0) this.close("policy", "too many messages that cannot be read");
    else this.refuse(undefined, error);
  }

  /**
   * The address a client means. What it calls the rooms it joined is remembered: their messages are most of all.
   * @throws {YamabikoError} `invalid_message`.
   */
  addressOf(roomId: unknown): RoomAddress {
    const known = typeof roomId === "string" ? this.#addresses?.get(roomId) : undefined;
    if (known !== undefined) return known;
    const address = parseRoomId(roomId);
    if (this.memberships.has(address.roomId)) {
      this.#addresses ??= new Map();
      // A room has at most two names, with its namespace and without.
      if (this.#addresses.size >= 2 * this.#router.services.limits.roomsPerConnection) this.#addresses.clear();
      this.#addresses.set(roomId as string, address);
    }
    return address;
  }

  /** The turn of a message about a room, or about none (""). */
  takeTurn(roomId: string): Turn {
    this.#allowance ??= new Allowance(this.connection);
    this.#lanes ??= new Map();
    let lane = this.#lanes.get(roomId);
    if (lane === undefined) {
      if (this.#lanes.size >= LANES) for (const [key, idle] of this.#lanes) if (idle.isIdle) this.#lanes.delete(key);
      lane = new Lane();
      this.#lanes.set(roomId, lane);
    }
    return new Turn(lane, this.#allowance);
  }

  /** Lets go of what makes no difference while nothing is in work. Called about once a second. */
  rest(): void {
    const rates = this.#rates;
    if (rates !== null && !this.#sharesRates && rates.messages.isFull && rates.bytes.isFull) this.#rates = null;
    if (this.#inFlight > 0 || this.#ended) return;
    if (this.#allowance?.isIdle) this.#allowance = null;
    if (this.#lanes !== null && Array.from(this.#lanes.values()).every((lane) => lane.isIdle)) this.#lanes = null;
  }

  /** Whether a message may go on after what was refused before it (ACK-5). */
  admits(roomId: string, messageId: string): boolean {
    return this.#holds === null || this.#holds.admits(roomId, messageId);
  }

  /** Notes a retryable refusal (ACK-5). Only joined rooms have an order to keep, where one must join to send. */
  hold(roomId: string, messageId: string): void {
    const { isDuplex } = this.connection;
    if (isDuplex && !this.memberships.has(roomId)) return;
    if (this.#holds === null) {
      const { clock, limits } = this.#router.services;
      this.#holds = new Holds(clock, limits.inFlight, isDuplex ? undefined : Number.POSITIVE_INFINITY);
    }
    this.#holds.refuse(roomId, messageId);
  }

  // ---- out

  #post(envelope: Envelope): void {
    this.tap?.sent(envelope);
    this.connection.send(envelope);
  }

  /** Sends a message to this client. */
  send(type: string, payload: unknown, roomId?: string): void {
    if (this.#ended) return;
    const timestamp = isoTime(this.#router.services.clock.now());
    const envelope = roomId === undefined ? { type, payload, timestamp } : { type, payload, timestamp, roomId };
    this.#post(envelope);
  }

  /** Answers a message: with an ack when it carried a messageId, else not at all. */
  ack(messageId: string | null | undefined, payload: JsonObject): void {
    this.#router.services.observer.acknowledged(payload.duplicate === true ? "duplicate" : "done");
    if (this.#ended || messageId === undefined || messageId === null) return;
    const timestamp = isoTime(this.#router.services.clock.now());
    const envelope = { type: "ack", payload: { success: true, ...payload }, timestamp, messageId };
    this.#post(envelope);
  }

  /** Answers a message with an error: an ack when it carried a messageId, else `error` (ACK-1). */
  refuse(messageId: string | null | undefined, error: unknown): void {
    const { observer, clock } = this.#router.services;
    const typed = toYamabikoError(error);
    if (typed.code === "internal") observer.failure("handling a message", typed.cause ?? typed);
    observer.refused(typed.code);
    observer.acknowledged("refused");
    if (this.#ended) return;
    const timestamp = isoTime(clock.now());
    const wire = typed.toWire();
    const envelope =
      messageId === undefined || messageId === null
        ? { type: "error", payload: wire, timestamp }
        : { type: "ack", payload: { success: false, error: wire }, timestamp, messageId };
    this.#post(envelope);
  }

  /** The transport takes bytes again. */
  wake(): void {
    this.#allowance?.wake();
    for (const membership of this.memberships.values()) membership.subscription.pump();
  }

  // ---- who

  /**
   * The client has said who it is: the first time it is welcomed, later its token is refreshed in place. Another user's
   * token is refused with `access_denied` and ends the connection with 4403 (AUTH-2).
   * @param messageId of the message that said so, for the answer when it is refused.
   */
  identify({ id, name, claims, expiresAt }: Identity, messageId?: string): void {
    this.#become({ id, name, guest: false, claims }, expiresAt, null, messageId);
  }

  /** The client has no token: it is a guest, a new one or the one its guest token names (AUTH-5). */
  becomeGuest(guests: GuestTokens, known?: { id: string; token: string }, messageId?: string): void {
    const { id, token } = known ?? guests.issue();
    this.#become({ id, name: "Guest", guest: true, claims: {} }, null, token, messageId);
  }

  /** The client has said nothing: it is taken for a guest, unless it says who it is before anything else (AUTH-5). */
  presumeGuest(guests: GuestTokens): void {
    this.becomeGuest(guests);
    this.#isPresumed = true;
  }

  #become(user: User, expiresAt: number | null, guestToken: string | null, messageId: string | undefined): void {
    if (this.#isPresumed && this.#user !== null) this.#forgetGuest(this.#user);
    if (this.#user !== null && this.#user.id !== user.id) {
      this.refuse(messageId, new YamabikoError("access_denied", "This connection belongs to another user."));
      this.close("forbidden", "another user's token");
      return;
    }
    if (this.#router.services.revocations.revoked(user, expiresAt)) {
      this.refuse(messageId, new YamabikoError("unauthenticated", "The token is not accepted."));
      this.close("unauthenticated", "the token was revoked");
      return;
    }
    this.#expiresAt = expiresAt;
    this.#warnAt = expiresAt === null ? Number.POSITIVE_INFINITY : this.#warningAt(user, expiresAt);
    if (this.#user === null) this.#welcome(user, guestToken, messageId);
    else this.#user = user;
  }

  /** A minute before it ends; of a token good for less than two, when half of that is over. When that has been, halfway from now. */
  #warningAt({ claims }: User, expiresAt: number): number {
    const now = this.#router.services.clock.now();
    const issuedAt = typeof claims.iat === "number" ? claims.iat * 1000 : now;
    const warnAt = Math.max(expiresAt - WARNING_MS, (issuedAt + expiresAt) / 2);
    return warnAt > now ? warnAt : (now + expiresAt) / 2;
  }

  /** Tells a client whose token is about to end, once (AUTH-9), and closes one whose token has ended (AUTH-7). */
  checkExpiry(now: number): void {
    const expiresAt = this.#expiresAt;
    if (expiresAt === null || now < this.#warnAt) return;
    if (expiresAt <= now) this.close("unauthenticated", "the token expired");
    else if (this.#warnAt !== expiresAt) {
      this.#warnAt = expiresAt;
      this.send("token_expiring", { expiresAt });
    }
  }

  /** Closes a client whose token was revoked (AUTH-10). */
  checkRevocation(): void {
    const user = this.#user;
    if (user !== null && this.#router.services.revocations.revoked(user, this.#expiresAt)) {
      this.close("unauthenticated", "the token was revoked");
    }
  }

  #forgetGuest(guest: User): void {
    this.#isPresumed = false;
    for (const membership of this.memberships.values()) membership.end("left");
    this.memberships.clear();
    this.#user = null;
    this.#sessions.release(this, guest);
  }

  #welcome(user: User, guestToken: string | null, messageId: string | undefined): void {
    const refusal = this.#sessions.admit(this, user);
    if (refusal !== null) {
      this.refuse(messageId, refusal);
      this.close("too_many", refusal.message);
      return;
    }
    this.#user = user;
    const { limits, heartbeatMs, serverName } = this.#router.services;
    this.send("welcome", {
      connectionId: this.id,
      user: { id: user.id, name: user.name },
      guest: user.guest,
      protocol: PROTOCOL_VERSION,
      server: serverName,
      heartbeatMs,
      limits: { messageBytes: limits.messageBytes, rooms: limits.roomsPerConnection },
      ...(this.#expiresAt === null ? {} : { expiresAt: this.#expiresAt }),
      ...(guestToken === null ? {} : { guestToken }),
    });
    this.#router.welcomed(this);
  }

  // ---- the end

  /**
   * The server ends: says so (CLS-1) and reads no more. Resolves when what came in is answered, so that no client is left
   * without the ack of what is in the log.
   */
  settle(reconnectInMs: number): Promise<void> {
    this.send("server_closing", { reconnectInMs });
    this.#isPaused = true;
    this.connection.pauseReading(true);
    return new Promise((resolve) => {
      this.#onSettled = resolve;
      this.#press();
    });
  }

  /** Resolves when everything that came in is answered, or the session is over. */
  whenIdle(): Promise<void> {
    if (this.#inFlight === 0 || this.#ended) return Promise.resolve();
    const onIdle = this.#onIdle ?? [];
    this.#onIdle = onIdle;
    return new Promise((resolve) => onIdle.push(resolve));
  }

  /** Closes the connection with a code of the table. */
  close(name: CloseName, reason: string): void {
    if (this.#ended) return;
    this.connection.close(CLOSE_CODES[name].code, reason);
    this.end(name);
  }

  /** The client is gone: everything it had is given back. Safe to call more than once. */
  end(reason: CloseReason): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const membership of this.memberships.values()) membership.end("dropped");
    this.memberships.clear();
    this.#lanes = null;
    this.#addresses = null;
    this.#holds = null;
    // What still comes to its turn finds an end, and not a client that reads again one day.
    this.#allowance ??= new Allowance(this.connection);
    this.#allowance.end();
    this.#sessions.ended(this, reason);
    this.#onSettled?.();
    this.#tellIdle();
  }

  /** Stops reading from a client that has too much under way, and goes on when half of it is done. */
  #press(): void {
    if (this.#inFlight === 0 && this.#onIdle !== null) this.#tellIdle();
    if (this.#onSettled !== null) {
      if (this.#inFlight === 0) this.#onSettled();
      return;
    }
    const { inFlight, outboxBytes } = this.#router.services.limits;
    if (!this.#isPaused && (this.#inFlight > inFlight || this.#inFlightBytes > outboxBytes)) {
      this.#isPaused = true;
      this.#router.services.observer.limited("inFlight");
      this.connection.pauseReading(true);
    } else if (this.#isPaused && this.#inFlight <= inFlight / 2 && this.#inFlightBytes <= outboxBytes / 2) {
      this.#isPaused = false;
      if (!this.#ended) this.connection.pauseReading(false);
    }
  }

  #tellIdle(): void {
    const onIdle = this.#onIdle ?? [];
    this.#onIdle = null;
    for (const tell of onIdle) tell();
  }
}

function tooMany(retryAfterMs: number): YamabikoError {
  return new YamabikoError("rate_limited", "Too many messages.", { retryAfterMs });
}

/** How long before its end a client is told that its token ends, ms. */
const WARNING_MS = 60_000;

/** What a ping of the transport costs, in messages. */
const PING_COST = 0.1;

/** The most rooms whose order a connection keeps track of at once, beyond those in work. */
const LANES = 512;

/** The limits that the rates of a client come from. */
const RATES = { messages: "messagesPerSecond", bytes: "bytesPerSecond" } as const satisfies Record<
  keyof Rates,
  LimitName
>;

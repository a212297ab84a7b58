import type { Envelope } from "../protocol/envelope.ts";
import { YamabikoError } from "../protocol/errors.ts";
import { closeCodeOf, UNAUTHENTICATED } from "./close-code.ts";
import { type ClientStatus, Connection, type Welcome } from "./connection.ts";
import type { ContractOf, ContractSource, Contracts, Resolved } from "./contract.ts";
import { Emitter } from "./emitter.ts";
import type { AckPayload, OutgoingMessage } from "./message.ts";
import { newMessageId } from "./message-id.ts";
import { type ClientOptions, type Settings, type TransportChoice, toSettings } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { backoffMs } from "./reconnect.ts";
import { ClientRoom, type HistoryLost, type JoinedRoom, type JoinOptions, type Room, type RoomHost } from "./room.ts";
import { fullRoomId, roomIdOf } from "./room-name.ts";
import type { TransportName } from "./transports/transport.ts";

/** The local events of a client, and what their listeners get. */
export interface ClientLocalEvents {
  status: ClientStatus;
  connected: Welcome;
  /** A connection ended, or the client gave up. */
  disconnected: { code: number; reason: string; willReconnect: boolean };
  /** The next attempt is in `delayMs`. */
  reconnecting: { attempt: number; delayMs: number };
  /** Anything refused or broken that no promise and no room's listener told. Without a listener it is printed with `console.error`. */
  error: YamabikoError;
  /** The list of unacked messages, or the state of one, changed. */
  outbox: undefined;
  /** The connection came by this transport, the first time or after another. It may move without a `disconnected`. */
  transport: TransportName;
}

/** What a listener of a client gets. */
export type ClientListener<Name extends string> = Name extends keyof ClientLocalEvents
  ? (payload: ClientLocalEvents[Name]) => void
  : (payload: unknown, envelope: Envelope) => void;

/** A client of one server: one connection, any number of rooms. */
export interface Client<All extends Contracts = Contracts> {
  readonly status: ClientStatus;
  /** Who the server says we are; null before the first `welcome`. */
  readonly user: { readonly id: string; readonly name: string } | null;
  /** Round trip of the last ping, ms. */
  readonly latencyMs: number | null;
  /** By which transport the connection comes, or is being tried. */
  readonly transport: TransportName;
  /** Attempts since the last connection that lasted 2 s; 0 while connected. */
  readonly attempts: number;
  /** When the next attempt starts, ms since 1970; null unless `waiting`. */
  readonly retryAt: number | null;
  /** All messages that are not acked, oldest first. */
  readonly outbox: readonly OutgoingMessage[];
  /**
   * Adds a listener for a local event, for an envelope type (of any room or none), or for `*` (every envelope, also acks and
   * pongs). Returns the function that removes it.
   */
  on<Name extends string>(name: Name | keyof ClientLocalEvents, run: ClientListener<Name>): () => void;
  /** As `on`, for the next one only. */
  once<Name extends string>(name: Name | keyof ClientLocalEvents, run: ClientListener<Name>): () => void;
  off<Name extends string>(name: Name | keyof ClientLocalEvents, run: ClientListener<Name>): void;
  /** Joins a room, now or as soon as connected. The same room gives the same handle, and the first options count. */
  join<RoomId extends string>(roomId: RoomId, options?: JoinOptions): Room<ContractOf<All, RoomId>>;
  join<Source extends ContractSource>(roomId: string, options?: JoinOptions): Room<Resolved<Source>>;
  /** Sends a message that belongs to no joined room. A refusal is reported as `error`. */
  emit(type: string, payload?: unknown): void;
  /** As `emit`, giving the ack; see `room.emitWithAck`. */
  emitWithAck(type: string, payload?: unknown, options?: { timeoutMs?: number }): Promise<AckPayload>;
  /** Connects, or tries at once when waiting. */
  connect(): void;
  /** Ends the connection; rooms and outbox stay, and go on after `connect()`. */
  disconnect(): void;
  /** Ends everything: rooms are left, what waits for an ack rejects with `unavailable`, listeners are removed. */
  close(): void;
  /** Drops the connection as the network would. For demonstrations and tests. */
  cut(): void;
}

/** Names an envelope from the server must not raise, whatever a namespace calls its types. */
const LOCAL: ReadonlySet<string> = new Set([
  "status",
  "connected",
  "disconnected",
  "reconnecting",
  "error",
  "outbox",
  "transport",
] satisfies (keyof ClientLocalEvents)[]);

/** A volatile message is dropped while as many bytes wait in the socket. */
const VOLATILE_BACKLOG_BYTES = 64 * 1024;
const JOIN_BACKOFF_MS = 500;
const MAX_JOIN_BACKOFF_MS = 30_000;

/** Makes a client that comes by the transport `choose` gives and, unless `autoConnect` is false, connects it. */
export function createClientBy<All extends Contracts>(
  choose: TransportChoice,
  url: string,
  options: ClientOptions = {},
): Client<All> {
  return new YamabikoClient(toSettings(url, options, choose)) as unknown as Client<All>;
}

class YamabikoClient extends Emitter {
  user: Welcome["user"] | null = null;
  readonly #rooms = new Map<string, ClientRoom>();
  /** Who asked, by the `messageId` of each `join_room` of this connection that is not acked. */
  readonly #joins = new Map<string, ClientRoom>();
  readonly #settings: Settings;
  readonly #connection: Connection;
  readonly #outbox: Outbox;
  readonly #roomHost: RoomHost;
  #messageBytes: number | null = null;
  #reporting = false;
  #ended = false;

  constructor(settings: Settings) {
    super((thrown) => this.#report(thrown));
    const report = (thrown: unknown): void => this.#report(thrown);
    this.#settings = settings;
    this.#connection = new Connection(settings, {
      opened: () => this.#opened(),
      received: (envelope) => this.#received(envelope),
      welcomed: (welcome) => this.#welcomed(welcome),
      lost: () => this.#lost(),
      tell: (name, payload) => this.tell(name, payload),
      report,
    });
    this.#outbox = new Outbox({
      ...settings,
      mayWrite: (roomId, restored) => this.#mayWrite(roomId, restored),
      messageBytes: () => this.#messageBytes,
      write: (envelope) => this.#connection.send([envelope]),
      timedOut: () => this.#connection.probe(),
      changed: (roomId) => {
        if (roomId !== null) this.#rooms.get(roomId)?.tell("outbox");
        this.tell("outbox");
      },
      report,
    });
    this.#roomHost = {
      post: (type, payload, room, kept, messageId) => this.#post(type, payload, room.roomId, kept, messageId, room),
      withTimeout: (message, timeoutMs) => this.#withTimeout(message, timeoutMs),
      outbox: (roomId) => this.#outbox.list(roomId),
      volatile: (type, payload) => {
        const writable = this.#connection.open && this.#connection.backlogBytes <= VOLATILE_BACKLOG_BYTES;
        if (writable) this.#connection.send([{ type, payload }]);
        return writable;
      },
      leave: (room) => this.#leave(room),
      report,
    };
    if (settings.autoConnect) this.connect();
  }

  get status(): ClientStatus {
    return this.#connection.status;
  }

  get latencyMs(): number | null {
    return this.#connection.latencyMs;
  }

  get transport(): TransportName {
    return this.#settings.transport.name;
  }

  get attempts(): number {
    return this.#connection.attempts;
  }

  get retryAt(): number | null {
    return this.#connection.retryAt;
  }

  get outbox(): readonly OutgoingMessage[] {
    return this.#outbox.list();
  }

  join(name: string, options: JoinOptions = {}): ClientRoom {
    const roomId = fullRoomId(name);
    const known = this.#rooms.get(roomId);
    if (known && known.status !== "failed") return known;
    const room = new ClientRoom(roomId, options, this.#roomHost);
    if (this.#ended) room.end();
    else {
      this.#rooms.set(roomId, room);
      this.#ask(room);
      this.#outbox.flush(roomId); // what was restored waited for it
    }
    return room;
  }

  emit(type: string, payload?: unknown): void {
    const to = roomIdOf(payload);
    // What a Socket.IO habit writes: a room joined this way must come back after a drop like any other.
    if (to !== null && type === "join_room")
      return void this.join(to, typeof payload === "object" ? { ...payload } : {});
    if (to !== null && type === "leave_room") return this.#rooms.get(to)?.leave();
    this.#post(type, payload, to, false).ack.catch((error: unknown) => this.#report(error));
  }

  emitWithAck(type: string, payload?: unknown, options?: { timeoutMs?: number }): Promise<AckPayload> {
    return this.#withTimeout(this.#post(type, payload, roomIdOf(payload), false), options?.timeoutMs);
  }

  connect(): void {
    if (!this.#ended) this.#connection.connect();
  }

  disconnect(): void {
    this.#connection.disconnect();
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#connection.disconnect();
    this.#outbox.close();
    for (const room of [...this.#rooms.values()]) room.end();
    this.#rooms.clear();
    this.silence();
  }

  cut(): void {
    this.#connection.cut();
  }

  #opened(): boolean {
    for (const room of this.#rooms.values()) if (room.status !== "failed") this.#ask(room);
    this.#outbox.flush();
    return this.#rooms.size > 0;
  }

  #welcomed(welcome: Welcome): void {
    this.user = welcome.user;
    this.#messageBytes = welcome.limits?.messageBytes ?? null;
  }

  #lost(): void {
    this.#joins.clear();
    for (const room of this.#rooms.values()) room.suspend();
    this.#outbox.suspend();
  }

  #received(envelope: Envelope): void {
    try {
      this.#dispatch(envelope);
    } catch (thrown) {
      this.#report(thrown);
    }
  }

  #dispatch(envelope: Envelope): void {
    const { type, roomId, messageId, seq } = envelope;
    const payload = envelope.payload as Record<string, unknown>;
    if (type === "batch") {
      for (const inner of envelope.payload as Envelope[]) this.#received(inner);
      return;
    }
    const of = roomId ?? (payload?.roomId as string | undefined);
    const room = this.#rooms.get(of!);
    if (type === "ack" && messageId) this.#acked(envelope, messageId, payload);
    else if (type === "welcome")
      this.#outbox.flush(); // what waited to know the size limit
    else if (type === "error") this.#refused(YamabikoError.fromWire(payload));
    else if (type === "joined_room") {
      // It may answer somebody else's `join_room`: an earlier handle's, or the server's own to its default room.
      if (room?.live === false) room.answer = [envelope];
      return;
    } else if (room?.live === false && room.answer.length > 0) return void room.answer.push(envelope);
    else if (type === "left_room" && room?.live) {
      this.#rooms.delete(room.roomId);
      this.#outbox.failRoom(room.roomId, new YamabikoError("not_joined", "The room is not joined."), false);
      room.end(payload);
    } else if (type === "history_lost" && room?.live) room.skip(envelope.payload as HistoryLost);
    else if (type === "room_state" && room?.live) room.state = (payload.state ?? {}) as ClientRoom["state"];

    if (seq !== undefined && roomId !== undefined) {
      const acceptance = room?.accept(seq) ?? "ignored";
      if (acceptance === "gap") this.#gap(room!, seq);
      if (acceptance !== "applied") return;
    }
    this.#handOn(envelope, room);
    if (messageId && seq === undefined && type !== "ack") {
      this.#connection.send([{ type: "ack", messageId, payload: { success: true } }]);
    }
  }

  #handOn(envelope: Envelope, room: ClientRoom | undefined): void {
    const { type } = envelope;
    if (room?.live) room.deliver(envelope);
    if (!LOCAL.has(type)) this.tell(type, envelope.payload, envelope);
    this.tell("*", envelope.payload, envelope);
  }

  #acked(envelope: Envelope, messageId: string, payload: Record<string, unknown>): void {
    const error = payload.success === true ? null : YamabikoError.fromWire(payload.error as undefined);
    if (this.#connection.acked(envelope, error)) return;
    const room = this.#joins.get(messageId);
    if (room) {
      this.#joins.delete(messageId);
      if (this.#rooms.get(room.roomId) !== room) return;
      if (!error) return this.#enter(room);
      if (isAboutTheConnection(error)) return this.#refused(error);
      if (error.retryable) return this.#askLater(room, error.retryAfterMs);
      room.refuse(error);
      this.#outbox.failRoom(room.roomId, error, true);
    } else if (!error) this.#outbox.accept(messageId, payload as AckPayload);
    else {
      const message = this.#outbox.find(messageId);
      const joining = this.#rooms.get(message?.roomId ?? "")?.status === "joining";
      // Refused because its join was, and that is being tried again; or because of the token, not of itself.
      const hold = isAboutTheConnection(error) || (error.code === "not_joined" && joining);
      if (message) this.#outbox.refuse(message, error, hold);
      if (isAboutTheConnection(error)) this.#refused(error);
    }
  }

  #refused(error: YamabikoError): void {
    if (isAboutTheConnection(error) && this.status === "connecting") this.#connection.refused(error);
    else this.#report(error);
  }

  /** The join is acked: what was said of the room last is its answer. */
  #enter(room: ClientRoom): void {
    const [joined, ...rest] = room.answer;
    if (!joined) return;
    room.enter(joined.payload as JoinedRoom);
    this.#handOn(joined, room);
    for (const envelope of rest) this.#received(envelope);
  }

  #ask(room: ClientRoom): void {
    room.suspend();
    if (!this.#connection.open) return;
    room.joinId ??= newMessageId();
    const messageId = room.joinId;
    room.asked = true;
    this.#joins.set(messageId, room);
    this.#connection.send([{ type: "join_room", payload: room.joinPayload(), messageId }]);
  }

  #askLater(room: ClientRoom, retryAfterMs?: number): void {
    room.suspend();
    this.#outbox.rewind(room.roomId);
    const attempt = ++room.failures;
    const delayMs = retryAfterMs ?? backoffMs(attempt, JOIN_BACKOFF_MS, MAX_JOIN_BACKOFF_MS, this.#settings.random);
    room.retry = this.#settings.clock.setTimer(() => {
      this.#ask(room);
      this.#outbox.flush(room.roomId);
    }, delayMs);
  }

  /** RES-4: an event is missing. Nothing after it is believed; the log is read again from the cursor. */
  #gap(room: ClientRoom, seq: number): void {
    room.fault(new YamabikoError("internal", `${room.roomId}: event ${seq} came instead of ${room.seq + 1}.`));
    if (room.status !== "joined") return; // the listener left it
    if (room.failures > 0) return this.#askLater(room);
    room.failures = 1;
    this.#ask(room);
  }

  #leave(room: ClientRoom): void {
    if (this.#rooms.get(room.roomId) === room) {
      this.#rooms.delete(room.roomId);
      this.#connection.send([{ type: "leave_room", payload: { roomId: room.roomId } }]);
      this.#outbox.failRoom(room.roomId, new YamabikoError("not_joined", "The room is not joined."), false);
    }
    room.end();
  }

  #mayWrite(roomId: string | null, restored: boolean): boolean {
    if (!this.#connection.open) return false;
    const room = roomId === null ? undefined : this.#rooms.get(roomId);
    return room?.asked ?? (roomId === null || !restored);
  }

  #post(
    type: string,
    payload: unknown,
    roomId: string | null,
    kept: boolean,
    messageId?: string,
    room?: ClientRoom,
  ): OutgoingMessage {
    const over = this.#ended || room?.status === "failed" || room?.status === "left";
    return this.#outbox.add(type, payload, roomId, kept, over, messageId);
  }

  #withTimeout(message: OutgoingMessage, timeoutMs: number | undefined): Promise<AckPayload> {
    if (timeoutMs === undefined) return message.ack;
    const timer = this.#settings.clock.setTimer(() => message.discard(), timeoutMs);
    return message.ack.finally(() => timer.cancel());
  }

  /** Tells what no promise tells. What a listener threw, and nobody listens for, ends up where uncaught errors do. */
  #report(thrown: unknown): void {
    const error =
      thrown instanceof YamabikoError ? thrown : new YamabikoError("internal", String(thrown), { cause: thrown });
    let heard = false;
    if (!this.#reporting) {
      this.#reporting = true;
      heard = this.tell("error", error);
      this.#reporting = false;
    }
    if (!heard && !this.#ended) console.error(error);
  }
}

/** Refusals that say nothing about the message: it is good as soon as we are known again. */
function isAboutTheConnection(error: YamabikoError): boolean {
  return closeCodeOf(error) === UNAUTHENTICATED;
}

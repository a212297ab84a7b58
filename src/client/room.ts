import type { Timer } from "../protocol/clock.ts";
import { formatCursor } from "../protocol/cursor.ts";
import type { Envelope } from "../protocol/envelope.ts";
import { YamabikoError } from "../protocol/errors.ts";
import type { Contract, EventName, EventPayload, MessageAck, MessageName, MessagePayload } from "./contract.ts";
import { Emitter } from "./emitter.ts";
import { eventStream } from "./event-stream.ts";
import type { AckPayload, OutgoingMessage } from "./message.ts";

/** How far a room is: asked for, followed, refused for good, or left. */
export type RoomStatus = "joining" | "joined" | "failed" | "left";

/** The payload of `joined_room` (JOIN-1). */
export interface JoinedRoom {
  roomId: string;
  epoch: string;
  head: number;
  /** Where delivery starts (JOIN-2). */
  cursor: string;
  /** Whether nothing was missed since the last time. Also false when there was no last time. */
  recovered: boolean;
  state?: Record<string, Record<string, unknown>>;
  /** What the namespace knows of this user here. */
  you?: unknown;
  /** What the namespace gives to start from, e.g. a document's text. */
  snapshot?: unknown;
}

/** The payload of `history_lost` (RES-2): events `from` to `to` are gone; what follows starts after `cursor`. */
export interface HistoryLost {
  roomId: string;
  reason: "retention" | "epoch";
  from: number | null;
  to: number | null;
  cursor: string;
}

/** How to join. Members not named here go to the server as they are (a namespace may know more). */
export interface JoinOptions {
  /** Start after this cursor or seq, e.g. one kept from an earlier page load. Default: at the head. */
  after?: string | number | undefined;
  /** Start this many events before the head (0 to 1,000). Only without `after`. */
  limit?: number | undefined;
  [member: string]: unknown;
}

/** The local events of a room, and what their listeners get. */
export interface RoomLocalEvents {
  /** After every join, the first and those after a reconnect; before the events that follow. */
  joined: JoinedRoom;
  history_lost: HistoryLost;
  /** By `leave()`, or because the server ended it. */
  left: unknown;
  /** The room was refused for good. The `error` event tells it too. */
  failed: YamabikoError;
  /** A refused join, a refused `emit`, or a fault in the numbering. Without a listener it goes to the client's. */
  error: YamabikoError;
  /** The list or a state in `outbox` changed. */
  outbox: undefined;
}

/** The names `room.on` knows. */
export type RoomEventName<C extends Contract> = EventName<C> | keyof RoomLocalEvents | "*";

/** What a listener gets: the payload and, unless the event is a local one, its envelope. */
export type RoomListener<C extends Contract, Name extends string> = Name extends keyof RoomLocalEvents
  ? (payload: RoomLocalEvents[Name]) => void
  : (payload: EventPayload<C, Name>, envelope: Envelope) => void;

/** A joined room. Stays joined over every reconnect until `leave()`. */
export interface Room<C extends Contract = Contract> extends AsyncIterable<Envelope> {
  /** The full form, `namespace:name`. */
  readonly roomId: string;
  readonly status: RoomStatus;
  /** Identity of the room's log; null before the first join. */
  readonly epoch: string | null;
  /** The last event given to the listeners; 0 before the first. */
  readonly seq: number;
  /** The newest position known. */
  readonly head: number;
  /**
   * "I have everything up to here", to be kept and given to `join` as `after`. It is moved before an event's listeners run:
   * while they run it already names that event, so an effect and the cursor stored together in a listener belong together.
   */
  readonly cursor: string | null;
  /** The state as last told in full (`joined_room`, `room_state`): family → key → value. Single changes come as events. */
  readonly state: Readonly<Record<string, Record<string, unknown>>>;
  /** The `you` of the last `joined_room`. */
  readonly you: unknown;
  /** The first join. Rejects with a {@link YamabikoError} when it is refused for good or the room is left before. */
  readonly joined: Promise<JoinedRoom>;
  /** This room's messages that are not acked: on their way or failed, oldest first. */
  readonly outbox: readonly OutgoingMessage[];
  /**
   * Adds a listener for an event type, a local event, or `*` (every envelope of the room). Each event of the log comes once and
   * in order, over all reconnects; one whose listener throws counts as delivered. Returns the function that removes it.
   */
  on<Name extends RoomEventName<C>>(name: Name, run: RoomListener<C, Name>): () => void;
  /** As `on`, for the next one only. */
  once<Name extends RoomEventName<C>>(name: Name, run: RoomListener<C, Name>): () => void;
  off<Name extends RoomEventName<C>>(name: Name, run: RoomListener<C, Name>): void;
  /**
   * Sends a message and gives its handle. It is repeated with the same `messageId` until answered; messages of one room
   * arrive in the order of the calls. One that is refused for good stays in `outbox` for `retry` or `discard`.
   */
  send<Name extends MessageName<C>>(
    type: Name,
    payload?: MessagePayload<C, Name>,
    options?: { messageId?: string },
  ): OutgoingMessage<MessageAck<C, Name>>;
  /** As `send`, but a refusal is reported as `error` and the message does not stay in `outbox`. */
  emit<Name extends MessageName<C>>(
    type: Name,
    payload?: MessagePayload<C, Name>,
  ): OutgoingMessage<MessageAck<C, Name>>;
  /**
   * As `send`, giving the ack. A refused message does not stay in `outbox`. With `timeoutMs` it is given up after that time
   * and rejects with `unavailable`; it may have arrived all the same. Default: no limit.
   */
  emitWithAck<Name extends MessageName<C>>(
    type: Name,
    payload?: MessagePayload<C, Name>,
    options?: { timeoutMs?: number },
  ): Promise<MessageAck<C, Name>>;
  /** At most once: written now, or dropped when not joined or the link is congested. Returns whether it was written. */
  volatile<Name extends MessageName<C>>(type: Name, payload?: MessagePayload<C, Name>): boolean;
  /**
   * The room's events from now on, each once and in order. Throws `history_lost` when the loop falls 10,000 events behind or
   * the server no longer has what is owed, and the refusal when the room is refused for good.
   */
  events(options?: { signal?: AbortSignal }): AsyncIterableIterator<Envelope>;
  /** Ends it. Messages not written yet fail with `not_joined`. */
  leave(): void;
}

/** What a room needs of its client. One serves all rooms. */
export interface RoomHost {
  report(thrown: unknown): void;
  post(type: string, payload: object, room: ClientRoom, kept: boolean, messageId?: string): OutgoingMessage;
  /** The ack, for as long as the caller waits. */
  withTimeout(message: OutgoingMessage, timeoutMs: number | undefined): Promise<AckPayload>;
  outbox(roomId: string): readonly OutgoingMessage[];
  /** Writes without an answer; false when it was dropped. */
  volatile(type: string, payload: object): boolean;
  leave(room: ClientRoom): void;
}

/** Names an envelope from the server must not raise, whatever a namespace calls its types. */
const LOCAL: ReadonlySet<string> = new Set([
  "joined",
  "left",
  "failed",
  "error",
  "outbox",
] satisfies (keyof RoomLocalEvents)[]);

/** What became of a numbered event: handed on, known already or not expected now, or proof that one is missing. */
export type Acceptance = "applied" | "ignored" | "gap";

/** The client's side of a {@link Room}. */
export class ClientRoom extends Emitter implements Room {
  readonly roomId: string;
  readonly joined: Promise<JoinedRoom>;
  status: RoomStatus = "joining";
  epoch: string | null = null;
  seq = 0;
  head = 0;
  state: Record<string, Record<string, unknown>> = {};
  you: unknown;
  /** Whether `join_room` was written on this connection, so that messages may follow it. */
  asked = false;
  /** Whether the answer to the last `join_room` came, so that events are expected. */
  live = false;
  /** Joins in a row that failed or led nowhere. */
  failures = 0;
  /** The `messageId` of the join under way. A refused join comes again under it, or the server goes on refusing (ACK-5). */
  joinId: string | null = null;
  /** Asks again after a refused join. */
  retry: Timer | null = null;
  /** `joined_room` and what the server said of the room since, until an ack tells that it answers the join under way. */
  answer: Envelope[] = [];
  readonly #host: RoomHost;
  readonly #options: JoinOptions;
  #settle!: { resolve(joined: JoinedRoom): void; reject(error: YamabikoError): void };

  constructor(roomId: string, options: JoinOptions, host: RoomHost) {
    super((thrown) => host.report(thrown));
    this.roomId = roomId;
    this.#options = options;
    this.#host = host;
    this.joined = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.joined.catch(() => {}); // the status and the `error` event tell it too
  }

  get cursor(): string | null {
    return this.epoch === null ? null : formatCursor(this.epoch, this.seq);
  }

  get outbox(): readonly OutgoingMessage[] {
    return this.#host.outbox(this.roomId);
  }

  send(type: string, payload?: object, options?: { messageId?: string }): OutgoingMessage {
    return this.#host.post(type, this.#address(payload), this, true, options?.messageId);
  }

  emit(type: string, payload?: object): OutgoingMessage {
    const message = this.#post(type, payload);
    message.ack.catch((error: YamabikoError) => this.fault(error));
    return message;
  }

  emitWithAck(type: string, payload?: object, options?: { timeoutMs?: number }): Promise<AckPayload> {
    return this.#host.withTimeout(this.#post(type, payload), options?.timeoutMs);
  }

  volatile(type: string, payload?: object): boolean {
    return this.live && this.#host.volatile(type, this.#address(payload));
  }

  events(options?: { signal?: AbortSignal }): AsyncIterableIterator<Envelope> {
    const isOver = this.status === "left" || this.status === "failed";
    return eventStream(this, isOver ? AbortSignal.abort() : options?.signal);
  }

  [Symbol.asyncIterator](): AsyncIterator<Envelope> {
    return this.events();
  }

  leave(): void {
    if (this.status !== "left") this.#host.leave(this);
  }

  /** The payload of the next `join_room`: from the cursor reached, the first time from where the application wants. */
  joinPayload(): object {
    const { after, limit, ...rest } = this.#options;
    const { cursor, roomId } = this;
    return { ...rest, ...(cursor !== null ? { after: cursor } : { after, limit }), roomId };
  }

  /** The answer to the last `join_room`. */
  enter(payload: JoinedRoom): void {
    const { epoch, seq } = this.#read(payload.cursor);
    // In one epoch the cursor never moves back, or events would come twice – unless the server says what it lost.
    if (epoch !== this.epoch || !payload.recovered || seq > this.seq) this.seq = seq;
    this.epoch = epoch;
    this.head = Math.max(payload.head, this.seq);
    this.state = payload.state ?? {};
    this.you = payload.you;
    this.status = "joined";
    this.live = true;
    this.joinId = null;
    this.answer = [];
    this.#settle.resolve(payload);
    this.tell("joined", payload);
  }

  /** Goes on after a hole the server told of. */
  skip(payload: HistoryLost): void {
    const { epoch, seq } = this.#read(payload.cursor);
    this.epoch = epoch;
    this.seq = seq;
    this.head = Math.max(this.head, seq);
  }

  /** Decides about a numbered event (RES-4), and moves the cursor when it is to be handed on. */
  accept(seq: number): Acceptance {
    if (!this.live || seq <= this.seq) return "ignored";
    if (seq !== this.seq + 1) return "gap";
    this.seq = seq;
    this.head = Math.max(this.head, seq);
    this.failures = 0;
    return "applied";
  }

  /** Hands an envelope to the listeners. */
  deliver(envelope: Envelope): void {
    if (!LOCAL.has(envelope.type)) this.tell(envelope.type, envelope.payload, envelope);
    this.tell("*", envelope.payload, envelope);
  }

  /** The connection is gone; the next one joins again. */
  suspend(): void {
    this.retry?.cancel();
    this.asked = this.live = false;
    this.answer = [];
    if (this.status === "joined") this.status = "joining";
  }

  /** The join was refused for good. */
  refuse(error: YamabikoError): void {
    this.suspend();
    this.status = "failed";
    this.#settle.reject(error);
    this.tell("failed", error);
    this.fault(error);
  }

  /** It is over. */
  end(payload?: unknown): void {
    this.suspend();
    this.status = "left";
    this.#settle.reject(new YamabikoError("not_joined", "The room is not joined."));
    this.tell("left", payload);
  }

  fault(error: YamabikoError): void {
    if (!this.tell("error", error)) this.#host.report(error);
  }

  /** The server's word is taken for well-formed. */
  #read(cursor: string): { epoch: string; seq: number } {
    const [epoch, seq] = cursor.split(":") as [string, string];
    return { epoch, seq: Number(seq) };
  }

  #post(type: string, payload: object | undefined): OutgoingMessage {
    return this.#host.post(type, this.#address(payload), this, false);
  }

  #address(payload: object | undefined): object {
    return { ...payload, roomId: this.roomId };
  }
}

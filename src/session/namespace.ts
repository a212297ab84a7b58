import type { GaugeName } from "../observe/observer.ts";
import type { Clock, Envelope, Json, JsonObject, OutputOf, Schema } from "../protocol/index.ts";

/**
 * The namespace seam: one kind of room.
 *
 * A feature is a namespace: the messages it takes, the events and state it makes of them, who may do what, and how much
 * is kept. The router has checked type, access, membership and schema before a handler runs; the handler only says what
 * should happen. Everything a feature may touch is in this file.
 */
export interface Namespace<
  M extends MessageDefinitions = MessageDefinitions,
  E extends EventDefinitions = EventDefinitions,
  S extends StateDefinitions = StateDefinitions,
> {
  /** The part of a `roomId` before the colon. */
  readonly name: string;
  /** What clients may send, by type. `"*"` takes every type that is not listed. */
  readonly messages: M;
  /** What is put into the log, by type: the schemas of the payloads, for the types on both ends. Default: none named. */
  readonly events: E;
  /** The families of the room's state. Default: none. */
  readonly state: S;
  /** Who may do what. Default: every authenticated user may read and write, nobody is admin. */
  readonly access?: AccessRule;
  /**
   * The member of a payload that names a room of this namespace where `roomId` is left out, e.g. `documentId`: its value is the part
   * after the colon. Default: none.
   */
  readonly addressedBy?: string;
  /**
   * True where only the namespace itself puts events into its logs: the server's other code and back ends may not, since readers
   * rely on how the events follow from each other. Default: false.
   */
  readonly isSealed?: boolean;
  /** How much of each log is kept. Default: what the server is configured to keep. */
  readonly retention?: { maxEvents?: number; maxAgeMs?: number; maxBytes?: number };
  /** Messages of one user in one room, per second, burst twice that. Default: only the connection's limit. */
  readonly messagesPerSecond?: number;
  /**
   * Gathers what comes in quick succession: after a delivery the next one to live readers comes this much later, ms. Fewer and
   * larger writes for rooms with many small messages, at the price of that much delay. Default: not at all.
   */
  readonly batchMs?: number;
  /**
   * How often a reader is given something at most, per second, where it does not say `maxHz` when it joins: from 0.1 to 60, taken
   * down to the next of the paces there are (`PACES`). State conflates meanwhile to the newest value per key. Default: at the end of every turn.
   */
  readonly maxHz?: number;
  /**
   * Further members of `join_room`, and query parameters of reads by HTTP, that this namespace knows: checked before anybody is
   * let in, and given as `options`. In a query, what looks like a number is one. Default: none; what a client sends is ignored.
   */
  readonly joinOptions?: Schema;
  /**
   * Makes what the namespace keeps in memory of a room while it is open on this node: one per room and node. Awaited before
   * anybody joins; a thrown error refuses whoever wanted the room, and so does silence of 10 s.
   */
  open?(room: OpenRoom): RoomFeature | Promise<RoomFeature>;
  /**
   * What becomes of an event when the data of a person are erased (ERA-1): its new payload, or null where there is nothing of
   * theirs in it. Asked about every event that names the person as its sender or has their id in its payload, and about every
   * event of a room of their own; may be asked again. It must leave nothing of them. Default: an event they sent becomes
   * `{erased: true}`, others stay; where the namespace is sealed, all stay.
   */
  erase?(request: EraseRequest): JsonObject | null;
  /** What it holds in memory, to be read when somebody looks at the metrics: by names of the observer's table. Default: nothing. */
  readonly gauges?: { readonly [name in GaugeName]?: () => number };
  /**
   * Runs when a connection has been let into a room, before it reads. What it returns is `you` in `joined_room`.
   * A thrown error refuses the join, and that alone: who may read history and send by HTTP, `access` says. It also runs for every poll that goes on in a room (`context.resumed`).
   */
  onJoin?(context: JoinContext): JsonObject | undefined | Promise<JsonObject | undefined>;
}

/** An event, and the person whose data are to be erased. */
export interface EraseRequest {
  /** The part of the `roomId` after the colon. */
  readonly name: string;
  readonly userId: string;
  readonly type: string;
  /** Who sent it; null for the server. */
  readonly sender: string | null;
  readonly payload: JsonObject;
}

/** What a user may do in a room. */
export type Right = "read" | "write" | "admin";

/** Says whether a user has a right in a room. May ask a database. A thrown error counts as no. */
export type AccessRule = (request: AccessRequest) => boolean | Promise<boolean>;

/** What an access rule is asked. */
export interface AccessRequest {
  readonly user: User;
  readonly roomId: string;
  /** The part of the `roomId` after the colon. */
  readonly name: string;
  readonly right: Right;
}

/** The authenticated identity. Everything here comes from the token, never from a message. */
export interface User {
  /** The token's `sub`. */
  readonly id: string;
  /** The token's `name`, or the id. */
  readonly name: string;
  /** True for somebody without a token, where guests are allowed. */
  readonly guest: boolean;
  /** All claims of the token; empty for guests. */
  readonly claims: Readonly<Record<string, unknown>>;
}

export type MessageDefinitions = { readonly [type: string]: MessageDefinition };
export type EventDefinitions = { readonly [type: string]: Schema };
export type StateDefinitions = { readonly [family: string]: StateDefinition };

/** One type of message a client may send. */
export interface MessageDefinition<P extends Schema = Schema, A extends Schema = Schema> {
  /** The payload without `roomId`. Default: any object. */
  readonly payload?: P;
  /** The ack's own members, for the types on both ends. */
  readonly ack?: A;
  /** The right it needs. Default: `write`. */
  readonly right?: Right;
  /** Whether the sender must have joined the room. Default: true. */
  readonly joined?: boolean;
  /** True for a message that is about no room. Default: false. */
  readonly roomless?: boolean;
  /**
   * Says what should happen. Returns a draft from `context.event` (it is appended, and acknowledged when durable), an
   * object (the ack's members), what `context.saved` gives (the event is there already), or nothing (a plain ack). It may run again for one message when an amendment met a
   * change (see `context.event`), so its own side effects must stand repetition. A thrown `YamabikoError` is the answer; any
   * other error is logged and answered as `internal`.
   */
  handle(context: Context, payload: OutputOf<P>): HandlerResult | Promise<HandlerResult>;
}

/**
 * What a namespace keeps of one open room (`Namespace.open`). The room tells it what happens, in order and synchronously; nothing
 * here may wait unless it returns a promise. What it throws is reported and costs nobody else.
 */
export interface RoomFeature {
  /**
   * What a reader starts from that comes without a cursor, or whose cursor is too old: it gets `snapshot` in `joined_room`, and the
   * events after `seq`. Null, or without this method: it starts at the head, or with what is kept.
   */
  start?(reader: ReaderContext): RoomStart | null | Promise<RoomStart | null>;
  /**
   * Instead of the values of the families: `joined_room.state`. It is what the state is at the revision of this moment; what
   * changes afterwards is told as ever.
   */
  state?(reader: ReaderContext): JsonObject;
  /** A value of a family was set or removed, here or on another node. What others had set before the room was opened here comes first. */
  stateChanged?(change: StateChange): void;
  /** The head moved by this event, appended here or on another node. One that `open` has read may come again: compare `seq`. */
  advanced?(event: StoredEvent): void;
  /** The head jumped, or the log is another one: what `advanced` would have told must be read. */
  jumped?(): void;
  /** What this room's feature on another node told (`OpenRoom.tell`). */
  heard?(name: string, data: Json | Uint8Array, from: string): void;
  /** Somebody was let in, or joined again, and has been told so: from now on it is given ticks (`OpenRoom.ticks`). */
  reading?(reader: ReaderContext): void;
  /** True keeps the room in memory. Default: false. */
  readonly isBusy?: boolean;
  /**
   * What it takes in memory, bytes, roughly. Rooms that nobody has joined are let go of when theirs is too much in all (limit
   * `idleBytes`). Default: 0.
   */
  readonly bytes?: number;
  /**
   * Retention removes no event after this seq: what a snapshot does not hold yet stays, however old it is. Asked whenever a trim is due.
   * Default: everything may be removed.
   */
  readonly trimmable?: number;
  /** The room is let go: ends timers and work. */
  close?(): void;
}

/** Where a reader starts, and what it needs to know of what was before. */
export interface RoomStart {
  readonly seq: number;
  readonly snapshot: JsonObject;
}

/** Somebody who comes to read. */
export interface ReaderContext {
  readonly user: User;
  readonly connectionId: string;
  /** What it asked for, as `Namespace.joinOptions` gave it; empty where there is none. */
  readonly options: JsonObject;
  /** True for a poll or stream that goes on where the last one stopped. */
  readonly resumed: boolean;
}

/** A change of one key of a room's state. */
export interface StateChange {
  readonly family: string;
  readonly key: string;
  /** Null when it was removed. */
  readonly value: Json;
  /** What it was before; null when it was not there. */
  readonly last: Json;
}

/** A room, as what a namespace keeps of it sees it: no membership, no rights, no sender but the one it names. */
export interface OpenRoom extends RoomView {
  readonly nodeId: string;
  readonly clock: Clock;
  /** How many pushed readers there are on this node. */
  readonly readers: number;
  /**
   * Appends an event; resolves when it is durable. Appends of one turn commit together, in the order of the calls, so that
   * conditional ones may follow each other without waiting. Rejects with `conflict` when `expect` is not the head, with `unavailable`.
   */
  append(event: AppendedEvent): Promise<AppendedPlace>;
  /** Asks the log where it stands; resolves when `advanced` or `jumped` has told what was new. Rejects with `unavailable`. */
  refresh(): Promise<void>;
  /** Sends something to everyone in the room that is neither logged nor kept. */
  signal(type: string, payload: JsonObject): void;
  /** A state family, as the server sets it: nobody's leaving removes what it set. */
  state(family: string): StateView;
  /** Tells this room's feature on the other nodes, or on one: at most once, in no order. */
  tell(name: string, data: Json | Uint8Array, to?: string): void;
  /**
   * From now on the room has ticks: what changes all the time, is neither logged nor kept, and of which only the newest matters. Each
   * reader is given the difference to what it was given last; one that does not keep up misses some. Once, in `open`.
   */
  ticks(source: TickSource): Ticks;
  /** Keeps the room in memory. Returns the way to let go, to be called once. */
  pin(): () => void;
  /** Reports what went wrong and was nobody's fault. */
  failure(what: string, error: unknown): void;
  /**
   * Only one node leads a room at a time. Calls `run` when this node does, once for each time, never from inside this call; `signal` is
   * aborted when it must stop, by then or because it let go. Returns the way to let go.
   */
  lead(run: (lead: Lead) => void): () => void;
}

/** Who makes what the readers of ticks are given. Nothing here may wait. */
export interface TickSource {
  readonly perSecond: number;
  /** How often those are told who read text, per second. */
  readonly textPerSecond: number;
  /** How far back a difference may reach, ticks. */
  readonly maxBase: number;
  /** What this reader wants; of bytes it gets text all the same where its connection knows nothing else. */
  wants(reader: ReaderContext): "bytes" | "text" | "nothing";
  /** Whether there is no newest tick now. Default: false, once there was one. */
  readonly isEmpty?: boolean;
  /** The newest tick for everybody who has `base`, as bytes; null: whole, for somebody who has nothing. */
  bytes(base: number | null): Uint8Array;
  /** As `bytes`, for one alone, where not everybody is told the same. */
  bytesFor?(reader: ReaderContext, base: number | null): Uint8Array;
  /** The newest tick as an envelope: always whole. */
  text(): { readonly type: string; readonly payload: JsonObject };
  /** As `text`, for one alone, where not everybody is told the same. */
  textFor?(reader: ReaderContext): { readonly type: string; readonly payload: JsonObject };
}

/** A room's ticks on their way to its readers. */
export interface Ticks {
  /** How many readers are given ticks on this node. */
  readonly readers: number;
  /** There is a newer tick: everybody is given it whose connection keeps up. One that is not newer begins time anew. */
  publish(tick: number): void;
  /** A reader says which tick it has, which says how fast its link is; null when it needs a whole one. */
  confirm(connectionId: string, tick: number | null): void;
  /** Counts a step of whoever makes the ticks. */
  stepped(durationMs: number, lost: number): void;
}

/** The time in which a node leads a room. */
export interface Lead {
  /** Higher than that of whoever led before. */
  readonly fence: number;
  /** Aborted when this node does not lead any more. */
  readonly signal: AbortSignal;
  /** Whether it still leads, by the time of this moment: to be asked before it acts, because a node that slept did not see its time pass. */
  holds(): boolean;
}

/** An event that a namespace itself appends. */
export interface AppendedEvent {
  readonly type: string;
  readonly payload: JsonObject;
  /** The user on whose behalf it is. Default: null, the server. */
  readonly sender?: string | null;
  /** Makes it one event however often it comes (ACK-3). Default: none. */
  readonly messageId?: string | null;
  /** Append only when the head is this seq. */
  readonly expect?: number;
  /** Append only while nobody leads the room after the lead with this fence (`Lead.fence`); `conflict` otherwise. */
  readonly fence?: number;
  /**
   * Append only when the event at `expect` is the one with this data (`StoredEvent.data`). For an append that builds on one still on
   * its way: when that fails, another node's event may be in its place. Needs `expect`.
   */
  readonly follows?: string;
}

/** What became of it. */
export interface AppendedPlace extends FoundEvent {
  /** ms since 1970, by the log. */
  readonly timestamp: number;
}

export type HandlerResult = Draft | Saved | JsonObject | undefined | void;

/** That the message became an event already, appended by what the namespace keeps of the room. */
export interface Saved {
  readonly kind: "saved";
  readonly place: FoundEvent;
  /** More members for the ack. */
  readonly ack: JsonObject;
}

/** One family of a room's state: the latest value per key. */
export interface StateDefinition {
  /** The type of the envelope that tells a change. */
  readonly event: string;
  /** A value disappears by itself this long after it was set, ms. Default: it stays. */
  readonly leaseMs?: number;
  /**
   * Kept durably as a mark: values are seqs that only move forward, keys are users. Default: false, in memory.
   */
  readonly kept?: boolean;
  /**
   * What a node has set stays for 10 s after the node has ended, until another node sets or removes it: for what the room's leader
   * sets, and the next leader goes on with. Default: false, it ends with its node.
   */
  readonly inherited?: boolean;
  /** The payload of the envelope. `value` is null when the key was removed; `last` is what it was then. */
  change(key: string, value: Json, last: Json): JsonObject;
  /**
   * Instead of `change`: one payload for all that changed since the reader was last given something, the newest of each key.
   * For a reader too far behind it is all there is. Null: nothing is told.
   */
  changes?(changes: readonly { readonly key: string; readonly value: Json; readonly last: Json }[]): JsonObject | null;
}

/** What a handler has in hand. */
export interface Context {
  readonly user: User;
  readonly connectionId: string;
  /** The full form; empty for a roomless message. */
  readonly roomId: string;
  readonly type: string;
  readonly messageId: string | null;
  /** ms since 1970, by the server's clock. */
  readonly now: number;
  readonly room: RoomView;
  /** What the namespace keeps of the room (`Namespace.open`); null where it keeps nothing. */
  readonly feature: RoomFeature | null;
  /** Makes the draft of an event. Nothing happens until the handler returns it. */
  event(type: string, payload: JsonObject, options?: DraftOptions): Draft;
  /** For a handler whose message `feature` has appended: acknowledges it as that event. */
  saved(place: FoundEvent, ack?: JsonObject): Saved;
  /** Sends something to everyone in the room that is neither logged nor kept. */
  signal(type: string, payload: JsonObject): void;
  /** Sends something to this connection alone. */
  reply(type: string, payload: JsonObject): void;
  /** Whether the sender has a right in this room. */
  can(right: Right): boolean | Promise<boolean>;
  /** A state family, as this connection sets it: what it set is removed when it leaves or drops (kept families: not). */
  state(family: string): StateView;
  /** The user's marks of a kept family over all rooms: roomId → seq. */
  marks(family: string): Promise<Map<string, number>>;
  /** Another room, for a message about several. Checked for the user's right to read; null when there is none. */
  visit(roomId: string): Promise<RoomView | null>;
}

export interface JoinContext extends ReaderContext {
  /**
   * True where nothing is to be told or remembered, only whether it is refused matters: for a poll that goes on where the
   * last one stopped, and for a reader that nobody will know again.
   */
  readonly resumed: boolean;
  /** What the namespace keeps of the room; null where it keeps nothing. */
  readonly feature: RoomFeature | null;
  readonly roomId: string;
  readonly now: number;
  readonly room: RoomView;
  state(family: string): StateView;
  /** Whether the user has a right in this room. */
  can(right: Right): boolean | Promise<boolean>;
}

/** A room as features see it. */
export interface RoomView {
  readonly roomId: string;
  readonly epoch: string;
  /** The newest seq this node knows. */
  readonly head: number;
  /** Events after a seq, oldest first, at most `limit`. */
  read(after: number, limit: number): Promise<readonly StoredEvent[]>;
  /** Events before a seq (Infinity: the newest), oldest first, at most `limit`. */
  readBack(before: number, limit: number): Promise<readonly StoredEvent[]>;
  /** The events of a type whose first amendment was of the event at `seq`: newest first, at most `limit`. */
  amendments(seq: number, type: string, limit: number): Promise<readonly StoredEvent[]>;
  /** What became of a sender's messageId: the event it made, with `duplicate: true`. Null when it is not remembered. */
  find(sender: string | null, messageId: string): Promise<FoundEvent | null>;
  /** What `putSnapshot` last kept, of events up to `seq`; null when there is none. It counts only while `epoch` is the room's. */
  snapshot(): Promise<RoomSnapshot | null>;
  /**
   * Keeps what the events up to `seq` amount to, so that a fold need not begin with the first event; at seq 0 what a leader leaves
   * to the next one. With `fence` only while nobody leads the room after the lead with it (`Lead.fence`); `conflict` otherwise.
   */
  putSnapshot(seq: number, data: string, fence?: number): Promise<void>;
  /** The value of a state family, or null. */
  value(family: string, key: string): Json;
  /** Whether a user is in the room, on whichever node. */
  isMember(userId: string): boolean;
  /** The users who are in the room, and how many there are; at most 100 are named. */
  members(): { count: number; users: readonly Member[] };
}

/** Where the event of a messageId is. */
export interface FoundEvent {
  readonly epoch: string;
  readonly seq: number;
  readonly duplicate: boolean;
}

/** What the events of a room up to `seq` amount to, as a feature wrote it. */
export interface RoomSnapshot {
  readonly epoch: string;
  readonly seq: number;
  readonly data: string;
}

export interface StateView {
  /**
   * Sets a value; resolves when it is durable for a kept family, at once otherwise. False when nothing changed.
   * @throws {YamabikoError} `unavailable` when the family is full (limit `stateKeys`).
   */
  set(key: string, value: Json): boolean | Promise<boolean>;
  /** Removes a value before its lease ends. Not for kept families. */
  remove(key: string): boolean;
}

export interface Member {
  readonly userId: string;
  readonly userName: string;
  /** ms since 1970. */
  readonly joinedAt: number;
}

/** An event as features read it. */
export interface StoredEvent {
  readonly seq: number;
  readonly type: string;
  /** The user who sent it; null for the server. */
  readonly sender: string | null;
  /** ms since 1970. */
  readonly timestamp: number;
  /** The payload as JSON text, as stored: what `expectData` of an amendment is compared with. */
  readonly data: string;
  /** The envelope as readers get it. */
  toEnvelope(): Envelope;
}

/** An event that a handler would like to be appended. */
export interface Draft {
  readonly kind: "draft";
  readonly type: string;
  readonly payload: JsonObject;
  readonly options: DraftOptions;
}

export interface DraftOptions {
  /** Append only when the head is this seq; the client is told `conflict` otherwise. */
  readonly expect?: number;
  /**
   * Also replace what is stored of earlier events, in the same commit: all of them or none. The first is the one the new
   * event is about. When somebody else changed one of them meanwhile, the handler runs again (at most 5 times).
   */
  readonly amend?: readonly DraftAmendment[];
  /** More members for the ack. */
  readonly ack?: JsonObject;
}

/** The replacement of what is stored of an earlier event. */
export interface DraftAmendment {
  readonly seq: number;
  /** What is stored now: `StoredEvent.data`. */
  readonly expectData: string;
  readonly data: JsonObject;
}

/**
 * Defines a namespace. The types of its payloads flow to the client: `client.join<typeof chat>(roomId)`.
 *
 * @throws {TypeError} when the name is not one (a-z, 0-9, -; at most 32 characters) or a message has a reserved type.
 */
export function defineNamespace<
  const M extends MessageDefinitions,
  const E extends EventDefinitions = Record<never, never>,
  const S extends StateDefinitions = Record<never, never>,
>(definition: NamespaceDefinition<M, E, S>): Namespace<M, E, S> {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(definition.name)) {
    throw new TypeError(`"${definition.name}" cannot be the name of a namespace: use a-z, 0-9 and -, at most 32.`);
  }
  for (const type of Object.keys(definition.messages)) {
    if (RESERVED.has(type)) throw new TypeError(`A namespace cannot define "${type}": it belongs to the protocol.`);
  }
  return { ...definition, events: definition.events ?? ({} as E), state: definition.state ?? ({} as S) };
}

/** What `defineNamespace` takes: a `Namespace` whose events and state may be left out. */
export type NamespaceDefinition<
  M extends MessageDefinitions,
  E extends EventDefinitions,
  S extends StateDefinitions,
> = Omit<Namespace<M, E, S>, "events" | "state"> & { readonly events?: E; readonly state?: S };

/** Defines one message, so that its handler's payload has the schema's type. */
export function message<P extends Schema, A extends Schema = Schema>(
  definition: MessageDefinition<P, A>,
): MessageDefinition<P, A> {
  return definition;
}

const RESERVED: ReadonlySet<string> = new Set([
  "authenticate",
  "join_room",
  "leave_room",
  "ping",
  "pong",
  "ack",
  "error",
  "welcome",
  "batch",
]);

import type { Bus, Notice } from "../bus/bus.ts";
import { isoTime, type JsonPayload } from "../codec/json.ts";
import type {
  AppendOptions,
  AppendResult,
  Log,
  LogEvent,
  LogPage,
  NewEvent,
  Retention,
  RoomHead,
  Snapshot,
} from "../log/log.ts";
import type { Observer } from "../observe/observer.ts";
import type { MessageSpan, Tracing } from "../observe/tracing.ts";
import type { Clock, Cursor, Envelope, Json, Limits } from "../protocol/index.ts";
import { Bell } from "./bell.ts";
import { ChangeVoice } from "./changes.ts";
import type { Companion } from "./companion.ts";
import { Delivery } from "./delivery.ts";
import type { Fanout } from "./fanout.ts";
import { Follower } from "./follower.ts";
import { type Lead, Leading } from "./lead.ts";
import { Members, type Presence } from "./members.ts";
import type { Page, Place } from "./page.ts";
import type { Peers } from "./peers.ts";
import { SharedState } from "./shared-state.ts";
import type { Sink } from "./sink.ts";
import { RoomState } from "./state.ts";
import type { StateFamily } from "./state-family.ts";
import { Subscription } from "./subscription.ts";
import { type TickSource, Ticks } from "./ticks.ts";

/** What a room must know of its namespace. */
export interface RoomKind {
  /** The families of state, by name. */
  readonly state: Readonly<Record<string, StateFamily>>;
  /** How much of the log is kept. */
  readonly retention: Retention;
  /** How long messages are gathered for live readers, ms. Default: not at all. */
  readonly gatherMs?: number | undefined;
  /** Makes what the namespace keeps beside a room while it is open here. Awaited before anybody joins. */
  readonly open?: ((room: Room) => Companion | Promise<Companion>) | undefined;
}

/** What a room is made of. */
export interface RoomParts {
  readonly roomId: string;
  readonly kind: RoomKind;
  /** Where the log stands. */
  readonly head: RoomHead;
  readonly log: Log;
  readonly bus: Bus;
  readonly nodeId: string;
  readonly fanout: Fanout;
  readonly peers: Peers;
  readonly observer: Observer;
  /** Null where nothing is traced. */
  readonly tracing: Tracing | null;
  readonly clock: Clock;
  readonly limits: Limits;
}

/** What a room knows of who reads its ticks. */
export interface TickReader {
  readonly connectionId: string;
}

/** How many rooms were made in this process. */
let instances = 0;

/**
 * A room on this node: what it knows of its log (`Follower`), its state, its members, and its readers (`Delivery`). The bus
 * only tells it when to look at the log.
 */
export class Room {
  readonly roomId: string;
  readonly kind: RoomKind;
  readonly state: RoomState;
  readonly members: Members;
  readonly #parts: RoomParts;
  readonly #follower: Follower;
  readonly #delivery: Delivery;
  readonly #voice: ChangeVoice;
  readonly #shared: SharedState;
  readonly #leading: Leading;
  readonly #bell: Bell;
  readonly #unsubscribe: () => void;
  #companion: Companion | null = null;
  #ticks: Ticks<TickReader> | null = null;
  #stopGauge = (): void => {};
  /** What happened while the companion was made. */
  #unheard: ((companion: Companion) => void)[] | null = null;
  /** Unlike that of any other room object, here or on another node: its state starts anew with it. */
  readonly #instance: string;
  #pins = 0;
  #isLoaded = false;
  /** Since the last trim; a room that was just opened may be over already. */
  #appendedSinceTrim = Infinity;
  #bytesSinceTrim = Infinity;
  #trimmedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: RoomParts) {
    const { roomId, kind, clock, limits, bus } = parts;
    this.#parts = parts;
    const life = ++instances;
    this.#instance = `${parts.nodeId}-${life.toString(36)}`;
    this.roomId = roomId;
    this.kind = kind;
    this.state = new RoomState({ keys: limits.stateKeys, bytes: limits.stateBytes });
    this.#shared = this.#share(life);
    this.members = new Members(this.state, clock, {
      join: (userId: string, presence: Presence) => this.#shared.join(userId, presence),
      leave: (userId, reason) => this.#shared.leave(userId, reason),
      say: (userId, isDeparting) => this.#sayLeft(userId, isDeparting),
    });
    const freed = (): void => bus.publish(roomId, { kind: "free", from: parts.nodeId });
    this.#leading = new Leading({ ...parts, freed }, this.#instance);
    this.#voice = new ChangeVoice({ ...parts, state: this.state, members: this.members });
    this.#follower = new Follower(parts, parts.head, {
      advanced: (event) => {
        this.#delivery.advanced(event);
        if (kind.open !== undefined) this.#inform((companion) => companion.advanced(event));
      },
      traced: (seq, trace) => this.#delivery.traced(seq, trace),
      dropping: () => void this.#delivery.flush(),
      jumped: (epochBefore) => {
        this.#delivery.jumped(epochBefore);
        this.#inform((companion) => companion.jumped());
      },
    });
    this.#delivery = new Delivery({ ...parts, state: this.#voice, gatherMs: kind.gatherMs ?? 0 }, this.#follower);
    const isHeard = (): boolean => this.#shared.peers.size > 0;
    this.#bell = new Bell({ ...parts, isHeard, carries: () => isHeard() && parts.log.seen !== undefined });
    this.#unsubscribe = bus.subscribe(roomId, (notice) => this.hear(notice));
  }

  #share(life: number): SharedState {
    const { roomId, nodeId, clock, kind, peers, observer } = this.#parts;
    const isKept = (family: string): boolean => kind.state[family]?.kept === true;
    const isInherited = (family: string): boolean => kind.state[family]?.inherited === true;
    const shared = new SharedState(
      { roomId, nodeId, life, state: this.state, clock, isKept, isInherited },
      {
        arrived: (presence) => this.members.arrived(presence),
        departed: (userId, reason) => this.members.departed(userId, reason),
        changed: () => this.#delivery.mark(),
        marksMissed: () => {
          if (this.#isLoaded)
            this.#loadKept(false).catch((error: unknown) => observer.failure("reading the marks of a room", error));
        },
        owned: () => peers.owned(shared),
      },
    );
    return shared;
  }

  get epoch(): string {
    return this.#follower.epoch;
  }

  /** The oldest seq still kept, as far as this node knows. */
  get first(): number {
    return this.#follower.first;
  }

  /** The newest seq. */
  get head(): number {
    return this.#follower.head;
  }

  /** What the newest events take in memory, bytes. */
  get tailBytes(): number {
    return this.#follower.bytes;
  }

  /** What the namespace keeps beside it takes in memory, bytes. */
  get companionBytes(): number {
    return this.#companion?.bytes ?? 0;
  }

  /** What the namespace keeps beside it; null where it keeps nothing, and until `load` is done. */
  get companion(): Companion | null {
    return this.#companion;
  }

  /** Its ticks; null where there are none. */
  get ticks(): Ticks<TickReader> | null {
    return this.#ticks;
  }

  /** From now on there are ticks for its readers. Once. */
  startTicks<Reader extends TickReader>(source: TickSource<Reader>): Ticks<Reader> {
    const ticks = new Ticks(this.#parts, source);
    this.#ticks = ticks as unknown as Ticks<TickReader>;
    this.#stopGauge = this.observer.gauge("tick_readers", () => ticks.readers);
    return ticks;
  }

  get nodeId(): string {
    return this.#parts.nodeId;
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  get observer(): Observer {
    return this.#parts.observer;
  }

  /** How many pushed readers there are. */
  get readers(): number {
    return this.#delivery.readers;
  }

  /** How many of them are not live now. */
  get behind(): number {
    return this.#delivery.behind;
  }

  /** Whether nobody needs it in memory now, and nothing would be lost with it. */
  get isIdle(): boolean {
    return (
      this.#delivery.isIdle &&
      this.#follower.isIdle &&
      this.#pins === 0 &&
      this.#companion?.isBusy !== true &&
      this.#shared.ownsNothing
    );
  }

  /** Keeps the room in memory while somebody prepares to use it. Returns the way to let go, to be called once. */
  pin(): () => void {
    this.#pins++;
    return () => {
      this.#pins--;
    };
  }

  // ---- writing

  /**
   * Appends an event and tells everyone, here and on other nodes.
   * Resolves when it is durable; by then it is on its way to the readers. Rejects as `Log.append` does.
   * @param cause the message it comes of, or a `traceparent`, where the event is traced. Default: whatever is being done.
   */
  publish(
    sender: string | null,
    messageId: string | null,
    event: NewEvent,
    options?: AppendOptions,
    cause: MessageSpan | string | null = null,
  ): Promise<AppendResult> {
    const { tracing } = this.#parts;
    const span = tracing === null ? null : tracing.appending(this.roomId, event.type, cause);
    return this.#follower.append(sender, messageId, event, options, span).then((result) => {
      const { epoch, seq, timestamp, duplicate } = result;
      if (duplicate) {
        // When the first reply was lost, nobody rang.
        this.#bell.ring(epoch, seq, null);
        return result;
      }
      this.#appendedSinceTrim++;
      this.#bytesSinceTrim += event.data.length;
      const isPlain = options?.amend === undefined || options.amend.length === 0;
      const { type, data } = event;
      const carried = isPlain ? { seq, type, sender, messageId, timestamp, data } : null;
      const traceparent = span?.traceparent ?? null;
      this.#bell.ring(epoch, seq, carried, traceparent === null ? null : [seq, type, traceparent]);
      return result;
    });
  }

  /** Sends something to everyone here now, at most once. */
  signal(type: string, payload: Json): void {
    const { clock, bus, nodeId } = this.#parts;
    const envelope: Envelope = { type, payload, timestamp: isoTime(clock.now()), roomId: this.roomId };
    this.#delivery.signal(envelope);
    bus.publish(this.roomId, { kind: "signal", from: nodeId, envelope });
  }

  /** Tells the companions of this room on other nodes, or on one of them, at most once. */
  tell(name: string, data: Json | Uint8Array, to: string | null): void {
    const { bus, nodeId } = this.#parts;
    bus.publish(this.roomId, { kind: "note", from: nodeId, to, name, data });
  }

  /**
   * Sets a value of a family; a kept one durably. Gives false when nothing changed, or the bounds do not allow it.
   * @param defaultLeaseMs how long it stays where the family does not say, ms.
   */
  setState(family: string, key: string, value: Json, defaultLeaseMs?: number): boolean | Promise<boolean> {
    const definition = this.kind.state[family];
    if (definition === undefined) throw new TypeError(`no state family "${family}"`);
    if (definition.kept === true) return this.#setKept(family, key, value);
    const leaseMs = definition.leaseMs ?? defaultLeaseMs;
    const expiresAt = leaseMs === undefined ? null : this.#parts.clock.monotonic() + leaseMs;
    const bytes = key.length + JSON.stringify(value).length;
    const isSet = this.#shared.set(family, key, value, expiresAt, bytes);
    if (isSet) this.#delivery.gather(bytes);
    return isSet;
  }

  /** Removes a value of a family, on whichever node it was set. */
  removeState(family: string, key: string): boolean {
    const isRemoved = this.#shared.remove(family, key);
    if (isRemoved) this.#delivery.mark();
    return isRemoved;
  }

  /** Whoever set a value here has gone: removes it, unless it was set again on another node. */
  withdrawState(family: string, key: string): boolean {
    const isRemoved = this.#shared.withdraw(family, key);
    if (isRemoved) this.#delivery.mark();
    return isRemoved;
  }

  async #setKept(family: string, key: string, value: Json): Promise<boolean> {
    if (typeof value !== "number") throw new TypeError("a kept value is a seq");
    const { seq, moved } = await this.#parts.log.setMark(this.roomId, family, key, value);
    // A mark that did not move may still be news to this node; it is none to the readers.
    this.state.set(family, key, seq, { quiet: !moved, mark: String(seq) });
    if (moved) {
      this.#shared.moved(family, key, seq);
      this.#delivery.mark();
    }
    return moved;
  }

  /** Leads the room, for as long as no other node does. Returns the way to let go. */
  lead(run: (lead: Lead) => void): () => void {
    return this.#leading.lead(run);
  }

  /** The state or the members changed: readers are told at the end of this turn. */
  mark(): void {
    this.#delivery.mark();
  }

  /** Somebody may have come: readers are told at the end of this turn, or of many together a moment later. */
  markArrival(): void {
    this.#delivery.markArrival();
  }

  // ---- reading

  /** What a cursor is owed: the one path for joining, resuming, draining, holes and polls. */
  page(cursor: Cursor, limit: number, maxBytes: number): Page | Promise<Page> {
    return this.#follower.page(cursor, limit, maxBytes);
  }

  /** Where reading starts for a client that comes with `after`, or without, `limit` events before the head. */
  locate(after: Cursor | null, limit: number): Promise<Place> {
    return this.#follower.locate(after, limit);
  }

  /**
   * A pushed reader from a place on. Nothing is delivered before `pump`.
   * @param gatherMs the least time between two deliveries, ms.
   */
  subscribe(sink: Sink, { epoch, start }: Place, gatherMs = 0): Subscription {
    const subscription = new Subscription(this.#delivery, sink, { epoch, seq: start, rev: this.state.rev }, gatherMs);
    this.#delivery.add();
    return subscription;
  }

  /** A reader goes on from another place. It has been told the state as it is now. */
  seek(subscription: Subscription, { epoch, start }: Place, gatherMs?: number): void {
    subscription.seek({ epoch, seq: start, rev: this.state.rev }, gatherMs);
  }

  /** Events of the log after a seq, and where the log stands: it may be ahead of what this node follows. */
  readPage(after: number, limit: number): Promise<LogPage> {
    return this.#parts.log.read(this.roomId, after, limit);
  }

  /** The same before a seq. */
  readPageBack(before: number, limit: number): Promise<LogPage> {
    return this.#parts.log.readBack(this.roomId, before, limit);
  }

  /** Events of the log after a seq: history for features. */
  async read(after: number, limit: number): Promise<readonly LogEvent[]> {
    return (await this.readPage(after, limit)).events;
  }

  /** Events of the log before a seq. */
  async readBack(before: number, limit: number): Promise<readonly LogEvent[]> {
    return (await this.readPageBack(before, limit)).events;
  }

  /** The first result of a sender's messageId, as `Log.find`. */
  find(sender: string | null, messageId: string): Promise<AppendResult | null> {
    return this.#parts.log.find(this.roomId, sender, messageId);
  }

  /** The events that amended the one at `seq`, as `Log.amendments`. */
  amendments(seq: number, type: string, limit: number): Promise<readonly LogEvent[]> {
    return this.#parts.log.amendments(this.roomId, seq, type, limit);
  }

  /** The newest snapshot, as `Log.snapshot`. */
  snapshot(): Promise<Snapshot | null> {
    return this.#parts.log.snapshot(this.roomId);
  }

  /** Keeps a snapshot, as `Log.putSnapshot`. */
  putSnapshot(seq: number, data: string, fence?: number): Promise<void> {
    return this.#parts.log.putSnapshot(this.roomId, seq, data, fence);
  }

  /** `joined_room.state`. */
  stateSnapshot(): { [family: string]: { [key: string]: Json } } {
    return this.#voice.snapshot();
  }

  /** The payload of `room_users`. */
  users(): JsonPayload {
    return this.#voice.usersPayload();
  }

  /** Names a revision of the state, as this node holds it now: what a poll's cursor says of it. */
  revision(rev: number): string {
    return `${this.#instance}.${rev}.${this.state.fingerprint}`;
  }

  /**
   * The revision a client names. One of another room object, here or on another node, is the newest when the state is the same;
   * null when it is not.
   */
  knownRevision(revision: string | null): number | null {
    const [instance, counted, fingerprint] = revision?.split(".") ?? [];
    if (instance !== this.#instance) return fingerprint === this.state.fingerprint ? this.state.rev : null;
    const rev = Number(counted);
    return Number.isSafeInteger(rev) && rev >= 0 && rev <= this.state.rev ? rev : null;
  }

  // ---- what comes in

  /** Another node told something of this room. */
  hear(notice: Notice): void {
    if (notice.from === this.#parts.nodeId) return;
    switch (notice.kind) {
      case "event":
        if (notice.epoch !== this.epoch) void this.refresh().catch(() => {});
        else {
          if (notice.traces !== undefined) this.#follower.hearTraces(notice.traces);
          this.#follower.hear(notice.seq, notice.events);
        }
        return;
      case "signal":
        this.#delivery.signal(notice.envelope);
        return;
      case "note":
        this.#hearNote(notice);
        return;
      case "free":
        this.#leading.hurry();
        return;
      case "state":
        this.#parts.peers.hearState(notice);
        return;
      case "closed":
        this.#parts.peers.hearClosed(notice);
        return;
      case "left":
        this.members.hearLeft(notice.userId, notice.isDeparting);
        this.#delivery.mark();
        return;
      default:
    }
  }

  #sayLeft(userId: string, isDeparting: boolean): void {
    const { bus, nodeId } = this.#parts;
    if (this.#shared.peers.size > 0) bus.publish(this.roomId, { kind: "left", from: nodeId, userId, isDeparting });
  }

  #hearNote({ to, name, data, from }: Notice & { kind: "note" }): void {
    if (to === null || to === this.nodeId) this.#inform((companion) => companion.heard(name, data, from));
  }

  /** Reports what the namespace's own code threw. */
  companionFailed(error: unknown): void {
    const where = "what a namespace keeps of a room";
    // Places are counted, and clients choose the names of rooms.
    this.#parts.observer.failure(where, new Error(`in the room "${this.roomId}"`, { cause: error }));
  }

  /** Tells the companion; one that is still being made, when it is. */
  #inform(tell: (companion: Companion) => void): void {
    if (this.#companion === null) {
      this.#unheard?.push(tell);
      return;
    }
    try {
      tell(this.#companion);
    } catch (error) {
      this.companionFailed(error);
    }
  }

  /** What the log said of itself. */
  learnHead(head: RoomHead): void {
    this.#follower.learn(head);
  }

  /** Asks the log where it stands, and catches up with it. */
  refresh(): Promise<void> {
    return this.#follower.refresh();
  }

  // ---- upkeep

  /** Loads what other nodes own, the kept families, and what the namespace keeps beside the room. Once, before anybody joins. */
  async load(): Promise<void> {
    await this.#parts.peers.open(this.#shared);
    // Afterwards, because of what moves from now on this node is told.
    this.#isLoaded = true;
    await this.#loadKept(true);
    if (this.kind.open === undefined) return;
    // What other nodes own was there before.
    this.#unheard = Object.entries(this.kind.state).flatMap(([family, { kept }]) =>
      (kept === true ? [] : this.state.all(family)).map(
        (change) => (companion: Companion) => companion.stateChanged({ family, ...change, fresh: true }),
      ),
    );
    this.state.onChange = (change) => this.#inform((companion) => companion.stateChanged(change));
    this.#companion = await this.kind.open(this);
    this.#voice.speaksForState = this.#companion.speaksForState;
    for (const tell of this.#unheard) this.#inform(tell);
    this.#unheard = null;
  }

  async #loadKept(quiet: boolean): Promise<void> {
    for (const [family, definition] of Object.entries(this.kind.state)) {
      if (definition.kept !== true) continue;
      const marks = await this.#parts.log.marks(this.roomId, family);
      for (const [user, seq] of marks) {
        const known = this.state.get(family, user);
        if (typeof known === "number" && known >= seq) continue;
        this.state.set(family, user, seq, { quiet, mark: String(seq) });
      }
    }
    this.#delivery.mark();
  }

  /** Ends leases and graces, tells a crowd its count, trims, lets go of memory nobody needs. Called about once a second. */
  sweep(): void {
    const now = this.#parts.clock.monotonic();
    const revBefore = this.state.rev;
    this.state.sweep(now);
    this.#shared.sweep(now);
    if (this.members.sweep()) this.#delivery.signal(this.#voice.users());
    if (this.state.rev !== revBefore) this.#delivery.mark();
    this.#delivery.rest();
    this.#trimWhenDue(now);
    if (this.isIdle) this.#follower.forget();
  }

  #trimWhenDue(now: number): void {
    const { maxEvents, maxAgeMs, maxBytes } = this.kind.retention;
    const isDue =
      (maxEvents !== undefined && this.#appendedSinceTrim >= Math.max(1, Math.min(maxEvents / 10, 1_000))) ||
      (maxBytes !== undefined && this.#bytesSinceTrim >= Math.min(maxBytes / 10, 1024 * 1024)) ||
      (maxAgeMs !== undefined && now - this.#trimmedAt >= Math.max(1_000, Math.min(maxAgeMs / 4, 60_000)));
    // What the namespace must keep it can say only when it is there.
    if (!isDue || (this.kind.open !== undefined && this.#companion === null)) return;
    this.#appendedSinceTrim = 0;
    this.#bytesSinceTrim = 0;
    this.#trimmedAt = now;
    this.#parts.log
      .trim(this.roomId, { ...this.kind.retention, upTo: this.#companion?.trimmable })
      .then((removed) => (removed > 0 ? this.refresh() : undefined))
      .catch((error: unknown) => this.#parts.observer.failure("trimming a log", error));
  }

  /** Lets go of the bus, of the log, and of whoever waits. */
  close(): void {
    this.#stopGauge();
    this.#leading.close();
    this.#parts.peers.close(this.#shared);
    this.#inform((companion) => companion.close());
    this.#unsubscribe();
    this.#follower.close();
    this.#delivery.close();
  }
}

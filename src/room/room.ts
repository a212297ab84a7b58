import type { Bus, Notice } from "../bus/bus.ts";
import { isoTime } from "../codec/json.ts";
import type { AppendOptions, AppendResult, Log, LogEvent, NewEvent, RoomHead } from "../log/log.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock, Cursor, Envelope, Json, Limits } from "../protocol/index.ts";
import { formatCursor } from "../protocol/index.ts";
import type { Fanout } from "./fanout.ts";
import type { RoomKind } from "./kind.ts";
import { LiveReaders } from "./live-readers.ts";
import { MEMBERS, Members } from "./members.ts";
import type { Lost, Page } from "./page.ts";
import type { Format, Sink } from "./sink.ts";
import { type Change, RoomState } from "./state.ts";
import { Subscription } from "./subscription.ts";
import { Tail } from "./tail.ts";

/** Beyond this much not yet flushed, a room flushes at once, so that what readers need is still in memory. */
const FLUSH_EVENTS = 256;
const FLUSH_BYTES = 128 * 1024;
/** The most signals of one flush; signals are at most once, so the oldest go. */
const FLUSH_SIGNALS = 1_000;
/** How many events one read of the log asks for when a hole is filled. */
const HOLE_EVENTS = 512;
/** How long to wait before reading again what the log could not give, ms. */
const RETRY_MS = 500;

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
  readonly observer: Observer;
  readonly clock: Clock;
  readonly limits: Limits;
}

/**
 * A room on this node: its newest events, its state, its members and its readers. What it knows of the log it knows from
 * the log's own answers; the bus only tells it when to look.
 */
export class Room {
  readonly roomId: string;
  readonly kind: RoomKind;
  readonly state: RoomState;
  readonly members: Members;
  readonly #parts: RoomParts;
  readonly #tail: Tail;
  readonly #live: LiveReaders;
  /** Readers that have everything, but more than was flushed: live after the next flush. */
  readonly #arriving = new Set<Subscription>();
  readonly #readers = new Set<Subscription>();
  /** Pulled readers that wait for something new. */
  readonly #waiting = new Set<() => void>();
  readonly #unsubscribe: () => void;
  #signals: Envelope[] = [];
  #epoch: string;
  #first: number;
  #head: number;
  #flushed: number;
  #flushedRev = 0;
  #pendingBytes = 0;
  #marked = false;
  /** The head to reach, while a hole is filled. */
  #wanted = 0;
  #filling: Promise<void> | null = null;
  #appendedSinceTrim = 0;
  #bytesSinceTrim = 0;
  #trimmedAt: number;
  #appending = 0;
  #pins = 0;

  constructor(parts: RoomParts) {
    this.#parts = parts;
    this.roomId = parts.roomId;
    this.kind = parts.kind;
    this.#epoch = parts.head.epoch;
    this.#first = parts.head.first;
    this.#head = parts.head.head;
    this.#flushed = this.#head;
    this.#tail = new Tail(this.#head, parts.limits.tailEvents, parts.limits.tailBytes);
    this.state = new RoomState(parts.limits.stateKeys);
    this.members = new Members(this.state, parts.clock);
    this.#live = new LiveReaders();
    this.#trimmedAt = Number.NEGATIVE_INFINITY;
    this.#unsubscribe = parts.bus.subscribe(this.roomId, (notice) => this.#onNotice(notice));
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** The oldest seq still kept, as far as this node knows. */
  get first(): number {
    return this.#first;
  }

  /** The newest seq. */
  get head(): number {
    return this.#head;
  }

  /** The newest seq that live readers were given. */
  get flushed(): number {
    return this.#flushed;
  }

  /** What the newest events take in memory, bytes. */
  get tailBytes(): number {
    return this.#tail.bytes;
  }

  /** How many pushed readers there are. */
  get readers(): number {
    return this.#readers.size;
  }

  /** How many of them are not live now. */
  get behind(): number {
    return this.#readers.size - this.#live.count;
  }

  /** Whether nobody needs it in memory now. */
  get isIdle(): boolean {
    return (
      this.#readers.size === 0 &&
      this.#waiting.size === 0 &&
      this.#appending === 0 &&
      this.#pins === 0 &&
      this.members.count === 0 &&
      this.#filling === null
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
   */
  async publish(
    sender: string | null,
    messageId: string | null,
    event: NewEvent,
    options?: AppendOptions,
  ): Promise<AppendResult> {
    const { log, observer, clock } = this.#parts;
    const asked = clock.monotonic();
    this.#appending++;
    let result: AppendResult;
    try {
      result = await log.append(this.roomId, sender, messageId, event, options);
    } finally {
      this.#appending--;
    }
    observer.appended(clock.monotonic() - asked);
    if (result.duplicate) {
      if (result.epoch === this.#epoch && result.seq > this.#head) this.#fill(result.seq);
      return result;
    }
    const { epoch, seq, timestamp } = result;
    const amend = options?.amend ?? [];
    if (epoch === this.#epoch) for (const amendment of amend) this.#tail.replace(amendment.seq, amendment.data);
    this.#committed(epoch, {
      roomId: this.roomId,
      seq,
      type: event.type,
      sender,
      messageId,
      timestamp,
      data: event.data,
      amends: amend[0]?.seq ?? null,
    });
    this.#parts.bus.publish(this.roomId, { kind: "event", from: this.#parts.nodeId, epoch, seq });
    return result;
  }

  /** Sends something to everyone here now, at most once. */
  signal(type: string, payload: Json): void {
    const envelope: Envelope = { type, payload, timestamp: isoTime(this.#parts.clock.now()), roomId: this.roomId };
    this.#signalHere(envelope);
    this.#parts.bus.publish(this.roomId, { kind: "signal", from: this.#parts.nodeId, envelope });
  }

  /** Sets a value of a family; a kept one durably. Resolves to false when nothing changed. */
  setState(family: string, key: string, value: Json): boolean | Promise<boolean> {
    const definition = this.kind.state[family];
    if (definition === undefined) throw new TypeError(`no state family "${family}"`);
    if (definition.kept === true) return this.#setKept(family, key, value);
    const lease = definition.leaseMs;
    const expiresAt = lease === undefined ? null : this.#parts.clock.monotonic() + lease;
    const done = this.state.set(family, key, value, expiresAt);
    this.mark();
    return done;
  }

  /** Removes a value of a family. */
  removeState(family: string, key: string): boolean {
    const done = this.state.remove(family, key);
    if (done) this.mark();
    return done;
  }

  async #setKept(family: string, key: string, value: Json): Promise<boolean> {
    if (typeof value !== "number") throw new TypeError("a kept value is a seq");
    const { seq, moved } = await this.#parts.log.setMark(this.roomId, family, key, value);
    // A mark that did not move may still be news to this node; it is none to the readers.
    this.state.set(family, key, seq, null, !moved);
    if (moved) this.mark();
    return moved;
  }

  // ---- reading: the one path for join, resume, drain, hole and poll

  /**
   * What a cursor is owed, at most `limit` events and about `maxBytes`. At once when the room has it in memory, else from
   * the log.
   */
  page(cursor: Cursor, limit: number, maxBytes: number): Page | Promise<Page> {
    const lost = this.#lostAt(cursor);
    if (lost !== null) {
      this.#parts.observer.historyLost(lost.reason);
      return { epoch: this.#epoch, start: this.#startAfter(cursor), events: [], lost, head: this.#head };
    }
    if (cursor.seq + 1 >= this.#tail.first) {
      const events: LogEvent[] = [];
      let bytes = 0;
      for (let seq = cursor.seq + 1; seq <= this.#head && events.length < limit; seq++) {
        const event = this.#tail.event(seq)!;
        bytes += event.data.length;
        if (bytes > maxBytes && events.length > 0) break;
        events.push(event);
      }
      if (events.length > 0) this.#parts.observer.caughtUp("tail");
      return { epoch: this.#epoch, start: cursor.seq, events, lost: null, head: this.#head };
    }
    return this.#readPage(cursor, limit, maxBytes);
  }

  async #readPage(cursor: Cursor, limit: number, maxBytes: number): Promise<Page> {
    this.#parts.observer.caughtUp("log");
    const read = await this.#parts.log.read(this.roomId, cursor.seq, limit, maxBytes);
    this.#learn(read);
    const lost = this.#lostAt(cursor);
    if (lost !== null)
      return { epoch: this.#epoch, start: this.#startAfter(cursor), events: [], lost, head: this.#head };
    return { epoch: read.epoch, start: cursor.seq, events: read.events, lost: null, head: this.#head };
  }

  #lostAt(cursor: Cursor): Lost | null {
    if (cursor.epoch !== null && cursor.epoch !== this.#epoch) return { reason: "epoch", from: null, to: null };
    if (cursor.seq > this.#head) return { reason: "epoch", from: null, to: null };
    if (cursor.seq + 1 < this.#first) return { reason: "retention", from: cursor.seq + 1, to: this.#first - 1 };
    return null;
  }

  /**
   * Where reading starts for a client that comes with `after`, or without, `limit` events before the head.
   * Looks at the log first when the room alone cannot tell.
   */
  async locate(after: Cursor | null, limit: number): Promise<{ start: number; lost: Lost | null; recovered: boolean }> {
    if (after !== null && (after.seq + 1 < this.#tail.first || after.seq > this.#head || after.epoch !== this.#epoch)) {
      await this.refresh();
    }
    if (after === null) return { start: Math.max(this.#first - 1, this.#head - limit), lost: null, recovered: false };
    const lost = this.#lostAt(after);
    if (lost === null) return { start: after.seq, lost: null, recovered: true };
    this.#parts.observer.historyLost(lost.reason);
    return { start: this.#startAfter(after), lost, recovered: false };
  }

  /** Where delivery goes on for a cursor that lost something: at the head when it was ahead of us, else where the log begins. */
  #startAfter(cursor: Cursor): number {
    const isAhead = (cursor.epoch === null || cursor.epoch === this.#epoch) && cursor.seq > this.#head;
    return isAhead ? this.#head : this.#first - 1;
  }

  /** Asks the log where it stands, and catches up with it. */
  async refresh(): Promise<void> {
    const heads = await this.#parts.log.heads([this.roomId]);
    const head = heads.get(this.roomId);
    if (head === undefined) return;
    this.learnHead(head);
    if (this.#filling !== null) await this.#filling;
  }

  /** What the log said of itself: another epoch, a newer head, an older end that is gone. */
  learnHead(head: RoomHead): void {
    this.#learn(head);
    if (head.head > this.#head) this.#fill(head.head);
  }

  #learn(head: RoomHead): void {
    if (head.epoch !== this.#epoch) this.#restart(head);
    else if (head.first > this.#first) this.#first = head.first;
  }

  /** Reads of the log: history for features. */
  read(after: number, limit: number): Promise<readonly LogEvent[]> {
    return this.#parts.log.read(this.roomId, after, limit).then((page) => page.events);
  }

  readBack(before: number, limit: number): Promise<readonly LogEvent[]> {
    return this.#parts.log.readBack(this.roomId, before, limit).then((page) => page.events);
  }

  /** The first result of a user's messageId, as `Log.find`. */
  find(sender: string, messageId: string): Promise<AppendResult | null> {
    return this.#parts.log.find(this.roomId, sender, messageId);
  }

  /** The events that amended the one at `seq`, as `Log.amendments`. */
  amendments(seq: number, type: string, limit: number): Promise<readonly LogEvent[]> {
    return this.#parts.log.amendments(this.roomId, seq, type, limit);
  }

  // ---- readers

  /** A pushed reader from `start` on. Nothing is delivered before `pump`. */
  subscribe(sink: Sink, start: number): Subscription {
    const subscription = new Subscription(this, sink, start);
    this.#readers.add(subscription);
    return subscription;
  }

  /** A reader that has everything: live now, or with the next flush. For `Subscription` only. */
  settle(subscription: Subscription): void {
    if (this.#flushed !== this.#head || this.#signals.length > 0) {
      this.#arriving.add(subscription);
      this.mark();
      return;
    }
    if (subscription.rev !== this.state.rev) {
      const frames = this.#stateFrames(subscription.rev, subscription.sink.format);
      subscription.rev = this.state.rev;
      for (const frame of frames) subscription.sink.deliver(frame);
    }
    if (this.#flushedRev !== this.state.rev) {
      this.#arriving.add(subscription);
      this.mark();
      return;
    }
    this.#arriving.delete(subscription);
    this.#live.add(subscription);
  }

  /** Makes a live reader a cursor again. */
  demote(subscription: Subscription): void {
    this.#arriving.delete(subscription);
    if (!subscription.isLive) return;
    this.#live.remove(subscription);
    subscription.cursor = this.#flushed;
    subscription.rev = this.#flushedRev;
  }

  /** Forgets a reader. For `Subscription` only. */
  drop(subscription: Subscription): void {
    this.demote(subscription);
    this.#readers.delete(subscription);
  }

  /** The log could not give a reader its page: tries again after a while. */
  retry(subscription: Subscription, error: unknown): void {
    this.#parts.observer.failure("reading the log for a reader", error);
    this.#parts.clock.setTimer(() => subscription.pump(), RETRY_MS);
  }

  /** Calls `wake` once, when there is something new or the room ends. Returns the way to take it back. */
  onNews(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }

  /** Counts deliveries. */
  delivered(count: number, bytes: number): void {
    this.#parts.observer.delivered(count, bytes);
  }

  /** Events in a format, one after the other. */
  encode(events: readonly LogEvent[], format: Format): Buffer {
    const buffers: Buffer[] = [];
    for (const event of events) {
      const isCached = event === this.#tail.event(event.seq);
      buffers.push(isCached ? this.#tail.encoded(event.seq, format) : format.event(event));
    }
    return buffers.length === 1 ? buffers[0]! : Buffer.concat(buffers);
  }

  encodeLost(lost: Lost, cursor: number, format: Format): Buffer {
    return format.envelope({
      type: "history_lost",
      payload: { roomId: this.roomId, ...lost, cursor: formatCursor(this.#epoch, cursor) },
      timestamp: isoTime(this.#parts.clock.now()),
      roomId: this.roomId,
    });
  }

  // ---- the flush

  /** Asks for a flush at the end of this turn. */
  mark(): void {
    if (this.#marked) return;
    this.#marked = true;
    this.#parts.fanout.markRoom(this);
  }

  /** Gives live readers everything they have not got: one shared buffer per format. */
  flush(): { events: number; readers: number } {
    this.#marked = false;
    const from = this.#flushed;
    const events = this.#head - from;
    const signals = this.#signals;
    const fromRev = this.#flushedRev;
    const readers = this.#live.count;
    if (readers > 0 && (events > 0 || signals.length > 0 || fromRev !== this.state.rev)) {
      if (from + 1 < this.#tail.first && events > 0) {
        // What they need is no longer in memory: each goes on from its cursor.
        const all = this.#live.clear(from, fromRev);
        for (const subscription of all) this.#arriving.add(subscription);
      } else {
        for (const group of this.#live.groups()) {
          if (group.readers.length === 0) continue;
          const buffer = this.#encodeFlush(from, fromRev, signals, group.format);
          const stalled = group.deliver(buffer);
          this.#parts.observer.delivered(
            (events + signals.length) * (group.readers.length - stalled.length),
            buffer.length,
          );
          for (const subscription of stalled) {
            this.#live.remove(subscription);
            subscription.cursor = from;
            subscription.rev = fromRev;
            this.#parts.observer.readerStalled();
          }
        }
      }
    }
    this.#signals = [];
    this.#flushed = this.#head;
    this.#flushedRev = this.state.rev;
    this.#pendingBytes = 0;
    if (this.#arriving.size > 0) {
      const arriving = Array.from(this.#arriving);
      this.#arriving.clear();
      for (const subscription of arriving) subscription.pump();
    }
    if (events > 0) this.#wakeWaiting();
    return { events, readers };
  }

  #encodeFlush(from: number, fromRev: number, signals: readonly Envelope[], format: Format): Buffer {
    const buffers: Buffer[] = [];
    for (let seq = from + 1; seq <= this.#head; seq++) buffers.push(this.#tail.encoded(seq, format));
    for (const frame of this.#stateFrames(fromRev, format)) buffers.push(frame);
    for (const signal of signals) buffers.push(format.envelope(signal));
    return buffers.length === 1 ? buffers[0]! : Buffer.concat(buffers);
  }

  #stateFrames(rev: number, format: Format): Buffer[] {
    if (rev === this.state.rev) return [];
    const timestamp = isoTime(this.#parts.clock.now());
    const changes = this.state.changesSince(rev);
    if (changes !== null) {
      return changes.map((change) =>
        format.envelope({ ...this.#changeEnvelope(change), timestamp, roomId: this.roomId }),
      );
    }
    const payload = { roomId: this.roomId, state: this.stateSnapshot() };
    return [
      format.envelope({ type: "room_state", payload, timestamp, roomId: this.roomId }),
      format.envelope({ type: "room_users", payload: this.users(), timestamp, roomId: this.roomId }),
    ];
  }

  #changeEnvelope(change: Change): Envelope {
    if (change.family === MEMBERS) {
      const type = change.value === null ? "user_left" : "user_joined";
      const of = (change.value ?? change.last) as { userId: string; userName: string; reason?: string };
      const payload: Record<string, Json> = { userId: of.userId, userName: of.userName };
      if (change.value === null) payload.reason = of.reason ?? "dropped";
      return { type, payload };
    }
    const family = this.kind.state[change.family]!;
    return { type: family.event, payload: family.change(change.key, change.value, change.last) };
  }

  /** `joined_room.state`. */
  stateSnapshot(): { [family: string]: { [key: string]: Json } } {
    return this.state.snapshot(Object.keys(this.kind.state));
  }

  /** The payload of `room_users`. */
  users(): { roomId: string; count: number; users: { userId: string; userName: string; joinedAt: number }[] } {
    return { roomId: this.roomId, ...this.members.list() };
  }

  // ---- what comes in

  #onNotice(notice: Notice): void {
    if (notice.from === this.#parts.nodeId) return;
    if (notice.kind === "signal") this.#signalHere(notice.envelope);
    else if (notice.epoch !== this.#epoch) void this.refresh().catch(() => {});
    else if (notice.seq > this.#head) this.#fill(notice.seq);
  }

  #signalHere(envelope: Envelope): void {
    if (this.#readers.size === 0) return;
    if (this.#signals.length >= FLUSH_SIGNALS) this.#signals.shift();
    this.#signals.push(envelope);
    this.mark();
  }

  /** An event this node appended, with the seq the log gave it. */
  #committed(epoch: string, event: LogEvent): void {
    this.#appendedSinceTrim++;
    this.#bytesSinceTrim += event.data.length;
    if (epoch !== this.#epoch) {
      void this.refresh().catch(() => {});
    } else if (event.seq === this.#head + 1 && this.#filling === null) {
      this.#advance(event);
    } else if (event.seq > this.#head) {
      this.#fill(event.seq);
    }
  }

  #advance(event: LogEvent): void {
    this.#tail.push(event);
    this.#head = event.seq;
    this.#pendingBytes += event.data.length;
    this.mark();
    if (this.#pendingBytes > FLUSH_BYTES || this.#head - this.#flushed > FLUSH_EVENTS) this.flush();
  }

  /** Reads the log up to `seq`: a hole in what this node has seen. */
  #fill(seq: number): void {
    this.#wanted = Math.max(this.#wanted, seq);
    if (this.#filling !== null) return;
    this.#filling = this.#readHole()
      .catch((error: unknown) => {
        this.#parts.observer.failure("filling a hole from the log", error);
        this.#parts.clock.setTimer(() => this.#fill(this.#wanted), RETRY_MS);
      })
      .finally(() => {
        this.#filling = null;
        if (this.#wanted > this.#head && this.#holeRead) this.#fill(this.#wanted);
      });
  }

  /** Whether the last reading of a hole came to its end. */
  #holeRead = false;

  async #readHole(): Promise<void> {
    this.#holeRead = false;
    // One turn later: the missing notices are often right behind.
    await Promise.resolve();
    while (this.#head < this.#wanted) {
      const page = await this.#parts.log.read(this.roomId, this.#head, HOLE_EVENTS);
      if (page.epoch !== this.#epoch) {
        this.#restart(page);
        break;
      }
      if (page.first > this.#head + 1) {
        // Retention was faster than we: readers are told from their own cursors.
        this.#first = page.first;
        this.#tail.reset(page.first - 1);
        this.#head = page.first - 1;
        this.mark();
      }
      for (const event of page.events) {
        if (event.seq !== this.#head + 1) continue;
        if (event.amends !== null) {
          if (event.amends > this.#flushed) this.flush();
          this.#tail.dropThrough(Math.min(event.amends, this.#head));
        }
        this.#advance(event);
      }
      if (page.events.length === 0) break;
    }
    this.#wanted = this.#head < this.#wanted ? 0 : this.#wanted;
    this.#holeRead = true;
  }

  /** The log was made anew: nothing known of it is true any more. */
  #restart(head: RoomHead): void {
    const readers = this.#live.clear(this.#flushed, this.#flushedRev);
    this.#epoch = head.epoch;
    this.#first = head.first;
    this.#head = head.head;
    this.#flushed = head.head;
    this.#wanted = 0;
    this.#pendingBytes = 0;
    this.#tail.reset(head.head);
    for (const subscription of readers) this.#arriving.add(subscription);
    this.mark();
  }

  #wakeWaiting(): void {
    if (this.#waiting.size === 0) return;
    const waiting = Array.from(this.#waiting);
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  // ---- upkeep

  /** Loads the kept families. Once, before anybody joins. */
  async load(): Promise<void> {
    for (const [family, definition] of Object.entries(this.kind.state)) {
      if (definition.kept !== true) continue;
      const marks = await this.#parts.log.marks(this.roomId, family);
      for (const [user, seq] of marks) this.state.set(family, user, seq, null, true);
    }
  }

  /** Ends leases and graces, tells a crowd its count, trims. Called about once a second. */
  sweep(): void {
    const now = this.#parts.clock.monotonic();
    const revBefore = this.state.rev;
    this.state.sweep(now);
    if (this.members.sweep() && this.#readers.size > 0) {
      this.#signalHere({
        type: "room_users",
        payload: this.users(),
        timestamp: isoTime(this.#parts.clock.now()),
        roomId: this.roomId,
      });
    }
    if (this.state.rev !== revBefore) this.mark();
    this.#trimWhenDue(now);
  }

  #trimWhenDue(now: number): void {
    const { maxEvents, maxAgeMs, maxBytes } = this.kind.retention;
    const due =
      (maxEvents !== undefined && this.#appendedSinceTrim >= Math.max(1, Math.min(maxEvents / 10, 1_000))) ||
      (maxBytes !== undefined && this.#bytesSinceTrim >= Math.min(maxBytes / 10, 1024 * 1024)) ||
      (maxAgeMs !== undefined && now - this.#trimmedAt >= Math.max(1_000, Math.min(maxAgeMs / 4, 60_000)));
    if (!due) return;
    this.#appendedSinceTrim = 0;
    this.#bytesSinceTrim = 0;
    this.#trimmedAt = now;
    this.#parts.log
      .trim(this.roomId, this.kind.retention)
      .then((removed) => (removed > 0 ? this.refresh() : undefined))
      .catch((error: unknown) => this.#parts.observer.failure("trimming a log", error));
  }

  /** Lets go of the bus, and of whoever waits. */
  close(): void {
    this.#unsubscribe();
    this.#wakeWaiting();
  }
}

import { isoTime } from "../codec/json.ts";
import type { LogEvent } from "../log/log.ts";
import type { Observer } from "../observe/observer.ts";
import type { EventTrace } from "../observe/tracing.ts";
import {
  CLOSE,
  type Clock,
  type Cursor,
  type Envelope,
  formatCursor,
  type JsonObject,
  type Timer,
} from "../protocol/index.ts";
import type { Fanout } from "./fanout.ts";
import type { Follower } from "./follower.ts";
import { type LiveGroup, LiveReaders } from "./live-readers.ts";
import type { Lost, Page } from "./page.ts";
import { type Format, joinMessages, oneMessage, type Sink } from "./sink.ts";
import type { Source, Subscription } from "./subscription.ts";
import { TracedEvents } from "./traced-events.ts";

/** Beyond this much not yet flushed, a room flushes at once, so that what readers need is still in memory. */
const FLUSH_EVENTS = 256;
const FLUSH_BYTES = 128 * 1024;
/** How long to wait before reading again what the log could not give, ms. */
const RETRY_MS = 500;
/** After readers were told of the state, members who come are gathered for this long, ms. */
const ARRIVALS_MS = 50;

/** How a room's state is told. */
export interface StateVoice {
  /** The newest revision. */
  readonly rev: number;
  /** What a reader that knows `rev` must be told, in order. */
  changesSince(rev: number): Envelope[];
}

export interface DeliveryParts {
  readonly roomId: string;
  readonly state: StateVoice;
  /** How long the messages of this room are gathered for its live readers, ms. */
  readonly gatherMs: number;
  readonly fanout: Fanout;
  readonly observer: Observer;
  readonly clock: Clock;
}

/** Brings what a room has to its readers: the live ones share one buffer per format and flush, the others catch up. */
export class Delivery implements Source {
  readonly #parts: DeliveryParts;
  readonly #follower: Follower;
  readonly #live = new LiveReaders();
  /** Readers that have everything, but more than was flushed: live after the next flush. How many signals waited when each came. */
  readonly #arriving = new Map<Subscription, number>();
  #readers = 0;
  /** Readers of bounded sinks that have everything: each goes on from its own cursor when there is more. */
  readonly #waiting = new Set<Subscription>();
  #signals: Envelope[] = [];
  #flushed: number;
  #flushedRev: number;
  /** Before this time members who come are gathered, by the monotonic clock, ms. */
  #arrivalsDueAt = Number.NEGATIVE_INFINITY;
  /** What has gathered since the last flush, bytes of payload. */
  #gathered = 0;
  /** When the oldest event that is not flushed came, by the monotonic clock, ms; null when there is none. */
  #oldestAt: number | null = null;
  #isMarked = false;
  /** Null until an event is traced. */
  #traced: TracedEvents | null = null;
  /** The page that was made into bytes last. */
  #samePage: SharedPage | null = null;
  #isClosed = false;
  /** Flushes what is gathered, when the first of the groups is due. */
  #gatherTimer: { readonly timer: Timer; readonly dueAt: number } | null = null;

  constructor(parts: DeliveryParts, follower: Follower) {
    this.#parts = parts;
    this.#follower = follower;
    this.#flushed = follower.head;
    this.#flushedRev = parts.state.rev;
  }

  get epoch(): string {
    return this.#follower.epoch;
  }

  get head(): number {
    return this.#follower.head;
  }

  flushedOf(subscription: Subscription): number {
    return this.#live.groupOf(subscription)!.flushed.seq;
  }

  /** How many pushed readers there are. */
  get readers(): number {
    return this.#readers;
  }

  /** How many of them are not live now. */
  get behind(): number {
    return this.#readers - this.#live.count - this.#waiting.size;
  }

  /** Whether nobody reads. */
  get isIdle(): boolean {
    return this.#readers === 0;
  }

  // ---- readers

  /** A reader was made for this room. Nothing is delivered before its `pump`. */
  add(): void {
    this.#readers++;
  }

  page(cursor: Cursor, limit: number, maxBytes: number): Page | Promise<Page> {
    return this.#follower.page(cursor, limit, maxBytes);
  }

  deliverPage(page: Page, sink: Sink): void {
    const bytes = this.#pageBytes(page, sink.format);
    sink.deliver(bytes);
    this.#parts.observer.delivered(page.events.length, bytes.length);
  }

  /** Those who come back together are owed the same, and share it. */
  #pageBytes(page: Page, format: Format): Buffer {
    const { epoch, start, events } = page;
    const same = this.#samePage;
    if (same?.format === format && same.epoch === epoch && same.start === start && areSame(same.events, events)) {
      return same.bytes;
    }
    const bytes = joinMessages(format, this.#follower.encode(page, format));
    this.#samePage = { format, epoch, start, events, bytes };
    return bytes;
  }

  /** Lets go of what was shared. Called about once a second. */
  rest(): void {
    this.#samePage = null;
  }

  deliverLost(lost: Lost, cursor: number, sink: Sink, snapshot?: JsonObject): void {
    const { roomId, clock } = this.#parts;
    const payload: JsonObject = { roomId, ...lost, cursor: formatCursor(this.epoch, cursor) };
    if (snapshot !== undefined) payload.snapshot = snapshot;
    const envelope = { type: "history_lost", payload, timestamp: isoTime(clock.now()), roomId };
    sink.deliver(oneMessage(sink.format, envelope));
  }

  settle(subscription: Subscription): void {
    if (subscription.sink.eventsLeft !== undefined) {
      this.#settleBounded(subscription);
      return;
    }
    const { state } = this.#parts;
    if (this.#flushed === this.head && this.#signals.length === 0) {
      this.#tellState(subscription);
      const group = this.#live.groupOf(subscription);
      const isThere =
        group === undefined ||
        group.readers.length === 0 ||
        (group.flushed.seq === this.head && group.flushed.rev === state.rev && group.signals.length === 0);
      if (isThere && this.#flushedRev === state.rev) {
        this.#arriving.delete(subscription);
        this.#live.add(subscription, { seq: this.head, rev: state.rev });
        return;
      }
      if (this.#flushedRev !== state.rev) {
        // It has everything; only the others are still to be told, which may wait.
        this.#arrive(subscription);
        this.markArrival();
        return;
      }
      if (group !== undefined) group.isAwaited = true;
    }
    this.#arrive(subscription);
    this.mark();
  }

  /** Tells a reader what of the state is news to it. */
  #tellState(subscription: Subscription): void {
    const { sink } = subscription;
    const frames = this.#stateFrames(subscription.rev, sink.format);
    subscription.rev = this.#parts.state.rev;
    if (frames.length > 0) sink.deliver(joinMessages(sink.format, frames));
  }

  #settleBounded(subscription: Subscription): void {
    this.#tellState(subscription);
    subscription.isWaiting = true;
    this.#waiting.add(subscription);
    subscription.onSettled?.();
  }

  demote(subscription: Subscription): void {
    this.#arriving.delete(subscription);
    this.#wake(subscription);
    if (!subscription.isLive) return;
    this.#live.remove(subscription);
    this.#putBack(subscription);
  }

  drop(subscription: Subscription): void {
    this.demote(subscription);
    this.#readers--;
  }

  retry(subscription: Subscription, error: unknown): void {
    if (this.#isClosed) return;
    const { observer, clock } = this.#parts;
    observer.failure("reading the log for a reader", error);
    clock.setTimer(() => subscription.pump(), RETRY_MS);
  }

  fail(subscription: Subscription, error: unknown): void {
    this.#parts.observer.failure("encoding for a reader", error);
    subscription.close();
    subscription.sink.close(CLOSE.server_error, "something could not be encoded");
  }

  // ---- what is new

  /** The head moved. */
  advanced(event: LogEvent): void {
    if (this.#oldestAt === null && this.#live.count > 0) this.#oldestAt = this.#parts.clock.monotonic();
    this.gather(event.data.length);
  }

  /** The event of this seq, which `advanced` is about to tell or the log to give, is traced. */
  traced(seq: number, trace: EventTrace): void {
    if (this.#readers === 0 || seq <= this.#flushed) return;
    this.#traced ??= new TracedEvents();
    this.#traced.add(seq, trace);
  }

  /** All readers go on from their own cursors: the head jumped, so there is nothing they could share. */
  jumped(epochBefore: string): void {
    for (const subscription of this.#live.clear()) {
      this.#putBack(subscription);
      subscription.epoch = epochBefore;
      this.#arrive(subscription);
    }
    for (const subscription of this.#waiting) this.#arrive(subscription);
    this.#flushed = this.head;
    this.#traced?.clear();
    this.mark();
  }

  /** Something that is neither logged nor kept, for everyone here now. */
  signal(envelope: Envelope): void {
    if (this.#readers === 0) return;
    this.#signals.push(envelope);
    this.gather(JSON.stringify(envelope.payload).length);
  }

  /** This much more is to be flushed; at once when it is a lot. */
  gather(bytes: number): void {
    this.#gathered += bytes;
    this.mark();
    // Everything leaves, down to the sockets: a reader whose bytes only wait for the end of the turn is not slow.
    if (this.#gathered > FLUSH_BYTES || this.head - this.#flushed > FLUSH_EVENTS) this.#parts.fanout.flush();
  }

  // ---- the flush

  /** Asks for a flush at the end of this turn. */
  mark(): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    this.#parts.fanout.markRoom(this);
  }

  /**
   * A member came. One who comes alone is told of at the end of this turn. When a server comes back everybody comes at once,
   * and telling each of each other would be most of the work: those who come within a moment are told of together.
   */
  markArrival(): void {
    if (this.#parts.clock.monotonic() < this.#arrivalsDueAt) this.#flushAt(this.#arrivalsDueAt);
    else this.mark();
  }

  /** Gives live readers everything they have not got: one shared buffer per format. Never throws. */
  flush(): { events: number; readers: number } {
    this.#isMarked = false;
    const { state } = this.#parts;
    const events = this.head - this.#flushed;
    const readers = this.#live.count;
    const hasNews = events > 0 || this.#signals.length > 0 || this.#flushedRev !== state.rev;
    const signals = this.#signals;
    if (readers > 0) {
      if (this.#flushedRev !== state.rev) this.#arrivalsDueAt = this.#parts.clock.monotonic() + ARRIVALS_MS;
      this.#flushLive(signals);
    }
    if (this.#oldestAt !== null) {
      this.#parts.observer.reached(this.#parts.clock.monotonic() - this.#oldestAt);
      this.#oldestAt = null;
    }
    if (hasNews && this.#waiting.size > 0) this.#traced?.handed(this.#flushed, this.head, this.#waiting.size);
    if (this.#traced !== null) this.#traced.conclude(this.#handedToAll());
    this.#signals = [];
    this.#flushed = this.head;
    this.#flushedRev = state.rev;
    this.#gathered = 0;
    this.#follower.fit();
    if (this.#arriving.size > 0) {
      const arriving = Array.from(this.#arriving);
      this.#arriving.clear();
      for (const [subscription, before] of arriving) {
        this.#goOn(subscription);
        if (before < signals.length) this.#tellSignals(subscription, signals.slice(before));
      }
    }
    if (hasNews && this.#waiting.size > 0) this.#flushWaiting(signals);
    return { events, readers };
  }

  /** Up to where all live readers were handed everything. */
  #handedToAll(): number {
    let seq = this.head;
    for (const { readers, flushed } of this.#live.groups()) if (readers.length > 0) seq = Math.min(seq, flushed.seq);
    return seq;
  }

  #arrive(subscription: Subscription): void {
    if (!this.#arriving.has(subscription)) this.#arriving.set(subscription, this.#signals.length);
  }

  /** What was signalled while a reader waited to become live is for it as well, unless it has more to catch up with. */
  #tellSignals(subscription: Subscription, signals: readonly Envelope[]): void {
    const { sink, isLive } = subscription;
    if (!sink.writable || !(isLive || this.#arriving.has(subscription))) return;
    try {
      sink.deliver(
        joinMessages(
          sink.format,
          signals.map((signal) => sink.format.envelope(signal)),
        ),
      );
    } catch (error) {
      this.#parts.observer.failure("encoding a signal", error);
    }
  }

  /** Each goes on from its own cursor: what it is given is exactly what its cursor says. */
  #flushWaiting(signals: readonly Envelope[]): void {
    for (const subscription of Array.from(this.#waiting)) {
      this.#goOn(subscription);
      if (!subscription.isWaiting) continue;
      for (const signal of signals) subscription.sink.deliver(oneMessage(subscription.sink.format, signal));
    }
  }

  #goOn(subscription: Subscription): void {
    this.#wake(subscription);
    subscription.pump();
  }

  #wake(subscription: Subscription): void {
    subscription.isWaiting = false;
    this.#waiting.delete(subscription);
  }

  #flushLive(signals: readonly Envelope[]): void {
    let nextDueAt = Number.POSITIVE_INFINITY;
    for (const group of this.#live.groups()) {
      if (group.readers.length === 0) continue;
      if (this.#isGathering(group)) {
        group.signals.push(...signals);
        nextDueAt = Math.min(nextDueAt, group.dueAt);
      } else this.#flushGroup(group, signals);
    }
    if (nextDueAt < Number.POSITIVE_INFINITY) this.#flushAt(nextDueAt);
  }

  /** Whether more may come before this group's readers are given anything. */
  #isGathering(group: LiveGroup): boolean {
    if (group.isAwaited || this.#gatherMs(group) === 0) return false;
    const waiting = this.head - group.flushed.seq + group.signals.length;
    const isLittle = waiting <= FLUSH_EVENTS && this.#gathered <= FLUSH_BYTES;
    return isLittle && this.#parts.clock.monotonic() < group.dueAt;
  }

  #gatherMs({ format, gatherMs }: LiveGroup): number {
    return Math.max(this.#parts.gatherMs, format.gatherMs ?? 0, gatherMs);
  }

  #flushAt(dueAt: number): void {
    if (this.#isClosed || (this.#gatherTimer !== null && this.#gatherTimer.dueAt <= dueAt)) return;
    const { clock } = this.#parts;
    this.#gatherTimer?.timer.cancel();
    const timer = clock.setTimer(
      () => {
        this.#gatherTimer = null;
        this.mark();
      },
      Math.max(0, dueAt - clock.monotonic()),
    );
    this.#gatherTimer = { timer, dueAt };
  }

  /** Everything is encoded before anything is delivered, so that a failure leaves nobody half served. */
  #flushGroup(group: LiveGroup, signals: readonly Envelope[]): void {
    const { observer, state } = this.#parts;
    const { seq, rev } = group.flushed;
    const all = group.signals.length === 0 ? signals : group.signals.concat(signals);
    group.signals = [];
    group.isAwaited = false;
    const events = this.head - seq;
    if (events === 0 && rev === state.rev && all.length === 0) return;
    const gatherMs = this.#gatherMs(group);
    if (gatherMs > 0) group.dueAt = this.#parts.clock.monotonic() + gatherMs;
    if (events > 0 && seq + 1 < this.#follower.tailFirst) {
      // What they need is no longer in memory: each goes on from its cursor.
      this.#sendBack(this.#live.clearGroup(group));
      return;
    }
    let buffer: Buffer;
    let messages: Buffer[];
    try {
      messages = this.#follower.encodeFrom(seq + 1, group.format);
      for (const frame of this.#stateFrames(rev, group.format)) messages.push(frame);
      for (const signal of all) messages.push(group.format.envelope(signal));
      // A change that came and went is none.
      buffer = messages.length === 0 ? NOTHING : joinMessages(group.format, messages);
    } catch (error) {
      observer.failure("encoding a flush", error);
      this.#sendBack(this.#live.clearGroup(group));
      return;
    }
    if (buffer.length > 0) {
      const stalled = group.deliver(buffer);
      const served = group.readers.length - stalled.length;
      observer.delivered(messages.length * served, buffer.length * served);
      this.#traced?.handed(seq, this.head, served);
      for (const subscription of stalled) {
        this.#live.remove(subscription);
        this.#putBack(subscription);
        observer.readerStalled();
      }
    }
    group.flushed = { seq: this.head, rev: state.rev };
  }

  #stateFrames(rev: number, format: Format): Buffer[] {
    if (rev === this.#parts.state.rev) return [];
    return this.#parts.state.changesSince(rev).map((envelope) => format.envelope(envelope));
  }

  /** Readers that are no longer live catch up by themselves, after this flush. */
  #sendBack(subscriptions: readonly Subscription[]): void {
    for (const subscription of subscriptions) {
      this.#putBack(subscription);
      this.#arrive(subscription);
    }
  }

  #putBack(subscription: Subscription): void {
    const { seq, rev } = this.#live.groupOf(subscription)!.flushed;
    subscription.cursor = seq;
    subscription.epoch = this.epoch;
    subscription.rev = rev;
  }

  /** Nothing more will come. */
  close(): void {
    this.#isClosed = true;
    this.#gatherTimer?.timer.cancel();
  }
}

/** A page as bytes, for all who are owed just this. */
interface SharedPage {
  readonly format: Format;
  readonly epoch: string;
  readonly start: number;
  readonly events: readonly LogEvent[];
  readonly bytes: Buffer;
}

/** Whether these events of one epoch and one place are the same: nothing of an event changes but its payload, by an edit. */
function areSame(some: readonly LogEvent[], others: readonly LogEvent[]): boolean {
  if (some === others) return true;
  return some.length === others.length && some.every(({ data }, index) => data === others[index]!.data);
}

const NOTHING = Buffer.alloc(0);

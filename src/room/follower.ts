import type { CarriedEvent, CarriedTrace } from "../bus/bus.ts";
import {
  type Amendment,
  type AppendOptions,
  type AppendResult,
  BEYOND_ALL,
  type Log,
  type LogEvent,
  type NewEvent,
  type RoomHead,
} from "../log/log.ts";
import type { Observer } from "../observe/observer.ts";
import type { AppendSpan, EventTrace, Tracing } from "../observe/tracing.ts";
import type { Clock, Cursor, Limits, Timer } from "../protocol/index.ts";
import type { Lost, Page, Place } from "./page.ts";
import type { Format } from "./sink.ts";
import { Tail } from "./tail.ts";

/** How many events one read of the log asks for when a hole is filled. */
const HOLE_EVENTS = 512;
/** How long to wait before reading again what the log could not give, ms. */
const RETRY_MS = 500;
const NO_EVENTS: readonly CarriedEvent[] = [];
const NO_AMENDMENTS: readonly Amendment[] = [];

export interface FollowerParts {
  readonly roomId: string;
  readonly log: Log;
  readonly observer: Observer;
  /** Null where nothing is traced. */
  readonly tracing: Tracing | null;
  readonly clock: Clock;
  readonly limits: Limits;
}

/** Told what becomes known of the log. */
export interface FollowerOwner {
  /** The head moved by one event, which is in memory. */
  advanced(event: LogEvent): void;
  /** The event of this seq, of which the head is about to hear, is traced. */
  traced(seq: number, trace: EventTrace): void;
  /** What is in memory is about to be dropped: whoever needs it takes it now. */
  dropping(): void;
  /**
   * The head jumped: the log was made anew, or retention was faster than we. Readers go on from their own cursors, which
   * belong to `epochBefore`.
   */
  jumped(epochBefore: string): void;
}

/**
 * What this node knows of one room's log: the head, and the newest events in memory. It follows the log from its own
 * appends and from what it is told; a hole is read from the log. Nothing it serves is beyond its head.
 */
export class Follower {
  readonly #parts: FollowerParts;
  readonly #owner: FollowerOwner;
  readonly #tail: Tail;
  /** Reads of the log under way, by what was asked: readers at the same place share one. */
  readonly #reads = new Map<string, Promise<Page>>();
  #epoch: string;
  #first: number;
  #head: number;
  /** The head to reach, while a hole is filled. */
  #wanted = 0;
  #filling: Promise<void> | null = null;
  #retry: Timer | null = null;
  #isClosed = false;
  #appending = 0;

  constructor(parts: FollowerParts, head: RoomHead, owner: FollowerOwner) {
    this.#parts = parts;
    this.#owner = owner;
    this.#epoch = head.epoch;
    this.#first = head.first;
    this.#head = head.head;
    this.#tail = new Tail(this.#head, parts.limits.tailEvents, parts.limits.tailBytes);
    this.#tail.epoch = head.epoch;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** The oldest seq still kept, as far as this node knows; at most head + 1. */
  get first(): number {
    return this.#first;
  }

  get head(): number {
    return this.#head;
  }

  /** The oldest seq in memory; head + 1 when there is none. */
  get tailFirst(): number {
    return this.#tail.first;
  }

  /** What the newest events take in memory, bytes. */
  get bytes(): number {
    return this.#tail.bytes;
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.#appending === 0 && this.#filling === null && this.#reads.size === 0;
  }

  /** As `Log.append`. When it resolves, the head is at least the event's seq or on its way there. */
  append(
    sender: string | null,
    messageId: string | null,
    event: NewEvent,
    options?: AppendOptions,
    span: AppendSpan | null = null,
  ): Promise<AppendResult> {
    const { log, clock, roomId } = this.#parts;
    const asked = clock.monotonic();
    const appending = log.append(roomId, sender, messageId, event, options);
    this.#appending++;
    return appending.then(
      (result) => {
        this.#appending--;
        this.#parts.observer.appended(clock.monotonic() - asked);
        if (span !== null) this.#trace(span, result);
        this.#appended(result, sender, messageId, event, options);
        return result;
      },
      (error: unknown) => {
        this.#appending--;
        span?.failed(error);
        throw error;
      },
    );
  }

  /** Before anybody is given the event, so that its way out is followed from the beginning. */
  #trace(span: AppendSpan, { epoch, seq, duplicate }: AppendResult): void {
    span.appended(duplicate);
    if (span.traceparent !== null && !duplicate && epoch === this.#epoch) this.#owner.traced(seq, span);
  }

  #appended(
    { epoch, seq, timestamp, duplicate }: AppendResult,
    sender: string | null,
    messageId: string | null,
    { type, data }: NewEvent,
    options: AppendOptions | undefined,
  ): void {
    if (epoch !== this.#epoch) void this.refresh().catch(() => {});
    else if (duplicate) this.hear(seq);
    else {
      const amend = options?.amend ?? NO_AMENDMENTS;
      for (const amendment of amend) this.#tail.replace(amendment.seq, amendment.data);
      if (seq === this.#head + 1 && this.#filling === null) {
        const amends = amend[0]?.seq ?? null;
        this.#advance({ roomId: this.#parts.roomId, seq, type, sender, messageId, timestamp, data, amends });
      } else {
        this.#compare({ seq, messageId, timestamp });
        this.hear(seq);
      }
    }
  }

  /** There is an event of this seq in this epoch; some of those before it, and it, may have come along. */
  hear(seq: number, events: readonly CarriedEvent[] = NO_EVENTS): void {
    if (this.#filling === null && events.length > 0) this.#take(events);
    if (seq > this.#head) this.#fill(seq);
  }

  /** Another node traces these events, which are about to be heard of. */
  hearTraces(traces: readonly CarriedTrace[]): void {
    const { tracing, roomId } = this.#parts;
    if (tracing === null) return;
    for (const [seq, type, traceparent] of traces) {
      const trace = seq > this.#head ? tracing.heard(roomId, type, traceparent) : null;
      if (trace !== null) this.#owner.traced(seq, trace);
    }
  }

  /** Events that another node has told. Those that follow the head need not be read, where the log can be told of them. */
  #take(events: readonly CarriedEvent[]): void {
    const { log, roomId } = this.#parts;
    if (log.seen === undefined) return;
    for (const { seq, type, sender, messageId, timestamp, data } of events) {
      this.#compare({ seq, messageId, timestamp });
      if (seq !== this.#head + 1) continue;
      log.seen(roomId, this.#epoch, seq, timestamp);
      this.#advance({ roomId, seq, type, sender, messageId, timestamp, data, amends: null });
    }
  }

  /**
   * The log gave this seq to this event. When it is known to have given it to another one, it has lost that, and nobody had told it so
   * in time: its epoch must end, or some would never be given what others have.
   */
  #compare({ seq, messageId, timestamp }: Pick<LogEvent, "seq" | "messageId" | "timestamp">): void {
    const known = this.#tail.event(seq);
    if (known === undefined || (known.timestamp === timestamp && known.messageId === messageId)) return;
    const { log, roomId } = this.#parts;
    if (log.seen === undefined) return;
    log.seen(roomId, this.#epoch, BEYOND_ALL);
    void this.refresh().catch(() => {});
  }

  /** What the log said of itself: another epoch, a newer head, an older end that is gone. */
  learn(known: RoomHead): void {
    const before = this.#epoch;
    if (known.epoch !== before) {
      this.#epoch = known.epoch;
      this.#first = known.first;
      this.#jump(known.head, before);
    } else {
      if (known.first > this.#head + 1) this.#jump(known.first - 1, before);
      if (known.first > this.#first) this.#first = known.first;
      this.hear(known.head);
    }
  }

  /** Asks the log where it stands, and catches up with it. Rejects when the log cannot be read. */
  async refresh(): Promise<void> {
    const heads = await this.#parts.log.heads([this.#parts.roomId]);
    const head = heads.get(this.#parts.roomId);
    if (head === undefined) return;
    this.learn(head);
    // A fill that was about to end is followed by another one.
    while (this.#filling !== null && this.#epoch === head.epoch && this.#head < head.head) await this.#filling;
  }

  /** What a cursor is owed, at most `limit` events and about `maxBytes`. At once when it is in memory, else from the log. */
  page(cursor: Cursor, limit: number, maxBytes: number): Page | Promise<Page> {
    const lost = this.#lostPage(cursor);
    if (lost !== null) return lost;
    const { seq } = cursor;
    if (seq + 1 >= this.#tail.first)
      return this.#pageOf(seq, this.#tail.slice(seq + 1, this.#head, limit, maxBytes), "tail");
    const key = `${cursor.epoch} ${seq} ${limit} ${maxBytes}`;
    let read = this.#reads.get(key);
    if (read === undefined) {
      read = this.#read(cursor, limit, maxBytes).finally(() => this.#reads.delete(key));
      this.#reads.set(key, read);
    }
    return read;
  }

  async #read(cursor: Cursor, limit: number, maxBytes: number): Promise<Page> {
    const read = await this.#parts.log.read(this.#parts.roomId, cursor.seq, limit, maxBytes);
    this.learn(read);
    const lost = this.#lostPage({ epoch: cursor.epoch ?? read.epoch, seq: cursor.seq });
    if (lost !== null) return lost;
    // The log may be ahead of this node; what is beyond the head comes when the head does.
    const isAhead = read.events.length > 0 && read.events.at(-1)!.seq > this.#head;
    const events = isAhead ? read.events.filter((event) => event.seq <= this.#head) : read.events;
    return this.#pageOf(cursor.seq, events, "log");
  }

  #pageOf(start: number, events: readonly LogEvent[], source: "tail" | "log"): Page {
    if (events.length > 0) this.#parts.observer.caughtUp(source);
    return { epoch: this.#epoch, start, events, lost: null, head: this.#head };
  }

  #lostPage(cursor: Cursor): Page | null {
    const lost = this.#lostAt(cursor);
    if (lost === null) return null;
    this.#parts.observer.historyLost(lost.reason);
    return { epoch: this.#epoch, start: this.#startAfter(cursor), events: [], lost, head: this.#head };
  }

  #lostAt({ epoch, seq }: Cursor): Lost | null {
    if (epoch !== null && epoch !== this.#epoch) return { reason: "epoch", from: null, to: null };
    if (seq > this.#head) return { reason: "epoch", from: null, to: null };
    if (seq + 1 < this.#first) return { reason: "retention", from: seq + 1, to: this.#first - 1 };
    return null;
  }

  /** Where delivery goes on for a cursor that lost something: at the head when it was ahead of us, else where the log begins. */
  #startAfter({ epoch, seq }: Cursor): number {
    const isAhead = (epoch === null || epoch === this.#epoch) && seq > this.#head;
    return isAhead ? this.#head : this.#first - 1;
  }

  /**
   * Where reading starts for a client that comes with `after`, or without, `limit` events before the head.
   * Looks at the log first when this node alone cannot tell.
   */
  async locate(after: Cursor | null, limit: number): Promise<Place> {
    if (after !== null && (after.seq + 1 < this.#tail.first || after.seq > this.#head || after.epoch !== this.#epoch)) {
      await this.refresh();
    }
    const epoch = this.#epoch;
    if (after === null) {
      return { epoch, start: Math.max(this.#first - 1, this.#head - limit), lost: null, recovered: false };
    }
    const lost = this.#lostAt(after);
    if (lost === null) return { epoch, start: after.seq, lost: null, recovered: true };
    this.#parts.observer.historyLost(lost.reason);
    return { epoch, start: this.#startAfter(after), lost, recovered: false };
  }

  /** The events of a page in a format, one after the other. Those in memory are encoded once for all. */
  encode({ events, epoch }: Page, format: Format): Buffer[] {
    return events.map((event) =>
      event === this.#tail.event(event.seq) ? this.#tail.encoded(event.seq, format) : format.event(event, epoch),
    );
  }

  /** The events from `from` to the head in a format. They must be in memory. `fit` is called when all formats were made. */
  encodeFrom(from: number, format: Format): Buffer[] {
    const buffers: Buffer[] = [];
    for (let seq = from; seq <= this.#head; seq++) buffers.push(this.#tail.encoded(seq, format, true));
    return buffers;
  }

  /** Lets go of the oldest events in memory for what was encoded. */
  fit(): void {
    this.#tail.fit();
  }

  /** Lets go of the events in memory. */
  forget(): void {
    this.#tail.reset(this.#head);
  }

  /** Follows the log no longer. */
  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
  }

  #advance(event: LogEvent): void {
    this.#tail.push(event);
    this.#head = event.seq;
    this.#owner.advanced(event);
  }

  #jump(head: number, epochBefore: string): void {
    this.#head = head;
    if (epochBefore !== this.#epoch) this.#wanted = 0;
    this.#tail.reset(head);
    this.#tail.epoch = this.#epoch;
    this.#owner.jumped(epochBefore);
  }

  /** Reads the log up to `seq`: a hole in what this node has seen. */
  #fill(seq: number): void {
    this.#wanted = Math.max(this.#wanted, seq);
    if (this.#filling !== null || this.#isClosed) return;
    this.#filling = this.#readHole().then(
      () => {
        this.#filling = null;
        if (this.#wanted > this.#head) this.#fill(this.#wanted);
      },
      (error: unknown) => {
        this.#filling = null;
        this.#parts.observer.failure("filling a hole from the log", error);
        this.#retry?.cancel();
        if (!this.#isClosed) this.#retry = this.#parts.clock.setTimer(() => this.hear(this.#wanted), RETRY_MS);
        throw error;
      },
    );
    // Who waits for it is told; that it is tried again is enough for everybody else.
    this.#filling.catch(() => {});
  }

  async #readHole(): Promise<void> {
    // One turn later: the missing notices are often right behind.
    await Promise.resolve();
    while (this.#head < this.#wanted) {
      const wanted = this.#wanted;
      const page = await this.#parts.log.read(this.#parts.roomId, this.#head, HOLE_EVENTS);
      if (page.epoch !== this.#epoch || page.first > this.#head + 1) this.learn(page);
      if (page.events.length === 0) {
        // Whoever spoke of more was mistaken, unless that was while the log was being read.
        if (this.#wanted > wanted) continue;
        this.#wanted = 0;
        return;
      }
      for (const event of page.events) {
        if (event.seq !== this.#head + 1) continue;
        if (event.amends !== null) {
          // Its commit replaced payloads before it; what is in memory of them is old.
          this.#owner.dropping();
          this.#tail.reset(this.#head);
        }
        this.#advance(event);
      }
    }
  }
}

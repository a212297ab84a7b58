import type { Cursor, JsonObject } from "../protocol/index.ts";
import type { Lost, Page } from "./page.ts";
import type { Sink } from "./sink.ts";

/** The most that is delivered to a reader before its sink is asked again whether it can take more, events and bytes. */
const STEP_EVENTS = 512;
const STEP_BYTES = 256 * 1024;

/** What a reader reads from: a room's delivery. */
export interface Source {
  readonly epoch: string;
  readonly head: number;
  /** The newest seq that a live reader was given. */
  flushedOf(subscription: Subscription): number;
  page(cursor: Cursor, limit: number, maxBytes: number): Page | Promise<Page>;
  /** Gives the reader what a page holds. */
  deliverPage(page: Page, sink: Sink): void;
  deliverLost(lost: Lost, cursor: number, sink: Sink, snapshot?: JsonObject): void;
  /** The reader has everything: it is live now or after the next flush, or waits for more (`Sink.eventsLeft`). */
  settle(subscription: Subscription): void;
  /** Makes a live reader a cursor again. */
  demote(subscription: Subscription): void;
  /** Forgets a reader. */
  drop(subscription: Subscription): void;
  /** The log could not give the reader its page: `pump` is called again after a while. */
  retry(subscription: Subscription, error: unknown): void;
  /** Something could not be made into bytes for this reader: its connection alone ends. */
  fail(subscription: Subscription, error: unknown): void;
}

/** Gives what a reader starts from that has nothing; null for what is kept. */
export type StartAnew = () => Promise<{ epoch: string; seq: number; snapshot: JsonObject } | null>;

/**
 * A pushed reader: a cursor with a way out.
 *
 * While it is live, its cursor is the room's and it costs nothing but its place in the list. When its sink stops taking
 * bytes it is only a cursor, and `pump` catches up from there, page by page, whenever the sink takes some again. Joining,
 * resuming, draining and a hole are all the same: a cursor, and `pump`.
 */
export class Subscription {
  readonly sink: Sink;
  /** The least time between two deliveries while it is live, ms; 0 for every turn. */
  gatherMs: number;
  readonly #source: Source;
  /** Where this reader is, while it is not live. */
  cursor: number;
  /** The epoch the cursor belongs to. */
  epoch: string;
  /** The revision of the room's state this reader knows, while it is not live. */
  rev: number;
  /** Its place in the list of live readers; -1 when it is not live. Kept by the list. */
  liveIndex = -1;
  /** Called whenever a reader of a bounded sink has everything there is (`Sink.eventsLeft`). */
  onSettled: (() => void) | null = null;
  /** Whether it has everything and waits to be pumped when there is more. Kept by the source. */
  isWaiting = false;
  /** Where it starts when something it needed is gone; null where it goes on with what is kept. Kept by whoever joined it. */
  startAnew: StartAnew | null = null;
  #reading = false;
  #closed = false;
  /** Counts moves, so that a read for an earlier place is not taken for this one. */
  #seeks = 0;

  constructor(source: Source, sink: Sink, start: { epoch: string; seq: number; rev: number }, gatherMs = 0) {
    this.#source = source;
    this.sink = sink;
    this.gatherMs = gatherMs;
    this.cursor = start.seq;
    this.epoch = start.epoch;
    this.rev = start.rev;
  }

  get isLive(): boolean {
    return this.liveIndex !== -1;
  }

  /** Where this reader is: everything up to there was delivered. */
  get position(): { epoch: string; seq: number } {
    return this.isLive
      ? { epoch: this.#source.epoch, seq: this.#source.flushedOf(this) }
      : { epoch: this.epoch, seq: this.cursor };
  }

  /** Goes on from another place, at another pace. */
  seek(start: { epoch: string; seq: number; rev: number }, gatherMs = this.gatherMs): void {
    this.#source.demote(this);
    this.gatherMs = gatherMs;
    this.#seeks++;
    this.cursor = start.seq;
    this.epoch = start.epoch;
    this.rev = start.rev;
  }

  /**
   * Delivers what is owed for as long as the sink takes it, then follows. Called when joined, and when the sink drained.
   * Never throws.
   */
  pump(): void {
    try {
      this.#pump();
    } catch (error) {
      this.#source.fail(this, error);
    }
  }

  #pump(): void {
    if (this.#reading || this.#closed || this.isLive) return;
    while (this.sink.writable) {
      if (this.epoch === this.#source.epoch && this.cursor === this.#source.head) {
        this.#source.settle(this);
        return;
      }
      const limit = Math.min(STEP_EVENTS, this.sink.eventsLeft ?? STEP_EVENTS);
      const page = this.#source.page({ epoch: this.epoch, seq: this.cursor }, limit, STEP_BYTES);
      if (page instanceof Promise) {
        this.#readOn(page);
        return;
      }
      this.#take(page);
      if (this.#reading) return;
    }
  }

  #readOn(page: Promise<Page>): void {
    this.#awaitTo(page, (read) => {
      const page = this.#fitting(read);
      if (page !== null) this.#take(page);
    });
  }

  /** Goes on when the answer is there; one that came too late, for the reader is elsewhere by then, counts for nothing. */
  #awaitTo<T>(asked: Promise<T>, take: (answer: T) => void): void {
    this.#reading = true;
    const seeks = this.#seeks;
    asked.then(
      (answer) => {
        this.#reading = false;
        if (this.#closed) return;
        try {
          if (seeks === this.#seeks) take(answer);
          this.#pump();
        } catch (error) {
          this.#source.fail(this, error);
        }
      },
      (error: unknown) => {
        this.#reading = false;
        this.#source.retry(this, error);
      },
    );
  }

  /**
   * What a bounded sink still takes of a page: others may have filled it while the log was read. The rest is read again by
   * whoever goes on from the cursor. Null for nothing.
   */
  #fitting(page: Page): Page | null {
    const { eventsLeft } = this.sink;
    if (eventsLeft === undefined) return page;
    if (!this.sink.writable) return null;
    return page.events.length <= eventsLeft ? page : { ...page, events: page.events.slice(0, eventsLeft) };
  }

  /** Stops. Nothing of the room is delivered after this. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#source.drop(this);
  }

  /**
   * Tells the reader that something it needed is gone (RES-2, RES-3).
   * @param snapshot what everything up to the cursor amounts to, where that is known.
   */
  tellLost(lost: Lost, cursor: number, snapshot?: JsonObject): void {
    this.#source.deliverLost(lost, cursor, this.sink, snapshot);
  }

  #take(page: Page): void {
    if (page.lost !== null && this.startAnew !== null) {
      this.#begin(page, page.lost, this.startAnew);
      return;
    }
    if (page.lost !== null) this.tellLost(page.lost, page.start);
    this.epoch = page.epoch;
    this.cursor = page.start;
    if (page.events.length === 0) return;
    this.#source.deliverPage(page, this.sink);
    this.cursor += page.events.length;
  }

  /** Goes on where the namespace has something to start from. */
  #begin({ epoch, start }: Page, lost: Lost, startAnew: StartAnew): void {
    this.#awaitTo(startAnew(), (begun) => {
      this.epoch = begun?.epoch ?? epoch;
      this.cursor = begun?.seq ?? start;
      this.tellLost(lost, this.cursor, begun?.snapshot);
    });
  }
}

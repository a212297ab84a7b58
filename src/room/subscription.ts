import type { Cursor } from "../protocol/index.ts";
import type { Lost, Page } from "./page.ts";
import type { Room } from "./room.ts";
import type { Sink } from "./sink.ts";

/** The most that is delivered to a reader before its sink is asked again whether it can take more, events and bytes. */
const STEP_EVENTS = 512;
const STEP_BYTES = 256 * 1024;

/**
 * A pushed reader: a cursor with a way out.
 *
 * While it is live, its cursor is the room's and it costs nothing but its place in the list. When its sink stops taking
 * bytes it is only a cursor, and `pump` catches up from there, page by page, whenever the sink takes some again. Joining,
 * resuming, draining and a hole are all the same: a cursor, and `pump`.
 */
export class Subscription {
  readonly room: Room;
  readonly sink: Sink;
  /** Where this reader is, while it is not live. */
  cursor: number;
  /** The epoch the cursor belongs to. */
  epoch: string;
  /** The revision of the room's state this reader knows, while it is not live. */
  rev: number;
  /** Its place in the room's list of live readers; -1 when it is not live. Kept by the room. */
  liveIndex = -1;
  #reading = false;
  /** Counts the seeks: a page asked for before one is not for this reader any more. */
  #seeks = 0;
  #closed = false;

  constructor(room: Room, sink: Sink, seq: number) {
    this.room = room;
    this.sink = sink;
    this.cursor = seq;
    this.epoch = room.epoch;
    this.rev = room.state.rev;
  }

  get isLive(): boolean {
    return this.liveIndex !== -1;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** The last seq delivered. */
  get seq(): number {
    return this.isLive ? this.room.flushed : this.cursor;
  }

  /** Where this reader is. */
  get position(): Cursor {
    return { epoch: this.isLive ? this.room.epoch : this.epoch, seq: this.seq };
  }

  /** Goes on from another place. */
  seek(seq: number): void {
    this.room.demote(this);
    this.#seeks++;
    this.cursor = seq;
    this.epoch = this.room.epoch;
    this.rev = this.room.state.rev;
  }

  /** Delivers what is owed for as long as the sink takes it, then follows. Called when joined, and when the sink drained. */
  pump(): void {
    if (this.#reading || this.#closed || this.isLive) return;
    while (this.sink.writable) {
      if (this.epoch === this.room.epoch && this.cursor === this.room.head) {
        this.room.settle(this);
        return;
      }
      const page = this.room.page({ epoch: this.epoch, seq: this.cursor }, STEP_EVENTS, STEP_BYTES);
      if (page instanceof Promise) {
        this.#reading = true;
        const seeks = this.#seeks;
        page.then(
          (read) => {
            this.#reading = false;
            if (this.#closed) return;
            if (seeks === this.#seeks) this.#take(read);
            this.pump();
          },
          (error: unknown) => {
            this.#reading = false;
            this.room.retry(this, error);
          },
        );
        return;
      }
      this.#take(page);
    }
  }

  /** Stops. Nothing of the room is delivered after this. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.room.drop(this);
  }

  #take(page: Page): void {
    if (page.lost !== null) this.tellLost(page.lost, page.start);
    this.epoch = page.epoch;
    this.cursor = page.start;
    if (page.events.length === 0) return;
    const bytes = this.room.encode(page.events, this.sink.format);
    this.cursor += page.events.length;
    this.sink.deliver(bytes);
    this.room.delivered(page.events.length, bytes.length);
  }

  /** Tells the reader that something it needed is gone (RES-2, RES-3). */
  tellLost(lost: Lost, cursor: number): void {
    this.sink.deliver(this.room.encodeLost(lost, cursor, this.sink.format));
  }
}

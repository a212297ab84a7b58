import { type Json, type JsonObject, YamabikoError } from "../../protocol/index.ts";
import type { RoomView } from "../../session/namespace.ts";
import type { NotificationsRoom } from "./host.ts";

/** An event of a log, as it is folded. */
export interface FoldedEvent {
  readonly seq: number;
  readonly type: string;
  readonly payload: JsonObject;
}

/** What a log amounts to. Depends on nothing but its events, so that it is the same on every node. */
export interface Folded {
  /** Takes the next event. Must not throw, whatever it is. */
  apply(event: FoldedEvent): void;
  /** Everything, as JSON. */
  toSnapshot(): Json;
  /** Roughly what it takes in memory, in characters. */
  readonly size: number;
}

export interface LogFoldParts<S extends Folded> {
  readonly room: NotificationsRoom;
  /** Makes the state anew, or from what `toSnapshot` gave. Throws when it gave something else. */
  make(snapshot: Json): S;
  /** A snapshot is kept after this many events. */
  readonly snapshotEvents: number;
  failure(where: string, error: unknown): void;
}

/** An event of one's own that is in the log now, or was before. */
export interface Put {
  readonly savedId: string;
  readonly epoch: string;
  readonly seq: number;
  /** True when its messageId was in the log already; nothing changed then. */
  readonly duplicate: boolean;
}

/** Events asked for in one read. */
const PAGE_EVENTS = 500;

/**
 * The state a room's log amounts to, and the only way to add to it: an event is appended on condition that the log has not
 * moved since it was folded, so an event may say what the state is after it and be right.
 */
export class LogFold<S extends Folded> {
  readonly #parts: LogFoldParts<S>;
  #state: S;
  #seq = 0;
  #epoch = "";
  #snapshotSeq = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: LogFoldParts<S>) {
    this.#parts = parts;
    this.#state = parts.make(null);
  }

  /** What the events up to `seq` amount to. */
  get state(): S {
    return this.#state;
  }

  get seq(): number {
    return this.#seq;
  }

  /** The log's identity; empty until it was read. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Whether nobody uses it now. */
  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  /** Runs `work` when what was asked for before it has ended: on one node nobody is in anybody's way. */
  run<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const done = this.#queue.then(work).finally(() => {
      this.#waiting -= 1;
    });
    this.#queue = done.catch(() => {});
    return done;
  }

  /**
   * Folds what the log has more.
   * @param isFresh asks the log in any case; without it, only when this node knows of more.
   */
  async sync(isFresh: boolean): Promise<RoomView> {
    const view = await this.#parts.room.view();
    if (view.epoch !== this.#epoch) await this.#load(view);
    else if (!isFresh && view.head <= this.#seq) return view;
    for (;;) {
      const { head } = view;
      const events = await view.read(this.#seq, PAGE_EVENTS);
      if (view.epoch !== this.#epoch) {
        await this.#load(view);
        continue;
      }
      // Where an event was known to be and none is, retention has been.
      this.#skipTo((events[0]?.seq ?? head + 1) - 1);
      if (events.length === 0) break;
      for (const { seq, type, data } of events) this.#apply(seq, type, parse(data));
    }
    this.#keepSnapshot(view);
    return view;
  }

  /** Appends an event right after what was folded. Null when the log has moved on: then `sync`, and think again. */
  async append(
    type: string,
    payload: JsonObject,
    options: { sender?: string | null; messageId?: string | undefined },
  ): Promise<Put | null> {
    const expect = this.#seq;
    let put: Put;
    try {
      put = await this.#parts.room.publish(type, payload, { ...options, expect });
    } catch (error) {
      if (error instanceof YamabikoError && error.code === "conflict") return null;
      throw error;
    }
    if (!put.duplicate && put.epoch === this.#epoch && put.seq === this.#seq + 1) this.#apply(put.seq, type, payload);
    return put;
  }

  async #load(view: RoomView): Promise<void> {
    const { epoch } = view;
    const snapshot = await view.snapshot();
    this.#epoch = epoch;
    this.#seq = 0;
    this.#snapshotSeq = 0;
    if (snapshot !== null && snapshot.epoch === epoch) {
      try {
        this.#state = this.#parts.make(parse(snapshot.data));
        this.#seq = snapshot.seq;
        this.#snapshotSeq = snapshot.seq;
        return;
      } catch (error) {
        this.#parts.failure("reading a snapshot; what the log still has is folded anew", error);
      }
    }
    this.#state = this.#parts.make(null);
  }

  #skipTo(seq: number): void {
    if (seq <= this.#seq) return;
    this.#parts.failure("folding a log", new Error(`retention removed ${this.#seq + 1} to ${seq} before a snapshot`));
    this.#seq = seq;
  }

  #apply(seq: number, type: string, payload: JsonObject): void {
    this.#seq = seq;
    this.#state.apply({ seq, type, payload });
  }

  /** Nobody waits for it: retention leaves time for another try. */
  #keepSnapshot(view: RoomView): void {
    if (this.#seq - this.#snapshotSeq < this.#parts.snapshotEvents) return;
    const before = this.#snapshotSeq;
    const seq = this.#seq;
    this.#snapshotSeq = seq;
    view.putSnapshot(seq, JSON.stringify(this.#state.toSnapshot())).catch((error: unknown) => {
      if (this.#snapshotSeq === seq) this.#snapshotSeq = before;
      this.#parts.failure("keeping a snapshot", error);
    });
  }
}

function parse(data: string): JsonObject {
  const value: unknown = JSON.parse(data);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

import type { AppendOptions, AppendResult, Log, NewEvent } from "../log/log.ts";
import { YamabikoError } from "../protocol/index.ts";

/** A log whose appends can be made to go wrong. Everything but `append` is the inner log's. */
export interface FaultyLog extends Log {
  /** The next `count` appends (default: all until `heal`) fail with `unavailable` and do not reach the inner log. */
  failAppends(count?: number): void;
  /** The next `count` appends (default: all until `heal`) are committed, and then fail with `unavailable`. */
  loseReplies(count?: number): void;
  /** Appends called from now on hang, before they reach the inner log, until `release` or `heal`. */
  hangAppends(): void;
  /** Lets the hanging appends go on, in order; later ones no longer hang. */
  release(): void;
  /** How many appends hang. */
  readonly hanging: number;
  /** Ends all faults. */
  heal(): void;
}

/**
 * Wraps a log with faults. The seam's promises hold: an append called to a room while a failure of that room is not yet
 * reported fails with it.
 */
export function createFaultyLog(inner: Log): FaultyLog {
  return new InjectingLog(inner);
}

class InjectingLog implements FaultyLog {
  readonly #inner: Log;
  #failing = 0;
  #losing = 0;
  #gate: Promise<void> | undefined;
  #open: () => void = () => {};
  #hanging = 0;
  /** By room: the last append that was called, settled when it is. */
  readonly #last = new Map<string, Promise<unknown>>();
  /** By room: how many failures are not yet reported. */
  readonly #unreported = new Map<string, number>();

  /** There when the inner log has it. */
  readonly seen?: (roomId: string, epoch: string, head: number) => void;

  constructor(inner: Log) {
    this.#inner = inner;
    if (inner.seen !== undefined) this.seen = (...told) => inner.seen?.(...told);
  }

  get hanging(): number {
    return this.#hanging;
  }

  failAppends(count = Infinity): void {
    this.#failing = count;
  }

  loseReplies(count = Infinity): void {
    this.#losing = count;
  }

  hangAppends(): void {
    this.#gate ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release(): void {
    this.#gate = undefined;
    this.#open();
  }

  heal(): void {
    this.#failing = 0;
    this.#losing = 0;
    this.release();
  }

  append(
    roomId: string,
    sender: string | null,
    messageId: string | null,
    event: NewEvent,
    options?: AppendOptions,
  ): Promise<AppendResult> {
    const append = () => this.#inner.append(roomId, sender, messageId, event, options);
    let result: Promise<AppendResult>;
    if (this.#unreported.has(roomId)) result = this.#fail(roomId);
    else if (this.#failing > 0) {
      this.#failing--;
      result = this.#fail(roomId);
    } else if (this.#losing > 0) {
      this.#losing--;
      result = this.#fail(roomId, append());
    } else result = this.#gate === undefined ? append() : this.#hang(this.#gate, append);
    this.#remember(roomId, result);
    return result;
  }

  /** Fails after what was called before has settled, so that results come in order. */
  async #fail(roomId: string, committed?: Promise<unknown>): Promise<never> {
    this.#unreported.set(roomId, (this.#unreported.get(roomId) ?? 0) + 1);
    await Promise.allSettled([this.#last.get(roomId), committed]);
    const left = this.#unreported.get(roomId)! - 1;
    if (left === 0) this.#unreported.delete(roomId);
    else this.#unreported.set(roomId, left);
    throw new YamabikoError("unavailable", "The log cannot take it now.");
  }

  async #hang(gate: Promise<void>, append: () => Promise<AppendResult>): Promise<AppendResult> {
    this.#hanging++;
    await gate;
    this.#hanging--;
    return append();
  }

  #remember(roomId: string, result: Promise<unknown>): void {
    const forget = () => {
      if (this.#last.get(roomId) === result) this.#last.delete(roomId);
    };
    this.#last.set(roomId, result);
    result.then(forget, forget);
  }

  read: Log["read"] = (...question) => this.#inner.read(...question);
  readBack: Log["readBack"] = (...question) => this.#inner.readBack(...question);
  find: Log["find"] = (...question) => this.#inner.find(...question);
  amendments: Log["amendments"] = (...question) => this.#inner.amendments(...question);
  heads: Log["heads"] = (...question) => this.#inner.heads(...question);
  trim: Log["trim"] = (...question) => this.#inner.trim(...question);
  putSnapshot: Log["putSnapshot"] = (...question) => this.#inner.putSnapshot(...question);
  snapshot: Log["snapshot"] = (...question) => this.#inner.snapshot(...question);
  setMark: Log["setMark"] = (...question) => this.#inner.setMark(...question);
  marks: Log["marks"] = (...question) => this.#inner.marks(...question);
  marksOf: Log["marksOf"] = (...question) => this.#inner.marksOf(...question);
  dropMarks: Log["dropMarks"] = (...question) => this.#inner.dropMarks(...question);
  rooms: Log["rooms"] = (...question) => this.#inner.rooms(...question);
  lease: Log["lease"] = (...question) => this.#inner.lease(...question);
  endLease: Log["endLease"] = (...question) => this.#inner.endLease(...question);
  close: Log["close"] = () => this.#inner.close();
}

import type { Clock, Timer } from "../../protocol/index.ts";

/** As many steps are caught up at once; beyond them time is lost, so that a slow machine does not fall behind for ever. */
const MAX_STEPS = 5;
/** Timers come by whole milliseconds: this much early is on time, ms. */
const EARLY_MS = 1;

export interface LoopParts {
  readonly clock: Clock;
  readonly perSecond: number;
  /** One step. */
  step(): void;
  /** Everything that was due is done. */
  stepped(): void;
  /** Steps were left out: the process was held up for longer than can be caught up. */
  lost(steps: number): void;
}

/** Steps at a fixed rate, by a clock that never goes back: what one step comes late, the next ones do not. */
export class Loop {
  readonly #parts: LoopParts;
  readonly #stepMs: number;
  #timer: Timer | null = null;
  #startedAt = 0;
  /** Steps since `startedAt`, those that were lost included. */
  #steps = 0;

  constructor(parts: LoopParts) {
    this.#parts = parts;
    this.#stepMs = 1_000 / parts.perSecond;
  }

  get isRunning(): boolean {
    return this.#timer !== null;
  }

  start(): void {
    if (this.#timer !== null) return;
    this.#startedAt = this.#parts.clock.monotonic();
    this.#steps = 0;
    this.#plan(this.#stepMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #plan(waitMs: number): void {
    this.#timer = this.#parts.clock.setTimer(() => this.#run(), Math.max(0, waitMs));
  }

  #run(): void {
    const { clock, step, stepped, lost } = this.#parts;
    // A step may stop it.
    const isDue = (): boolean => this.#timer !== null && clock.monotonic() >= this.#dueAt - EARLY_MS;
    let done = 0;
    for (; done < MAX_STEPS && isDue(); done++) {
      this.#steps++;
      step();
    }
    if (done > 0) stepped();
    if (this.#timer === null) return;
    if (done === MAX_STEPS && isDue()) {
      const behind = Math.floor((clock.monotonic() - this.#dueAt) / this.#stepMs) + 1;
      this.#steps += behind;
      lost(behind);
    }
    this.#plan(this.#dueAt - clock.monotonic());
  }

  /** When the next step is due. Counted from the start, so that no error adds up. */
  get #dueAt(): number {
    return this.#startedAt + (this.#steps + 1) * this.#stepMs;
  }
}

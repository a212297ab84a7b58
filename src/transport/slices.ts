/**
 * Does work that comes in heaps in slices, so that everybody else has a turn in between: when a server comes back, all its
 * clients come at once, and in any turn of the event loop thousands of sockets may have something to say. What comes alone is
 * done at once.
 */
export class Slices {
  readonly #sliceMs: number;
  #waiting: (() => void)[] = [];
  #next = 0;
  #isScheduled = false;
  /** When this turn's slice began, by `performance.now`; null when nothing was done in this turn yet. */
  #startedAt: number | null = null;

  /** @param sliceMs after this long the rest waits for the next turn. */
  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  /** How much waits. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** Whether work may be done at once: nothing waits, and this turn has time. Work that may not be is given to `later`. */
  mayStart(): boolean {
    if (this.waiting > 0) return false;
    this.#schedule();
    return this.#hasTime();
  }

  /** Does `work`, which must not throw, in one of the next turns, in the order of the calls. */
  later(work: () => void): void {
    this.#waiting.push(work);
    this.#schedule();
  }

  /** Does `work` now or in one of the next turns. Settles as it does. */
  run<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      if (this.mayStart()) attempt();
      else this.later(attempt);
    });
  }

  #hasTime(): boolean {
    if (this.#startedAt === null) {
      this.#startedAt = performance.now();
      return true;
    }
    return performance.now() - this.#startedAt < this.#sliceMs;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    this.#startedAt = null;
    if (this.waiting === 0) return;
    while (this.waiting > 0 && this.#hasTime()) this.#waiting[this.#next++]!();
    // What comes in this turn has what is left of its time.
    this.#schedule();
    this.#letGo();
  };

  /** Lets go of what was done, also where something waits at all times. */
  #letGo(): void {
    // Half of it at least, so that what is moved is no more than what was done.
    if (this.#next < this.waiting) return;
    this.#waiting = this.#waiting.slice(this.#next);
    this.#next = 0;
  }
}

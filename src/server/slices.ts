/** After this long the rest waits for the next turn, ms. */
const SLICE_MS = 5;

/**
 * Does work that comes in heaps in slices, so that everybody else has a turn in between: when a server comes back, all its
 * clients come at once. What comes alone is done at once.
 */
export class Slices {
  #waiting: (() => void)[] = [];
  #next = 0;
  #isScheduled = false;
  /** When this turn's slice began, by `performance.now`; null when nothing was done in this turn yet. */
  #startedAt: number | null = null;

  /** How much waits. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** Does `work` now or in one of the next turns, in the order of the calls. Settles as it does. */
  run<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      if (this.waiting === 0 && this.#hasTime()) attempt();
      else this.#waiting.push(attempt);
      this.#schedule();
    });
  }

  #hasTime(): boolean {
    this.#startedAt ??= performance.now();
    return performance.now() - this.#startedAt < SLICE_MS;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    this.#startedAt = null;
    while (this.waiting > 0 && this.#hasTime()) this.#waiting[this.#next++]!();
    if (this.waiting > 0) this.#schedule();
    else {
      this.#waiting = [];
      this.#next = 0;
      this.#startedAt = null;
    }
  };
}

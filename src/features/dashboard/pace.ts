import type { Clock } from "../../protocol/index.ts";

/** So many per second on average, twice that at once. 0 means no limit. */
export class Pace {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #left: number;
  #filledAt: number;

  constructor(perSecond: number, clock: Clock) {
    this.#perMs = perSecond / 1_000;
    this.#burst = perSecond * 2;
    this.#clock = clock;
    this.#left = this.#burst;
    this.#filledAt = clock.monotonic();
  }

  /** Takes `count`. 0 when they were there, else how long to wait for them, ms; then nothing was taken. */
  take(count: number): number {
    if (this.#perMs === 0) return 0;
    const now = this.#clock.monotonic();
    this.#left = Math.min(this.#burst, this.#left + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
    const needed = Math.min(count, this.#burst);
    if (this.#left < needed) return Math.ceil((needed - this.#left) / this.#perMs);
    this.#left -= count;
    return 0;
  }
}

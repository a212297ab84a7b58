import { Recent } from "./recent.ts";

/** The longest that others are shown late, ms. */
const MAX_DELAY_MS = 500;
/** Beyond this error the playback jumps instead of going faster or slower, ms. */
const JUMP_MS = 250;
/** How much faster or slower it may go. */
const STRETCH = 0.1;
/** The fastest arrival is looked for in the last one or two of these, ms. */
const WINDOW_MS = 5_000;
/** How often the delay is thought over, arrivals. */
const REVIEW = 15;

/**
 * When to show what: ticks arrive unevenly, and are shown evenly, just so late that the next one is nearly always there.
 *
 * The fastest arrival of late is taken for the time of a tick; how much later the others come says how long to wait.
 */
export class Playback {
  readonly #tickMs: number;
  readonly #lateness = new Recent(120);
  /** The earliest start of time that arrivals of this window, and of the last, speak for. */
  #windowBest = Number.POSITIVE_INFINITY;
  #lastBest = Number.POSITIVE_INFINITY;
  #windowEndsAt = 0;
  #newest = -1;
  /** The usual distance of what arrives, ticks. */
  #interval = 1;
  #arrivals = 0;
  #delayMs: number;
  /** What is shown, in ticks; null before anything is. */
  #position: number | null = null;
  #shownAt = 0;

  constructor(tickMs: number) {
    this.#tickMs = tickMs;
    this.#delayMs = 3 * tickMs;
  }

  /** How late others are shown, ms. */
  get delayMs(): number {
    return this.#delayMs;
  }

  /** How unevenly ticks arrive: 95 % of them come no later than this after the fastest, ms. */
  get jitterMs(): number {
    return this.#lateness.quantile(0.95);
  }

  arrived(tick: number, nowMs: number): void {
    if (this.#newest >= 0) this.#interval += (Math.min(30, tick - this.#newest) - this.#interval) / 10;
    this.#newest = tick;
    if (nowMs >= this.#windowEndsAt) {
      this.#lastBest = this.#windowBest;
      this.#windowBest = Number.POSITIVE_INFINITY;
      this.#windowEndsAt = nowMs + WINDOW_MS;
    }
    const origin = nowMs - tick * this.#tickMs;
    this.#windowBest = Math.min(this.#windowBest, origin);
    this.#lateness.add(origin - this.#origin);
    if (this.#arrivals++ % REVIEW === 0) this.#review();
  }

  /** Two of what arrives must be there to be between them. */
  #review(): void {
    const between = this.#interval * this.#tickMs;
    this.#delayMs = Math.min(MAX_DELAY_MS, Math.max(2 * this.#tickMs, this.jitterMs + 1.5 * between));
  }

  get #origin(): number {
    return Math.min(this.#windowBest, this.#lastBest);
  }

  /** The tick to be shown now; not a whole number. Null before anything arrived. */
  positionAt(nowMs: number): number | null {
    if (this.#newest < 0) return null;
    const wanted = (nowMs - this.#origin - this.#delayMs) / this.#tickMs;
    if (this.#position === null || Math.abs(wanted - this.#position) * this.#tickMs > JUMP_MS) this.#position = wanted;
    else {
      const due = (nowMs - this.#shownAt) / this.#tickMs;
      const error = wanted - this.#position - due;
      this.#position += due + Math.max(-STRETCH * due, Math.min(STRETCH * due, error));
    }
    this.#shownAt = nowMs;
    return this.#position;
  }

  /** Time may start anew: the world is led by another, or was joined again. */
  reset(): void {
    this.#windowBest = this.#lastBest = Number.POSITIVE_INFINITY;
    this.#newest = -1;
    this.#position = null;
    this.#lateness.clear();
  }
}

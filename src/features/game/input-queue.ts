import type { Values } from "../../protocol/game/world-model.ts";

/** How many inputs wait at most; more than this is only delay. */
const QUEUE = 6;
/** A number further ahead than this is no next input. */
const MAX_AHEAD = 256;
/** How long a player's last input goes on when nothing comes, ms. */
const REPEAT_MS = 500;
/** After this silence of a connection an earlier one of the same user may play again, ms. */
const SILENCE_MS = 1_000;
/** How often it is looked at whether inputs wait longer than they need to, ticks. */
const WINDOW_TICKS = 60;

/** Why an input was not taken. */
export type InputRefusal = "stale" | "ahead" | "elsewhere";

/**
 * The inputs of one player on their way into the world: one for each tick, in the order of their numbers. Late ones are repeated
 * over, early ones wait a little, and what comes faster than ticks is dropped, the oldest first.
 */
export class InputQueue {
  readonly #rest: Readonly<Values>;
  readonly #repeatTicks: number;
  #queue: { seq: number; input: Readonly<Values> }[] = [];
  #newest = -1;
  /** The connection that plays, and the one before it. */
  #source: string | null = null;
  #formerSource: string | null = null;
  #heardAt = Number.NEGATIVE_INFINITY;
  #ack = 0;
  #input: Readonly<Values>;
  #starvedTicks = 0;
  #windowTicks = 0;
  #leastWaiting = Number.POSITIVE_INFINITY;

  /** @param rest what somebody wants who says nothing. */
  constructor(rest: Readonly<Values>, ticksPerSecond: number) {
    this.#rest = rest;
    this.#input = rest;
    this.#repeatTicks = Math.ceil((REPEAT_MS * ticksPerSecond) / 1_000);
  }

  /** The number of the last input that had its effect. */
  get ack(): number {
    return this.#ack;
  }

  /** How many inputs wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Takes an input of a connection. Null when it was taken, else why not.
   * @param seq its number; null for the next one.
   * @param nowMs by a clock that never goes back.
   */
  push(source: string, seq: number | null, input: Readonly<Values>, nowMs: number): InputRefusal | null {
    if (source !== this.#source) {
      const wasReplaced = source === this.#formerSource && nowMs - this.#heardAt < SILENCE_MS;
      if (wasReplaced) return "elsewhere";
      this.#formerSource = this.#source;
      this.#source = source;
      this.#queue = [];
      this.#newest = seq === null ? 0 : seq - 1;
    }
    this.#heardAt = nowMs;
    const number = seq ?? this.#newest + 1;
    if (number <= this.#newest) return "stale";
    if (number > this.#newest + MAX_AHEAD) return "ahead";
    this.#newest = number;
    this.#queue.push({ seq: number, input });
    if (this.#queue.length > QUEUE) this.#queue.shift();
    return null;
  }

  /** What the player wants at the next tick. */
  take(): Readonly<Values> {
    const next = this.#queue.shift();
    this.#shorten();
    if (next !== undefined) {
      this.#ack = next.seq;
      this.#input = next.input;
      this.#starvedTicks = 0;
    } else if (++this.#starvedTicks > this.#repeatTicks) this.#input = this.#rest;
    return this.#input;
  }

  /** Inputs that have waited all the time wait for nothing: one less makes the player's world that much newer. */
  #shorten(): void {
    this.#leastWaiting = Math.min(this.#leastWaiting, this.#queue.length);
    if (++this.#windowTicks < WINDOW_TICKS) return;
    if (this.#leastWaiting >= 2) this.#queue.shift();
    this.#windowTicks = 0;
    this.#leastWaiting = Number.POSITIVE_INFINITY;
  }
}

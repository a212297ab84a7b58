import type { Clock } from "../protocol/index.ts";

/** How long a hold lasts when the client does not come back with what was refused, ms (ACK-5). */
const HOLD_MS = 10_000;
/** The most messageIds a hold remembers; a client never has more in flight. */
const HOLD_IDS = 2_000;

/**
 * Keeps a client's order after a retryable refusal (ACK-5): later messages to the same room are refused too, until one
 * of the refused comes again.
 */
export class Hold {
  readonly #clock: Clock;
  readonly #refused = new Set<string>();
  #endsAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A message was refused, retryably. */
  refuse(messageId: string): void {
    // Counted from the first refusal: a client that never comes back with it must not be refused for ever.
    if (this.#refused.size === 0) this.#endsAt = this.#clock.monotonic() + HOLD_MS;
    if (this.#refused.size < HOLD_IDS) this.#refused.add(messageId);
  }

  /** Whether this message may go on. One that was refused before ends the hold. */
  admits(messageId: string): boolean {
    if (this.#refused.size === 0) return true;
    if (this.#refused.has(messageId) || this.#clock.monotonic() >= this.#endsAt) {
      this.#refused.clear();
      return true;
    }
    return false;
  }
}

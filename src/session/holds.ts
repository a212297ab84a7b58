import type { Clock } from "../protocol/index.ts";

/** How long a hold lasts when the client does not come back with what was refused, ms (ACK-5). */
const HOLD_MS = 10_000;

/** What was refused of one room's messages. */
interface Hold {
  readonly refused: Set<string>;
  endsAt: number;
}

/**
 * Keeps a client's order after retryable refusals (ACK-5): later messages to the same room are refused too, until one of
 * the refused comes again. Bounded: at most `limit` rooms are held, and besides the first refusal of each at most `limit`
 * messageIds are remembered, over all rooms; with one that is not, a client must come back after the first or wait.
 */
export class Holds {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #holdMs: number;
  readonly #holds = new Map<string, Hold>();
  #ids = 0;

  constructor(clock: Clock, limit: number, holdMs = HOLD_MS) {
    this.#clock = clock;
    this.#limit = limit;
    this.#holdMs = holdMs;
  }

  /** How many messageIds are remembered. */
  get ids(): number {
    return this.#ids;
  }

  /** A message was refused, retryably. */
  refuse(roomId: string, messageId: string): void {
    let hold = this.#holds.get(roomId);
    if (hold !== undefined && this.#isOver(hold)) {
      this.#end(roomId, hold);
      hold = undefined;
    }
    if (hold === undefined) {
      if (this.#holds.size >= this.#limit) this.#endOldest();
      // Counted from the first refusal: a client that never comes back with it must not be refused for ever.
      hold = { refused: new Set(), endsAt: this.#clock.monotonic() + this.#holdMs };
      this.#holds.set(roomId, hold);
    } else if (this.#ids >= this.#limit || hold.refused.has(messageId)) return;
    hold.refused.add(messageId);
    this.#ids++;
  }

  /** Whether this message may go on. One that was refused before ends the hold of its room. */
  admits(roomId: string, messageId: string): boolean {
    const hold = this.#holds.get(roomId);
    if (hold === undefined) return true;
    if (!hold.refused.has(messageId) && !this.#isOver(hold)) return false;
    this.#end(roomId, hold);
    return true;
  }

  clear(): void {
    this.#holds.clear();
    this.#ids = 0;
  }

  #isOver({ endsAt }: Hold): boolean {
    return this.#clock.monotonic() >= endsAt;
  }

  #end(roomId: string, hold: Hold): void {
    this.#holds.delete(roomId);
    this.#ids -= hold.refused.size;
  }

  #endOldest(): void {
    const [oldest] = this.#holds;
    if (oldest !== undefined) this.#end(...oldest);
  }
}

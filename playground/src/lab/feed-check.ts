/** What one reader of the feed got, and whether it is all it should have. */
export interface FeedCount {
  readonly received: number;
  /** Numbers that were passed over. */
  readonly missed: number;
  /** Events that came after a later one, or again. */
  readonly disordered: number;
  /** Of those received: what had been published while it was away. */
  readonly caughtUp: number;
}

export const NOTHING: FeedCount = { received: 0, missed: 0, disordered: 0, caughtUp: 0 };

/**
 * Counts the events of one room by their numbers. A reconnect does not begin a new count: what is passed over while away is
 * missed.
 */
export class FeedCheck {
  #count: FeedCount = NOTHING;
  #epoch: string | null = null;
  #last: number | null = null;
  /** What came up to here was published before the last join. */
  #head = 0;

  get count(): FeedCount {
    return this.#count;
  }

  /** The number of the newest event; null before the first. */
  get last(): number | null {
    return this.#last;
  }

  /** Whether everything is here that had been published before the last join. */
  get isCaughtUp(): boolean {
    return (this.#last ?? 0) >= this.#head;
  }

  /** The room is joined: events after `seq` follow, and those up to `head` had been published before. */
  join(epoch: string, seq: number, head: number): void {
    // A log made anew counts from the beginning; nothing of it was missed.
    if (epoch !== this.#epoch) this.#last = seq;
    this.#epoch = epoch;
    this.#head = head;
  }

  /** Takes an event. True when it is new and live: when its latency says something about the way it came. */
  see(seq: number): boolean {
    const { received, missed, disordered, caughtUp } = this.#count;
    const last = this.#last;
    if (last !== null && seq <= last) {
      this.#count = { ...this.#count, disordered: disordered + 1 };
      return false;
    }
    const isLate = seq <= this.#head;
    this.#last = seq;
    this.#count = {
      received: received + 1,
      missed: missed + (last === null ? 0 : seq - last - 1),
      disordered,
      caughtUp: caughtUp + Number(isLate),
    };
    return !isLate;
  }

  /** Counts from 0 on, from where the feed is now. */
  clear(): void {
    this.#count = NOTHING;
  }
}

import type { Clock } from "../protocol/index.ts";

/** With this many times the burst refused, and not made up for by waiting, a bucket is overdrawn. */
const PATIENCE = 10;
/** How much of what was used elsewhere a bucket pays for at most, ms of its rate. */
const CHARGED_MS = 10_000;

/** A token bucket: `perSecond` on average, twice that at once. 0 means no limit. */
export class Bucket {
  readonly #perMs: number;
  readonly #capacity: number;
  readonly #clock: Clock;
  #tokens: number;
  /** What was refused, less what has been filled in since. */
  #debt = 0;
  #filledAt: number;

  constructor(perSecond: number, clock: Clock, burst = perSecond * 2) {
    this.#perMs = perSecond / 1000;
    this.#capacity = burst;
    this.#tokens = burst;
    this.#clock = clock;
    this.#filledAt = clock.monotonic();
  }

  /** Takes `count` tokens. 0 when they were there, else how long to wait for them, ms; then nothing was taken. */
  take(count = 1): number {
    if (this.#perMs === 0) return 0;
    const now = this.#clock.monotonic();
    const filled = (now - this.#filledAt) * this.#perMs;
    this.#tokens = Math.min(this.#capacity, this.#tokens + filled);
    this.#debt = Math.max(0, this.#debt - filled);
    this.#filledAt = now;
    // More than the bucket ever holds is let through when it is full, and paid for afterwards.
    if (this.#tokens >= Math.min(count, this.#capacity)) {
      this.#tokens -= count;
      return 0;
    }
    this.#debt += count;
    return Math.ceil((Math.min(count, this.#capacity) - this.#tokens) / this.#perMs);
  }

  /** Takes what was used elsewhere, whether it is there or not: paid for afterwards, up to ten seconds' worth. */
  charge(count: number): void {
    if (this.#perMs === 0) return;
    const now = this.#clock.monotonic();
    const filled = this.#tokens + (now - this.#filledAt) * this.#perMs;
    this.#filledAt = now;
    this.#tokens = Math.max(Math.min(this.#capacity, filled) - count, -CHARGED_MS * this.#perMs);
  }

  /** Gives back what was taken for something that was refused for another reason. */
  giveBack(count = 1): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + count);
  }

  /** Whether so much was refused that whoever asks does not mind being refused. */
  get isOverdrawn(): boolean {
    return this.#debt > this.#capacity * PATIENCE;
  }

  /** Whether it is as full as can be, so that forgetting it changes nothing. */
  get isFull(): boolean {
    return this.#tokens + (this.#clock.monotonic() - this.#filledAt) * this.#perMs >= this.#capacity;
  }
}

/** Buckets by key, made when first used and forgotten when full. Bounded: beyond `max`, the longest unused goes. */
export class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #clock: Clock;
  readonly #max: number;
  #sweepAt = SWEEP_AT;

  constructor(clock: Clock, max = 100_000) {
    this.#clock = clock;
    this.#max = max;
  }

  /** How many there are. */
  get count(): number {
    return this.#buckets.size;
  }

  /** As `Bucket.take`, of the key's own bucket. */
  take(key: string, perSecond: number): number {
    return perSecond === 0 ? 0 : this.of(key, perSecond).take();
  }

  /** The key's own bucket. */
  of(key: string, perSecond: number): Bucket {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new Bucket(perSecond, this.#clock);
      this.#makeRoom();
    } else {
      this.#buckets.delete(key);
    }
    this.#buckets.set(key, bucket);
    return bucket;
  }

  /** Forgets the full ones. */
  sweep(): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull) this.#buckets.delete(key);
    this.#sweepAt = Math.max(SWEEP_AT, this.#buckets.size * 2);
  }

  /** Sweeps when it has doubled since the last time, so that nobody else has to. */
  #makeRoom(): void {
    if (this.#buckets.size >= this.#sweepAt) this.sweep();
    if (this.#buckets.size < this.#max) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}

/** Fewer buckets than this are not worth a sweep. */
const SWEEP_AT = 1_024;

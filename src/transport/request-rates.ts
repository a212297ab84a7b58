import type { Clock, Limits } from "../protocol/index.ts";
import { Bucket } from "../session/limits.ts";
import type { Rates } from "../session/session.ts";

/** The most callers whose rates are remembered; beyond it the longest unused is forgotten. */
const MAX_CALLERS = 50_000;

/** The rates of those who come by requests: what a connection has for itself, they have over all their requests on this node. */
export class RequestRates {
  readonly #limits: Limits;
  readonly #clock: Clock;
  /** In the order of last use. */
  readonly #rates = new Map<string, Rates>();
  #sweepAt = 1_024;

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** How many callers are remembered. */
  get count(): number {
    return this.#rates.size;
  }

  of(key: string): Rates {
    let rates = this.#rates.get(key);
    if (rates === undefined) {
      this.#makeRoom();
      rates = {
        messages: new Bucket(this.#limits.messagesPerSecond, this.#clock),
        bytes: new Bucket(this.#limits.bytesPerSecond, this.#clock),
      };
    } else this.#rates.delete(key);
    this.#rates.set(key, rates);
    return rates;
  }

  #makeRoom(): void {
    if (this.#rates.size >= this.#sweepAt) {
      for (const [key, { messages, bytes }] of this.#rates)
        if (messages.isFull && bytes.isFull) this.#rates.delete(key);
      this.#sweepAt = Math.max(1_024, this.#rates.size * 2);
    }
    if (this.#rates.size < MAX_CALLERS) return;
    const [oldest] = this.#rates.keys();
    if (oldest !== undefined) this.#rates.delete(oldest);
  }
}

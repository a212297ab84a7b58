import type { Clock, Limits } from "../protocol/index.ts";
import { Buckets } from "../session/limits.ts";
import type { Rates } from "../session/session.ts";

/** The rates of those who come by requests: what a connection has for itself, they have over all their requests on this node. */
export class RequestRates {
  readonly #limits: Limits;
  readonly #messages: Buckets;
  readonly #bytes: Buckets;

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits;
    this.#messages = new Buckets(clock);
    this.#bytes = new Buckets(clock);
  }

  /** How many callers are remembered. */
  get count(): number {
    return Math.max(this.#messages.count, this.#bytes.count);
  }

  of(key: string): Rates {
    const { messagesPerSecond, bytesPerSecond } = this.#limits;
    return { messages: this.#messages.of(key, messagesPerSecond), bytes: this.#bytes.of(key, bytesPerSecond) };
  }
}

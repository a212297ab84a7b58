import type { Observer } from "../observe/observer.ts";
import { type Clock, type Limits, YamabikoError } from "../protocol/index.ts";
import { Buckets } from "../session/limits.ts";

/** The limits per address: connections at once, and new ones per second. */
export class IpLimits {
  readonly #limits: Limits;
  readonly #observer: Observer;
  readonly #connections = new Map<string, number>();
  readonly #handshakes: Buckets;

  constructor(limits: Limits, clock: Clock, observer: Observer) {
    this.#limits = limits;
    this.#observer = observer;
    this.#handshakes = new Buckets(clock);
  }

  /**
   * Takes a place for a connection from this address. Returns the way to give it back; safe to call more than once.
   * @throws {YamabikoError} `too_many_connections` or `rate_limited`; then nothing was taken.
   */
  take(address: string): () => void {
    const { connectionsPerIp, handshakesPerSecond } = this.#limits;
    const count = this.#connections.get(address) ?? 0;
    if (connectionsPerIp !== 0 && count >= connectionsPerIp) {
      this.#observer.limited("connectionsPerIp");
      throw new YamabikoError("too_many_connections", "Too many connections from your address.");
    }
    const wait = this.#handshakes.take(address, handshakesPerSecond);
    if (wait > 0) {
      this.#observer.limited("handshakesPerSecond");
      throw new YamabikoError("rate_limited", "Too many new connections from your address.", { retryAfterMs: wait });
    }
    this.#connections.set(address, count + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.#connections.get(address) ?? 1) - 1;
      if (left === 0) this.#connections.delete(address);
      else this.#connections.set(address, left);
    };
  }

  /** Forgets rates nobody uses. */
  sweep(): void {
    this.#handshakes.sweep();
  }
}

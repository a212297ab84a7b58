import type { Observer } from "../observe/observer.ts";
import { type Clock, type Limits, YamabikoError } from "../protocol/index.ts";
import type { Rooms } from "../room/rooms.ts";
import { Buckets } from "../session/limits.ts";
import { SharedCounts } from "../session/shared-counts.ts";

/** How many bodies of one address may be on their way at once, for each connection it may have. */
const BODIES = 4;

/** The limits per address: connections at once, and new ones per second. */
export class IpLimits {
  readonly #limits: Limits;
  readonly #observer: Observer;
  readonly #connections = new Map<string, number>();
  readonly #bodies = new Map<string, number>();
  readonly #handshakes: Buckets;
  readonly #credentials: Buckets;
  readonly #requests: Buckets;
  /** What the address has at the other nodes. */
  readonly #counts: SharedCounts;

  /** One for all that is held. */
  readonly #changed: CountChanged = (address, count) => this.#counts.changed(address, count);

  constructor(limits: Limits, clock: Clock, observer: Observer) {
    const limit = limits.connectionsPerIp;
    this.#counts = new SharedCounts({ name: "addresses", limit, clock, here: () => this.#connections });
    this.#limits = limits;
    this.#observer = observer;
    this.#handshakes = new Buckets(clock);
    this.#credentials = new Buckets(clock);
    this.#requests = new Buckets(clock);
  }

  /**
   * Takes a place for a connection from this address. Returns the way to give it back; safe to call more than once.
   * @throws {YamabikoError} `too_many_connections` or `rate_limited`; then nothing was taken.
   */
  take(address: string): () => void {
    this.#checkPlace(address);
    this.#limit(this.#handshakes, "handshakesPerSecond", address, "Too many new connections from your address.");
    return this.hold(address);
  }

  /**
   * As `take`, for a request that may wait for its answer: it has a place, but is no new connection.
   * @throws {YamabikoError} `too_many_connections`.
   */
  hold(address: string): () => void {
    this.#checkPlace(address);
    return count(this.#connections, address, this.#changed);
  }

  /** Counts with the other nodes from now on. */
  attach(rooms: Rooms): void {
    if (this.#limits.connectionsPerIp > 0) this.#counts.attach(rooms);
  }

  /**
   * As `hold`, for a body while it is read: whoever sends many of them slowly fills the memory with what has come. Four times
   * `connectionsPerIp`.
   * @throws {YamabikoError} `too_many_connections`.
   */
  holdBody(address: string): () => void {
    const { connectionsPerIp } = this.#limits;
    if (connectionsPerIp !== 0 && (this.#bodies.get(address) ?? 0) >= connectionsPerIp * BODIES) this.#refuse();
    return count(this.#bodies, address);
  }

  /**
   * Counts a request for a ticket or a token: as many per second as connections.
   * @throws {YamabikoError} `rate_limited`.
   */
  askForCredential(address: string): void {
    this.#limit(this.#credentials, "handshakesPerSecond", address, "Too many requests from your address.");
  }

  /**
   * Counts a request.
   * @throws {YamabikoError} `rate_limited`.
   */
  ask(address: string): void {
    this.#limit(this.#requests, "requestsPerSecond", address, "Too many requests from your address.");
  }

  #checkPlace(address: string): void {
    const { connectionsPerIp } = this.#limits;
    if (connectionsPerIp === 0) return;
    const held = (this.#connections.get(address) ?? 0) + this.#counts.elsewhere(address);
    if (held >= connectionsPerIp) this.#refuse();
  }

  #refuse(): never {
    this.#observer.limited("connectionsPerIp");
    throw new YamabikoError("too_many_connections", "Too many connections from your address.", {
      retryAfterMs: 1_000,
    });
  }

  #limit(buckets: Buckets, limit: "handshakesPerSecond" | "requestsPerSecond", address: string, message: string): void {
    const wait = buckets.take(address, this.#limits[limit]);
    if (wait === 0) return;
    this.#observer.limited(limit);
    throw new YamabikoError("rate_limited", message, { retryAfterMs: wait });
  }
}

type CountChanged = (address: string, count: number) => void;

/** Counts one more of an address. Returns the way to take it back; safe to call more than once. */
function count(counts: Map<string, number>, address: string, onChange?: CountChanged): () => void {
  counts.set(address, (counts.get(address) ?? 0) + 1);
  onChange?.(address, counts.get(address)!);
  let isCounted = true;
  return () => {
    if (!isCounted) return;
    isCounted = false;
    const left = (counts.get(address) ?? 1) - 1;
    if (left === 0) counts.delete(address);
    else counts.set(address, left);
    onChange?.(address, left);
  };
}

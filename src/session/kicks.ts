import type { Clock } from "../protocol/index.ts";

/** How long it is remembered who was taken out of a room, ms: longer than a poller stays away between two polls. */
const KICKED_MS = 60_000;
/** The most that are remembered; beyond it the oldest is forgotten. */
const MAX_KICKS = 10_000;

/**
 * Who was taken out of which room a moment ago; every node knows it. A connection that was there has been told; one that reads by polls, and was
 * between two of them, is told with its next one.
 */
export class Kicks {
  readonly #clock: Clock;
  /** Until when, by room and user, in the order of the kicks. */
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many are remembered. */
  get count(): number {
    return this.#until.size;
  }

  add(roomId: string, userId: string): void {
    const key = keyOf(roomId, userId);
    this.#until.delete(key);
    this.#until.set(key, this.#clock.monotonic() + KICKED_MS);
    if (this.#until.size <= MAX_KICKS) return;
    const [oldest] = this.#until.keys();
    if (oldest !== undefined) this.#until.delete(oldest);
  }

  has(roomId: string, userId: string): boolean {
    const until = this.#until.get(keyOf(roomId, userId));
    if (until === undefined) return false;
    if (this.#clock.monotonic() < until) return true;
    this.#until.delete(keyOf(roomId, userId));
    return false;
  }

  /** The user has joined the room again. Whether that was news. */
  forget(roomId: string, userId: string): boolean {
    return this.#until.size > 0 && this.#until.delete(keyOf(roomId, userId));
  }
}

function keyOf(roomId: string, userId: string): string {
  return `${roomId}\n${userId}`;
}

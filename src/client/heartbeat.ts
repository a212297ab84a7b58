import type { Clock, Timer } from "../protocol/clock.ts";

/** How long a ping may stay without any frame, ms (HB-2). */
export const PING_DEADLINE_MS = 10_000;

/** What a heartbeat needs of its connection. */
export interface HeartbeatHost {
  readonly clock: Clock;
  /** Silence after which a ping is sent, ms. */
  readonly intervalMs: number;
  /** Sends `ping` with this payload. */
  ping(payload: { t: number }): void;
  /** Nothing came in time: the link is dead, whatever the socket says. Called once. */
  dead(): void;
}

/**
 * Notices a silent link (HB-2): after `intervalMs` without a frame it pings, and `PING_DEADLINE_MS` later without a
 * frame the link is dead. Frames only set a number; no timer is moved for them.
 */
export class Heartbeat {
  readonly #host: HeartbeatHost;
  #heardAt: number;
  #probedAt: number | null = null;
  #deadlineMs = 0;
  #timer: Timer | null = null;

  constructor(host: HeartbeatHost) {
    this.#host = host;
    this.#heardAt = host.clock.monotonic();
    this.#arm(host.intervalMs);
  }

  /** Any frame is a sign of life. */
  heard(): void {
    this.#heardAt = this.#host.clock.monotonic();
    this.#probedAt = null;
  }

  /** Pings now; the link is dead when no frame comes within `deadlineMs`. A stricter probe already under way stays. */
  probe(deadlineMs = PING_DEADLINE_MS): void {
    const now = this.#host.clock.monotonic();
    if (this.#probedAt !== null && this.#probedAt + this.#deadlineMs <= now + deadlineMs) return;
    this.#probedAt = now;
    this.#deadlineMs = deadlineMs;
    this.#arm(deadlineMs);
    this.#host.ping({ t: now });
  }

  /** Ends it; `dead` is not called any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#host.clock.setTimer(() => this.#check(), delayMs);
  }

  #check(): void {
    const now = this.#host.clock.monotonic();
    if (this.#probedAt !== null) {
      const leftMs = this.#probedAt + this.#deadlineMs - now;
      if (leftMs > 0) return this.#arm(leftMs);
      this.stop();
      return this.#host.dead();
    }
    const leftMs = this.#heardAt + this.#host.intervalMs - now;
    if (leftMs > 0) this.#arm(leftMs);
    else this.probe();
  }
}

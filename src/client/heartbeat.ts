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
  /** When the link is dead unless a frame comes; 0 while no ping asks for one. */
  #deadAt = 0;
  #timer: Timer | null = null;

  constructor(host: HeartbeatHost) {
    this.#host = host;
    this.#heardAt = host.clock.monotonic();
    this.#arm(host.intervalMs);
  }

  /** Any frame is a sign of life. */
  heard(): void {
    this.#heardAt = this.#host.clock.monotonic();
    this.#deadAt = 0;
  }

  /** Pings now; the link is dead when no frame comes within `deadlineMs`. A stricter probe already under way stays. */
  probe(deadlineMs = PING_DEADLINE_MS): void {
    const t = this.#host.clock.monotonic();
    if (this.#deadAt > 0 && this.#deadAt <= t + deadlineMs) return;
    this.#deadAt = t + deadlineMs;
    this.#arm(deadlineMs);
    this.#host.ping({ t });
  }

  /** Ends it; `dead` is not called any more. */
  stop(): void {
    this.#timer?.cancel();
  }

  #arm(delayMs: number): void {
    this.stop();
    this.#timer = this.#host.clock.setTimer(() => this.#check(), delayMs);
  }

  #check(): void {
    const { intervalMs, clock } = this.#host;
    const leftMs = (this.#deadAt || this.#heardAt + intervalMs) - clock.monotonic();
    if (leftMs > 0) this.#arm(leftMs);
    else if (this.#deadAt > 0) this.#host.dead();
    else this.probe();
  }
}

import type { Lease, Log } from "../log/log.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock, Timer } from "../protocol/index.ts";

/** How long a lease lasts without being asked for again, ms: at most this long nobody leads when the leader dies. */
const LEASE_MS = 2_400;
/** How often the leader asks again, ms. */
const RENEW_MS = 800;
/** How much earlier than the log the leader holds its time to be over, ms. */
const MARGIN_MS = 300;
/** How long to wait before asking again a log that did not answer, ms. */
const RETRY_MS = 200;
/** Whoever waits asks this much after the leader's time, ms. */
const AFTER_MS = 10;

/** The time in which a node leads a room. */
export interface Lead {
  /** Higher than that of whoever led before. The log refuses appends with a lower one. */
  readonly fence: number;
  /** Aborted when this node does not lead any more. Looking at it looks at the time. */
  readonly signal: AbortSignal;
  /** Whether this node still leads, by the time of this moment: to be asked before acting, because whoever slept did not see it pass. */
  holds(): boolean;
}

export interface LeadingParts {
  readonly roomId: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Told when the lease was given back, so that others need not wait for its time to be over. Default: nobody. */
  readonly freed?: (() => void) | undefined;
}

/** A time of leading: its end moves on with every renewal, and is never missed by more than a look at it. */
class Term implements Lead {
  readonly fence: number;
  readonly run: (lead: Lead) => void;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  /** By the monotonic clock, and by that of the wall, which goes on while the machine sleeps. */
  #endsAt = 0;
  #endsAtWall = 0;

  constructor(fence: number, run: (lead: Lead) => void, clock: Clock) {
    this.fence = fence;
    this.run = run;
    this.#clock = clock;
  }

  get signal(): AbortSignal {
    this.holds();
    return this.#controller.signal;
  }

  /** When it is over unless it is renewed, by the monotonic clock, ms. */
  get endsAt(): number {
    return this.#endsAt;
  }

  holds(): boolean {
    const isOver = this.#clock.monotonic() >= this.#endsAt || this.#clock.now() >= this.#endsAtWall;
    if (isOver) this.end();
    return !this.#controller.signal.aborted;
  }

  /** The log was asked at this time, and said yes. */
  renew(asked: { monotonic: number; wall: number }): void {
    this.#endsAt = asked.monotonic + LEASE_MS - MARGIN_MS;
    this.#endsAtWall = asked.wall + LEASE_MS - MARGIN_MS;
  }

  end(): void {
    if (!this.#controller.signal.aborted) this.#controller.abort();
  }
}

/**
 * Who leads a room, over all nodes: whoever has its lease in the log. On this node those who ask lead one after the other. A
 * leader that dies is followed by another within 3 s.
 */
export class Leading {
  readonly #parts: LeadingParts;
  readonly #owner: string;
  readonly #waiting: ((lead: Lead) => void)[] = [];
  #term: Term | null = null;
  #timer: Timer | null = null;
  #endTimer: Timer | null = null;
  #isAsking = false;
  /** The lease was given back while it was asked for: the answer may be from before. */
  #isHurried = false;
  #isClosed = false;
  /** The fence that was given back last: whatever the log still says of it is old. */
  #givenFence: number | null = null;

  /** @param owner unlike any other that may lead the room, here or on another node. */
  constructor(parts: LeadingParts, owner: string) {
    this.#parts = parts;
    this.#owner = owner;
  }

  /**
   * Calls `run` when it leads, never from inside this call, and again when it leads anew after another did. Returns the way to
   * let go.
   */
  lead(run: (lead: Lead) => void): () => void {
    this.#waiting.push(run);
    queueMicrotask(() => {
      if (this.#timer === null) void this.#ask();
    });
    return () => {
      const index = this.#waiting.indexOf(run);
      if (index === -1) return;
      this.#waiting.splice(index, 1);
      if (this.#term?.run === run) this.#give();
    };
  }

  /** Another node gave the lease back: whoever waits here asks now. */
  hurry(): void {
    if (this.#term !== null) return;
    this.#isHurried = this.#isAsking;
    void this.#ask();
  }

  /** Lets go, and asks no more. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#timer?.cancel();
    if (this.#term !== null) this.#give();
  }

  async #ask(): Promise<void> {
    if (this.#isAsking || this.#isClosed || this.#waiting.length === 0) return;
    this.#isAsking = true;
    this.#timer?.cancel();
    this.#timer = null;
    const { log, roomId, clock, observer } = this.#parts;
    const asked = { monotonic: clock.monotonic(), wall: clock.now() };
    let nextMs = RETRY_MS;
    try {
      nextMs = this.#decide(await log.lease(roomId, this.#owner, LEASE_MS), asked);
    } catch (error) {
      if (!this.#isClosed) observer.failure("asking for the lead of a room", error);
    }
    this.#isAsking = false;
    if (this.#isHurried && this.#term === null) nextMs = 0;
    this.#isHurried = false;
    this.#askIn(nextMs);
  }

  /** What the answer means. Returns when to ask again, ms. */
  #decide({ holder, fence, expiresInMs }: Lease, asked: { monotonic: number; wall: number }): number {
    if (holder !== this.#owner) {
      this.#end();
      return Math.min(expiresInMs, LEASE_MS) + AFTER_MS;
    }
    const run = this.#waiting[0];
    if (run === undefined || fence === this.#givenFence) {
      this.#endLease(fence);
      return RETRY_MS;
    }
    // A lead that is over does not come back: it is another one.
    if (this.#term !== null && (this.#term.fence !== fence || !this.#term.holds())) this.#end();
    const isNew = this.#term === null;
    const term = this.#term ?? new Term(fence, run, this.#parts.clock);
    term.renew(asked);
    if (!term.holds()) {
      // The answer took longer than the lease lasts.
      this.#end();
      return 0;
    }
    this.#term = term;
    this.#watch(term);
    if (isNew) this.#start(term);
    return RENEW_MS;
  }

  #start(term: Term): void {
    try {
      term.run(term);
    } catch (error) {
      this.#parts.observer.failure("leading a room", error);
    }
  }

  /** Ends a lead on time that is not renewed. */
  #watch(term: Term): void {
    const { clock } = this.#parts;
    this.#endTimer?.cancel();
    this.#endTimer = clock.setTimer(() => {
      if (this.#term === term && !term.holds()) this.#end();
    }, term.endsAt - clock.monotonic());
  }

  #end(): void {
    this.#endTimer?.cancel();
    this.#term?.end();
    this.#term = null;
  }

  /** Gives the lease back, and asks for whoever is next. */
  #give(): void {
    const { fence } = this.#term!;
    this.#end();
    this.#endLease(fence);
    this.#timer?.cancel();
    this.#timer = null;
    queueMicrotask(() => void this.#ask());
  }

  #endLease(fence: number): void {
    const { log, roomId, freed } = this.#parts;
    this.#givenFence = fence;
    // When it cannot be given back, it ends by itself.
    log.endLease(roomId, this.#owner, fence).then(freed, () => {});
  }

  #askIn(delayMs: number): void {
    if (this.#isClosed || this.#waiting.length === 0) return;
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.setTimer(() => {
      this.#timer = null;
      void this.#ask();
    }, delayMs);
  }
}

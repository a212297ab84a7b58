import type { Clock, Timer } from "../protocol/clock.ts";

/** A clock that moves only when the test says so. */
export interface FakeClock extends Clock {
  /**
   * Moves time forward by `ms` (0 is allowed: only what is due now), running every timer that falls due in order of its
   * time, then of its creation. Promises settle before the first timer, between timers and after the last one, so code
   * that awaits between timers behaves as it would in real time. Rejects with what a timer threw; time stays there.
   */
  advance(ms: number): Promise<void>;
  /** Lets promises and I/O callbacks that are due settle; time stays. */
  flush(): Promise<void>;
  /** Moves the wall clock alone, as a change of the system time would: no timer runs and `monotonic` does not move. */
  shiftWallClock(ms: number): void;
  /** Moves time and runs no timer, as it passes for a process that stands still. What is due runs with the next `advance`. */
  stall(ms: number): void;
  /** Timers that have neither run nor been cancelled. Zero at the end of a test means nothing was left behind. */
  readonly pendingTimers: number;
}

interface FakeTimer extends Timer {
  readonly dueAt: number;
  readonly order: number;
  readonly run: () => void;
}

/** A turn of the event loop lets every promise chain run to its end, however long. */
const turn: () => Promise<void> =
  typeof setImmediate === "function"
    ? () => new Promise((resolve) => setImmediate(resolve))
    : () => new Promise((resolve) => setTimeout(resolve, 0));

/** Makes a {@link FakeClock}. `startMs` is the wall clock's start, ms since 1970; the default is 2024-01-01T00:00:00Z. */
export function createFakeClock(startMs = Date.UTC(2024, 0, 1)): FakeClock {
  const timers = new Set<FakeTimer>();
  let elapsed = 0;
  let shift = 0;
  let created = 0;

  const next = (until: number): FakeTimer | undefined => {
    let first: FakeTimer | undefined;
    for (const timer of timers) {
      if (timer.dueAt > until) continue;
      if (
        first === undefined ||
        timer.dueAt < first.dueAt ||
        (timer.dueAt === first.dueAt && timer.order < first.order)
      ) {
        first = timer;
      }
    }
    return first;
  };

  return {
    now: () => startMs + shift + elapsed,
    monotonic: () => elapsed,
    setTimer(run, delayMs) {
      const timer: FakeTimer = {
        dueAt: elapsed + Math.max(0, delayMs),
        order: created++,
        run,
        cancel: () => void timers.delete(timer),
      };
      timers.add(timer);
      return timer;
    },
    async advance(ms) {
      const until = elapsed + ms;
      await turn();
      for (let timer = next(until); timer !== undefined; timer = next(until)) {
        timers.delete(timer);
        elapsed = Math.max(elapsed, timer.dueAt);
        timer.run();
        await turn();
      }
      elapsed = until;
    },
    flush: turn,
    shiftWallClock(ms) {
      shift += ms;
    },
    stall(ms) {
      elapsed += ms;
    },
    get pendingTimers() {
      return timers.size;
    },
  };
}

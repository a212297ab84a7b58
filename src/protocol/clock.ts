/** Time as the rest of the code sees it, so that tests can move it. */
export interface Clock {
  /** Wall clock, ms since 1970. */
  now(): number;
  /** Never goes back; ms from an arbitrary start. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`. */
  setTimer(run: () => void, delayMs: number): Timer;
}

/** A timer that can be called off. */
export interface Timer {
  cancel(): void;
}

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(run, delayMs) {
    const timer = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

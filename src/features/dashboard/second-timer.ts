import type { Clock, Timer } from "../../protocol/index.ts";

/**
 * Calls `run` at every full second of the wall clock, with that second in ms since 1970. It does not drift, and a second that the
 * process slept through is left out. `run` must not throw. Returns the way to stop it.
 */
export function everySecond(clock: Clock, run: (t: number) => void): () => void {
  let timer: Timer;
  let last = secondOf(clock.now());
  const plan = (): void => {
    const now = clock.now();
    timer = clock.setTimer(tick, secondOf(now) + SECOND_MS - now);
  };
  const tick = (): void => {
    const second = secondOf(clock.now());
    // The same one again where the wall clock was set back a little.
    if (second !== last) run(second);
    last = second;
    plan();
  };
  plan();
  return () => timer.cancel();
}

const SECOND_MS = 1_000;
/** How much too early a timer may be, ms: they count whole ms of another clock. */
const EARLY_MS = 2;

function secondOf(now: number): number {
  return Math.floor((now + EARLY_MS) / SECOND_MS) * SECOND_MS;
}

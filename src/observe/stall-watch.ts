import type { Observer } from "./observer.ts";

/** How often the loop is looked at, ms. */
const LOOK_MS = 250;
/** From here on a delay is a stall, ms. */
const STALL_MS = 500;

/**
 * Tells the observer of every time the event loop stood still for half a second or more: something held it (a regular expression, a
 * large `JSON.parse`, a callback that computes), or the process did not run. Nobody was served meanwhile. Keeps no process alive.
 * Returns the way to end it.
 */
export function watchStalls(observer: Pick<Observer, "stalled">): () => void {
  let lookedAt = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    const lateMs = now - lookedAt - LOOK_MS;
    lookedAt = now;
    if (lateMs >= STALL_MS) observer.stalled(lateMs);
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

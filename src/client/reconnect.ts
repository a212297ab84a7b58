/** How long to wait between attempts. */
export interface Backoff {
  /** The wait before the second attempt, ms, before jitter. */
  readonly intervalMs: number;
  /** The longest wait, ms, before jitter. */
  readonly maxMs: number;
  /** 0 inclusive to 1 exclusive. */
  readonly random: () => number;
}

/**
 * The wait before attempt `attempt` (1, 2, 3 …), ms: `min(intervalMs × 2^(attempt−1), maxMs)`, multiplied by a random
 * factor between 0.5 and 1 so that clients dropped together do not come back together.
 */
export function backoffMs(attempt: number, { intervalMs, maxMs, random }: Backoff): number {
  return Math.min(intervalMs * 2 ** (attempt - 1), maxMs) * (0.5 + random() * 0.5);
}

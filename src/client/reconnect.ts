/**
 * The wait before attempt `attempt` (1, 2, 3 …), ms: `min(intervalMs × 2^(attempt−1), maxMs)`, multiplied by a random
 * factor between 0.5 and 1 so that clients dropped together do not come back together. `random` gives 0 inclusive to 1
 * exclusive.
 */
export function backoffMs(attempt: number, intervalMs: number, maxMs: number, random: () => number): number {
  return Math.min(intervalMs * 2 ** (attempt - 1), maxMs) * (0.5 + random() * 0.5);
}

/** How far the server's clock is ahead, and how far that may be wrong. */
export interface ClockOffset {
  readonly aheadMs: number;
  /** Half of the quickest round trip. */
  readonly uncertainMs: number;
}

const ROUNDS = 8;

/**
 * Compares two clocks: asks the other several times and believes the quickest answer, whose time lies in the middle of its
 * round trip as nearly as can be known.
 */
export async function compareClocks(ask: () => Promise<number>, now: () => number): Promise<ClockOffset> {
  let best: ClockOffset = { aheadMs: 0, uncertainMs: Number.POSITIVE_INFINITY };
  for (let round = 0; round < ROUNDS; round++) {
    const askedAt = now();
    const theirs = await ask();
    const half = (now() - askedAt) / 2;
    if (half < best.uncertainMs) best = { aheadMs: theirs - (askedAt + half), uncertainMs: half };
  }
  return best;
}

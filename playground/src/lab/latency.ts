/** The shortest latency that is told from shorter ones, ms. */
const FLOOR_MS = 0.1;
const DECADES = 6;
/** Bins of a decade: a quantile is right to a tenth. */
const BINS = 24;
/** Bins that make one bar. */
const BAR = 6;

/** How many bars a distribution has; each is a quarter of a decade, from 0.1 ms to 100 s. */
export const BARS = (DECADES * BINS) / BAR;

/** A distribution of latencies on a logarithmic scale. Takes any number of them in the same memory. */
export class LatencyHistogram {
  readonly #bins = new Uint32Array(DECADES * BINS);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Counts one. What is below the floor, as when two clocks disagree, is counted as the floor. */
  add(ms: number): void {
    const bin = Math.floor(Math.log10(Math.max(ms, FLOOR_MS) / FLOOR_MS) * BINS);
    const index = Math.min(bin, this.#bins.length - 1);
    this.#bins[index] = (this.#bins[index] ?? 0) + 1;
    this.#count += 1;
  }

  /** The latency that this part of them, 0 to 1, does not exceed, ms; null when there are none. */
  quantile(part: number): number | null {
    if (this.#count === 0) return null;
    const wanted = Math.max(1, Math.ceil(part * this.#count));
    let sum = 0;
    for (const [bin, count] of this.#bins.entries()) {
      if (sum + count >= wanted) return FLOOR_MS * 10 ** ((bin + (wanted - sum) / count) / BINS);
      sum += count;
    }
    return null;
  }

  /** The share of each bar, 0 to 1. */
  bars(): number[] {
    const bars = new Array<number>(BARS).fill(0);
    for (const [bin, count] of this.#bins.entries()) {
      const bar = Math.floor(bin / BAR);
      bars[bar] = (bars[bar] ?? 0) + count / Math.max(1, this.#count);
    }
    return bars;
  }

  clear(): void {
    this.#bins.fill(0);
    this.#count = 0;
  }
}

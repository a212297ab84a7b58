/** A table of them. */
export function formatFigures(figures: readonly Figures[]): string {
  return ["| what | p50 s | p99 s | max s | times |", "| --- | --- | --- | --- | --- |", ...figures].join("\n");
}

/** How long something took, again and again, ms. */
export class Figures {
  readonly #what: string;
  readonly #samples: number[] = [];

  constructor(what: string) {
    this.#what = what;
  }

  add(tookMs: number): void {
    this.#samples.push(tookMs);
  }

  get count(): number {
    return this.#samples.length;
  }

  /** The least value that so many of 100 do not exceed, ms; 0 when there is none. */
  percentile(of100: number): number {
    const sorted = this.#samples.toSorted((one, other) => one - other);
    return sorted[Math.min(sorted.length - 1, Math.ceil((sorted.length * of100) / 100) - 1)] ?? 0;
  }

  get longestMs(): number {
    return Math.max(0, ...this.#samples);
  }

  /** One line of a table. */
  toString(): string {
    const seconds = [this.percentile(50), this.percentile(99), this.longestMs].map((ms) => (ms / 1_000).toFixed(2));
    return `| ${this.#what} | ${seconds.join(" | ")} | ${this.count} |`;
  }
}

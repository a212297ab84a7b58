/** The newest numbers of a kind. */
export class Recent {
  readonly #values: number[] = [];
  readonly #size: number;
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(value: number): void {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#size;
  }

  clear(): void {
    this.#values.length = this.#next = 0;
  }

  get min(): number {
    return Math.min(...this.#values);
  }

  /** The value that this part of them does not exceed; 0 for none. */
  quantile(part: number): number {
    const sorted = [...this.#values].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  }
}

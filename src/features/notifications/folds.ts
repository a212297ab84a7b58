import type { Folded, LogFold } from "./log-fold.ts";

/** Folds in memory, the longest unused leaving first. One that is in use stays, so no room has two. */
export class Folds<S extends Folded> {
  readonly #open: (userId: string) => LogFold<S>;
  readonly #most: { readonly count: number; readonly size: number };
  readonly #folds = new Map<string, { fold: LogFold<S>; size: number }>();
  #size = 0;

  /** @param most how many are kept, and how much of them, in characters. */
  constructor(open: (userId: string) => LogFold<S>, most: { count: number; size: number }) {
    this.#open = open;
    this.#most = most;
  }

  get count(): number {
    return this.#folds.size;
  }

  /** Those in memory. */
  entries(): Iterable<[string, LogFold<S>]> {
    return [...this.#folds].map(([userId, { fold }]): [string, LogFold<S>] => [userId, fold]);
  }

  /** Runs `work` on a user's fold, after what was asked for before. */
  run<T>(userId: string, work: (fold: LogFold<S>) => Promise<T>): Promise<T> {
    const entry = this.#folds.get(userId) ?? { fold: this.#open(userId), size: 0 };
    this.#folds.delete(userId);
    this.#folds.set(userId, entry);
    return entry.fold
      .run(() => work(entry.fold))
      .finally(() => {
        // It may have left between the end of its work and this.
        if (this.#folds.get(userId) !== entry) return;
        const { size } = entry.fold.state;
        this.#size += size - entry.size;
        entry.size = size;
        this.#makeRoom();
      });
  }

  #makeRoom(): void {
    if (this.#folds.size <= this.#most.count && this.#size <= this.#most.size) return;
    for (const [userId, { fold, size }] of this.#folds) {
      if (this.#folds.size <= this.#most.count && this.#size <= this.#most.size) return;
      if (!fold.isIdle) continue;
      this.#folds.delete(userId);
      this.#size -= size;
    }
  }
}

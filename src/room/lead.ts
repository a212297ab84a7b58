/** The time in which a node leads a room. */
export interface Lead {
  /** Higher than that of whoever led before. */
  readonly fence: number;
  /** Aborted when this node does not lead any more. */
  readonly signal: AbortSignal;
}

/** Who leads a room that one node alone serves: whoever asks, one after the other. */
export class Leading {
  readonly #waiting: ((lead: Lead) => void)[] = [];
  #current: { run: (lead: Lead) => void; controller: AbortController } | null = null;
  #fence = 0;
  #isClosed = false;

  /** Calls `run` when it is its turn, never from inside this call. Returns the way to let go. */
  lead(run: (lead: Lead) => void): () => void {
    this.#waiting.push(run);
    queueMicrotask(() => this.#next());
    return () => {
      const index = this.#waiting.indexOf(run);
      if (index !== -1) this.#waiting.splice(index, 1);
      if (this.#current?.run !== run) return;
      this.#current.controller.abort();
      this.#current = null;
      queueMicrotask(() => this.#next());
    };
  }

  #next(): void {
    if (this.#current !== null || this.#isClosed) return;
    const run = this.#waiting.shift();
    if (run === undefined) return;
    const controller = new AbortController();
    this.#current = { run, controller };
    run({ fence: ++this.#fence, signal: controller.signal });
  }

  close(): void {
    this.#isClosed = true;
    this.#current?.controller.abort();
  }
}

/** Checks that a room's events come as 1, 2, 3 … from where reading started (RES-4). */
export class OrderCheck {
  #last: number | null = null;

  /** Reading starts, or starts again, after `seq`. */
  start(seq: number): void {
    this.#last = seq;
  }

  /** Notes an event: how many numbers were skipped before it, and whether it came before. */
  see(seq: number): { readonly gap: number; readonly repeat: number } {
    const last = this.#last;
    if (last !== null && seq <= last) return { gap: 0, repeat: 1 };
    this.#last = seq;
    return { gap: last === null ? 0 : seq - last - 1, repeat: 0 };
  }
}

/** Points of a spark line: seconds before now (negative), and the highest latency of that moment in ms, null where nothing came. */
export type Spark = readonly [at: readonly number[], ms: readonly (number | null)[]];

const SLOT_MS = 500;
const SLOTS = 120;

/** The latencies of the last minute, the highest of each half second. */
export class Recent {
  readonly #slots = new Map<number, number>();

  add(now: number, ms: number): void {
    const slot = Math.floor(now / SLOT_MS);
    this.#slots.set(slot, Math.max(ms, this.#slots.get(slot) ?? 0));
    if (this.#slots.size <= SLOTS * 2) return;
    for (const old of this.#slots.keys()) if (old < slot - SLOTS) this.#slots.delete(old);
  }

  spark(now: number): Spark {
    const newest = Math.floor(now / SLOT_MS);
    const at: number[] = [];
    const ms: (number | null)[] = [];
    for (let slot = newest - SLOTS + 1; slot <= newest; slot++) {
      at.push(((slot - newest) * SLOT_MS) / 1_000);
      ms.push(this.#slots.get(slot) ?? null);
    }
    return [at, ms];
  }

  clear(): void {
    this.#slots.clear();
  }
}

/** A slot that was given back rests this long, ticks: no base that a reader may still have names its last owner by then. */
const REST_TICKS = 128;

/** The numbers of players in a world's snapshots: low ones, so that snapshots stay short. */
export class Slots {
  readonly #max: number;
  #next = 0;
  /** Given back, the lowest first, with the tick from which they may be given again. */
  #free: { slot: number; from: number }[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  /** A slot for somebody new; null when all are taken. */
  take(tick: number): number | null {
    const index = this.#free.findIndex(({ from }) => from <= tick);
    if (index !== -1) return this.#free.splice(index, 1)[0]!.slot;
    if (this.#next < this.#max) return this.#next++;
    // Better one that has hardly rested than none.
    return this.#free.shift()?.slot ?? null;
  }

  /** Takes a certain slot, as a world that goes on elsewhere knew it. */
  claim(slot: number): void {
    while (this.#next <= slot) this.#free.push({ slot: this.#next++, from: 0 });
    this.#free = this.#free.filter((free) => free.slot !== slot);
  }

  giveBack(slot: number, tick: number): void {
    this.#free.push({ slot, from: tick + REST_TICKS });
    this.#free.sort((a, b) => a.slot - b.slot);
  }
}

/** The resolutions a dashboard keeps: how long one slot is, ms, and how many are kept. */
export const RESOLUTIONS = {
  "1s": { stepMs: 1_000, slots: 600 },
  "10s": { stepMs: 10_000, slots: 360 },
  "1m": { stepMs: 60_000, slots: 1_440 },
} as const;

/** The name of a resolution. */
export type Resolution = keyof typeof RESOLUTIONS;

/** One row of a table: the time its slot begins, ms since 1970, then a number or null for each series. */
export type Row = [t: number, ...values: (number | null)[]];

/** What several values amount to. */
export interface Fold {
  readonly min: number;
  readonly max: number;
  readonly avg: number;
}

/**
 * The newest values of named series on one time axis. Time is cut into slots of a second; a slot holds the last value that
 * was set in it, or a gap. Ten seconds and a minute hold the lowest, the highest and the mean of the seconds in them that are no
 * gaps. Memory is bounded by the number of series: the rings of one take the same whatever is set.
 *
 * Both ends keep the same grid, so that what a reader folds itself is what the server would have told it.
 */
export class SeriesGrid {
  readonly #base: Ring;
  readonly #rollUps: readonly RollUp[];
  readonly #columns = new Map<string, Column>();
  /** The newest second, counted from 1970; -1 before the first. */
  #head = -1;
  /** The oldest second that was ever set. */
  #first = Number.POSITIVE_INFINITY;
  /** Up to this second somebody else made the folds: of some of them the seconds were never here. */
  #foldedElsewhere = -1;

  /** @param slots of each resolution; 0 for a roll-up that is not wanted. Default: all of `RESOLUTIONS`. */
  constructor(slots: Readonly<Record<Resolution, number>> = ALL_SLOTS) {
    this.#base = { step: 1, slots: slots["1s"] };
    this.#rollUps = (["10s", "1m"] as const)
      .filter((name) => slots[name] > 0)
      .map((name) => ({ name, step: RESOLUTIONS[name].stepMs / SECOND_MS, slots: slots[name] }));
  }

  /** The names of the series, in the order they were first set. */
  get series(): string[] {
    return Array.from(this.#columns.keys());
  }

  has(name: string): boolean {
    return this.#columns.has(name);
  }

  /** When the newest slot began, ms since 1970; null before the first. */
  get newestAt(): number | null {
    return this.#head === -1 ? null : this.#head * SECOND_MS;
  }

  /** What the series take in memory, bytes. */
  get bytes(): number {
    const slots = this.#base.slots + this.#rollUps.reduce((sum, rollUp) => sum + 3 * rollUp.slots, 0);
    return this.#columns.size * slots * Float64Array.BYTES_PER_ELEMENT;
  }

  /**
   * Sets the value of a series in the second `t` (ms since 1970) is of; null makes it a gap. False, and nothing changes, when that second
   * is no longer kept.
   */
  set(name: string, t: number, value: number | null): boolean {
    const second = Math.floor(t / SECOND_MS);
    if (second <= this.#head - this.#base.slots) return false;
    if (second > this.#head) this.#advance(second);
    this.#first = Math.min(this.#first, second);
    const column = this.#column(name);
    column.values[second % this.#base.slots] = value ?? GAP;
    for (const [index, rollUp] of this.#rollUps.entries()) {
      // One whose time is not over is folded when it is.
      const slot = Math.floor(second / rollUp.step);
      if (slot < Math.floor(this.#head / rollUp.step)) this.#fold(column, index, slot);
    }
    return true;
  }

  /** Sets what a slot of a roll-up holds, as somebody else folded it. Nothing happens when it is not kept or not over yet. */
  setFold(name: string, resolution: Resolution, t: number, fold: Fold | null): void {
    const index = this.#rollUps.findIndex((rollUp) => rollUp.name === resolution);
    const rollUp = this.#rollUps[index];
    if (rollUp === undefined) return;
    const slot = Math.floor(t / RESOLUTIONS[resolution].stepMs);
    const past = (slot + 1) * rollUp.step - 1;
    if (past > this.#head) this.#advance(past);
    this.#foldedElsewhere = Math.max(this.#foldedElsewhere, past);
    if (slot <= Math.floor(this.#head / rollUp.step) - rollUp.slots) return;
    this.#first = Math.min(this.#first, slot * rollUp.step);
    writeFold(this.#column(name).folds[index]!, slot % rollUp.slots, fold);
  }

  /** Forgets a series. */
  drop(name: string): void {
    this.#columns.delete(name);
  }

  /** Whether a series has nothing but gaps. */
  isEmpty(name: string): boolean {
    const column = this.#columns.get(name);
    if (column === undefined) return true;
    const isGap = (value: number): boolean => Number.isNaN(value);
    return column.values.every(isGap) && column.folds.every(({ avg }) => avg.every(isGap));
  }

  /** The value of a series in a second; null for a gap, and for what is not kept. */
  at(name: string, t: number): number | null {
    const second = Math.floor(t / SECOND_MS);
    return this.#valueAt(this.#columns.get(name), second);
  }

  /** What a series amounts to in the slot `t` is of; also while it is not over. Null when there are only gaps. */
  foldAt(name: string, resolution: Resolution, t: number): Fold | null {
    const column = this.#columns.get(name);
    const index = this.#rollUps.findIndex((rollUp) => rollUp.name === resolution);
    if (column === undefined || index === -1) return null;
    return this.#foldAt(column, index, Math.floor(t / RESOLUTIONS[resolution].stepMs));
  }

  /**
   * The slots of a resolution that are kept, at most the newest `last`, as the times they begin, ms since 1970, oldest first.
   * The newest one may not be over.
   */
  times(resolution: Resolution, last: number = Number.POSITIVE_INFINITY): number[] {
    const ring = resolution === "1s" ? this.#base : this.#rollUps.find(({ name }) => name === resolution);
    if (ring === undefined || this.#head === -1) return [];
    const newest = Math.floor(this.#head / ring.step);
    const oldest = Math.max(newest - Math.min(last, ring.slots) + 1, Math.floor(this.#first / ring.step));
    const times: number[] = [];
    for (let slot = oldest; slot <= newest; slot++) times.push(slot * ring.step * SECOND_MS);
    return times;
  }

  #column(name: string): Column {
    let column = this.#columns.get(name);
    if (column === undefined) {
      column = {
        values: gaps(this.#base.slots),
        folds: this.#rollUps.map(({ slots }) => ({ min: gaps(slots), max: gaps(slots), avg: gaps(slots) })),
      };
      this.#columns.set(name, column);
    }
    return column;
  }

  /** Time has come to a new second: what is over is folded, and the slots it takes are gaps. */
  #advance(second: number): void {
    const before = this.#head;
    if (before !== -1) {
      for (const [index, { step, slots }] of this.#rollUps.entries()) {
        const [from, to] = [Math.floor(before / step), Math.floor(second / step)];
        if (to === from) continue;
        for (const column of this.#columns.values()) {
          this.#fold(column, index, from);
          const { min, max, avg } = column.folds[index]!;
          for (const ring of [min, max, avg]) clear(ring, from + 1, to, slots);
        }
      }
      for (const { values } of this.#columns.values()) clear(values, before + 1, second, this.#base.slots);
    }
    this.#head = second;
  }

  #fold(column: Column, index: number, slot: number): void {
    const rollUp = this.#rollUps[index]!;
    if (slot <= Math.floor(this.#head / rollUp.step) - rollUp.slots) return;
    if (slot * rollUp.step <= this.#foldedElsewhere) return;
    writeFold(column.folds[index]!, slot % rollUp.slots, this.#foldSeconds(column, slot * rollUp.step, rollUp.step));
  }

  #foldAt(column: Column, index: number, slot: number): Fold | null {
    const { step, slots } = this.#rollUps[index]!;
    const newest = Math.floor(this.#head / step);
    if (slot > newest || slot <= newest - slots) return null;
    if (slot === newest && slot * step > this.#foldedElsewhere) return this.#foldSeconds(column, slot * step, step);
    return readFold(column.folds[index]!, slot % slots);
  }

  #foldSeconds(column: Column, from: number, count: number): Fold | null {
    let [min, max, sum, values] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
    for (let second = from; second < from + count; second++) {
      const value = this.#valueAt(column, second);
      if (value === null) continue;
      min = Math.min(min, value);
      max = Math.max(max, value);
      sum += value;
      values++;
    }
    return values === 0 ? null : { min, max, avg: sum / values };
  }

  #valueAt(column: Column | undefined, second: number): number | null {
    const { slots } = this.#base;
    if (column === undefined || second > this.#head || second <= this.#head - slots) return null;
    return orNull(column.values[second % slots]!);
  }
}

interface Ring {
  /** How long a slot is, s. */
  readonly step: number;
  readonly slots: number;
}

interface RollUp extends Ring {
  readonly name: Resolution;
}

interface Column {
  readonly values: Float64Array;
  readonly folds: readonly FoldRing[];
}

interface FoldRing {
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly avg: Float64Array;
}

const SECOND_MS = 1_000;
const GAP = Number.NaN;
const ALL_SLOTS: Record<Resolution, number> = {
  "1s": RESOLUTIONS["1s"].slots,
  "10s": RESOLUTIONS["10s"].slots,
  "1m": RESOLUTIONS["1m"].slots,
};

function gaps(slots: number): Float64Array {
  return new Float64Array(slots).fill(GAP);
}

/** Makes gaps of the slots `from` to `to` of a ring. */
function clear(ring: Float64Array, from: number, to: number, slots: number): void {
  if (to - from + 1 >= slots) ring.fill(GAP);
  else for (let slot = from; slot <= to; slot++) ring[slot % slots] = GAP;
}

function writeFold({ min, max, avg }: FoldRing, at: number, fold: Fold | null): void {
  min[at] = fold?.min ?? GAP;
  max[at] = fold?.max ?? GAP;
  avg[at] = fold?.avg ?? GAP;
}

function readFold({ min, max, avg }: FoldRing, at: number): Fold | null {
  const mean = orNull(avg[at]!);
  return mean === null ? null : { min: min[at]!, max: max[at]!, avg: mean };
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

import type { Layout } from "./layout.ts";

/** An input's number is told by its lowest bits: more than a minute of them at 60 Hz. */
export const ACK_BITS = 12;
export const ACK_MASK = (1 << ACK_BITS) - 1;

/** The most players a world can have: slots are numbered from 0. */
export const MAX_SLOTS = 1_024;

/** A world at one tick, as whole numbers of the wire: one column for each field of the players, one place for each slot. */
export class Snapshot {
  tick = -1;
  /** One above the highest slot that is taken. */
  slots = 0;
  /** 1 where a slot is taken. */
  present: Uint8Array;
  /** By player field, in the layout's order: the values by slot. */
  readonly columns: Int32Array[];
  /** By slot: the number of the last input that has had its effect, its lowest bits. */
  acks: Uint16Array;
  /** By world field, in the layout's order. */
  readonly world: Int32Array;

  constructor(layout: Layout, capacity = 16) {
    this.present = new Uint8Array(capacity);
    this.columns = layout.player.map(() => new Int32Array(capacity));
    this.acks = new Uint16Array(capacity);
    this.world = new Int32Array(layout.world.length);
  }

  get capacity(): number {
    return this.present.length;
  }

  /** Makes it empty, with room for as many slots. What the columns hold of slots that are not taken means nothing. */
  clear(tick: number, slots: number): void {
    if (slots > this.capacity) this.#grow(slots);
    this.tick = tick;
    this.slots = slots;
    this.present.fill(0);
  }

  #grow(slots: number): void {
    let capacity = this.capacity;
    while (capacity < slots) capacity *= 2;
    this.present = new Uint8Array(capacity);
    this.acks = new Uint16Array(capacity);
    for (let index = 0; index < this.columns.length; index++) this.columns[index] = new Int32Array(capacity);
  }

  /** Becomes what another one says. */
  copy(other: Snapshot): void {
    this.clear(other.tick, other.slots);
    this.present.set(other.present.subarray(0, other.slots));
    this.acks.set(other.acks.subarray(0, other.slots));
    this.columns.forEach((column, index) => {
      column.set(other.columns[index]!.subarray(0, other.slots));
    });
    this.world.set(other.world);
  }

  /** How many slots are taken. */
  get count(): number {
    let count = 0;
    for (let slot = 0; slot < this.slots; slot++) count += this.present[slot]!;
    return count;
  }
}

/** The newest snapshots of a world, at most `size` of them: an older one is overwritten. */
export class SnapshotRing {
  readonly #snapshots: Snapshot[];
  #newest: Snapshot | null = null;

  constructor(layout: Layout, size: number) {
    this.#snapshots = Array.from({ length: size }, () => new Snapshot(layout));
  }

  /** Null before the first. */
  get newest(): Snapshot | null {
    return this.#newest;
  }

  /** The snapshot of a tick, while it is kept. */
  at(tick: number): Snapshot | null {
    const snapshot = this.#snapshots[tick % this.#snapshots.length];
    return snapshot !== undefined && snapshot.tick === tick ? snapshot : null;
  }

  /** The place of a tick, to be written into; it is the newest from then on. */
  claim(tick: number): Snapshot {
    const snapshot = this.#snapshots[tick % this.#snapshots.length]!;
    this.#newest = snapshot;
    return snapshot;
  }

  /** Forgets all, e.g. when time starts anew. */
  clear(): void {
    this.#newest = null;
    for (const snapshot of this.#snapshots) snapshot.tick = -1;
  }
}

import { type BitReader, BitWriter } from "./bits.ts";
import type { Layout, NamedField } from "./layout.ts";
import { ACK_BITS, ACK_MASK, MAX_SLOTS, type Snapshot } from "./snapshot.ts";

const SLOT_BITS = 11;
const WIDTH_BITS = 4;

/** Which slots are told: 1 for each that is. Default: all that are taken. */
export type SlotMask = Uint8Array;

/** What a reader has, as the base of a difference. */
export interface Base {
  readonly snapshot: Snapshot;
  /** The slots it was told of. */
  readonly mask: SlotMask;
}

/**
 * Writes snapshots as bits: whole, or as the difference to an earlier one that the reader has.
 *
 * A difference says of each field how many bits its usual change takes; a change that needs more is told with the whole value.
 * The number of a player's last input is expected to grow by one each tick, and costs one bit then.
 */
export class SnapshotEncoder {
  readonly #layout: Layout;
  readonly #writer = new BitWriter();
  /** By field: how often a change takes so many bits. */
  readonly #lengths = new Uint32Array(18);
  readonly #widths: number[];
  /** By slot: whether a player changed, and by field, how. */
  #changed = new Uint8Array(0);
  readonly #changes: Int32Array[];

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#widths = layout.player.map(() => 0);
    this.#changes = layout.player.map(() => new Int32Array(0));
  }

  /** @param head bytes to stand before. */
  encode(now: Snapshot, base: Base | null, mask: SlotMask, head: Uint8Array): Uint8Array<ArrayBuffer> {
    const writer = this.#writer;
    writer.reset();
    for (let index = 0; index < head.length; index++) writer.write(head[index]!, 8);
    this.#writeSlots(now, base, mask);
    this.#writeWorld(now, base?.snapshot ?? null);
    if (base !== null) this.#chooseWidths(now, base, mask);
    for (let slot = 0; slot < now.slots; slot++) {
      if (mask[slot] !== 1) continue;
      if (base !== null && slot < base.snapshot.slots && base.mask[slot] === 1)
        this.#writeChange(now, base.snapshot, slot);
      else this.#writeWhole(now, slot);
    }
    return writer.finish();
  }

  #writeSlots(now: Snapshot, base: Base | null, mask: SlotMask): void {
    if (base !== null) {
      const isSame = base.snapshot.slots === now.slots && isEqual(mask, base.mask, now.slots);
      this.#writer.write(isSame ? 1 : 0, 1);
      if (isSame) return;
    }
    this.#writer.write(now.slots, SLOT_BITS);
    for (let slot = 0; slot < now.slots; slot++) this.#writer.write(mask[slot] === 1 ? 1 : 0, 1);
  }

  #writeWorld(now: Snapshot, base: Snapshot | null): void {
    const fields = this.#layout.world;
    for (let index = 0; index < fields.length; index++) {
      const value = now.world[index]!;
      if (base !== null) {
        const isChanged = value !== base.world[index];
        this.#writer.write(isChanged ? 1 : 0, 1);
        if (!isChanged) continue;
      }
      this.#writer.write(value, fields[index]!.field.bits);
    }
  }

  #writeWhole(now: Snapshot, slot: number): void {
    const fields = this.#layout.player;
    for (let index = 0; index < fields.length; index++) {
      this.#writer.write(now.columns[index]![slot]!, fields[index]!.field.bits);
    }
    this.#writer.write(now.acks[slot]!, ACK_BITS);
  }

  #writeChange(now: Snapshot, base: Snapshot, slot: number): void {
    const writer = this.#writer;
    const fields = this.#layout.player;
    if (this.#changed[slot] === 0) writer.write(0, 1);
    else {
      writer.write(1, 1);
      for (let index = 0; index < fields.length; index++) {
        const change = this.#changes[index]![slot]!;
        const width = this.#widths[index]!;
        if (change < 1 << width) writer.write(change << 1, width + 1);
        else writer.write((now.columns[index]![slot]! << 1) | 1, fields[index]!.field.bits + 1);
      }
    }
    const ack = now.acks[slot]!;
    const before = base.acks[slot]!;
    if (ack === ((before + now.tick - base.tick) & ACK_MASK)) writer.write(0, 1);
    else if (ack === before) writer.write(0b01, 2);
    else writer.write((ack << 2) | 0b11, ACK_BITS + 2);
  }

  /** By field: how each player changed, and the width that makes the frame the shortest. */
  #chooseWidths(now: Snapshot, base: Base, mask: SlotMask): void {
    const fields = this.#layout.player;
    const slots = Math.min(now.slots, base.snapshot.slots);
    if (this.#changed.length < slots) this.#grow(now.capacity);
    const changed = this.#changed;
    changed.fill(0, 0, slots);
    for (let index = 0; index < fields.length; index++) {
      const { bits } = fields[index]!.field;
      const values = now.columns[index]!;
      const before = base.snapshot.columns[index]!;
      const changes = this.#changes[index]!;
      for (let slot = 0; slot < slots; slot++) {
        if (mask[slot] !== 1 || base.mask[slot] !== 1) continue;
        const change = zigzag(values[slot]! - before[slot]!, bits);
        changes[slot] = change;
        if (change !== 0) changed[slot] = 1;
      }
    }
    for (let index = 0; index < fields.length; index++) {
      this.#widths[index] = this.#cheapestWidth(this.#changes[index]!, slots, fields[index]!.field.bits);
      this.#writer.write(this.#widths[index]!, WIDTH_BITS);
    }
  }

  #cheapestWidth(changes: Int32Array, slots: number, bits: number): number {
    const lengths = this.#lengths;
    lengths.fill(0);
    let count = 0;
    for (let slot = 0; slot < slots; slot++) {
      if (this.#changed[slot] === 0) continue;
      lengths[32 - Math.clz32(changes[slot]!)]!++;
      count++;
    }
    let best = 0;
    let bestCost = Number.POSITIVE_INFINITY;
    let fitting = 0;
    for (let width = 0; width < bits && width < 1 << WIDTH_BITS; width++) {
      fitting += lengths[width]!;
      const cost = fitting * width + (count - fitting) * bits;
      if (cost >= bestCost) continue;
      bestCost = cost;
      best = width;
    }
    return best;
  }

  #grow(slots: number): void {
    this.#changed = new Uint8Array(slots);
    for (let index = 0; index < this.#changes.length; index++) this.#changes[index] = new Int32Array(slots);
  }
}

/** Reads what a `SnapshotEncoder` wrote. */
export class SnapshotDecoder {
  readonly #layout: Layout;
  readonly #widths: number[];

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#widths = layout.player.map(() => 0);
  }

  /**
   * @param base what was read before; null for a whole one.
   * @param into is written over; not `base`.
   * @throws {RangeError} when the bits end before the snapshot does.
   */
  decode(reader: BitReader, tick: number, base: Snapshot | null, into: Snapshot): void {
    const isSame = base !== null && reader.read(1) === 1;
    const slots = isSame ? base.slots : reader.read(SLOT_BITS);
    if (slots > MAX_SLOTS) throw new RangeError("More slots than there can be.");
    into.clear(tick, slots);
    if (isSame) into.present.set(base.present.subarray(0, slots));
    else for (let slot = 0; slot < slots; slot++) into.present[slot] = reader.read(1);
    const { world, player } = this.#layout;
    for (let index = 0; index < world.length; index++) {
      const isTold = base === null || reader.read(1) === 1;
      into.world[index] = isTold ? reader.read(world[index]!.field.bits) : base.world[index]!;
    }
    if (base !== null)
      for (let index = 0; index < player.length; index++) this.#widths[index] = reader.read(WIDTH_BITS);
    for (let slot = 0; slot < slots; slot++) {
      if (into.present[slot] === 0) continue;
      if (base !== null && slot < base.slots && base.present[slot] === 1) this.#readChange(reader, base, into, slot);
      else readWhole(reader, player, into, slot);
    }
  }

  #readChange(reader: BitReader, base: Snapshot, into: Snapshot, slot: number): void {
    const fields = this.#layout.player;
    const isChanged = reader.read(1) === 1;
    for (let index = 0; index < fields.length; index++) {
      const before = base.columns[index]![slot]!;
      if (!isChanged) into.columns[index]![slot] = before;
      else {
        const { bits } = fields[index]!.field;
        into.columns[index]![slot] =
          reader.read(1) === 1 ? reader.read(bits) : unzigzag(reader.read(this.#widths[index]!), before, bits);
      }
    }
    const before = base.acks[slot]!;
    if (reader.read(1) === 0) into.acks[slot] = (before + into.tick - base.tick) & ACK_MASK;
    else into.acks[slot] = reader.read(1) === 0 ? before : reader.read(ACK_BITS);
  }
}

function readWhole(reader: BitReader, fields: readonly NamedField[], into: Snapshot, slot: number): void {
  for (let index = 0; index < fields.length; index++) {
    into.columns[index]![slot] = reader.read(fields[index]!.field.bits);
  }
  into.acks[slot] = reader.read(ACK_BITS);
}

function isEqual(one: SlotMask, other: SlotMask, slots: number): boolean {
  for (let slot = 0; slot < slots; slot++) if (one[slot] !== other[slot]) return false;
  return true;
}

/** A difference as the shorter way around, small ones first: 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 … */
function zigzag(difference: number, bits: number): number {
  const half = 1 << (bits - 1);
  const mask = (1 << bits) - 1;
  const around = ((difference + half) & mask) - half;
  return around < 0 ? -2 * around - 1 : 2 * around;
}

function unzigzag(change: number, before: number, bits: number): number {
  const difference = (change & 1) === 1 ? -((change + 1) >>> 1) : change >>> 1;
  return (before + difference) & ((1 << bits) - 1);
}

import type { Field } from "../../protocol/game/field.ts";
import type { Layout } from "../../protocol/game/layout.ts";
import { Snapshot } from "../../protocol/game/snapshot.ts";
import type { Values } from "../../protocol/game/world-model.ts";

/** How many snapshots are kept for drawing between them. */
const KEPT = 48;
/** How far beyond the newest it is guessed how things go on, ms; then they stand still. */
const EXTRAPOLATE_MS = 250;

/** The newest snapshots that arrived: where others were, at any moment between them. */
export class History {
  readonly #layout: Layout;
  readonly #tickMs: number;
  readonly #snapshots: Snapshot[] = [];
  /** Not in use now. */
  readonly #spare: Snapshot[] = [];

  constructor(layout: Layout, tickMs: number) {
    this.#layout = layout;
    this.#tickMs = tickMs;
  }

  /** What arrived last; null for nothing. */
  get newest(): Snapshot | null {
    return this.#snapshots.at(-1) ?? null;
  }

  /** Takes what arrives: `write` makes the snapshot. What it throws leaves everything as it was. */
  add(write: (into: Snapshot) => void): Snapshot {
    const snapshot = this.#spare.pop() ?? new Snapshot(this.#layout);
    write(snapshot);
    this.#snapshots.push(snapshot);
    if (this.#snapshots.length > KEPT) this.#spare.push(this.#snapshots.shift()!);
    return snapshot;
  }

  clear(): void {
    this.#snapshots.length = 0;
  }

  /** The values of everybody at a moment, by slot. */
  at(position: number): Map<number, Values> {
    const drawn = new Map<number, Values>();
    const index = this.#snapshots.findLastIndex(({ tick }) => tick <= position);
    const from = this.#snapshots[Math.max(0, Math.min(index, this.#snapshots.length - 2))];
    if (from === undefined) return drawn;
    const to = this.#snapshots[this.#snapshots.indexOf(from) + 1] ?? from;
    const latest = to.tick + EXTRAPOLATE_MS / this.#tickMs;
    const part = to === from ? 1 : Math.max(0, (Math.min(position, latest) - from.tick) / (to.tick - from.tick));
    // Beyond both, who is there is what the later one says; between them, what the earlier one says.
    const shown = part < 1 ? from : to;
    for (let slot = 0; slot < shown.slots; slot++) {
      if (shown.present[slot] !== 1) continue;
      const isInBoth = from.present[slot] === 1 && to.present[slot] === 1 && slot < Math.min(from.slots, to.slots);
      drawn.set(slot, this.#between(isInBoth ? from : shown, isInBoth ? to : shown, slot, part));
    }
    return drawn;
  }

  #between(from: Snapshot, to: Snapshot, slot: number, part: number): Values {
    const values: Values = {};
    this.#layout.player.forEach(({ name, field }, index) => {
      const before = field.fromWire(from.columns[index]![slot]!);
      const after = field.fromWire(to.columns[index]![slot]!);
      values[name] = isJump(field, before, after) ? after : field.blend(before, after, part);
    });
    return values;
  }
}

/** Whether a change is so large that nobody moved: it was put there. */
export function isJump(field: Field, from: number | boolean, to: number | boolean): boolean {
  if (field.motion !== "line") return false;
  const range = Number(field.fromWire(2 ** field.bits - 1)) - Number(field.fromWire(0));
  return Math.abs(Number(to) - Number(from)) > range / 8;
}

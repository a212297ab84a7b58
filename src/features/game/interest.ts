import type { AnyGame } from "../../protocol/game/game.ts";
import type { Snapshot } from "../../protocol/game/snapshot.ts";

/** Who is near whom: a grid of cells as wide as one sees, made anew for each snapshot. */
export class Interest {
  readonly #radius: number;
  readonly #x: Axis;
  readonly #y: Axis;
  readonly #cells = new Map<number, number[]>();
  #snapshot: Snapshot | null = null;

  constructor({ layout, view }: Pick<AnyGame, "layout"> & { readonly view: NonNullable<AnyGame["view"]> }) {
    this.#radius = view.radius;
    const axis = (name: string): Axis => {
      const index = layout.player.findIndex((field) => field.name === name);
      if (index === -1) throw new TypeError(`\`view\` names "${name}", which is no field of a player.`);
      const { field } = layout.player[index]!;
      return { index, valueOf: (wire) => Number(field.fromWire(wire)) };
    };
    this.#x = axis(view.x);
    this.#y = axis(view.y);
  }

  /** From now on it is about this snapshot. */
  look(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#cells.clear();
    for (let slot = 0; slot < snapshot.slots; slot++) {
      if (snapshot.present[slot] !== 1) continue;
      const key = cellOf(this.#column(slot), this.#row(slot));
      const cell = this.#cells.get(key);
      if (cell === undefined) this.#cells.set(key, [slot]);
      else cell.push(slot);
    }
  }

  /** Whom the player of a slot sees: itself, and those who are near. */
  around(slot: number): Uint8Array {
    const snapshot = this.#snapshot!;
    const mask = new Uint8Array(snapshot.slots);
    const { x, y } = this.#place(slot);
    const column = this.#column(slot);
    const row = this.#row(slot);
    for (let dx = -1; dx <= 1; dx++) {
      for (let dy = -1; dy <= 1; dy++) {
        for (const other of this.#cells.get(cellOf(column + dx, row + dy)) ?? NOBODY) {
          const place = this.#place(other);
          if ((place.x - x) ** 2 + (place.y - y) ** 2 <= this.#radius ** 2) mask[other] = 1;
        }
      }
    }
    mask[slot] = 1;
    return mask;
  }

  #place(slot: number): { x: number; y: number } {
    const { columns } = this.#snapshot!;
    return {
      x: this.#x.valueOf(columns[this.#x.index]![slot]!),
      y: this.#y.valueOf(columns[this.#y.index]![slot]!),
    };
  }

  #column(slot: number): number {
    return Math.floor(this.#place(slot).x / this.#radius);
  }

  #row(slot: number): number {
    return Math.floor(this.#place(slot).y / this.#radius);
  }
}

interface Axis {
  readonly index: number;
  valueOf(wire: number): number;
}

const NOBODY: readonly number[] = [];

/** Positions take at most 16 bits, so cells have few columns and rows. */
function cellOf(column: number, row: number): number {
  return column * 0x4_0000 + row;
}

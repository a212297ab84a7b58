import { type ChangeDesc, type ChangeSet, Text } from "@codemirror/state";
import { applyChange } from "./replacing.ts";

/** How many versions a change may be behind; older ones are refused, and their author catches up. */
export const MAX_LAG = 200;

/** What a UTF-16 unit of text takes, and one part of a change, bytes. */
export const UNIT_BYTES = 2;
const PART_BYTES = 32;

/** A document at one version, and the changes that led to it, as far back as a change may be behind. */
export class DocumentState {
  readonly version: number;
  readonly text: Text;
  /** The newest last; `recent.at(-1)` led from `version - 1` to `version`. Shared between states, so never changed in place. */
  readonly #recent: readonly ChangeSet[];

  constructor(version: number, text: Text, recent: readonly ChangeSet[] = []) {
    this.version = version;
    this.text = text;
    this.#recent = recent;
  }

  /** The empty document. */
  static readonly empty = new DocumentState(0, Text.empty);

  /** The oldest version a change may be made at. */
  get oldest(): number {
    return this.version - Math.min(this.#recent.length, MAX_LAG);
  }

  /** What it takes in memory, bytes, roughly. */
  get bytes(): number {
    let bytes = this.text.length * UNIT_BYTES;
    for (const change of this.#recent) {
      const { parts, inserted } = sizeOf(change);
      bytes += parts * PART_BYTES + inserted * UNIT_BYTES;
    }
    return bytes;
  }

  /** What became of the document since `version`; null when that is too long ago. `version` must not be beyond this state's. */
  since(version: number): readonly ChangeSet[] | null {
    const lag = this.version - version;
    if (lag > MAX_LAG || lag > this.#recent.length) return null;
    return lag === 0 ? [] : this.#recent.slice(-lag);
  }

  /**
   * The document after these changes, the first of which is one of this state.
   * @param text what it is then, where that is known already.
   */
  after(changes: readonly ChangeSet[], text?: Text): DocumentState {
    let next = text;
    if (next === undefined) {
      next = this.text;
      for (const change of changes) next = applyChange(next, change);
    }
    const recent = this.#recent.length + changes.length < MAX_LAG * 2 ? this.#recent : this.#recent.slice(-MAX_LAG);
    return new DocumentState(this.version + changes.length, next, recent.concat(changes));
  }
}

/** How many parts {@link rebase} has to look at, at least: what it costs. */
export function rebaseParts(changes: readonly ChangeSet[], over: readonly ChangeSet[]): number {
  const count = (all: readonly ChangeSet[]): number => all.reduce((sum, change) => sum + sizeOf(change).parts, 0);
  return over.length === 0 ? 0 : count(changes) * over.length + count(over) * changes.length;
}

interface ChangeSize {
  readonly parts: number;
  /** UTF-16 units. */
  readonly inserted: number;
}

/** Measured once: the same changes are rebased over again and again. */
const sizes = new WeakMap<ChangeSet, ChangeSize>();

function sizeOf(change: ChangeSet): ChangeSize {
  const known = sizes.get(change);
  if (known !== undefined) return known;
  let [parts, inserted] = [1, 0];
  change.iterChangedRanges((_fromA, _toA, from, to) => {
    parts++;
    inserted += to - from;
  }, true);
  const size = { parts, inserted };
  sizes.set(change, size);
  return size;
}

/**
 * Changes in a row, made at one version, as they are after what others did since: theirs come first where both write at one place.
 * One after the other and never composed: composed ones may put an insertion elsewhere, and every replica must put it at the same place.
 */
export function rebase(changes: readonly ChangeSet[], over: readonly ChangeSet[]): readonly ChangeSet[] {
  let mapped = changes;
  for (const other of over) {
    let passed: ChangeDesc = other;
    mapped = mapped.map((change, index) => {
      const moved = change.map(passed);
      if (index < mapped.length - 1) passed = passed.mapDesc(change, true);
      return moved;
    });
  }
  return mapped;
}

import type { Json } from "../protocol/index.ts";

/**
 * A room's state: the latest value per key, in families. Every change has a revision; a reader that knows revision r is
 * told the newest value of every key changed since, or that it is too far behind and must take the whole.
 */
export class RoomState {
  readonly #families = new Map<string, Map<string, Entry>>();
  readonly #maxKeys: number;
  /** The newest changes, by rising revision without a gap, at most `RING`. */
  #ring: Change[] = [];
  #rev = 0;
  #keys = 0;

  /** @param maxKeys the most keys in one family. */
  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  /** The newest revision. */
  get rev(): number {
    return this.#rev;
  }

  /** How many values there are. */
  get keys(): number {
    return this.#keys;
  }

  get(family: string, key: string): Json {
    return this.#families.get(family)?.get(key)?.value ?? null;
  }

  /**
   * Sets a value. False when the family is full and the key new.
   * @param expiresAt when it disappears by itself, by the clock the owner sweeps with; null for never.
   * @param quiet true for a value that readers learn in another way: it gets no revision.
   */
  set(family: string, key: string, value: Json, expiresAt: number | null = null, quiet = false): boolean {
    let values = this.#families.get(family);
    if (values === undefined) {
      values = new Map();
      this.#families.set(family, values);
    }
    const before = values.get(key);
    if (before === undefined) {
      if (values.size >= this.#maxKeys) return false;
      this.#keys++;
    }
    values.set(key, { value, expiresAt });
    if (!quiet) this.#note({ family, key, value, last: before?.value ?? null, fresh: before === undefined });
    return true;
  }

  /**
   * Removes a value. False when there was none.
   * @param last what readers are told it was, when that is more than the value.
   */
  remove(family: string, key: string, quiet = false, last?: Json): boolean {
    const values = this.#families.get(family);
    const before = values?.get(key);
    if (values === undefined || before === undefined) return false;
    values.delete(key);
    this.#keys--;
    if (!quiet) this.#note({ family, key, value: null, last: last ?? before.value, fresh: false });
    return true;
  }

  /** Removes what has expired. True when something did. */
  sweep(now: number): boolean {
    let removed = false;
    for (const [family, values] of this.#families) {
      for (const [key, entry] of values) {
        if (entry.expiresAt !== null && entry.expiresAt <= now) removed = this.remove(family, key) || removed;
      }
    }
    return removed;
  }

  /** The keys of a family. */
  entries(family: string): ReadonlyMap<string, { readonly value: Json }> {
    return this.#families.get(family) ?? EMPTY;
  }

  /** The whole of the named families that are not empty, as `joined_room.state`. */
  snapshot(families: Iterable<string>): { [family: string]: { [key: string]: Json } } {
    const whole: { [family: string]: { [key: string]: Json } } = {};
    for (const family of families) {
      const values = this.#families.get(family);
      if (values === undefined || values.size === 0) continue;
      whole[family] = Object.fromEntries(Array.from(values, ([key, entry]) => [key, entry.value]));
    }
    return whole;
  }

  /**
   * The newest change of every key that changed after `rev`, or null when that is too long ago. A key that came and went
   * meanwhile is left out.
   */
  changesSince(rev: number): Change[] | null {
    const count = this.#rev - rev;
    if (count > this.#ring.length) return null;
    const newest = new Map<string, Change>();
    for (let index = this.#ring.length - count; index < this.#ring.length; index++) {
      const change = this.#ring[index]!;
      const id = `${change.family}\n${change.key}`;
      const earlier = newest.get(id);
      newest.delete(id);
      newest.set(id, earlier === undefined ? change : { ...change, fresh: earlier.fresh, last: change.last });
    }
    return Array.from(newest.values()).filter((change) => !(change.fresh && change.value === null));
  }

  #note(change: Change): void {
    this.#rev++;
    this.#ring.push(change);
    if (this.#ring.length >= RING * 2) this.#ring = this.#ring.slice(-RING);
  }
}

/** One change of state. `value` is null for a removal; `fresh` tells that the key was not there before. */
export interface Change {
  readonly family: string;
  readonly key: string;
  readonly value: Json;
  readonly last: Json;
  readonly fresh: boolean;
}

interface Entry {
  value: Json;
  expiresAt: number | null;
}

const RING = 512;
const EMPTY: ReadonlyMap<string, Entry> = new Map();

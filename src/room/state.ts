import type { Json } from "../protocol/index.ts";
import { Fingerprint } from "./fingerprint.ts";

/** The family of the room's state that says who is here. Told by `room_users`, not by `joined_room.state`. */
export const MEMBERS = "members";

/**
 * A room's state: the latest value per key, in families. Every change has a revision; a reader that knows revision r is
 * told the newest value of every key changed since, or that it is too far behind and must take the whole.
 */
export class RoomState {
  readonly #families = new Map<string, Map<string, Entry>>();
  readonly #bounds: StateBounds;
  /** The entries that expire. */
  readonly #leased = new Map<Entry, { family: string; key: string }>();
  /** The newest changes, by rising revision without a gap, at most `RING`. */
  #ring: Change[] = [];
  #rev = 0;
  #keys = 0;
  #bytes = 0;
  readonly #fingerprint = new Fingerprint();
  /** Told every change that has a revision, in order. */
  onChange: ((change: Change) => void) | null = null;

  constructor(bounds: StateBounds) {
    this.#bounds = bounds;
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

  /** The same for equal states, whatever way they came about; another, all but surely, for others. */
  get fingerprint(): string {
    return this.#fingerprint.text;
  }

  /** What the values count for, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sets a value. False, and nothing changes, when the bounds do not allow it. */
  set(family: string, key: string, value: Json, options: SetOptions = {}): boolean {
    const { expiresAt = null, bytes = 0, quiet = false, mark = "" } = options;
    let values = this.#families.get(family);
    const before = values?.get(key);
    if (this.#bytes + bytes - (before?.bytes ?? 0) > this.#bounds.bytes) return false;
    if (before === undefined && (values?.size ?? 0) >= this.#bounds.keys) return false;
    if (values === undefined) {
      values = new Map();
      this.#families.set(family, values);
    }
    this.#forget(family, key, before);
    const entry: Entry = { value, expiresAt, bytes, mark };
    values.set(key, entry);
    this.#fingerprint.add(family, key, mark);
    this.#keys++;
    this.#bytes += bytes;
    if (expiresAt !== null) this.#leased.set(entry, { family, key });
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
    this.#forget(family, key, before);
    if (!quiet) this.#note({ family, key, value: null, last: last ?? before.value, fresh: false });
    return true;
  }

  /**
   * Tells readers of a key whose value is kept elsewhere: that it is there now, or (null) gone.
   * @param quiet as `SetOptions.quiet`.
   */
  announce(family: string, key: string, value: Json, last: Json, quiet: boolean): void {
    if (value !== null) this.#fingerprint.add(family, key, "");
    else this.#fingerprint.remove(family, key, "");
    if (!quiet) this.#note({ family, key, value, last, fresh: value !== null });
  }

  /** Removes what has expired. */
  sweep(now: number): void {
    for (const [entry, { family, key }] of this.#leased) {
      if (entry.expiresAt !== null && entry.expiresAt <= now) this.remove(family, key);
    }
  }

  /** The values of a family, as changes from nothing. */
  all(family: string): { key: string; value: Json; last: Json }[] {
    return Array.from(this.#families.get(family) ?? [], ([key, { value }]) => ({ key, value, last: null }));
  }

  /** How many keys a family has. */
  size(family: string): number {
    return this.#families.get(family)?.size ?? 0;
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

  #forget(family: string, key: string, entry: Entry | undefined): void {
    if (entry === undefined) return;
    this.#fingerprint.remove(family, key, entry.mark);
    this.#keys--;
    this.#bytes -= entry.bytes;
    this.#leased.delete(entry);
  }

  #note(change: Change): void {
    this.#rev++;
    this.#ring.push(change);
    if (this.#ring.length >= RING * 2) this.#ring = this.#ring.slice(-RING);
    this.onChange?.(change);
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

/** How much a room's state may hold. */
export interface StateBounds {
  /** Keys in one family. */
  readonly keys: number;
  /** What all values count for, bytes. */
  readonly bytes: number;
}

export interface SetOptions {
  /** When it disappears by itself, by the clock the owner sweeps with. Default: never. */
  readonly expiresAt?: number | null;
  /** What it counts for, bytes. Default: 0. */
  readonly bytes?: number;
  /** True for a value that readers learn in another way: it gets no revision. */
  readonly quiet?: boolean;
  /** Names the write on every node: two states are equal when their keys and marks are. Default: none. */
  readonly mark?: string;
}

interface Entry {
  readonly value: Json;
  readonly expiresAt: number | null;
  readonly bytes: number;
  readonly mark: string;
}

const RING = 512;

import type { Room } from "../room/room.ts";

/** Values that ended by their lease are forgotten when this many are remembered, and twice what was left of them. */
const PRUNE_AT = 64;

const NO_KEYS: ReadonlySet<string> = new Set();

/** Who set a value last, by room and key. Only that connection's leaving removes it. */
const setters = new WeakMap<Room, Map<string, OwnedState>>();

/**
 * The state that one connection set in one room, to be removed when it leaves or drops. What another connection (another
 * tab of the same user) set after it stays.
 */
export class OwnedState {
  readonly #room: Room;
  /** Null until it sets something: most connections never do. */
  #keys: Set<string> | null = null;
  #pruneAt = PRUNE_AT;
  #isEnded = false;

  constructor(room: Room) {
    this.#room = room;
  }

  /** Whether the connection has left or dropped. From then on it sets nothing. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Removes what this connection was the last to set. */
  end(): void {
    this.#isEnded = true;
    const last = setters.get(this.#room);
    for (const key of this.#keys ?? NO_KEYS) {
      if (last?.get(key) !== this) continue;
      last.delete(key);
      const at = key.indexOf("\n");
      this.#room.withdrawState(key.slice(0, at), key.slice(at + 1));
    }
    this.#keys = null;
  }

  /** Notes that a value was set, by this connection or (null) by nobody whose leaving would remove it; or that it was removed. */
  static note(room: Room, family: string, key: string, owner: OwnedState | null): void {
    const id = `${family}\n${key}`;
    let last = setters.get(room);
    if (owner === null) {
      last?.delete(id);
      return;
    }
    if (last === undefined) {
      last = new Map();
      setters.set(room, last);
    }
    last.set(id, owner);
    owner.#keys ??= new Set();
    owner.#keys.add(id);
    if (owner.#keys.size >= owner.#pruneAt) owner.#prune(owner.#keys, last);
  }

  #prune(keys: Set<string>, last: Map<string, OwnedState>): void {
    for (const key of keys) {
      const at = key.indexOf("\n");
      const isMine = last.get(key) === this;
      if (isMine && this.#room.state.get(key.slice(0, at), key.slice(at + 1)) !== null) continue;
      if (isMine) last.delete(key);
      keys.delete(key);
    }
    this.#pruneAt = Math.max(PRUNE_AT, keys.size * 2);
  }
}

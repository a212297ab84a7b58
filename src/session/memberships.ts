import type { Membership } from "./membership.ts";

/** The rooms of one connection, by full roomId. Most connections are in one room, and one needs no map. */
export class Memberships {
  /** A membership by itself, or a map of several. */
  #held: Membership | Map<string, Membership> | null = null;

  get size(): number {
    if (this.#held === null) return 0;
    return this.#held instanceof Map ? this.#held.size : 1;
  }

  has(roomId: string): boolean {
    return this.get(roomId) !== undefined;
  }

  get(roomId: string): Membership | undefined {
    const held = this.#held;
    if (held === null) return undefined;
    if (held instanceof Map) return held.get(roomId);
    return held.room.roomId === roomId ? held : undefined;
  }

  /** Adds a membership; one of the same room is replaced. */
  add(membership: Membership): void {
    const held = this.#held;
    const { roomId } = membership.room;
    if (held instanceof Map) held.set(roomId, membership);
    else if (held === null || held.room.roomId === roomId) this.#held = membership;
    else this.#held = new Map([held, membership].map((each) => [each.room.roomId, each]));
  }

  delete(roomId: string): void {
    if (this.#held instanceof Map) this.#held.delete(roomId);
    else if (this.#held?.room.roomId === roomId) this.#held = null;
  }

  clear(): void {
    this.#held = null;
  }

  /** In the order in which they were joined. */
  values(): Iterable<Membership> {
    if (this.#held === null) return NONE;
    return this.#held instanceof Map ? this.#held.values() : [this.#held];
  }
}

const NONE: readonly Membership[] = [];

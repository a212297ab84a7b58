import type { Json } from "../protocol/index.ts";
import type { Rooms } from "../room/rooms.ts";

const WORD = "addresses";

/**
 * How many connections each address has at the other processes of this machine, so that the limit per address is one for all
 * of them. They tell each other what changed in a turn of the event loop; for as long as that takes, a few more may come in.
 */
export class AddressCounts {
  readonly #here: () => Iterable<readonly [address: string, count: number]>;
  /** By node and address. */
  readonly #elsewhere = new Map<string, Map<string, number>>();
  readonly #changed = new Map<string, number>();
  #rooms: Rooms | null = null;

  /** @param here the counts of this process. */
  constructor(here: () => Iterable<readonly [address: string, count: number]>) {
    this.#here = here;
  }

  /** How many connections an address has at other processes. */
  elsewhere(address: string): number {
    let sum = 0;
    for (const counts of this.#elsewhere.values()) sum += counts.get(address) ?? 0;
    return sum;
  }

  /** The count of an address has changed here. */
  changed(address: string, count: number): void {
    const isFirst = this.#changed.size === 0;
    this.#changed.set(address, count);
    if (!isFirst) return;
    setImmediate(() => {
      const changed = Array.from(this.#changed);
      this.#changed.clear();
      this.#rooms?.words.say(WORD, changed);
    });
  }

  /** Begins to hear and to tell. */
  attach(rooms: Rooms): void {
    this.#rooms = rooms;
    rooms.words.on(WORD, (said, from) => this.#hear(from, said));
    // Told as a word: that comes in its place between what changed before and afterwards, and before the node's end.
    rooms.words.answer(WORD, () => {
      const all = Array.from(this.#here(), ([address, count]) => [address, count]);
      rooms.words.say(WORD, all);
      return null;
    });
    rooms.onNodeFound = (nodeId) => void rooms.words.ask(nodeId, WORD, null);
    rooms.onNodeLost = (nodeId) => void this.#elsewhere.delete(nodeId);
  }

  #hear(nodeId: string, said: Json): void {
    if (!Array.isArray(said)) return;
    let counts = this.#elsewhere.get(nodeId);
    if (counts === undefined) {
      counts = new Map();
      this.#elsewhere.set(nodeId, counts);
    }
    for (const [address, count] of said as [string, number][]) {
      if (count === 0) counts.delete(address);
      else counts.set(address, count);
    }
  }
}

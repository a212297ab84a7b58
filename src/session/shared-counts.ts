import type { Clock, Json, JsonObject, Timer } from "../protocol/index.ts";
import { inNoticeParts } from "../room/notice-parts.ts";
import type { Rooms } from "../room/rooms.ts";

/** How long changes are gathered where the bus may lose what is said, and each word costs three notices, ms. */
const GATHER_MS = 100;
/** When a node that has told less than it should is asked for everything, ms. */
const ASK_MS = 1_000;
/** Of a limit, the part that is too little to be told of. */
const UNTOLD = 10;

export interface SharedCountsParts {
  /** What it is called between nodes. */
  readonly name: string;
  /** The limit these counts are for: what is under a tenth of it, and less than one, is not told. */
  readonly limit: number;
  readonly clock: Clock;
  /** The counts of this node. */
  here(): Iterable<readonly [key: string, count: number]>;
}

/**
 * How many of something (connections of an address, of a user) there are at the other nodes, so that a limit is one for all of
 * them. They tell each other what changed, at once between the processes of a machine, else within a tenth of a second; for as
 * long as that takes, a few more may come in. Words are numbered: who misses one asks for everything, when the next one comes.
 */
export class SharedCounts {
  readonly #parts: SharedCountsParts;
  readonly #least: number;
  /** By node. */
  readonly #elsewhere = new Map<string, Told>();
  /** What the others know of this node. */
  readonly #told = new Map<string, number>();
  readonly #changed = new Map<string, number>();
  #rooms: Rooms | null = null;
  /** The number of the last word; begins where no earlier life of this node came to. */
  #number: number;
  #isHeard = false;

  constructor(parts: SharedCountsParts) {
    this.#parts = parts;
    this.#least = Math.max(1, Math.ceil(parts.limit / UNTOLD));
    this.#number = parts.clock.now();
  }

  /** How many there are of a key at other nodes. */
  elsewhere(key: string): number {
    let sum = 0;
    for (const { counts } of this.#elsewhere.values()) sum += counts.get(key) ?? 0;
    return sum;
  }

  /** The count of a key has changed here. */
  changed(key: string, count: number): void {
    if (!this.#isHeard) return;
    const worth = this.#worth(count);
    if (worth === (this.#changed.get(key) ?? this.#told.get(key) ?? 0)) return;
    const isFirst = this.#changed.size === 0;
    this.#changed.set(key, worth);
    if (!isFirst) return;
    if (this.#rooms?.words.isLossless === false) this.#parts.clock.setTimer(() => this.#tell(), GATHER_MS);
    else setImmediate(() => this.#tell());
  }

  /** Begins to hear and to tell. */
  attach(rooms: Rooms): void {
    const { name } = this.#parts;
    this.#rooms = rooms;
    rooms.words.on(name, (said, from) => this.#hear(from, said as unknown as Word));
    // Told as words: those come in their place between what changed before and afterwards, and before the node's end.
    rooms.words.answer(name, () => {
      this.#tellAll();
      return true;
    });
    rooms.onNodeFound((nodeId) => void this.#ask(nodeId));
    rooms.onNodeLost((nodeId) => {
      this.#elsewhere.get(nodeId)?.asking?.cancel();
      this.#elsewhere.delete(nodeId);
      if (rooms.otherNodes.length > 0) return;
      this.#isHeard = false;
      this.#told.clear();
      this.#changed.clear();
    });
  }

  #worth(count: number): number {
    return count < this.#least ? 0 : count;
  }

  #tell(): void {
    const changed = Array.from(this.#changed).filter(([key, count]) => count !== (this.#told.get(key) ?? 0));
    this.#changed.clear();
    for (const [key, count] of changed) {
      if (count === 0) this.#told.delete(key);
      else this.#told.set(key, count);
    }
    this.#say(changed, false);
  }

  #tellAll(): void {
    this.#isHeard = true;
    this.#told.clear();
    for (const [key, count] of this.#parts.here()) if (this.#worth(count) > 0) this.#told.set(key, count);
    this.#changed.clear();
    this.#say(Array.from(this.#told), true);
  }

  #say(counts: [key: string, count: number][], isAll: boolean): void {
    const parts = inNoticeParts(counts);
    if (isAll && parts.length === 0) parts.push([]);
    for (const [index, part] of parts.entries()) {
      const word: Word = { number: ++this.#number, isAll: isAll && index === 0, counts: part };
      this.#rooms?.words.say(this.#parts.name, word as unknown as JsonObject);
    }
  }

  #hear(nodeId: string, { number, isAll, counts }: Word): void {
    // A node that is not known, or not any more, is asked when it is found.
    if (!this.#isThere(nodeId)) return;
    const told = this.#toldBy(nodeId);
    if (number <= told.number) return;
    if (isAll) told.counts.clear();
    else if (number !== told.number + 1) this.#askSoon(nodeId, told);
    told.number = number;
    for (const [key, count] of counts) {
      if (count === 0) told.counts.delete(key);
      else told.counts.set(key, count);
    }
  }

  #isThere(nodeId: string): boolean {
    return this.#rooms?.otherNodes.includes(nodeId) === true;
  }

  #toldBy(nodeId: string): Told {
    let told = this.#elsewhere.get(nodeId);
    if (told === undefined) {
      told = { number: 0, counts: new Map(), asking: null };
      this.#elsewhere.set(nodeId, told);
    }
    return told;
  }

  #askSoon(nodeId: string, told: Told): void {
    told.asking ??= this.#parts.clock.setTimer(() => {
      told.asking = null;
      void this.#ask(nodeId);
    }, ASK_MS);
  }

  async #ask(nodeId: string): Promise<void> {
    // Whoever is there may be told from now on: it asks when it has found this node.
    this.#isHeard = true;
    const answer: Json = (await this.#rooms?.words.ask(nodeId, this.#parts.name, null)) ?? null;
    if (answer === null && this.#isThere(nodeId)) this.#askSoon(nodeId, this.#toldBy(nodeId));
  }
}

/** What a node says: counts that changed, or with `isAll` the first of all it has. */
interface Word {
  readonly number: number;
  readonly isAll: boolean;
  readonly counts: readonly (readonly [key: string, count: number])[];
}

/** What a node has told. */
interface Told {
  /** Of its last word. */
  number: number;
  readonly counts: Map<string, number>;
  /** Runs when it is to be asked for everything. */
  asking: Timer | null;
}

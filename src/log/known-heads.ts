/** Of how many rooms it is known how far they were. */
const KNOWN_ROOMS = 20_000;

/** Where a room was seen to stand. */
export interface KnownHead {
  readonly epoch: string;
  readonly head: number;
}

const UNKNOWN: KnownHead = { epoch: "", head: 0 };

/** How far this node has seen the rooms of a log that is elsewhere: whoever keeps it may lose what it had. */
export class KnownHeads {
  /** The longest unused first. */
  readonly #rooms = new Map<string, KnownHead>();

  /** What is known of a room; an epoch that is none, when nothing is. */
  get(roomId: string): KnownHead {
    return this.#rooms.get(roomId) ?? UNKNOWN;
  }

  /** Notes what was seen. Answers may come in another order than they were made. */
  note(roomId: string, epoch: string, head: number): void {
    const known = this.#rooms.get(roomId);
    this.#rooms.delete(roomId);
    this.#rooms.set(roomId, known?.epoch === epoch && known.head > head ? known : { epoch, head });
    if (this.#rooms.size > KNOWN_ROOMS) this.#rooms.delete(this.#rooms.keys().next().value!);
  }
}

/** Of how many rooms it is known how far they were. */
const KNOWN_ROOMS = 20_000;

/** Where a room was seen to stand. */
export interface KnownHead {
  readonly epoch: string;
  readonly head: number;
  /** The newest event of which it is known when it was appended. */
  readonly mark: Mark;
}

/** An event by which a log is known again: one written over it has another time. */
export interface Mark {
  readonly seq: number;
  /** When it was appended, ms since 1970. */
  readonly at: number;
}

const NO_MARK: Mark = { seq: 0, at: 0 };
const UNKNOWN: KnownHead = { epoch: "", head: 0, mark: NO_MARK };

/** How far this node has seen the rooms of a log that is elsewhere: whoever keeps it may lose what it had. */
export class KnownHeads {
  /** The longest unused first. */
  readonly #rooms = new Map<string, KnownHead>();

  /** What is known of a room; an epoch that is none, when nothing is. */
  get(roomId: string): KnownHead {
    return this.#rooms.get(roomId) ?? UNKNOWN;
  }

  /** Whether the room is known to be in another epoch. */
  isOther(roomId: string, epoch: string): boolean {
    const known = this.#rooms.get(roomId);
    return known !== undefined && known.epoch !== epoch;
  }

  /** Notes what was seen. Answers may come in another order than they were made. */
  note(roomId: string, epoch: string, head: number, mark = NO_MARK): void {
    const before = this.get(roomId);
    const known = before.epoch === epoch ? before : UNKNOWN;
    this.#rooms.delete(roomId);
    this.#rooms.set(roomId, {
      epoch,
      head: Math.max(known.head, head),
      mark: known.mark.seq > mark.seq ? known.mark : mark,
    });
    if (this.#rooms.size > KNOWN_ROOMS) this.#rooms.delete(this.#rooms.keys().next().value!);
  }
}

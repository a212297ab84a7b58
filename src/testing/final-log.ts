import type { HeadRecord, LogRecord } from "./history.ts";

/** The log of a room when all is over, as it was read first; what else was read of it is compared with it and not kept. */
export class FinalLog {
  readonly via: string;
  /** Null until it was told. */
  head: HeadRecord | null = null;
  readonly events: LogRecord[] = [];
  /** By who else read it, how much of it was compared. */
  readonly #compared = new Map<string, { events: number; differs: boolean }>();
  #bySeq: Map<number, LogRecord> | null = null;

  constructor(via: string) {
    this.via = via;
  }

  /** Takes where the log stands. */
  takeHead(head: HeadRecord): void {
    if (head.via === this.via) this.head = head;
    else {
      const { epoch, first, head: last } = this.head ?? { epoch: "", first: 0, head: 0 };
      if (head.epoch !== epoch || head.first !== first || head.head !== last) this.#other(head.via).differs = true;
      else this.#other(head.via);
    }
  }

  /** Takes the next event. */
  takeEvent(event: LogRecord): void {
    if (event.via === this.via) {
      this.events.push(event);
      return;
    }
    const other = this.#other(event.via);
    const own = this.events[other.events++];
    if (
      own === undefined ||
      own.seq !== event.seq ||
      own.user !== event.user ||
      own.messageId !== event.messageId ||
      own.hash !== event.hash
    ) {
      other.differs = true;
    }
  }

  /** Through whom the log is another. */
  differing(): string[] {
    return Array.from(this.#compared)
      .filter(([, { events, differs }]) => differs || events !== this.events.length)
      .map(([via]) => via);
  }

  /** The event with this seq. */
  event(seq: number): LogRecord | undefined {
    const due = this.events[seq - (this.events[0]?.seq ?? 1)];
    if (due?.seq === seq) return due;
    // Only a log with holes, or in a wrong order, needs it.
    this.#bySeq ??= new Map(this.events.map((event) => [event.seq, event]));
    return this.#bySeq.get(seq);
  }

  #other(via: string): { events: number; differs: boolean } {
    let other = this.#compared.get(via);
    if (other === undefined) {
      other = { events: 0, differs: false };
      this.#compared.set(via, other);
    }
    return other;
  }
}

import type { EventTrace } from "../observe/tracing.ts";

/** The most events of a room that are followed at once; of more, the oldest are let go. */
const MAX_TRACED = 1_024;

/** The events of a room that are followed until all its live readers were handed them. */
export class TracedEvents {
  readonly #events = new Map<number, { readonly trace: EventTrace; readers: number }>();

  /** An event of this seq is in the log. */
  add(seq: number, trace: EventTrace): void {
    this.#events.set(seq, { trace, readers: 0 });
    if (this.#events.size > MAX_TRACED) this.#events.delete(this.#events.keys().next().value!);
  }

  /** So many readers were handed what is behind `after`, up to `upTo`. */
  handed(after: number, upTo: number, readers: number): void {
    for (const [seq, event] of this.#events) if (seq > after && seq <= upTo) event.readers += readers;
  }

  /** A flush is over. Nobody waits any more for what is up to `upTo`. */
  conclude(upTo: number): void {
    for (const [seq, event] of this.#events) {
      if (event.readers > 0) event.trace.delivered(event.readers);
      event.readers = 0;
      if (seq <= upTo) this.#events.delete(seq);
    }
  }

  /** Follows none of them any longer. */
  clear(): void {
    this.#events.clear();
  }
}

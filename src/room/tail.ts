import type { LogEvent } from "../log/log.ts";
import type { Format } from "./sink.ts";

/**
 * The newest events of a room, in memory, each encoded at most once per format. Bounded by count and bytes; what falls
 * out is read from the log again if somebody still needs it.
 */
export class Tail {
  /** The epoch of the log its events are of. Set before the first event, and before the first after a `reset` for another log. */
  epoch = "";
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  #entries: Entry[] = [];
  /** Entries before this index are gone; compacted now and then, so that dropping the oldest costs nothing. */
  #start = 0;
  #bytes = 0;
  #first: number;

  /** @param head the room's head: an empty tail begins after it. */
  constructor(head: number, maxEvents: number, maxBytes: number) {
    this.#first = head + 1;
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
  }

  /** The oldest seq in memory; head + 1 when there is none. */
  get first(): number {
    return this.#first;
  }

  /** What it holds: payloads, and what was encoded of them, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the event after the newest one. */
  push(event: LogEvent): void {
    this.#entries.push({ event, format: "", encoded: NOTHING, more: null, bytes: event.data.length });
    this.#bytes += event.data.length;
    this.fit();
  }

  /** Lets the oldest go until the bounds hold. The newest one stays, however large it is. */
  fit(): void {
    while (this.#entries.length - this.#start > 1 && this.#isOver()) this.#dropOldest();
  }

  /** Forgets everything; the next event is `head + 1`. */
  reset(head: number): void {
    this.#entries = [];
    this.#start = 0;
    this.#bytes = 0;
    this.#first = head + 1;
  }

  /** Replaces the payload of an event, when it is still here. */
  replace(seq: number, data: string): void {
    const entry = this.#at(seq);
    if (entry === undefined || entry.event.data === data) return;
    this.#bytes += data.length - entry.bytes;
    entry.event = { ...entry.event, data };
    entry.format = "";
    entry.encoded = NOTHING;
    entry.more = null;
    entry.bytes = data.length;
    this.fit();
  }

  /** The event, when it is here. */
  event(seq: number): LogEvent | undefined {
    return this.#at(seq)?.event;
  }

  /**
   * The bytes of an event in a format; the event must be here. They are kept for the next one who asks, when there is room.
   * @param isFresh keeps them without room too; older events make it at the next `fit`.
   */
  encoded(seq: number, format: Format, isFresh = false): Buffer {
    const entry = this.#at(seq)!;
    if (entry.format === format.id) return entry.encoded;
    const cached = entry.more?.get(format.id);
    if (cached !== undefined) return cached;
    const bytes = format.event(entry.event, this.epoch);
    if (!isFresh && this.#bytes + bytes.length > this.#maxBytes) return bytes;
    if (entry.format === "") {
      entry.format = format.id;
      entry.encoded = bytes;
    } else {
      entry.more ??= new Map();
      entry.more.set(format.id, bytes);
    }
    entry.bytes += bytes.length;
    this.#bytes += bytes.length;
    return bytes;
  }

  /** The events from `from` to `to`, at most `limit` of them and, beyond the first, `maxBytes` of payload. They must be here. */
  slice(from: number, to: number, limit: number, maxBytes: number): LogEvent[] {
    const events: LogEvent[] = [];
    let bytes = 0;
    for (let seq = from; seq <= to && events.length < limit; seq++) {
      const { event } = this.#at(seq)!;
      bytes += event.data.length;
      if (bytes > maxBytes && events.length > 0) break;
      events.push(event);
    }
    return events;
  }

  #at(seq: number): Entry | undefined {
    return seq < this.#first ? undefined : this.#entries[this.#start + seq - this.#first];
  }

  #isOver(): boolean {
    return this.#entries.length - this.#start > this.#maxEvents || this.#bytes > this.#maxBytes;
  }

  #dropOldest(): void {
    this.#bytes -= this.#entries[this.#start]!.bytes;
    this.#start++;
    this.#first++;
    if (this.#start >= this.#maxEvents || this.#start === this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    } else {
      this.#entries[this.#start - 1] = GONE;
    }
  }
}

interface Entry {
  event: LogEvent;
  /** The payload and the buffers. */
  bytes: number;
  /** The format that was asked for first, and what it was encoded to; "" for none. Most rooms are read in one. */
  format: string;
  encoded: Buffer;
  /** What it was encoded to in other formats; null for nothing. */
  more: Map<string, Buffer> | null;
}

const NOTHING = Buffer.alloc(0);

const GONE: Entry = {
  event: { roomId: "", seq: 0, type: "", sender: null, messageId: null, timestamp: 0, data: "", amends: null },
  format: "",
  encoded: NOTHING,
  more: null,
  bytes: 0,
};

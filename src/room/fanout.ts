import type { Observer } from "../observe/observer.ts";

/** Something that collects during a turn and sends at its end. */
export interface Flushable {
  flush(): void;
}

/** A room, seen from the fan-out. `flush` returns what it did. */
export interface FlushableRoom {
  flush(): { events: number; readers: number };
}

/** The longest that a flush is put off under load, ms. */
const MAX_DELAY_MS = 20;
/** Below this cost a flush is never put off, ms. */
const CHEAP_MS = 2;
/** With this many events per flush, messages are joined well enough without waiting, events. */
const WELL_JOINED = 4;

/**
 * One flush for many: everything that became ready in one turn of the event loop leaves at its end, first from the rooms
 * into their readers' connections, then from each connection in one write.
 *
 * Idle, a flush comes at the end of the turn that asked for it. Under load, when flushes are dear and carry little, the
 * next one is put off by as much as the last one cost, at most 20 ms, so that at most half of the time goes into writing
 * and messages are joined.
 */
export class Fanout {
  readonly #observer: Observer;
  #rooms: FlushableRoom[] = [];
  #sinks: Flushable[] = [];
  #scheduled = false;
  #isFlushing = false;
  #delayMs = 0;
  #lastEnd = 0;

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  /** The room has something for its readers. Call once per flush. */
  markRoom(room: FlushableRoom): void {
    this.#rooms.push(room);
    this.#schedule();
  }

  /** The connection has something to write. Call once per flush. */
  markSink(sink: Flushable): void {
    this.#sinks.push(sink);
    this.#schedule();
  }

  /** Flushes everything now. Called from inside a flush, it does nothing: what is new then goes with the next one. */
  flush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    const started = performance.now();
    const rooms = this.#rooms;
    const total = { events: 0, readers: 0 };
    if (rooms.length > 0) {
      this.#rooms = [];
      for (const room of rooms) {
        try {
          const done = room.flush();
          total.events += done.events;
          total.readers += done.readers;
        } catch (error) {
          this.#observer.failure("flushing a room", error);
        }
      }
    }
    const sinks = this.#sinks;
    if (sinks.length > 0) {
      this.#sinks = [];
      for (const sink of sinks) {
        try {
          sink.flush();
        } catch (error) {
          this.#observer.failure("writing to a connection", error);
        }
      }
    }
    this.#isFlushing = false;
    this.#lastEnd = performance.now();
    const cost = this.#lastEnd - started;
    if (rooms.length > 0) {
      const eventsPerRoom = total.events / rooms.length;
      this.#delayMs = cost < CHEAP_MS || eventsPerRoom >= WELL_JOINED ? 0 : Math.min(cost, MAX_DELAY_MS);
      this.#observer.flushed(cost, total.events, total.readers);
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const wait = this.#delayMs === 0 ? 0 : this.#lastEnd + this.#delayMs - performance.now();
    if (wait < 1) setImmediate(this.#run);
    else setTimeout(this.#run, wait);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    this.flush();
  };
}

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
/** With fewer events per room and flush there is nothing that waiting would join, and it would only be late, events. */
const SOME_JOINED = 1.25;
/** With this many, messages are joined well enough without waiting, events. */
const WELL_JOINED = 4;
/** After this long the rest of a flush waits for the next turn, so that everybody else has one in between, ms. */
const SLICE_MS = 5;
/** How many are flushed between two looks at the clock. */
const STEP = 16;

/**
 * One flush for many: everything that became ready in one turn of the event loop leaves at its end, first from the rooms
 * into their readers' connections, then from each connection in one write.
 *
 * Idle, a flush comes at the end of the turn that asked for it. Under load, when flushes are dear and rooms have more than
 * one event in them, the next one is put off by as much as the last one cost, at most 20 ms, so that at most half of the
 * time goes into writing and more messages are joined. One that takes longer than 5 ms goes on in the next turn: a room of 10,000 readers holds up
 * neither heartbeats nor other rooms, and what its readers get meanwhile is joined.
 */
export class Fanout {
  readonly #observer: Observer;
  #rooms: FlushableRoom[] = [];
  #sinks: Flushable[] = [];
  /** Connections, and where to go on in them, that an earlier flush had no time for. */
  #rest: Flushable[] = [];
  #next = 0;
  #scheduled = false;
  #isFlushing = false;
  #delayMs = 0;
  #lastEnd = 0;
  /** What was done since the last flush that came to its end. */
  #done = { costMs: 0, rooms: 0, events: 0, readers: 0 };

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

  /**
   * Flushes now: all rooms, and connections for as long as it may take. Called from inside a flush, it does nothing: what
   * is new then goes with the next one.
   */
  flush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    const started = performance.now();
    this.#flushRooms();
    this.#flushSinks(started + SLICE_MS);
    this.#isFlushing = false;
    this.#lastEnd = performance.now();
    this.#done.costMs += this.#lastEnd - started;
    if (this.#rest.length === 0) this.#conclude();
    if (this.#rest.length > 0 || this.#rooms.length > 0 || this.#sinks.length > 0) this.#schedule();
  }

  #flushRooms(): void {
    const rooms = this.#rooms;
    if (rooms.length === 0) return;
    this.#rooms = [];
    this.#done.rooms += rooms.length;
    for (const room of rooms) {
      try {
        const { events, readers } = room.flush();
        this.#done.events += events;
        this.#done.readers += readers;
      } catch (error) {
        this.#observer.failure("flushing a room", error);
      }
    }
  }

  /** In the order in which they were marked, until `deadline`. */
  #flushSinks(deadline: number): void {
    if (this.#sinks.length > 0) {
      this.#rest = this.#rest.length === 0 ? this.#sinks : this.#rest.slice(this.#next).concat(this.#sinks);
      this.#next = 0;
      this.#sinks = [];
    }
    const rest = this.#rest;
    while (this.#next < rest.length) {
      const stop = Math.min(this.#next + STEP, rest.length);
      while (this.#next < stop) {
        try {
          rest[this.#next++]!.flush();
        } catch (error) {
          this.#observer.failure("writing to a connection", error);
        }
      }
      if (performance.now() >= deadline && this.#next < rest.length) return;
    }
    this.#rest = [];
    this.#next = 0;
  }

  /** Everything is written: what it took says how long the next one may be put off. */
  #conclude(): void {
    const { costMs, rooms, events, readers } = this.#done;
    if (rooms === 0) return;
    const joined = events / rooms;
    const isWorthWaiting = costMs >= CHEAP_MS && joined >= SOME_JOINED && joined < WELL_JOINED;
    this.#delayMs = isWorthWaiting ? Math.min(costMs, MAX_DELAY_MS) : 0;
    this.#observer.flushed(costMs, events, readers);
    this.#done = { costMs: 0, rooms: 0, events: 0, readers: 0 };
  }

  #schedule(): void {
    if (this.#scheduled || this.#isFlushing) return;
    this.#scheduled = true;
    const isDue = this.#delayMs === 0 || this.#rest.length > 0;
    const wait = isDue ? 0 : this.#lastEnd + this.#delayMs - performance.now();
    if (wait < 1) setImmediate(this.#run);
    else setTimeout(this.#run, wait);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    this.flush();
  };
}

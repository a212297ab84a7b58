import type { Envelope } from "../protocol/envelope.ts";
import { YamabikoError } from "../protocol/errors.ts";

/** As many events wait for a slow `for await` before it is told that it lost some. */
export const EVENT_STREAM_LIMIT = 10_000;

/** Where an {@link EventStream} gets its events from. */
export interface EventSource {
  on(name: string, run: (payload: never, envelope: Envelope) => void): () => void;
}

/**
 * A room's events (what has a `seq`), as an async iterator with a bounded buffer. It ends when the room is left or `signal`
 * aborts; it throws `history_lost` when the loop is more than {@link EVENT_STREAM_LIMIT} events behind or the server no longer
 * has what is owed, after giving everything before the hole.
 */
export class EventStream implements AsyncIterableIterator<Envelope> {
  #buffer: Envelope[] = [];
  #wanted: { resolve(result: IteratorResult<Envelope>): void; reject(error: YamabikoError): void }[] = [];
  #error: YamabikoError | null = null;
  #ended = false;
  readonly #stops: (() => void)[];

  constructor(source: EventSource, signal?: AbortSignal) {
    const end = (): void => this.#end(null);
    this.#stops = [
      source.on("*", (_payload, envelope) => this.#take(envelope)),
      source.on("history_lost", () =>
        this.#end(new YamabikoError("history_lost", "The server no longer has all that is owed.")),
      ),
      source.on("left", end),
      () => signal?.removeEventListener("abort", end),
    ];
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end);
  }

  next(): Promise<IteratorResult<Envelope>> {
    const envelope = this.#buffer.shift();
    if (envelope !== undefined) return Promise.resolve({ done: false, value: envelope });
    if (this.#error !== null) {
      const error = this.#error;
      this.#error = null;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#wanted.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<Envelope>> {
    this.#buffer = [];
    this.#end(null);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(envelope: Envelope): void {
    if (envelope.seq === undefined) return;
    const wanted = this.#wanted.shift();
    if (wanted) wanted.resolve({ done: false, value: envelope });
    else if (this.#buffer.length < EVENT_STREAM_LIMIT) this.#buffer.push(envelope);
    else this.#end(new YamabikoError("history_lost", `The loop is more than ${EVENT_STREAM_LIMIT} events behind.`));
  }

  #end(error: YamabikoError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const stop of this.#stops) stop();
    const [first, ...rest] = this.#wanted;
    this.#wanted = [];
    if (error !== null && first) first.reject(error);
    else {
      this.#error = error;
      first?.resolve({ done: true, value: undefined });
    }
    for (const wanted of rest) wanted.resolve({ done: true, value: undefined });
  }
}

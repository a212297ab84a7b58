import type { Envelope } from "../protocol/envelope.ts";
import { YamabikoError } from "../protocol/errors.ts";

/** As many events wait for a slow `for await` before it is told that it lost some. */
export const EVENT_STREAM_LIMIT = 10_000;

/** Where {@link eventStream} gets its events from. */
export interface EventSource {
  on(name: string, run: (payload: never, envelope: Envelope) => void): () => void;
}

/**
 * A room's events (what has a `seq`) from this call on, as an async iterator with a bounded buffer. It ends when the room is
 * left or `signal` aborts; it throws the refusal when the room is refused for good, and `history_lost` when the loop is more
 * than {@link EVENT_STREAM_LIMIT} events behind or the server no longer has what is owed, after giving everything before
 * the hole.
 */
export function eventStream(source: EventSource, signal?: AbortSignal): AsyncGenerator<Envelope, void, undefined> {
  /** What is not read yet; last, an error or null: how it ends. */
  const buffer: (Envelope | YamabikoError | null)[] = [];
  let wake = (): void => {};
  const put = (item: Envelope | YamabikoError | null): void => {
    buffer.push(item);
    wake();
  };
  const end = (why?: unknown): void => {
    for (const stop of stops) stop();
    signal?.removeEventListener("abort", end);
    put(why instanceof YamabikoError ? why : null);
  };
  const lose = (): void => end(new YamabikoError("history_lost", "The loop is too far behind."));
  const stops = [
    source.on("*", (_payload, envelope) => {
      if (envelope.seq === undefined) return;
      if (buffer.length < EVENT_STREAM_LIMIT) put(envelope);
      else lose();
    }),
    source.on("history_lost", lose),
    source.on("left", end),
    source.on("failed", end),
  ];
  if (signal?.aborted) end();
  else signal?.addEventListener("abort", end);

  async function* events(): AsyncGenerator<Envelope, void, undefined> {
    try {
      for (;;) {
        const item = buffer.shift();
        if (item === null) return;
        if (item instanceof YamabikoError) throw item;
        if (item) yield item;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      end();
    }
  }
  return events();
}

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
  const buffer: Envelope[] = [];
  let ended = false;
  let error: YamabikoError | undefined;
  let wake = (): void => {};
  const end = (why?: unknown): void => {
    if (ended) return;
    ended = true;
    if (why instanceof YamabikoError) error = why;
    for (const stop of stops) stop();
    signal?.removeEventListener("abort", end);
    wake();
  };
  const stops = [
    source.on("*", (_payload, envelope) => {
      if (envelope.seq === undefined) return;
      if (buffer.length < EVENT_STREAM_LIMIT) buffer.push(envelope);
      else end(new YamabikoError("history_lost", "The loop is too far behind."));
      wake();
    }),
    source.on("history_lost", () => end(new YamabikoError("history_lost", "Events are gone from the server."))),
    source.on("left", end),
    source.on("failed", end),
  ];
  if (signal?.aborted) end();
  else signal?.addEventListener("abort", end);

  async function* events(): AsyncGenerator<Envelope, void, undefined> {
    try {
      for (;;) {
        // `ended` is looked at only when the buffer is empty, so nothing that came before the end is withheld.
        const envelope = buffer.shift();
        if (envelope !== undefined) yield envelope;
        else if (error !== undefined) throw error;
        else if (ended) return;
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

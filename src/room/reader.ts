import type { Clock, Cursor } from "../protocol/index.ts";
import type { Page } from "./page.ts";
import type { Room } from "./room.ts";

/** How much a pulled reader takes at once, and how long it waits for it. */
export interface PullOptions {
  /** The most events. */
  readonly limit: number;
  /** About the most bytes of payload. */
  readonly maxBytes: number;
  /** How long to wait when there is nothing, ms; 0 answers at once. */
  readonly waitMs: number;
  /** Ends the waiting early, with an empty page. */
  readonly signal?: AbortSignal | undefined;
}

/** A pulled reader: reads after a cursor, and waits when there is nothing. A poll is one call. */
export async function pull(room: Room, cursor: Cursor, options: PullOptions, clock: Clock): Promise<Page> {
  const deadline = clock.monotonic() + options.waitMs;
  const unpin = room.pin();
  let position = cursor;
  try {
    // Another node may have given more than this one has heard of.
    if (cursor.seq > room.head || (cursor.epoch !== null && cursor.epoch !== room.epoch)) await room.refresh();
    while (true) {
      const page = await room.page(position, options.limit, options.maxBytes);
      const left = deadline - clock.monotonic();
      const isOver = left <= 0 || room.isClosed || options.signal?.aborted === true;
      if (page.events.length > 0 || page.lost !== null || isOver) return page;
      position = { epoch: page.epoch, seq: page.start };
      if (!(await news(room, position.seq, left, options.signal, clock))) return page;
    }
  } finally {
    unpin();
  }
}

/** Resolves to true when there may be something new, to false when the time is over or the caller has gone. */
function news(
  room: Room,
  seq: number,
  waitMs: number,
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<boolean> {
  if (room.head > seq) return Promise.resolve(true);
  return new Promise((resolve) => {
    const done = (isNews: boolean): void => {
      takeBack();
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
      resolve(isNews);
    };
    const onAbort = (): void => done(false);
    const takeBack = room.onNews(() => done(true));
    const timer = clock.setTimer(() => done(false), waitMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

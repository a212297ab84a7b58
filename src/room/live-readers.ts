import type { Envelope } from "../protocol/index.ts";
import type { Format } from "./sink.ts";
import type { Subscription } from "./subscription.ts";

/**
 * The live readers of a room, by format and pace: all of one format and pace have the same cursor, their group's `flushed`.
 */
export class LiveReaders {
  readonly #groups = new Map<string, LiveGroup>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  groups(): Iterable<LiveGroup> {
    return this.#groups.values();
  }

  /** The group of readers like this one, when there was ever one. */
  groupOf(subscription: Subscription): LiveGroup | undefined {
    return this.#groups.get(keyOf(subscription));
  }

  /** @param flushed where it is, and with it a group that has nobody yet. */
  add(subscription: Subscription, flushed: { seq: number; rev: number }): void {
    const key = keyOf(subscription);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new LiveGroup(subscription.sink.format, subscription.gatherMs);
      this.#groups.set(key, group);
    }
    if (group.readers.length === 0) group.flushed = flushed;
    subscription.liveIndex = group.readers.length;
    group.readers.push(subscription);
    this.#count++;
  }

  /** Takes a reader out; the last one of its group takes its place. */
  remove(subscription: Subscription): void {
    const readers = this.groupOf(subscription)!.readers;
    const last = readers.pop()!;
    if (last !== subscription) {
      readers[subscription.liveIndex] = last;
      last.liveIndex = subscription.liveIndex;
    }
    subscription.liveIndex = -1;
    this.#count--;
  }

  /** Takes all out, and returns them. */
  clear(): Subscription[] {
    return Array.from(this.#groups.values()).flatMap((group) => this.clearGroup(group));
  }

  /** Takes all of one group out, and returns them. */
  clearGroup(group: LiveGroup): Subscription[] {
    const readers = group.readers.splice(0);
    for (const subscription of readers) subscription.liveIndex = -1;
    this.#count -= readers.length;
    return readers;
  }
}

/** Live readers that share their buffers. */
export class LiveGroup {
  readonly format: Format;
  /** The least time between two deliveries, ms; 0 for every turn. */
  readonly gatherMs: number;
  /** The newest seq, and the revision of the state, that these readers were given. */
  flushed = { seq: 0, rev: 0 };
  /** What was signalled while their messages are gathered. */
  signals: Envelope[] = [];
  /** Before this time messages are gathered, by the monotonic clock, ms. */
  dueAt = 0;
  /** Somebody waits to become live: nothing is gathered any longer. */
  isAwaited = false;
  readonly readers: Subscription[] = [];

  constructor(format: Format, gatherMs: number) {
    this.format = format;
    this.gatherMs = gatherMs;
  }

  /** Hands one buffer to every reader whose sink takes it; returns the others. */
  deliver(buffer: Buffer): Subscription[] {
    let stalled: Subscription[] | null = null;
    const { readers } = this;
    for (let index = 0; index < readers.length; index++) {
      const reader = readers[index]!;
      if (reader.sink.writable) reader.sink.deliver(buffer);
      else if (stalled === null) stalled = [reader];
      else stalled.push(reader);
    }
    return stalled ?? NONE;
  }
}

/** How many paces a client may name is bounded (`PACES`), so groups are too. */
function keyOf({ sink, gatherMs }: Subscription): string {
  return gatherMs === 0 ? sink.format.id : `${sink.format.id} ${gatherMs}`;
}

const NONE: Subscription[] = [];

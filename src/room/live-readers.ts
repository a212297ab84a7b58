import type { Envelope } from "../protocol/index.ts";
import type { Format } from "./sink.ts";
import type { Subscription } from "./subscription.ts";

/** The live readers of a room, by format: all of one format have the same cursor, their group's `flushed`. */
export class LiveReaders {
  readonly #groups = new Map<string, LiveGroup>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  groups(): Iterable<LiveGroup> {
    return this.#groups.values();
  }

  /** The group of a format, when there was ever one. */
  group(format: Format): LiveGroup | undefined {
    return this.#groups.get(format.id);
  }

  /** @param flushed where it is, and with it a group that has nobody yet. */
  add(subscription: Subscription, flushed: { seq: number; rev: number }): void {
    const { format } = subscription.sink;
    let group = this.#groups.get(format.id);
    if (group === undefined) {
      group = new LiveGroup(format);
      this.#groups.set(format.id, group);
    }
    if (group.readers.length === 0) group.flushed = flushed;
    subscription.liveIndex = group.readers.length;
    group.readers.push(subscription);
    this.#count++;
  }

  /** Takes a reader out; the last one of its group takes its place. */
  remove(subscription: Subscription): void {
    const readers = this.#groups.get(subscription.sink.format.id)!.readers;
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

  /** Takes all of one format out, and returns them. */
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
  /** The newest seq, and the revision of the state, that these readers were given. */
  flushed = { seq: 0, rev: 0 };
  /** What was signalled while their messages are gathered. */
  signals: Envelope[] = [];
  /** Before this time messages are gathered, by the monotonic clock, ms. */
  dueAt = 0;
  /** Somebody waits to become live: nothing is gathered any longer. */
  isAwaited = false;
  readonly readers: Subscription[] = [];

  constructor(format: Format) {
    this.format = format;
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

const NONE: Subscription[] = [];

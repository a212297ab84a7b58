import { randomUUID } from "node:crypto";
import { afterEach, beforeEach } from "vitest";
import type { AppendResult, Log, LogEvent } from "../log/log.ts";

/** A log under test, and what the test may do to it. */
export interface LogHarness {
  readonly log: Log;
  /** Closes the log and opens it anew over the same storage. For `traits.durable`. */
  reopen?(): Promise<Log>;
  /** Moves the log's clock. For `traits.clock`. */
  advance?(ms: number): void;
  /** Makes appends fail with `unavailable` until the returned function is called. For `traits.breakable`. */
  breakAppends?(): Promise<() => Promise<void>>;
  /** All bytes in the storage after the log was closed. For `traits.inspectable`. */
  stored?(): Promise<Buffer>;
  /** Removes what the test made; called after the log was closed. */
  dispose?(): Promise<void>;
}

/** Which parts of the contract can be tried. A trait promises the member of the harness named with it. */
export interface LogTraits {
  /** `reopen`. Default: true. */
  readonly durable?: boolean;
  /** `advance`. Default: false. */
  readonly clock?: boolean;
  /** `breakAppends`. Default: false. */
  readonly breakable?: boolean;
  /** `stored`. Default: false. */
  readonly inspectable?: boolean;
}

/** The log of the running test, with rooms and a user of its own. */
export interface LogSubject {
  readonly traits: Required<LogTraits>;
  readonly harness: LogHarness;
  readonly log: Log;
  readonly room: string;
  readonly other: string;
  readonly user: string;
  reopen(): Promise<void>;
  /** Appends `data` as JSON by `user`. */
  say(data: unknown, messageId?: string | null, roomId?: string): Promise<AppendResult>;
  /** Appends `count` events at once. */
  fill(count: number, data?: (seq: number) => unknown): Promise<void>;
  /** The seqs `read` gives. */
  seqs(after: number, limit: number, maxBytes?: number): Promise<number[]>;
  /** The seqs `readBack` gives. */
  seqsBack(before: number, limit: number, maxBytes?: number): Promise<number[]>;
  event(seq: number): Promise<LogEvent>;
}

/** Makes a log before every test of the surrounding `describe` and closes it after it. */
export function useLog(create: () => Promise<LogHarness>, traits: LogTraits): LogSubject {
  const subject = new Subject({ durable: true, clock: false, breakable: false, inspectable: false, ...traits });
  beforeEach(async () => {
    subject.begin(await create());
  });
  afterEach(async () => {
    await subject.log.close();
    await subject.harness.dispose?.();
  });
  return subject;
}

class Subject implements LogSubject {
  readonly traits: Required<LogTraits>;
  harness!: LogHarness;
  log!: Log;
  room = "";
  other = "";
  user = "";

  constructor(traits: Required<LogTraits>) {
    this.traits = traits;
  }

  begin(harness: LogHarness): void {
    const salt = randomUUID();
    this.harness = harness;
    this.log = harness.log;
    this.room = `chat:room-${salt}`;
    this.other = `chat:other-${salt}`;
    this.user = `user-${salt}`;
  }

  async reopen(): Promise<void> {
    this.log = await this.harness.reopen!();
  }

  say(data: unknown, messageId: string | null = null, roomId = this.room): Promise<AppendResult> {
    return this.log.append(roomId, this.user, messageId, { type: "said", data: JSON.stringify(data) });
  }

  async fill(count: number, data: (seq: number) => unknown = (seq) => seq): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, index) => this.say(data(index + 1))));
  }

  async seqs(after: number, limit: number, maxBytes?: number): Promise<number[]> {
    return (await this.log.read(this.room, after, limit, maxBytes)).events.map((event) => event.seq);
  }

  async seqsBack(before: number, limit: number, maxBytes?: number): Promise<number[]> {
    return (await this.log.readBack(this.room, before, limit, maxBytes)).events.map((event) => event.seq);
  }

  async event(seq: number): Promise<LogEvent> {
    return (await this.log.read(this.room, seq - 1, 1)).events[0]!;
  }
}

import type { Bus, Notice } from "../bus/bus.ts";
import { createMemoryBus, createMemoryHub } from "../bus/memory.ts";
import { noticeToTextWithin } from "../bus/notice-text.ts";
import type { EncodableEvent } from "../codec/codec.ts";
import { jsonEventText, jsonText } from "../codec/json.ts";
import type { AppendOptions, AppendResult, Log, LogEvent } from "../log/log.ts";
import { createMemoryLog } from "../log/memory.ts";
import { nullObserver } from "../observe/observer.ts";
import type { Tracing } from "../observe/tracing.ts";
import { type Cursor, type Envelope, type Limits, resolveLimits, YamabikoError } from "../protocol/index.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createFaultyLog, type FaultyLog } from "../testing/faulty-log.ts";
import type { Room, RoomKind } from "./room.ts";
import { Rooms } from "./rooms.ts";
import type { Format, Sink } from "./sink.ts";
import type { Subscription } from "./subscription.ts";

/** The room most tests speak of. */
export const ROOM = "chat:room";

/** A room that keeps everything: `topic` for state, `turn` that outlives its node, `typing` with a lease of 5 s, `read` kept in the log. */
export const KIND: RoomKind = {
  state: {
    topic: { event: "topic_changed", change: (key, value) => ({ key, value }) },
    turn: { event: "turn_changed", inherited: true, change: (key, value) => ({ key, value }) },
    typing: { event: "typing_changed", leaseMs: 5_000, change: (key, value) => ({ key, value }) },
    read: { event: "read_moved", kept: true, change: (key, value) => ({ key, value }) },
  },
  retention: {},
};

/** One line of JSON per message, so that what a sink was given can be read back. Throws for events it `refuses`. */
export function lineFormat(id: string, refuses: (event: EncodableEvent) => boolean = () => false): Format {
  return {
    id,
    event(event) {
      if (refuses(event)) throw new Error(`cannot encode ${event.seq}`);
      return Buffer.from(`${jsonEventText(event)}\n`);
    },
    envelope: (envelope) => Buffer.from(`${jsonText(envelope)}\n`),
  };
}

/** The format of sinks that are not told another. */
export const LINES = lineFormat("lines");

/** A way out that keeps what it is given, and takes bytes only while the test lets it. */
export class FakeSink implements Sink {
  readonly format: Format;
  /** What was delivered, as it came. */
  readonly buffers: Buffer[] = [];
  writable = true;
  /** After this many more bytes it is not writable. */
  room = Infinity;
  /** The code it was closed with. */
  closeCode: number | null = null;
  /** How often something was delivered although it was closed. */
  late = 0;

  constructor(format: Format = LINES) {
    this.format = format;
  }

  deliver(bytes: Buffer): void {
    if (this.closeCode !== null) this.late++;
    this.buffers.push(bytes);
    this.room -= bytes.length;
    if (this.room <= 0) this.writable = false;
  }

  close(code: number): void {
    this.closeCode = code;
  }

  /** Everything delivered so far. */
  get messages(): Envelope[] {
    return parse(this.buffers);
  }

  /** The seqs of the events delivered so far. */
  get seqs(): number[] {
    return this.messages.flatMap(({ seq }) => (seq === undefined ? [] : [seq]));
  }

  /** The types of what was delivered so far that is no event. */
  get types(): string[] {
    return this.messages.flatMap(({ type, seq }) => (seq === undefined ? [type] : []));
  }

  /** What was delivered since the last `take`. */
  take(): Envelope[] {
    return parse(this.buffers.splice(0));
  }
}

function parse(buffers: readonly Buffer[]): Envelope[] {
  const text = Buffer.concat(buffers).toString();
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Envelope);
}

type Told = readonly [roomId: string, epoch: string, head: number, timestamp?: number];

/** A log whose answers to `read` and `heads` can be held back or refused, and that can be made anew. */
export class GatedLog implements Log {
  readonly #current: () => Log;
  #gate: Promise<void> | null = null;
  #open = (): void => {};
  #failing = 0;
  /** The most events one `read` gives. */
  pageEvents = Infinity;
  /** How many calls of `read` came so far. */
  reads = 0;
  /** How many calls wait now. */
  held = 0;

  /** What was told of heads, when the node takes events by the bus. */
  readonly told: Told[] = [];
  readonly seen?: (...told: Told) => void;

  constructor(current: () => Log, takesEvents = false) {
    this.#current = current;
    if (takesEvents) this.seen = (...told) => void this.told.push(told);
  }

  /** `read` and `heads` are answered only after `release`, with what the log said when they were called. */
  hold(): void {
    this.#gate ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release(): void {
    this.#gate = null;
    this.#open();
  }

  /** The next `count` calls of `read` and `heads` fail with `unavailable`. */
  failReads(count: number): void {
    this.#failing = count;
  }

  async #pass<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#failing > 0) {
      this.#failing--;
      throw new YamabikoError("unavailable", "The log cannot be read now.");
    }
    const answer = await ask();
    const gate = this.#gate;
    if (gate !== null) {
      this.held++;
      await gate;
      this.held--;
    }
    return answer;
  }

  read: Log["read"] = (roomId, after, limit, ...more) => {
    this.reads++;
    return this.#pass(() => this.#current().read(roomId, after, Math.min(limit, this.pageEvents), ...more));
  };
  heads: Log["heads"] = (...question) => this.#pass(() => this.#current().heads(...question));
  append: Log["append"] = (...question) => this.#current().append(...question);
  readBack: Log["readBack"] = (...question) => this.#current().readBack(...question);
  find: Log["find"] = (...question) => this.#current().find(...question);
  amendments: Log["amendments"] = (...question) => this.#current().amendments(...question);
  trim: Log["trim"] = (...question) => this.#current().trim(...question);
  putSnapshot: Log["putSnapshot"] = (...question) => this.#current().putSnapshot(...question);
  snapshot: Log["snapshot"] = (...question) => this.#current().snapshot(...question);
  setMark: Log["setMark"] = (...question) => this.#current().setMark(...question);
  marks: Log["marks"] = (...question) => this.#current().marks(...question);
  marksOf: Log["marksOf"] = (...question) => this.#current().marksOf(...question);
  dropMarks: Log["dropMarks"] = (...question) => this.#current().dropMarks(...question);
  rooms: Log["rooms"] = (...question) => this.#current().rooms(...question);
  lease: Log["lease"] = (...question) => this.#current().lease(...question);
  endLease: Log["endLease"] = (...question) => this.#current().endLease(...question);
  close: Log["close"] = () => this.#current().close();
}

/** What a test may choose of a node. */
export interface NodeOptions {
  readonly limits?: Partial<Limits>;
  readonly kind?: RoomKind;
  /** Whether its log lets it take events by the bus, as one that is elsewhere does. */
  readonly takesEvents?: boolean;
  /** Wraps the bus of the node. */
  readonly bus?: (inner: Bus) => Bus;
  readonly tracing?: Tracing;
}

/** A log, a clock and a bus, and the nodes on them. */
export class World {
  readonly clock = createFakeClock();
  readonly hub = createMemoryHub();
  readonly nodes: Node[] = [];
  /** The log all nodes share. */
  log: Log = createMemoryLog({ clock: this.clock });

  node(options: NodeOptions = {}): Node {
    const node = new Node(this, `node-${this.nodes.length}`, options);
    this.nodes.push(node);
    return node;
  }

  /** The log is lost and made anew: every room has another epoch. */
  remake(): void {
    this.log = createMemoryLog({ clock: this.clock });
  }

  /** Appends behind the back of every node: `count` events, one after the other. */
  async say(count: number, text = ""): Promise<void> {
    for (let index = 0; index < count; index++) await this.append({ text });
  }

  /** Appends one event behind the back of every node. */
  append(payload: unknown, options?: AppendOptions): Promise<AppendResult> {
    return this.log.append(ROOM, "ann", null, { type: "said", data: JSON.stringify(payload) }, options);
  }

  /** Everything the log has. */
  async events(): Promise<readonly LogEvent[]> {
    return (await this.log.read(ROOM, 0, Infinity, Infinity)).events;
  }

  /** Lets everything that needs no time happen, the flushes of every node with it. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) {
      await this.clock.flush();
      for (const node of this.nodes) node.rooms.fanout.flush();
    }
  }

  /** Moves time, second by second, and settles. */
  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      await this.clock.advance(Math.min(left, 1_000));
      await this.settle();
    }
  }

  close(): void {
    for (const node of this.nodes) node.rooms.close();
  }
}

/** A reader, and the way out it has. */
export interface FakeReader {
  readonly sink: FakeSink;
  readonly subscription: Subscription;
}

/** One node: its rooms, and its own faults before the shared log. */
export class Node {
  readonly world: World;
  readonly id: string;
  readonly gate: GatedLog;
  readonly log: FaultyLog;
  readonly bus: Bus;
  readonly rooms: Rooms;
  readonly limits: Limits;
  readonly kind: RoomKind;
  /** Where something failed, in order. */
  readonly failures: string[] = [];
  /** How many readers were found not to take bytes. */
  stalls = 0;

  constructor(world: World, id: string, options: NodeOptions) {
    const { clock } = world;
    this.world = world;
    this.id = id;
    this.kind = options.kind ?? KIND;
    this.limits = resolveLimits(options.limits);
    this.gate = new GatedLog(() => world.log, options.takesEvents);
    this.log = createFaultyLog(this.gate);
    const bus = createMemoryBus({ hub: world.hub });
    this.bus = options.bus?.(bus) ?? bus;
    const observer = {
      ...nullObserver,
      failure: (where: string) => void this.failures.push(where),
      readerStalled: () => void this.stalls++,
    };
    const { tracing } = options;
    this.rooms = new Rooms({ log: this.log, bus: this.bus, nodeId: id, observer, tracing, clock, limits: this.limits });
  }

  async open(roomId = ROOM): Promise<Room> {
    return this.rooms.open(roomId, this.kind);
  }

  /** Appends by this node. */
  async say(payload: unknown, options?: AppendOptions, messageId: string | null = null): Promise<AppendResult> {
    const room = await this.open();
    return room.publish("ann", messageId, { type: "said", data: JSON.stringify(payload) }, options);
  }

  /** Joins as a session does: from `after`, or from the head. */
  async join(after: Cursor | number | null = null, sink = new FakeSink()): Promise<FakeReader> {
    const room = await this.open();
    const unpin = room.pin();
    try {
      const place = await room.locate(typeof after === "number" ? { epoch: room.epoch, seq: after } : after, 0);
      const subscription = room.subscribe(sink, place);
      if (place.lost !== null) subscription.tellLost(place.lost, place.start);
      subscription.pump();
      return { sink, subscription };
    } finally {
      unpin();
    }
  }

  /** Rings as if another node had appended `seq`. */
  ring(seq: number, epoch: string, from = "elsewhere"): void {
    const notice: Notice = { kind: "event", from, epoch, seq };
    this.rooms.get(ROOM)!.hear(notice);
  }
}

/** The whole numbers from `from` to `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** A bus that brings no more at once than PostgreSQL does. */
export const smallNotices = (inner: Bus): Bus => ({
  lossless: true,
  publish: (channel, notice) => {
    if (noticeToTextWithin(notice, 7_900) !== null) inner.publish(channel, notice);
  },
  subscribe: (channel, onNotice) => inner.subscribe(channel, onNotice),
  close: () => inner.close(),
});

import type { ChangeSet } from "@codemirror/state";
import { createMemoryBus } from "../../../src/bus/memory.ts";
import { openDocument, type SharedDocument } from "../../../src/client/documents/index.ts";
import type { Room as ClientRoom } from "../../../src/client/index.ts";
import { type DocumentRoom, type DocumentsOptions, documents } from "../../../src/features/index.ts";
import type { Log, LogEvent } from "../../../src/log/log.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { nullObserver } from "../../../src/observe/observer.ts";
import { type Clock, type Json, resolveLimits, YamabikoError } from "../../../src/protocol/index.ts";
import type { Room } from "../../../src/room/room.ts";
import { Rooms } from "../../../src/room/rooms.ts";
import { featureOf, kindOf } from "../../../src/session/room-kind.ts";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";

export const ROOM_ID = "document:readme";

/** A log whose appends wait in a queue until the test lets them through, as they would on their way to another machine. */
export interface QueuedLog extends Log {
  /** Lets the oldest appends through, in their order. */
  flush(count?: number): void;
}

/** Makes a {@link QueuedLog} over another one. */
export function createQueuedLog(log: Log): QueuedLog {
  const queue: (() => void)[] = [];
  const append: Log["append"] = (...args) =>
    new Promise((resolve, reject) => {
      queue.push(() => void log.append(...args).then(resolve, reject));
    });
  const flush = (count = queue.length): void => {
    for (const go of queue.splice(0, count)) go();
  };
  return overlay(log, { append, flush });
}

/** The log, and its events as they come into it. */
export function createRecordedLog(log: Log): { log: Log; events: LogEvent[] } {
  const events: LogEvent[] = [];
  const append: Log["append"] = async (roomId, sender, messageId, event, options) => {
    const result = await log.append(roomId, sender, messageId, event, options);
    const { seq, timestamp, duplicate } = result;
    if (!duplicate) events.push({ ...event, roomId, seq, sender, messageId, timestamp, amends: null });
    return result;
  };
  return { log: overlay(log, { append }), events };
}

function overlay<More extends object>(log: Log, more: More): Log & More {
  return new Proxy(log, {
    get(target, name) {
      const value =
        (more as Record<PropertyKey, unknown>)[name] ?? (target as unknown as Record<PropertyKey, unknown>)[name];
      return typeof value === "function" ? value.bind(target) : value;
    },
  }) as Log & More;
}

/** One server process with one document open. */
export interface DocumentNode {
  readonly rooms: Rooms;
  readonly room: Room;
  readonly document: DocumentRoom;
  /** A message as the router would give it to the handler. */
  submit(
    userId: string,
    version: number,
    changes: readonly Json[],
    messageId?: string,
  ): ReturnType<DocumentRoom["ot"]["submit"]>;
  close(): void;
}

export interface DocumentWorldOptions {
  readonly clock?: Clock;
  readonly log?: Log;
  readonly options?: DocumentsOptions;
}

/** A log, and as many nodes over it as a test starts. */
export function createDocumentWorld({
  clock = createFakeClock(),
  log = createMemoryLog({ clock }),
  options = {},
}: DocumentWorldOptions = {}) {
  const bus = createMemoryBus();
  const nodes: DocumentNode[] = [];
  const namespace = documents(options);
  let ids = 0;
  return {
    clock,
    log,
    /** @param nodeLog the log as this node sees it. */
    async start(nodeLog = log, roomId = ROOM_ID): Promise<DocumentNode> {
      const limits = resolveLimits({}, true);
      const rooms = new Rooms({ log: nodeLog, bus, nodeId: `n${nodes.length}`, observer: nullObserver, clock, limits });
      const room = await rooms.open(roomId, kindOf(namespace));
      const document = featureOf(room) as DocumentRoom;
      const node: DocumentNode = {
        rooms,
        room,
        document,
        submit: (userId, version, changes, messageId = `m${ids++}`) =>
          document.ot.submit({ userId, clientId: `c-${userId}`, messageId, version, changes }),
        close: () => rooms.close(),
      };
      nodes.push(node);
      return node;
    },
    /** Everything the document's log holds. */
    async events(roomId = ROOM_ID): Promise<LogEvent[]> {
      const events: LogEvent[] = [];
      for (;;) {
        const page = await log.read(roomId, events.at(-1)?.seq ?? 0, 1_000, 1e9);
        if (page.events.length === 0) return events;
        events.push(...page.events);
      }
    },
    async close(): Promise<void> {
      for (const node of nodes) node.close();
      await bus.close();
      await log.close();
    },
  };
}

export type DocumentWorld = ReturnType<typeof createDocumentWorld>;

/** What a message on its way is waiting for. */
interface Waiting {
  readonly messageId: string;
  readonly payload: { version: number; changes: Json[] };
  /** Which connection it was last written on; 0 for none. */
  written: number;
  accept(ack: { seq: number }): void;
  refuse(error: YamabikoError): void;
}

/**
 * One editor behind a network that the test moves: what it sends reaches a node only when `push` is called, and what is in the log
 * reaches it only by `pull`. It stands for the SDK's room, with its outbox: everything is repeated until it is answered.
 */
export class SimulatedEditor {
  readonly userId: string;
  readonly document: SharedDocument;
  readonly #events: readonly LogEvent[];
  readonly #listeners = new Map<string, ((payload: never, envelope: never) => void)[]>();
  readonly #waiting: Waiting[] = [];
  #node: DocumentNode;
  #connection = 0;
  #hasStarted = false;
  status: "joining" | "joined" | "left" = "joining";
  seq = 0;
  epoch: string;
  sends = 0;

  /** @param events the log's events, as they become known. */
  constructor(userId: string, node: DocumentNode, events: readonly LogEvent[], clock: Clock) {
    this.userId = userId;
    this.#node = node;
    this.#events = events;
    this.epoch = node.room.epoch;
    this.document = openDocument(this as unknown as ClientRoom, "readme", { clock });
  }

  get cursor(): string {
    return `${this.epoch}:${this.seq}`;
  }

  get isConnected(): boolean {
    return this.status === "joined";
  }

  /** How many messages are not answered. */
  get unanswered(): number {
    return this.#waiting.length;
  }

  // ---- what the document uses of a room

  on(name: string, run: (payload: never, envelope: never) => void): () => void {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), run]);
    return () => {};
  }

  send(_type: string, payload: Waiting["payload"], { messageId }: { messageId: string }) {
    this.sends++;
    const ack = new Promise<{ seq: number }>((accept, refuse) => {
      this.#waiting.push({ messageId, payload: structuredClone(payload), written: 0, accept, refuse });
    });
    ack.catch(() => {});
    return { messageId, ack, discard: () => {} };
  }

  volatile(): boolean {
    return false;
  }

  leave(): void {
    this.status = "left";
  }

  // ---- the network

  /** Joins, from where it was or from the newest text. */
  async connect(node = this.#node, fresh = !this.#hasStarted): Promise<void> {
    this.#node = node;
    this.#connection++;
    const start = fresh ? await node.document.ot.start() : null;
    if (start !== null) this.seq = start.seq;
    this.#hasStarted = true;
    this.status = "joined";
    this.#tell("joined", { recovered: !fresh, ...(start === null ? {} : { snapshot: start.snapshot }) });
  }

  disconnect(): void {
    this.status = "joining";
  }

  /** Delivers up to `count` events. */
  pull(count: number): void {
    for (let left = count; left > 0 && this.isConnected && this.seq < this.#events.length; left--) {
      const { type, data, seq, messageId } = this.#events[this.seq]!;
      this.seq = seq;
      this.#tell(type, JSON.parse(data), { messageId, seq });
    }
  }

  /**
   * Writes what waits. `lost`: it gets lost on its way; `unheard`: it arrives, and the answer gets lost; `twice`: it arrives again.
   */
  push(fate: "arrives" | "lost" | "unheard" | "twice" = "arrives"): void {
    if (!this.isConnected) return;
    const connection = this.#connection;
    const node = this.#node;
    for (const waiting of [...this.#waiting]) {
      if (waiting.written === connection && fate !== "twice") continue;
      waiting.written = connection;
      if (fate === "lost") continue;
      const { messageId, payload } = waiting;
      const submit = () => node.submit(this.userId, payload.version, payload.changes, messageId);
      const answered = (settle: () => void): void => {
        const index = this.#waiting.indexOf(waiting);
        if (fate === "unheard" || connection !== this.#connection || !this.isConnected || index < 0) return;
        this.#waiting.splice(index, 1);
        settle();
      };
      submit().then(
        (place) => answered(() => waiting.accept(place)),
        // As the router does: what came before gets its first answer.
        async (error: unknown) => {
          const found = await node.room.find(this.userId, messageId);
          answered(() => (found === null ? waiting.refuse(error as YamabikoError) : waiting.accept(found)));
        },
      );
      if (fate === "twice") void submit().catch(() => {});
    }
  }

  edit(changes: ChangeSet): void {
    this.document.edit(changes);
  }

  #tell(name: string, payload: unknown, envelope?: unknown): void {
    for (const run of this.#listeners.get(name) ?? []) run(payload as never, envelope as never);
  }
}

/** Lets everything that is under way come to its end. */
export async function settle(turns = 4): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export function isRefusal(error: unknown, code: string): boolean {
  return error instanceof YamabikoError && error.code === code;
}

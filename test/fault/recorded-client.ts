import { createRequire } from "node:module";
import { newMessageId } from "../../src/client/message-id.ts";
import {
  type Client,
  type ClientOptions,
  createClient,
  type OutgoingMessage,
  type Room,
} from "../../src/client/node.ts";
import type { Log, LogEvent } from "../../src/log/log.ts";
import { parseCursor } from "../../src/protocol/index.ts";
import { type HistoryRecord, hashOf } from "../../src/testing/history.ts";
import { until } from "../harness.ts";

/** The chat message of a wire, as far as the tests look at it. */
interface NewMessage {
  readonly userId: string;
  readonly content: string;
}

/** Where what happens is written down. */
export interface HistorySink {
  add(record: HistoryRecord): void;
  /** Makes sure that what was added outlives this process. */
  flush?(): void;
}

/** What all clients of a run saw, in the order they saw it. */
export class History implements HistorySink {
  readonly records: HistoryRecord[] = [];

  add(record: HistoryRecord): void {
    this.records.push(record);
  }
}

/** A client of the SDK whose sends, acks, joins and deliveries are written into a history. */
export class RecordedClient {
  readonly name: string;
  readonly user: string;
  readonly client: Client;
  readonly rooms = new Map<string, Room>();
  /** Messages acknowledged so far. */
  acked = 0;
  /** Messages that are not answered. */
  waiting = 0;
  /** Messages answered with a refusal for good. */
  refused = 0;
  /** What the client itself reported as wrong. */
  readonly errors: string[] = [];
  readonly #history: HistorySink;

  /** `name` names the client in the history; it sends and reads as `user`. */
  constructor(history: HistorySink, name: string, url: string, options: ClientOptions, user = name) {
    this.name = name;
    this.user = user;
    this.#history = history;
    this.client = createClient(url, {
      reconnectInterval: 20,
      maxReconnectInterval: 250,
      outboxLimit: 100_000,
      ...options,
    });
    this.client.on("connected", () => history.add({ kind: "connection", client: name, event: "opened", code: null }));
    this.client.on("disconnected", ({ code }) =>
      history.add({ kind: "connection", client: name, event: "closed", code }),
    );
    this.client.on("error", (error) => this.errors.push(`${error.code}: ${error.message}`));
  }

  /** Joins, and records from then on what the room's listeners are given. */
  join(roomId: string, after?: string): Room {
    const room = this.client.join(roomId, { after });
    const { name: reader } = this;
    this.rooms.set(roomId, room);
    let kept = after === undefined ? null : readCursor(after);
    room.on("joined", ({ cursor, recovered }) => {
      this.#history.add({ kind: "joined", reader, roomId, after: kept, ...readCursor(cursor), recovered });
      kept = null;
    });
    room.on("history_lost", ({ reason, from, to, cursor }) => {
      this.#history.add({ kind: "lost", reader, roomId, reason, from, to, ...readCursor(cursor) });
    });
    room.on("*", (payload, { seq, messageId = null }) => {
      if (seq === undefined) return;
      const { userId: user, content } = payload as unknown as NewMessage;
      const epoch = room.epoch ?? "";
      this.#history.add({ kind: "delivered", reader, roomId, epoch, seq, user, messageId, hash: hashOf(content) });
    });
    return room;
  }

  /** Sends a chat message to a joined room. */
  send(roomId: string, content: string, messageId = newMessageId()): OutgoingMessage {
    const { name: client, user } = this;
    // Before it is on its way, so that no death of this process leaves a message nobody sent.
    this.#history.add({ kind: "sent", client, user, roomId, messageId, hash: hashOf(content) });
    this.#history.flush?.();
    return this.sendAgain(roomId, content, messageId);
  }

  /** Sends a message that an earlier life of this client has sent and noted, and that was not answered. */
  sendAgain(roomId: string, content: string, messageId: string): OutgoingMessage {
    const message = this.rooms.get(roomId)!.send("send_message", { content }, { messageId });
    this.#watch(roomId, message);
    return message;
  }

  /** Notes what becomes of a message that another client of this user sent before, e.g. before a reload. */
  watch(roomId: string, message: OutgoingMessage): void {
    this.#watch(roomId, message);
  }

  /** Waits until the room's listeners were given everything up to `seq`. */
  async reached(roomId: string, seq: number, timeoutMs = 20_000): Promise<void> {
    const room = this.rooms.get(roomId)!;
    await until(() => room.status === "joined" && room.seq >= seq, timeoutMs).catch(() => {
      throw new Error(`${this.name} is at ${room.seq} of ${seq} in ${roomId}, ${room.status}, ${this.client.status}`);
    });
  }

  close(): void {
    this.client.close();
  }

  #watch(roomId: string, message: OutgoingMessage): void {
    const { user } = this;
    const { messageId } = message;
    this.waiting++;
    message.ack.then(
      ({ epoch = "", seq = 0, duplicate = false }) => {
        this.waiting--;
        this.acked++;
        this.#history.add({ kind: "acked", user, roomId, messageId, epoch, seq, duplicate });
      },
      ({ code }: { code: string }) => {
        this.waiting--;
        // Given up by us: whether it arrived is not known.
        if (code === "unavailable") return this.#history.add({ kind: "unknown", user, roomId, messageId });
        this.refused++;
        this.#history.add({ kind: "refused", user, roomId, messageId, code });
      },
    );
  }
}

function readCursor(cursor: string): { epoch: string; seq: number } {
  const { epoch, seq } = parseCursor(cursor);
  return { epoch: epoch ?? "", seq };
}

/** Reads the final log of a room as any client would: from cursor 0 of its epoch to the head. */
export async function readLog(
  history: History,
  via: string,
  url: string,
  options: ClientOptions,
  roomId: string,
): Promise<{ epoch: string; head: number }> {
  const client = createClient(url, { reconnectInterval: 20, ...options });
  try {
    // The first join tells the epoch and the head, the second reads from the beginning.
    const { epoch, head } = await client.join(roomId).joined;
    client.join(roomId).leave();
    const room = client.join(roomId, { after: `${epoch}:0` });
    const events: HistoryRecord[] = [];
    let first = 1;
    room.on("history_lost", ({ to }) => {
      first = (to ?? 0) + 1;
    });
    room.on("*", (payload, { seq, messageId = null }) => {
      if (seq === undefined) return;
      const { userId: user, content } = payload as unknown as NewMessage;
      events.push({ kind: "log", via, roomId, seq, user, messageId, hash: hashOf(content) });
    });
    await room.joined;
    await until(() => room.seq >= head, 60_000);
    history.add({ kind: "head", via, roomId, epoch, first, head });
    for (const event of events) history.add(event);
    return { epoch, head };
  } finally {
    client.close();
  }
}

interface StoredRow {
  readonly seq: number;
  readonly sender: string | number;
  readonly messageId: string | null;
  readonly data: string;
}

/** Reads the final logs of all rooms from the file itself. The server must not run. */
export function readLogFile(history: History, via: string, path: string): void {
  const Sqlite = createRequire(import.meta.url)("better-sqlite3") as typeof import("better-sqlite3");
  const database = new Sqlite(path);
  try {
    const rooms = database.prepare("SELECT id, name, epoch, first, head_floor FROM rooms").all() as {
      id: number;
      name: string;
      epoch: string;
      first: number;
      head_floor: number;
    }[];
    const select = database.prepare(
      "SELECT seq, sender, message_id AS messageId, data FROM events WHERE room = ? AND seq >= ? ORDER BY seq",
    );
    for (const { id, name: roomId, epoch, first, head_floor: floor } of rooms) {
      const rows = select.all(id, first) as StoredRow[];
      history.add({ kind: "head", via, roomId, epoch, first, head: rows.at(-1)?.seq ?? floor });
      for (const { seq, sender, messageId, data } of rows) {
        const { content } = JSON.parse(data) as NewMessage;
        const user = typeof sender === "string" ? sender : null;
        history.add({ kind: "log", via, roomId, seq, user, messageId, hash: hashOf(content) });
      }
    }
  } finally {
    database.close();
  }
}

/** Reads the final log of a room from the log seam itself. */
export async function readLogSeam(history: History, log: Log, roomId: string): Promise<void> {
  const via = "the log";
  const events: LogEvent[] = [];
  let page = await log.read(roomId, 0, 512);
  while (page.events.length > 0) {
    events.push(...page.events);
    page = await log.read(roomId, events.at(-1)!.seq, 512);
  }
  const { epoch, first, head } = page;
  history.add({ kind: "head", via, roomId, epoch, first, head });
  for (const { seq, sender: user, messageId, data } of events) {
    const { content } = JSON.parse(data) as NewMessage;
    history.add({ kind: "log", via, roomId, seq, user, messageId, hash: hashOf(content) });
  }
}

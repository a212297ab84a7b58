import type { AppendResult, RoomHead, Snapshot } from "../log.ts";
import { Appender, SERVER } from "./appends.ts";
import type { Database, SqlRow, Statement } from "./driver.ts";
import { StoredLeases } from "./leases.ts";
import {
  type Batch,
  type BatchOutcome,
  type EventColumns,
  FENCE_OVER,
  type PageColumns,
  type ReadRequest,
  type WriteRequest,
} from "./messages.ts";
import { type StoredRoom, StoredRooms } from "./rooms.ts";
import { Trimmer } from "./trims.ts";

const SNAPSHOTS_KEPT = 2;

/** The log's questions and answers in terms of SQL. Synchronous; owned by the worker. */
export class Store {
  readonly #database: Database;
  readonly #rooms: StoredRooms;
  readonly #leases: StoredLeases;
  readonly #appender: Appender;
  readonly #trimmer: Trimmer;
  readonly #forward: Statement;
  readonly #backward: Statement;
  readonly #amendments: Statement;
  readonly #putSnapshot: Statement;
  readonly #dropSnapshots: Statement;
  readonly #snapshot: Statement;
  readonly #mark: Statement;
  readonly #setMark: Statement;
  readonly #marks: Statement;
  readonly #marksOf: Statement;
  readonly #countMarks: Statement;
  readonly #dropMarks: Statement;
  readonly #names: Statement;
  /** The highest `moved` of any mark. */
  #moved: number;

  constructor(database: Database) {
    const columns = "seq, at, amends, type, sender, message_id, data";
    this.#database = database;
    this.#rooms = new StoredRooms(database);
    this.#leases = new StoredLeases(database);
    this.#appender = new Appender(database, this.#rooms, this.#leases);
    this.#trimmer = new Trimmer(database, this.#rooms);
    this.#forward = database.prepare(
      `SELECT size, ${columns} FROM events WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?`,
    );
    this.#backward = database.prepare(
      `SELECT size, ${columns} FROM events WHERE room = ? AND seq < ? AND seq >= ? ORDER BY seq DESC LIMIT ?`,
    );
    this.#amendments = database.prepare(
      `SELECT ${columns} FROM events WHERE room = ? AND amends = ? AND type = ? AND seq >= ? ORDER BY seq DESC LIMIT ?`,
    );
    this.#putSnapshot = database.prepare("INSERT OR REPLACE INTO snapshots (room, seq, data) VALUES (?, ?, ?)");
    this.#dropSnapshots = database.prepare(
      `DELETE FROM snapshots WHERE room = ? AND seq <
       (SELECT min(seq) FROM (SELECT seq FROM snapshots WHERE room = ? ORDER BY seq DESC LIMIT ${SNAPSHOTS_KEPT}))`,
    );
    this.#snapshot = database.prepare(
      "SELECT seq, data FROM snapshots WHERE room = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
    );
    this.#mark = database.prepare("SELECT seq FROM marks WHERE room = ? AND name = ? AND user = ?");
    this.#setMark = database.prepare(
      "INSERT OR REPLACE INTO marks (room, name, user, seq, moved) VALUES (?, ?, ?, ?, ?)",
    );
    this.#marks = database.prepare("SELECT user, seq FROM marks WHERE room = ? AND name = ? ORDER BY seq DESC LIMIT ?");
    this.#marksOf = database.prepare(
      `SELECT rooms.name AS room, seq FROM marks JOIN rooms ON rooms.id = marks.room
       WHERE user = ? AND marks.name = ? ORDER BY moved DESC LIMIT ?`,
    );
    this.#countMarks = database.prepare("SELECT count(*) AS count FROM marks WHERE user = ? AND name = ?");
    this.#dropMarks = database.prepare("DELETE FROM marks WHERE user = ? AND name = ?");
    this.#names = database.prepare("SELECT name FROM rooms WHERE name > ? ORDER BY name LIMIT ?");
    const { moved } = database.prepare("SELECT coalesce(max(moved), 0) AS moved FROM marks").get() as { moved: number };
    this.#moved = moved;
  }

  /** Commits a batch. When it throws, nothing of the batch is in the file. */
  commit(batch: Batch): BatchOutcome {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const appended = this.#appender.appendAll(batch.appends, batch.conditions, batch.now);
      const answers = batch.requests.map((request) => this.#write(request, batch.now));
      this.#database.exec("COMMIT");
      return { appended, answers };
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  /** Answers a question. Only a room never seen is written. */
  answer(request: ReadRequest): unknown {
    switch (request.kind) {
      case "read":
        return this.#read(request.roomId, request.after, request.limit, request.maxBytes);
      case "readBack":
        return this.#readBack(request.roomId, request.before, request.limit, request.maxBytes);
      case "find":
        return this.#find(request.roomId, request.sender, request.messageId);
      case "amendments": {
        const room = this.#rooms.find(request.roomId);
        const found: EventColumns = [];
        if (room === undefined) return found;
        const { seq, type, limit } = request;
        const rows = this.#amendments.iterate(room.id, seq, type, room.first, rowLimit(limit));
        for (const row of rows as Iterable<SqlRow>) pushEvent(found, row);
        return found;
      }
      case "snapshot":
        return this.#snapshotOf(request.roomId, request.atMost);
      case "marks": {
        const room = this.#rooms.find(request.roomId);
        if (room === undefined) return new Map();
        return toMap(this.#marks.iterate(room.id, request.name, rowLimit(request.limit)), "user");
      }
      case "rooms":
        return Array.from(
          this.#names.iterate(request.after, rowLimit(request.limit)) as Iterable<{ name: string }>,
          ({ name }) => name,
        );
      case "marksOf":
        return toMap(this.#marksOf.iterate(request.user, request.name, rowLimit(request.limit)), "room");
    }
  }

  /** Whether a payload was replaced or removed since this was last asked. */
  takePurged(): boolean {
    const purged = this.#appender.amended || this.#trimmer.removed;
    this.#appender.amended = false;
    this.#trimmer.removed = false;
    return purged;
  }

  /**
   * Moves what was committed into the file itself and empties the write-ahead log, so that no old payload stays there.
   * False when another program reads the file just now; it is not waited for, because appends would wait too.
   */
  checkpoint(): boolean {
    const { timeout } = this.#database.prepare("PRAGMA busy_timeout").get() as { timeout: number };
    this.#database.exec("PRAGMA busy_timeout = 0");
    try {
      const row = this.#database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get() as { busy: number };
      return row.busy === 0;
    } finally {
      this.#database.exec(`PRAGMA busy_timeout = ${timeout}`);
    }
  }

  #write(request: WriteRequest, now: number): unknown {
    switch (request.kind) {
      case "heads": {
        const heads = new Map<string, RoomHead>();
        for (const roomId of request.roomIds) heads.set(roomId, headOf(this.#rooms.get(roomId)));
        return heads;
      }
      case "trim":
        return this.#trimmer.trim(request.roomId, request.policy, now);
      case "putSnapshot": {
        const room = this.#rooms.get(request.roomId);
        const { fence } = request;
        if (fence !== undefined && fence !== this.#leases.newestFence(room)) return FENCE_OVER;
        this.#putSnapshot.run(room.id, request.seq, request.data);
        this.#dropSnapshots.run(room.id, room.id);
        return undefined;
      }
      case "setMark": {
        const { id } = this.#rooms.get(request.roomId);
        const mark = this.#mark.get(id, request.name, request.user) as { seq: number } | undefined;
        if (mark !== undefined && mark.seq >= request.seq) return { seq: mark.seq, moved: false };
        // Time, so that the order is right over restarts, and counting up within the same millisecond.
        this.#moved = Math.max(this.#moved + 1, now * 1_000);
        this.#setMark.run(id, request.name, request.user, request.seq, this.#moved);
        return { seq: request.seq, moved: true };
      }
      case "dropMarks": {
        const { count } = this.#countMarks.get(request.user, request.name) as { count: number };
        this.#dropMarks.run(request.user, request.name);
        return count;
      }
      case "lease":
        return this.#leases.lease(this.#rooms.get(request.roomId), request.owner, request.ttlMs, now);
      case "release":
        return this.#leases.release(this.#rooms.get(request.roomId), request.owner, request.fence);
    }
  }

  #read(roomId: string, after: number, limit: number, maxBytes: number): PageColumns {
    const room = this.#rooms.get(roomId);
    const from = Math.max(after, room.first - 1);
    const columns: PageColumns["columns"] = [];
    if (limit > 0 && from < room.head)
      fill(columns, this.#forward.iterate(room.id, from, rowLimit(limit)), maxBytes, false);
    return { ...headOf(room), columns };
  }

  #readBack(roomId: string, before: number, limit: number, maxBytes: number): PageColumns {
    const room = this.#rooms.get(roomId);
    const to = Math.min(before, room.head + 1);
    const columns: PageColumns["columns"] = [];
    if (limit > 0 && to > room.first) {
      fill(columns, this.#backward.iterate(room.id, to, room.first, rowLimit(limit)), maxBytes, true);
    }
    return { ...headOf(room), columns };
  }

  #find(roomId: string, sender: string | null, messageId: string): AppendResult | null {
    const room = this.#rooms.find(roomId);
    const first = room === undefined ? undefined : this.#appender.find(room, sender ?? SERVER, messageId);
    if (room === undefined || first === undefined) return null;
    return { epoch: room.epoch, seq: first.seq, duplicate: true, timestamp: first.at };
  }

  #snapshotOf(roomId: string, atMost: number): Snapshot | null {
    const room = this.#rooms.find(roomId);
    if (room === undefined) return null;
    const row = this.#snapshot.get(room.id, Math.min(atMost, Number.MAX_SAFE_INTEGER)) as
      | { seq: number; data: string }
      | undefined;
    return row === undefined ? null : { epoch: room.epoch, seq: row.seq, data: row.data };
  }

  #rollBack(): void {
    this.#rooms.clear();
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // SQLite has already rolled back by itself after some errors (disk full, I/O).
    }
  }
}

function headOf(room: StoredRoom): RoomHead {
  return { epoch: room.epoch, first: room.first, head: room.head };
}

/** A limit as SQL takes it: whole, and never negative, which would mean none. */
function rowLimit(limit: number): number {
  return Math.max(0, Math.min(Math.floor(limit), 2 ** 31 - 1));
}

/** Copies rows into `columns` until the payload is over `maxBytes`, but always the first. */
function fill(columns: PageColumns["columns"], rows: Iterable<unknown>, maxBytes: number, backward: boolean): void {
  const found: SqlRow[] = [];
  let bytes = 0;
  for (const row of rows as Iterable<SqlRow>) {
    bytes += row.size as number;
    if (found.length > 0 && bytes > maxBytes) break;
    found.push(row);
  }
  if (backward) found.reverse();
  for (const row of found) pushEvent(columns, row);
}

function pushEvent(columns: EventColumns, { seq, at, amends, type, sender, message_id, data }: SqlRow): void {
  columns.push(seq!, at!, amends!, type!, sender === SERVER ? null : sender!, message_id!, data!);
}

function toMap(rows: Iterable<unknown>, key: "user" | "room"): Map<string, number> {
  const map = new Map<string, number>();
  for (const row of rows as Iterable<{ user: string; room: string; seq: number }>) map.set(row[key], row.seq);
  return map;
}

import { randomBytes } from "node:crypto";
import type { Database, Statement } from "./driver.ts";

/** What the store knows of a room without asking the file. */
export interface StoredRoom {
  readonly id: number;
  readonly epoch: string;
  first: number;
  head: number;
  /** The newest timestamp. */
  at: number;
  /** The payload of the kept events; -1 when it has not been counted since the room was loaded. */
  bytes: number;
}

interface RoomRow {
  id: number;
  epoch: string;
  first: number;
  head_floor: number;
  floor_at: number;
}

const CACHED_ROOMS = 10_000;

/** The rooms of a file, the most recently used of them in memory. */
export class StoredRooms {
  readonly #cached = new Map<string, StoredRoom>();
  readonly #select: Statement;
  readonly #insert: Statement;
  readonly #last: Statement;
  readonly #count: Statement;
  readonly #update: Statement;
  readonly #amend: Statement;

  constructor(database: Database) {
    this.#select = database.prepare("SELECT id, epoch, first, head_floor, floor_at FROM rooms WHERE name = ?");
    this.#insert = database.prepare("INSERT INTO rooms (name, epoch) VALUES (?, ?)");
    this.#last = database.prepare("SELECT seq, at FROM events WHERE room = ? ORDER BY seq DESC LIMIT 1");
    this.#count = database.prepare(
      `SELECT bytes + (SELECT coalesce(sum(size), 0) FROM events WHERE room = rooms.id AND seq > head_floor) AS bytes
       FROM rooms WHERE id = ?`,
    );
    this.#update = database.prepare("UPDATE rooms SET first = ?, head_floor = ?, floor_at = ?, bytes = ? WHERE id = ?");
    this.#amend = database.prepare("UPDATE rooms SET bytes = bytes + ? WHERE id = ? AND head_floor >= ?");
  }

  /** The room, made now when there was none. */
  get(name: string): StoredRoom {
    const room = this.find(name);
    if (room !== undefined) return room;
    this.#insert.run(name, randomBytes(12).toString("base64url"));
    return this.find(name)!;
  }

  find(name: string): StoredRoom | undefined {
    let room = this.#cached.get(name);
    if (room !== undefined) {
      this.#cached.delete(name);
    } else {
      room = this.#load(name);
      if (room === undefined) return undefined;
      if (this.#cached.size >= CACHED_ROOMS) this.#cached.delete(this.#cached.keys().next().value!);
    }
    this.#cached.set(name, room);
    return room;
  }

  /** Counts the room's payload unless that has been done. */
  countBytes(room: StoredRoom): number {
    if (room.bytes === -1) room.bytes = (this.#count.get(room.id) as { bytes: number }).bytes;
    return room.bytes;
  }

  /** Accounts for an event whose payload changed its size by `difference`. */
  amended(room: StoredRoom, seq: number, difference: number): void {
    if (difference === 0) return;
    this.#amend.run(difference, room.id, seq);
    if (room.bytes !== -1) room.bytes += difference;
  }

  /** Keeps what a trim changed. `room.bytes` must have been counted. */
  trimmed(room: StoredRoom): void {
    this.#update.run(room.first, room.head, room.at, room.bytes, room.id);
  }

  /** Forgets everything in memory: after a rollback it would be wrong. */
  clear(): void {
    this.#cached.clear();
  }

  #load(name: string): StoredRoom | undefined {
    const row = this.#select.get(name) as RoomRow | undefined;
    if (row === undefined) return undefined;
    const last = this.#last.get(row.id) as { seq: number; at: number } | undefined;
    return {
      id: row.id,
      epoch: row.epoch,
      first: row.first,
      head: Math.max(row.head_floor, last?.seq ?? 0),
      at: Math.max(row.floor_at, last?.at ?? 0),
      bytes: -1,
    };
  }
}

import { DEDUPLICATION_MS, type Retention } from "../log.ts";
import type { Database, Statement } from "./driver.ts";
import type { TrimOutcome } from "./messages.ts";
import type { StoredRoom, StoredRooms } from "./rooms.ts";

/** The most events one call looks at, so that appends need not wait for a large trim. */
const EVENTS_PER_CALL = 5_000;

/** Removes old events. It must be called inside a transaction. */
export class Trimmer {
  readonly #rooms: StoredRooms;
  readonly #timestamp: Statement;
  readonly #sizes: Statement;
  readonly #delete: Statement;
  readonly #hollow: Statement;
  readonly #forget: Statement;
  /** Whether anything was removed since this was last set to false. */
  removed = false;

  constructor(database: Database, rooms: StoredRooms) {
    this.#rooms = rooms;
    this.#timestamp = database.prepare("SELECT at FROM events WHERE room = ? AND seq = ?");
    this.#sizes = database.prepare("SELECT size FROM events WHERE room = ? AND seq >= ? AND seq < ? ORDER BY seq");
    this.#delete = database.prepare(
      "DELETE FROM events WHERE room = ? AND seq >= ? AND seq < ? AND (message_id IS NULL OR at < ?)",
    );
    this.#hollow = database.prepare(
      "UPDATE events SET data = NULL, type = '', size = 0 WHERE room = ? AND seq >= ? AND seq < ?",
    );
    this.#forget = database.prepare(
      `DELETE FROM events WHERE id IN
       (SELECT id FROM events WHERE data IS NULL AND at < ? ORDER BY at LIMIT ${EVENTS_PER_CALL})`,
    );
  }

  /** Removes up to `EVENTS_PER_CALL` events, and messageIds of any room that need not be known any more. */
  trim(roomName: string, policy: Retention, now: number): TrimOutcome {
    const remembersSince = now - DEDUPLICATION_MS;
    this.#forget.run(remembersSince);
    const room = this.#rooms.find(roomName);
    if (room === undefined) return { removed: 0, more: false };

    const byCount = policy.maxEvents === undefined ? 0 : room.head - policy.maxEvents + 1;
    const byAge = policy.maxAgeMs === undefined ? 0 : this.#firstSince(room, now - policy.maxAgeMs);
    const limit = Math.max(room.first, Math.min(policy.upTo ?? room.head, room.head) + 1);
    const wanted = Math.min(Math.max(room.first, byCount, byAge), limit);
    const end = Math.min(wanted, room.first + EVENTS_PER_CALL);
    if (end === room.first && policy.maxBytes === undefined) return { removed: 0, more: false };

    const before = { first: room.first, bytes: this.#rooms.countBytes(room) };
    const { first, bytes, more } = this.#advance(room, end, limit, end === wanted ? policy.maxBytes : undefined);
    if (first > before.first) {
      this.#delete.run(room.id, before.first, first, remembersSince);
      this.#hollow.run(room.id, before.first, first);
      room.first = first;
      room.bytes = bytes;
      this.#rooms.trimmed(room);
      this.removed = true;
    }
    return { removed: first - before.first, more: more || end < wanted };
  }

  /**
   * Where the room would begin without what is before `end` and without what is over `maxBytes`, and what it weighs then.
   * @param limit where it begins at the latest.
   */
  #advance(
    room: StoredRoom,
    end: number,
    limit: number,
    maxBytes: number | undefined,
  ): { first: number; bytes: number; more: boolean } {
    let { first, bytes } = room;
    const last = maxBytes === undefined ? end : Math.min(limit, room.first + EVENTS_PER_CALL);
    for (const row of this.#sizes.iterate(room.id, room.first, last)) {
      const overweight = maxBytes !== undefined && bytes > maxBytes && first < room.head;
      if (first >= end && !overweight) return { first, bytes, more: false };
      bytes -= (row as { size: number }).size;
      first++;
    }
    return { first, bytes, more: maxBytes !== undefined && bytes > maxBytes && first < Math.min(limit, room.head) };
  }

  /** The first seq whose timestamp is not before `since`. Timestamps never fall, so halving finds it. */
  #firstSince(room: StoredRoom, since: number): number {
    let low = room.first;
    let high = room.head + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const { at } = this.#timestamp.get(room.id, middle) as { at: number };
      if (at < since) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

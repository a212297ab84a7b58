import type { Amendment } from "../log.ts";
import type { Database, Statement } from "./driver.ts";
import type { StoredLeases } from "./leases.ts";
import {
  AMENDED_MOVED,
  APPEND_COLUMNS,
  APPENDED,
  type AppendColumns,
  type AppendOutcome,
  type Condition,
  DUPLICATE,
  FENCE_OVER,
  HEAD_MOVED,
} from "./messages.ts";
import type { StoredRoom, StoredRooms } from "./rooms.ts";

/** The server itself as it stands in the column `sender`. */
export const SERVER = 0;

/** Where the first append of a messageId stands, and when it was. */
export interface FirstAppend {
  readonly seq: number;
  readonly at: number;
}

/** Appends batches. It must be called inside a transaction. */
export class Appender {
  readonly #rooms: StoredRooms;
  readonly #leases: StoredLeases;
  readonly #insert: Statement;
  readonly #insertOnce: Statement;
  readonly #first: Statement;
  readonly #payload: Statement;
  readonly #replace: Statement;
  /** Whether a payload was replaced since this was last set to false. */
  amended = false;

  constructor(database: Database, rooms: StoredRooms, leases: StoredLeases) {
    const insert = `INSERT INTO events (room, seq, at, size, amends, type, sender, message_id, data)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
    this.#rooms = rooms;
    this.#leases = leases;
    this.#insert = database.prepare(insert);
    this.#insertOnce = database.prepare(
      `${insert} ON CONFLICT (room, sender, message_id) WHERE message_id IS NOT NULL DO NOTHING`,
    );
    this.#first = database.prepare("SELECT seq, at FROM events WHERE room = ? AND sender = ? AND message_id = ?");
    this.#payload = database.prepare("SELECT size, data FROM events WHERE room = ? AND seq = ?");
    this.#replace = database.prepare("UPDATE events SET data = ?, size = ? WHERE room = ? AND seq = ?");
  }

  /** Appends in order. A condition that does not hold is an outcome of that append alone. */
  appendAll(columns: AppendColumns, conditions: readonly Condition[], now: number): AppendOutcome {
    const count = columns.length / APPEND_COLUMNS;
    const outcome: AppendOutcome = {
      codes: new Uint8Array(count),
      seqs: new Float64Array(count),
      timestamps: new Float64Array(count),
      epochs: [],
    };
    let nextCondition = 0;
    for (let index = 0; index < count; index++) {
      const column = index * APPEND_COLUMNS;
      const room = this.#rooms.get(columns[column]!);
      const condition = conditions[nextCondition]?.index === index ? conditions[nextCondition++] : undefined;
      outcome.epochs.push(room.epoch);
      outcome.codes[index] = this.#append(
        room,
        columns[column + 1] ?? SERVER,
        columns[column + 2]!,
        columns[column + 3]!,
        columns[column + 4]!,
        condition,
        now,
        index,
        outcome,
      );
    }
    return outcome;
  }

  #append(
    room: StoredRoom,
    sender: string | typeof SERVER,
    messageId: string | null,
    type: string,
    data: string,
    condition: Condition | undefined,
    now: number,
    index: number,
    outcome: AppendOutcome,
  ): number {
    if (condition !== undefined) {
      // A repetition is told of before any condition is looked at.
      const first = messageId === null ? undefined : this.find(room, sender, messageId);
      if (first !== undefined) return repeat(outcome, index, first);
      if (condition.expect !== undefined && condition.expect !== room.head) return HEAD_MOVED;
      if (condition.fence !== undefined && condition.fence !== this.#leases.newestFence(room)) return FENCE_OVER;
      if (!this.#amendAll(room, condition.amend)) return AMENDED_MOVED;
    }
    const seq = room.head + 1;
    const at = Math.max(now, room.at);
    const size = Buffer.byteLength(data);
    const insert = messageId === null ? this.#insert : this.#insertOnce;
    const amends = condition?.amend[0]?.seq ?? null;
    const { changes } = insert.run(room.id, seq, at, size, amends, type, sender, messageId, data);
    if (Number(changes) === 0) return repeat(outcome, index, this.find(room, sender, messageId!)!);
    room.head = seq;
    room.at = at;
    if (room.bytes !== -1) room.bytes += size;
    outcome.seqs[index] = seq;
    outcome.timestamps[index] = at;
    return APPENDED;
  }

  /** The first append of a messageId, when it is remembered. */
  find(room: StoredRoom, sender: string | typeof SERVER, messageId: string): FirstAppend | undefined {
    return this.#first.get(room.id, sender, messageId) as FirstAppend | undefined;
  }

  /** Replaces the payloads, once all of them are known to be as expected; false when one is not. */
  #amendAll(room: StoredRoom, amendments: readonly Amendment[]): boolean {
    const sizes = new Map<number, number>();
    for (const { seq, expectData } of amendments) {
      const row = this.#payload.get(room.id, seq) as { size: number; data: string | null } | undefined;
      if (row === undefined || row.data !== expectData || sizes.has(seq)) return false;
      sizes.set(seq, row.size);
    }
    for (const { seq, data } of amendments) {
      const size = Buffer.byteLength(data);
      this.#replace.run(data, size, room.id, seq);
      this.#rooms.amended(room, seq, size - sizes.get(seq)!);
      this.amended = true;
    }
    return true;
  }
}

function repeat(outcome: AppendOutcome, index: number, first: FirstAppend): typeof DUPLICATE {
  outcome.seqs[index] = first.seq;
  outcome.timestamps[index] = first.at;
  return DUPLICATE;
}

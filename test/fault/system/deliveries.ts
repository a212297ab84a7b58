import type { HeadRecord } from "../../../src/testing/history.ts";
import type { TimedRecord } from "./history-file.ts";

interface Place {
  readonly roomId: string;
  readonly from: number;
  /** Everything up to here was handed on. */
  seq: number;
  /** What was handed on beyond it. */
  readonly beyond: Set<number>;
}

/** Counts, of what readers that stayed were owed, what they were never handed, in whatever order. */
export class Deliveries {
  readonly #places = new Map<string, Place>();

  /** Takes the next record, and gives it on. */
  *watch(records: Iterable<TimedRecord>): Generator<TimedRecord> {
    for (const record of records) {
      if (record.kind === "joined") this.#join(record.reader, record.roomId, record.seq);
      else if (record.kind === "left") this.#places.delete(`${record.reader}\n${record.roomId}`);
      else if (record.kind === "delivered") this.#deliver(record.reader, record.roomId, record.seq);
      yield record;
    }
  }

  /** How many deliveries were owed, and how many of them never came. Of one epoch. */
  count(heads: readonly HeadRecord[]): { owed: number; missing: number } {
    let [owed, missing] = [0, 0];
    for (const { roomId, from, seq, beyond } of this.#places.values()) {
      const head = heads.find((found) => found.roomId === roomId)?.head ?? from;
      owed += head - from;
      missing += head - seq - beyond.size;
    }
    return { owed, missing };
  }

  #join(reader: string, roomId: string, from: number): void {
    const key = `${reader}\n${roomId}`;
    if (!this.#places.has(key)) this.#places.set(key, { roomId, from, seq: from, beyond: new Set() });
  }

  #deliver(reader: string, roomId: string, seq: number): void {
    const place = this.#places.get(`${reader}\n${roomId}`);
    if (place === undefined || seq <= place.seq) return;
    place.beyond.add(seq);
    while (place.beyond.delete(place.seq + 1)) place.seq++;
  }
}

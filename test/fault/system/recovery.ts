import type { TimedRecord } from "./history-file.ts";

/** How long after faults of a kind everybody had everything again, ms. */
export interface RecoveryTimes {
  readonly faults: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

interface OpenFault {
  readonly what: string;
  readonly endedAt: number;
  /** What readers have to reach, by reader and room. */
  readonly behind: Map<string, number>;
}

interface Place {
  readonly roomId: string;
  epoch: string;
  seq: number;
}

/**
 * Measures from a history: from the end of each fault until every reader that is still there has been handed what had
 * been acknowledged when it ended.
 */
export class Recovery {
  readonly #acked = new Map<string, number>();
  readonly #places = new Map<string, Place>();
  readonly #open = new Set<OpenFault>();
  readonly #times = new Map<string, number[]>();

  /** Takes the next record, and gives it on. */
  *watch(records: Iterable<TimedRecord>): Generator<TimedRecord> {
    for (const record of records) {
      this.#take(record);
      yield record;
    }
  }

  /** What was measured, by kind of fault. */
  times(): Record<string, RecoveryTimes> {
    return Object.fromEntries(
      Array.from(this.#times, ([what, times]) => {
        times.sort((a, b) => a - b);
        const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
        return [what, { faults: times.length, p50: at(0.5), p99: at(0.99), max: times.at(-1)! }];
      }),
    );
  }

  #take(record: TimedRecord): void {
    if (record.kind === "acked") {
      const key = `${record.roomId}\n${record.epoch}`;
      if (record.seq > (this.#acked.get(key) ?? 0)) this.#acked.set(key, record.seq);
    } else if (record.kind === "joined" || record.kind === "delivered" || record.kind === "lost") {
      const key = `${record.reader}\n${record.roomId}`;
      const place = this.#places.get(key);
      const { roomId, epoch, seq } = record;
      if (place === undefined) this.#places.set(key, { roomId, epoch, seq });
      else if (record.kind !== "joined" || place.epoch !== epoch) Object.assign(place, { epoch, seq });
      for (const fault of this.#open)
        if ((fault.behind.get(key) ?? Infinity) <= seq) this.#reached(fault, key, record.at);
    } else if (record.kind === "left") {
      const key = `${record.reader}\n${record.roomId}`;
      this.#places.delete(key);
      for (const fault of this.#open) if (fault.behind.has(key)) this.#reached(fault, key, record.at);
    } else if (record.kind === "fault" && record.phase === "end") this.#ended(record.what, record.at);
  }

  #ended(what: string, at: number): void {
    const fault: OpenFault = { what, endedAt: at, behind: new Map() };
    for (const [key, { roomId, epoch, seq }] of this.#places) {
      const due = this.#acked.get(`${roomId}\n${epoch}`) ?? 0;
      if (seq < due) fault.behind.set(key, due);
    }
    this.#open.add(fault);
    if (fault.behind.size === 0) this.#close(fault, at);
  }

  #reached(fault: OpenFault, key: string, at: number): void {
    fault.behind.delete(key);
    if (fault.behind.size === 0) this.#close(fault, at);
  }

  #close(fault: OpenFault, at: number): void {
    this.#open.delete(fault);
    const times = this.#times.get(fault.what) ?? [];
    times.push(Math.round((at - fault.endedAt) / 1_000));
    this.#times.set(fault.what, times);
  }
}

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import type { HistoryRecord } from "../../../src/testing/history.ts";
import type { HistorySink } from "../recorded-client.ts";

/** A record, and when it was made: µs of the clock that all processes of a machine share. */
export type TimedRecord = HistoryRecord & { readonly at: number };

const READ_BYTES = 1 << 20;

/** The time of records, µs. */
export function nowUs(): number {
  return Math.floor(Number(process.hrtime.bigint() / 1000n));
}

/** A file of JSON lines to which a process adds what happens. What one turn of the event loop adds is written together. */
export class HistoryFile implements HistorySink {
  readonly #file: number;
  #lines = "";
  #isDue = false;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  add(record: HistoryRecord): void {
    this.write({ at: nowUs(), ...record });
  }

  /** Adds a line of another kind. */
  write(line: object): void {
    this.#lines += `${JSON.stringify(line)}\n`;
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => this.flush());
  }

  flush(): void {
    this.#isDue = false;
    if (this.#lines === "") return;
    writeSync(this.#file, this.#lines);
    this.#lines = "";
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

/** The lines of a file. One that is not finished, as a killed process leaves it, is left out. */
export function* linesOf(path: string): Generator<string> {
  const file = openSync(path, "r");
  try {
    const decoder = new StringDecoder("utf8");
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let rest = "";
    for (;;) {
      const length = readSync(file, buffer, 0, buffer.length, null);
      if (length === 0) return;
      const lines = (rest + decoder.write(buffer.subarray(0, length))).split("\n");
      rest = lines.pop()!;
      yield* lines;
    }
  } finally {
    closeSync(file);
  }
}

/**
 * What processes wrote, in the order of time. Each chain is the files of one process, one after the other, as its lives
 * were; nothing but one record of each is kept in memory.
 */
export class HistoryFiles implements Iterable<TimedRecord> {
  readonly #chains: readonly (readonly string[])[];

  constructor(chains: readonly (readonly string[])[]) {
    this.#chains = chains;
  }

  *[Symbol.iterator](): Generator<TimedRecord> {
    const heads = this.#chains.map((paths) => {
      const records = recordsOf(paths);
      return { records, next: records.next() };
    });
    for (;;) {
      let earliest: (typeof heads)[number] | null = null;
      for (const head of heads) {
        if (head.next.done === true) continue;
        if (earliest === null || head.next.value.at < (earliest.next.value as TimedRecord).at) earliest = head;
      }
      if (earliest === null) return;
      yield earliest.next.value as TimedRecord;
      earliest.next = earliest.records.next();
    }
  }
}

function* recordsOf(paths: readonly string[]): Generator<TimedRecord, undefined> {
  for (const path of paths) {
    for (const line of linesOf(path)) {
      const record = JSON.parse(line) as TimedRecord;
      if (record.at !== undefined) yield record;
    }
  }
}

import * as encoding from "lib0/encoding";
import type { ClockRange, UpdateContents } from "./update.ts";

/** What a document has, by the clocks of its clients: which inserts and which deletions, not what they say. */
export class Coverage {
  readonly #inserts = new Map<number, Spans>();
  readonly #deletes = new Map<number, Spans>();

  /** Takes in what an update brings. */
  add({ inserts, deletes }: UpdateContents): void {
    addByClient(this.#inserts, inserts);
    addByClient(this.#deletes, deletes);
  }

  /** Whether an update would bring nothing that is not there already. */
  covers({ inserts, deletes }: UpdateContents): boolean {
    return (
      inserts.every((range) => this.#inserts.get(range.client)?.covers(range) === true) &&
      deletes.every((range) => this.#deletes.get(range.client)?.covers(range) === true)
    );
  }

  /** How many pieces it consists of; what it takes in memory is in proportion to that. */
  get pieces(): number {
    let sum = 0;
    for (const spans of this.#inserts.values()) sum += spans.count;
    for (const spans of this.#deletes.values()) sum += spans.count;
    return sum;
  }

  /** The state vector (encoding V1): how far each client's inserts are there without a hole. */
  toStateVector(): Uint8Array {
    const encoder = encoding.createEncoder();
    const clocks = Array.from(this.#inserts, ([client, spans]) => [client, spans.prefix] as const);
    const known = clocks.filter(([, clock]) => clock > 0).sort(([a], [b]) => b - a);
    encoding.writeVarUint(encoder, known.length);
    for (const [client, clock] of known) {
      encoding.writeVarUint(encoder, client);
      encoding.writeVarUint(encoder, clock);
    }
    return encoding.toUint8Array(encoder);
  }
}

/** With more ranges of one client than this all its spans are gone through once; each alone would move those after it. */
const FEW = 8;

function addByClient(all: Map<number, Spans>, ranges: readonly ClockRange[]): void {
  const byClient = new Map<number, ClockRange[]>();
  for (const range of ranges) {
    const own = byClient.get(range.client);
    if (own === undefined) byClient.set(range.client, [range]);
    else own.push(range);
  }
  for (const [client, own] of byClient) {
    const spans = spansOf(all, client);
    if (own.length > FEW) spans.merge(own);
    else for (const range of own) spans.add(range);
  }
}

function spansOf(all: Map<number, Spans>, client: number): Spans {
  let spans = all.get(client);
  if (spans === undefined) {
    spans = new Spans();
    all.set(client, spans);
  }
  return spans;
}

/** A set of whole numbers, as spans that neither touch nor overlap, in rising order. */
class Spans {
  #starts: number[] = [];
  #ends: number[] = [];

  get count(): number {
    return this.#starts.length;
  }

  /** How far it goes from 0 on without a hole. */
  get prefix(): number {
    return this.#starts[0] === 0 ? this.#ends[0]! : 0;
  }

  covers({ clock, length }: ClockRange): boolean {
    const index = this.#firstEndingAfter(clock);
    return index < this.count && this.#starts[index]! <= clock && this.#ends[index]! >= clock + length;
  }

  add({ clock, length }: ClockRange): void {
    let start = clock;
    let end = clock + length;
    // Most of all something is added at the end of the last one.
    const last = this.count - 1;
    if (last >= 0 && this.#ends[last] === start) {
      this.#ends[last] = end;
      return;
    }
    const from = this.#firstEndingAfter(start - 1);
    let to = from;
    while (to < this.count && this.#starts[to]! <= end) {
      start = Math.min(start, this.#starts[to]!);
      end = Math.max(end, this.#ends[to]!);
      to++;
    }
    this.#starts.splice(from, to - from, start);
    this.#ends.splice(from, to - from, end);
  }

  /** As `add` of each, in time that grows with their number and that of the spans, and not with both multiplied. */
  merge(ranges: readonly ClockRange[]): void {
    const added = ranges.toSorted((a, b) => a.clock - b.clock);
    const [ownStarts, ownEnds] = [this.#starts, this.#ends];
    const starts: number[] = [];
    const ends: number[] = [];
    const put = (start: number, end: number): void => {
      const last = ends.length - 1;
      if (last >= 0 && start <= ends[last]!) ends[last] = Math.max(ends[last]!, end);
      else {
        starts.push(start);
        ends.push(end);
      }
    };
    let own = 0;
    for (const { clock, length } of added) {
      for (; own < ownStarts.length && ownStarts[own]! <= clock; own++) put(ownStarts[own]!, ownEnds[own]!);
      put(clock, clock + length);
    }
    for (; own < ownStarts.length; own++) put(ownStarts[own]!, ownEnds[own]!);
    this.#starts = starts;
    this.#ends = ends;
  }

  /** The index of the first span that ends after `clock`; `count` when there is none. */
  #firstEndingAfter(clock: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! > clock) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

import * as decoding from "lib0/decoding";
import { YamabikoError } from "../../../protocol/index.ts";

/** Part of one client's clock: `length` numbers from `clock` on. */
export interface ClockRange {
  readonly client: number;
  readonly clock: number;
  readonly length: number;
}

/** What an update brings, without its contents. */
export interface UpdateContents {
  /** What it inserts. */
  readonly inserts: readonly ClockRange[];
  /** What it deletes. */
  readonly deletes: readonly ClockRange[];
}

/** Deeper values than this are refused: programs that read them may run out of stack. */
const VALUE_DEPTH = 64;

/** The bits of a struct's first byte (Yjs, encoding V1). */
const CONTENT = 0b1_1111;
const HAS_ORIGIN = 0b1000_0000;
const HAS_RIGHT_ORIGIN = 0b0100_0000;
const HAS_PARENT_KEY = 0b0010_0000;
const GARBAGE = 0;
const SKIP = 10;

/**
 * Reads a Yjs update (encoding V1) to its end, as a client would, in one pass and without making a document of it. Whatever it
 * accepts, Yjs can decode.
 *
 * @throws {YamabikoError} `invalid_message` for what is not one, or is deeper than programs can read.
 */
export function readUpdate(update: Uint8Array): UpdateContents {
  const decoder = decoding.createDecoder(update);
  try {
    const inserts = readInserts(decoder);
    const deletes = readDeletes(decoder);
    if (decoding.hasContent(decoder)) throw new RangeError("there is more than an update");
    return { inserts, deletes };
  } catch (cause) {
    throw new YamabikoError("invalid_message", "The update cannot be decoded.", { cause });
  }
}

/**
 * Reads a state vector: how far the client that sent it knows each client's clock.
 * @throws {YamabikoError} `invalid_message`.
 */
export function readStateVector(stateVector: Uint8Array): ReadonlyMap<number, number> {
  const decoder = decoding.createDecoder(stateVector);
  const clocks = new Map<number, number>();
  try {
    for (let left = readCount(decoder); left > 0; left--) clocks.set(readCount(decoder), readCount(decoder));
    if (decoding.hasContent(decoder)) throw new RangeError("there is more than a state vector");
  } catch (cause) {
    throw new YamabikoError("invalid_message", "The state vector cannot be decoded.", { cause });
  }
  return clocks;
}

function readInserts(decoder: decoding.Decoder): ClockRange[] {
  const ranges: ClockRange[] = [];
  for (let clients = readCount(decoder); clients > 0; clients--) {
    let structs = readCount(decoder);
    const client = readCount(decoder);
    let clock = readCount(decoder);
    for (; structs > 0; structs--) {
      const info = decoding.readUint8(decoder);
      const isThere = info !== SKIP;
      const length = info === SKIP || (info & CONTENT) === GARBAGE ? readCount(decoder) : readItem(decoder, info);
      // Nothing in Yjs is empty, and its clocks are exact numbers.
      if (length < 1 || !Number.isSafeInteger(clock + length)) throw new RangeError("a struct without a length");
      const last = ranges.at(-1);
      if (isThere && last?.client === client && last.clock + last.length === clock) {
        ranges[ranges.length - 1] = { client, clock: last.clock, length: last.length + length };
      } else if (isThere) ranges.push({ client, clock, length });
      clock += length;
    }
  }
  return ranges;
}

/** Reads an item behind its first byte; gives its length. */
function readItem(decoder: decoding.Decoder, info: number): number {
  if ((info & HAS_ORIGIN) !== 0) skipId(decoder);
  if ((info & HAS_RIGHT_ORIGIN) !== 0) skipId(decoder);
  if ((info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN)) === 0) {
    if (readCount(decoder) === 1) decoding.readVarString(decoder);
    else skipId(decoder);
    if ((info & HAS_PARENT_KEY) !== 0) decoding.readVarString(decoder);
  }
  const read = CONTENTS[info & CONTENT];
  if (read === undefined) throw new RangeError("an unknown kind of content");
  return read(decoder);
}

/** Readers of the kinds of content, by their number; each gives the length. */
const CONTENTS: readonly (((decoder: decoding.Decoder) => number) | undefined)[] = [
  undefined,
  // Deleted
  readCount,
  // JSON
  (decoder) => {
    const length = readCount(decoder);
    for (let left = length; left > 0; left--) {
      const text = decoding.readVarString(decoder);
      if (text !== "undefined") checkJson(text);
    }
    return length;
  },
  // Binary
  (decoder) => {
    decoding.readVarUint8Array(decoder);
    return 1;
  },
  // String
  (decoder) => decoding.readVarString(decoder).length,
  // Embed
  (decoder) => {
    checkJson(decoding.readVarString(decoder));
    return 1;
  },
  // Format
  (decoder) => {
    decoding.readVarString(decoder);
    checkJson(decoding.readVarString(decoder));
    return 1;
  },
  // Type: array, map, text, XML element, fragment, hook, XML text; elements and hooks have a name
  (decoder) => {
    const type = readCount(decoder);
    if (type > 6) throw new RangeError("an unknown type");
    if (type === 3 || type === 5) decoding.readVarString(decoder);
    return 1;
  },
  // Any
  (decoder) => {
    const length = readCount(decoder);
    for (let left = length; left > 0; left--) skipAny(decoder, 0);
    return length;
  },
  // Document
  (decoder) => {
    decoding.readVarString(decoder);
    skipAny(decoder, 0);
    return 1;
  },
];

/** Reads over a value of lib0's "any" encoding. */
function skipAny(decoder: decoding.Decoder, depth: number): void {
  if (depth > VALUE_DEPTH) throw new RangeError("a value is too deep");
  const kind = 127 - decoding.readUint8(decoder);
  switch (kind) {
    case 0: // undefined
    case 1: // null
    case 6: // false
    case 7: // true
      return;
    case 2:
      decoding.readVarInt(decoder);
      return;
    case 3:
      decoding.readFloat32(decoder);
      return;
    case 4:
      decoding.readFloat64(decoder);
      return;
    case 5:
      decoding.readBigInt64(decoder);
      return;
    case 8:
      decoding.readVarString(decoder);
      return;
    case 9:
      for (let left = readCount(decoder); left > 0; left--) {
        decoding.readVarString(decoder);
        skipAny(decoder, depth + 1);
      }
      return;
    case 10:
      for (let left = readCount(decoder); left > 0; left--) skipAny(decoder, depth + 1);
      return;
    case 11:
      decoding.readVarUint8Array(decoder);
      return;
    default:
      throw new RangeError("an unknown kind of value");
  }
}

/** Text that peers will parse as JSON. */
function checkJson(text: string): void {
  checkDepth(JSON.parse(text), 0);
}

function checkDepth(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth >= VALUE_DEPTH) throw new RangeError("a value is too deep");
  for (const each of Object.values(value)) checkDepth(each, depth + 1);
}

function readDeletes(decoder: decoding.Decoder): ClockRange[] {
  const ranges: ClockRange[] = [];
  for (let clients = readCount(decoder); clients > 0; clients--) {
    const client = readCount(decoder);
    for (let left = readCount(decoder); left > 0; left--) {
      const clock = readCount(decoder);
      const length = readCount(decoder);
      if (length < 1 || !Number.isSafeInteger(clock + length)) throw new RangeError("a deletion without a length");
      ranges.push({ client, clock, length });
    }
  }
  return ranges;
}

function skipId(decoder: decoding.Decoder): void {
  readCount(decoder);
  readCount(decoder);
}

/** A whole number of at least 0. It may claim more than there is: whoever loops over it meets the end of the bytes first. */
function readCount(decoder: decoding.Decoder): number {
  const value = decoding.readVarUint(decoder);
  if (!Number.isSafeInteger(value)) throw new RangeError("a number is too large");
  return value;
}

import { isUtf8 } from "node:buffer";
import type { CloseName } from "../protocol/index.ts";
import { COMPRESSED, OPCODE } from "./frame.ts";
import { inflateMessage } from "./inflate.ts";

/** Why a connection cannot go on: by name of the close code. */
export type FrameFault = Extract<CloseName, "protocol_error" | "invalid_payload" | "too_big">;

/** What comes in on a connection. The bytes are the listener's only until it returns. */
export interface FrameListener {
  /** A whole message. Text is valid UTF-8. */
  received(bytes: Buffer, isBinary: boolean): void;
  pinged(payload: Buffer): void;
  ponged(): void;
  /** The other side is done; null when it did not say why. Nothing is read after it. */
  closed(code: number | null): void;
  /** The other side broke a rule. Nothing is read after it. */
  broke(fault: FrameFault): void;
}

/** What is taken from the other side. */
export interface FrameBounds {
  /** The largest message, also when it has been inflated, bytes. */
  readonly messageBytes: number;
  /** Whether messages may come compressed (RFC 7692), without context takeover. */
  readonly deflated: boolean;
}

/**
 * Reads what a client sends: masked frames of RFC 6455, messages in one or several, control frames in between.
 *
 * While nothing is half read it holds nothing. What came of a frame or of a message is kept until the rest comes: at most
 * `messageBytes` of each and what arrived with it, in one buffer that grows with what has come and not with what was announced.
 */
export class FrameReader {
  readonly #listener: FrameListener;
  readonly #bounds: FrameBounds;
  /** What came of a frame that is not whole. */
  #rest: Gathered | null = null;
  /** What came of a message whose last frame is still to come. */
  #message: Message | null = null;
  #isOver = false;

  constructor(listener: FrameListener, bounds: FrameBounds) {
    this.#listener = listener;
    this.#bounds = bounds;
  }

  /** Takes what came in. The bytes are changed: they are unmasked where they stand. */
  read(chunk: Buffer): void {
    if (this.#isOver) return;
    const rest = this.#rest;
    rest?.add(chunk);
    const bytes = rest === null ? chunk : rest.bytes;
    const taken = this.#readFrames(bytes);
    if (this.#isOver) this.stop();
    else if (taken === bytes.length) this.#rest = null;
    else if (rest === null || taken > 0) this.#rest = new Gathered(bytes.subarray(taken));
  }

  /** Reads nothing more, and lets go of what was half read. */
  stop(): void {
    this.#isOver = true;
    this.#rest = null;
    this.#message = null;
  }

  /** Reads all frames that are whole. Returns how far they reach. */
  #readFrames(bytes: Buffer): number {
    let at = 0;
    while (!this.#isOver && bytes.length - at >= 2) {
      const first = bytes[at]!;
      const second = bytes[at + 1]!;
      if (!this.#isAllowed(first, second)) {
        this.#break("protocol_error");
        break;
      }
      const short = second & 0x7f;
      const maskAt = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
      if (bytes.length < maskAt) break;
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : readLength(bytes, at + 2);
      if (length + (this.#message?.parts.length ?? 0) > this.#bounds.messageBytes && !isControl(first)) {
        this.#break("too_big");
        break;
      }
      const start = maskAt + 4;
      const end = start + length;
      if (bytes.length < end) break;
      unmask(bytes, maskAt, start, end);
      at = end;
      this.#take(first, bytes.subarray(start, end));
    }
    return at;
  }

  /** Whether a frame may begin like this here (RFC 6455 section 5). */
  #isAllowed(first: number, second: number): boolean {
    const opcode = first & 0x0f;
    const isFinal = (first & 0x80) !== 0;
    const isCompressed = (first & COMPRESSED) !== 0;
    const isMasked = (second & 0x80) !== 0;
    if ((first & RESERVED) !== 0 || !isMasked) return false;
    if (opcode === OPCODE.continuation) return this.#message !== null && !isCompressed;
    if (opcode === OPCODE.text || opcode === OPCODE.binary) {
      return this.#message === null && (!isCompressed || this.#bounds.deflated);
    }
    const length = second & 0x7f;
    if (opcode === OPCODE.close) return isFinal && !isCompressed && length <= CONTROL_BYTES && length !== 1;
    return (opcode === OPCODE.ping || opcode === OPCODE.pong) && isFinal && !isCompressed && length <= CONTROL_BYTES;
  }

  #take(first: number, payload: Buffer): void {
    const opcode = first & 0x0f;
    if (opcode === OPCODE.ping) this.#listener.pinged(payload);
    else if (opcode === OPCODE.close) this.#takeClose(payload);
    else if (opcode === OPCODE.pong) this.#listener.ponged();
    else this.#takePart(first, payload);
  }

  #takePart(first: number, payload: Buffer): void {
    const isFinal = (first & 0x80) !== 0;
    if (this.#message === null) {
      if (isFinal) this.#takeMessage(first, payload);
      else this.#message = { first, parts: new Gathered(payload) };
      return;
    }
    const { first: firstOfAll, parts } = this.#message;
    parts.add(payload);
    if (!isFinal) return;
    this.#message = null;
    this.#takeMessage(firstOfAll, parts.bytes);
  }

  /** @param first the first byte of its first frame. */
  #takeMessage(first: number, payload: Buffer): void {
    const isBinary = (first & 0x0f) === OPCODE.binary;
    let bytes = payload;
    if ((first & COMPRESSED) !== 0) {
      const inflated = inflateMessage(payload, this.#bounds.messageBytes);
      if (typeof inflated === "string") return this.#break(inflated);
      bytes = inflated;
    }
    if (isBinary || isUtf8(bytes)) this.#listener.received(bytes, isBinary);
    else this.#break("invalid_payload");
  }

  #takeClose(payload: Buffer): void {
    if (payload.length > 0 && !isCloseCode(payload.readUInt16BE(0))) return this.#break("protocol_error");
    if (!isUtf8(payload.subarray(2))) return this.#break("invalid_payload");
    this.#isOver = true;
    this.#listener.closed(payload.length === 0 ? null : payload.readUInt16BE(0));
  }

  #break(fault: FrameFault): void {
    this.#isOver = true;
    this.#listener.broke(fault);
  }
}

/** A message whose last frame is still to come. */
interface Message {
  /** The first byte of its first frame. */
  readonly first: number;
  readonly parts: Gathered;
}

/** Bytes that came one after the other, in one buffer of their own that doubles when it is full. */
class Gathered {
  #buffer: Buffer;
  #length: number;

  constructor(bytes: Buffer) {
    // Of its own: a piece of a shared one would keep all of that in memory.
    this.#buffer = Buffer.allocUnsafeSlow(bytes.length);
    this.#buffer.set(bytes);
    this.#length = bytes.length;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  add(bytes: Buffer): void {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#buffer.length));
      larger.set(this.bytes);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }
}

/** The bits of a frame's first byte that nobody has agreed on. */
const RESERVED = 0x30;
/** The most a control frame may carry, bytes. */
const CONTROL_BYTES = 125;

function isControl(first: number): boolean {
  return (first & 0x08) !== 0;
}

function readLength(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

function unmask(bytes: Buffer, maskAt: number, start: number, end: number): void {
  const a = bytes[maskAt]!;
  const b = bytes[maskAt + 1]!;
  const c = bytes[maskAt + 2]!;
  const d = bytes[maskAt + 3]!;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    bytes[at]! ^= a;
    bytes[at + 1]! ^= b;
    bytes[at + 2]! ^= c;
    bytes[at + 3]! ^= d;
  }
  if (at < end) bytes[at]! ^= a;
  if (at + 1 < end) bytes[at + 1]! ^= b;
  if (at + 2 < end) bytes[at + 2]! ^= c;
}

/** Whether a code may stand in a close frame (RFC 6455 section 7.4). */
function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
}

/** The opcodes of frames (RFC 6455 section 5.2). */
export const OPCODE = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

/** The length of the header of an unmasked frame, bytes. */
export function headerBytes(payloadBytes: number): number {
  return payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10;
}

/** Writes the header of one whole, unmasked message (RFC 6455 section 5.2: servers do not mask). Returns its length. */
export function writeHeader(target: Buffer, opcode: number, payloadBytes: number): number {
  target[0] = 0x80 | opcode;
  if (payloadBytes < 126) {
    target[1] = payloadBytes;
    return 2;
  }
  if (payloadBytes < 65_536) {
    target[1] = 126;
    target.writeUInt16BE(payloadBytes, 2);
    return 4;
  }
  target[1] = 127;
  target.writeUInt32BE(Math.floor(payloadBytes / 2 ** 32), 2);
  target.writeUInt32BE(payloadBytes >>> 0, 6);
  return 10;
}

/** The bit that says that a message is compressed (RFC 7692 section 6). */
export const COMPRESSED = 0x40;

/** Bytes as one frame. @param opcode with {@link COMPRESSED} when they are. */
export function frameBytes(payload: Uint8Array, opcode: number): Buffer {
  const header = headerBytes(payload.length);
  const frame = Buffer.allocUnsafe(header + payload.length);
  writeHeader(frame, opcode, payload.length);
  frame.set(payload, header);
  return frame;
}

/** Text as one frame. */
export function frameText(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = headerBytes(length);
  const frame = Buffer.allocUnsafe(header + length);
  writeHeader(frame, OPCODE.text, length);
  frame.write(text, header, "utf8");
  return frame;
}

/** The most a close frame may say besides its code, bytes. */
const REASON_BYTES = 123;

/** A close frame (RFC 6455 section 5.5.1). @param code null for one that says nothing. */
export function closeFrame(code: number | null, reason: string): Buffer {
  if (code === null) return frameBytes(Buffer.alloc(0), OPCODE.close);
  const text = Buffer.from(reason);
  if (text.length > REASON_BYTES) throw new RangeError("the reason of a close frame is too long");
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload.writeUInt16BE(code, 0);
  payload.set(text, 2);
  return frameBytes(payload, OPCODE.close);
}

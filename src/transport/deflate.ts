import { constants, deflateRawSync } from "node:zlib";

/** Messages below this size are sent as they are, bytes. */
const THRESHOLD_BYTES = 1024;
/** Fast rather than small: a message is compressed while everybody waits for it, though only once for all its readers. */
const LEVEL = 3;
/** What a flush ends with; the other side puts it back (RFC 7692 section 7.2.1). */
const FLUSH_MARK_BYTES = 4;

/**
 * A message compressed as permessage-deflate wants it (RFC 7692 section 7.2.1), with nothing taken over from messages before it, so that
 * everybody who agreed to that can be sent the same bytes. Null when it is not worth it.
 */
export function deflateMessage(payload: Uint8Array): Buffer | null {
  if (payload.length < THRESHOLD_BYTES) return null;
  const deflated = deflateRawSync(payload, { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH });
  const length = deflated.length - FLUSH_MARK_BYTES;
  return length < payload.length ? deflated.subarray(0, length) : null;
}

/** What a gzip stream begins with (RFC 1952 section 2.3): no name, no time, whatever system. */
export const GZIP_HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** A stored block holds no more, bytes (RFC 1951 section 3.2.4). */
const STORED_BYTES = 0xffff;

/**
 * A piece of a gzip stream that refers to nothing before it and ends on a whole byte, so that many streams can be given the
 * same one: compressed where that pays, else as it is.
 */
export function gzipBlock(payload: Buffer): Buffer {
  if (payload.length >= THRESHOLD_BYTES) {
    return deflateRawSync(payload, { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH });
  }
  const parts: Buffer[] = [];
  for (let at = 0; at < payload.length; at += STORED_BYTES) {
    const piece = payload.subarray(at, at + STORED_BYTES);
    const head = Buffer.alloc(5);
    head.writeUInt16LE(piece.length, 1);
    head.writeUInt16LE(piece.length ^ 0xffff, 3);
    parts.push(head, piece);
  }
  return Buffer.concat(parts);
}

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

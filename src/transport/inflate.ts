import { constants, inflateRawSync } from "node:zlib";

/** What the other side leaves out at the end of a compressed message (RFC 7692 section 7.2.2). */
const FLUSH_MARK = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/**
 * A message that came compressed, with nothing taken over from messages before it.
 * @param maxBytes the most it may become, bytes.
 * @returns the message, or why it is none.
 */
export function inflateMessage(payload: Buffer, maxBytes: number): Buffer | "too_big" | "invalid_payload" {
  try {
    return inflateRawSync(Buffer.concat([payload, FLUSH_MARK]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      // The least that zlib's own limit can be.
      maxOutputLength: Math.max(1, maxBytes),
    });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE" ? "too_big" : "invalid_payload";
  }
}

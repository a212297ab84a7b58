import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { takesGzip } from "../transport/accept-encoding.ts";

/** Below this an answer is sent as it is, bytes: it fits into one packet anyway. */
const THRESHOLD_BYTES = 1024;
/** Fast rather than small: it is made for one reader. */
const LEVEL = 3;

const gzipped = promisify(gzip);

/** An answer's body compressed for whoever takes gzip (RFC 9110 section 12.5.3), off this thread; null when it is to be sent as it is. */
export async function compressAnswer(
  request: IncomingMessage,
  body: string | Buffer,
  length: number,
): Promise<Buffer | null> {
  if (length < THRESHOLD_BYTES || !takesGzip(request.headers["accept-encoding"])) return null;
  const small = await gzipped(body, { level: LEVEL });
  return small.length < length ? small : null;
}

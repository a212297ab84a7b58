import type { IncomingMessage } from "node:http";

/** Whether who asks has the answer of this tag, however it is encoded (RFC 9110 sections 8.8.3.2 and 13.1.2). */
export function isKnownTag(request: IncomingMessage, etag: string): boolean {
  const known = request.headers["if-none-match"] ?? "";
  return known.split(",").some((each) => opaque(each.trim()) === opaque(etag));
}

function opaque(tag: string): string {
  return tag.replace(/^W\//, "");
}

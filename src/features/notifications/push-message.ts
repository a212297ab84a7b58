import { createHash } from "node:crypto";
import type { InboxItem } from "./inbox.ts";
import { MAX_PAYLOAD_BYTES, type PushMessage, type PushPayload } from "./push-sender.ts";

/** A title in a push message has at most this many bytes: no screen shows more. */
const MAX_TITLE_BYTES = 600;
const MAX_URL_BYTES = 1_000;
/** The longest time push services take, s: four weeks. */
const MAX_TTL_SECONDS = 28 * 24 * 60 * 60;

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Makes the message a push service is given of a notification; null when it has ended. */
export function pushMessageOf(
  item: InboxItem & { collapseKey: string | null; expiresAt: number | null },
  now: number,
): PushMessage | null {
  const { id, seq, type, title, body, url, category, collapseKey, expiresAt } = item;
  const ttlSeconds = expiresAt === null ? MAX_TTL_SECONDS : Math.floor((expiresAt - now) / 1_000);
  if (ttlSeconds <= 0) return null;
  const topic = collapseKey === null ? null : topicOf(collapseKey);
  const payload: PushPayload = {
    id,
    seq,
    type,
    title: cut(title, MAX_TITLE_BYTES),
    body: "",
    url: url !== null && bytesOf(url) <= MAX_URL_BYTES ? url : null,
    category,
    tag: topic ?? id,
  };
  const left = MAX_PAYLOAD_BYTES - Buffer.byteLength(JSON.stringify(payload));
  return {
    payload: JSON.stringify({ ...payload, body: cut(body, left) }),
    ttlSeconds: Math.min(ttlSeconds, MAX_TTL_SECONDS),
    topic,
  };
}

/** A key as a topic: 32 characters of base64url. */
export function topicOf(collapseKey: string): string {
  return createHash("sha256").update(collapseKey).digest("base64url").slice(0, 32);
}

/** The beginning of a text that has at most so many bytes as JSON in UTF-8; what people see as one character stays whole. */
export function cut(text: string, maxBytes: number): string {
  if (bytesOf(text) <= maxBytes) return text;
  const most = maxBytes - bytesOf("…");
  let kept = "";
  let bytes = 0;
  // Looked at no further than it could reach, however long it is.
  for (const { segment } of graphemes.segment(text.slice(0, maxBytes * 2))) {
    bytes += bytesOf(segment);
    if (bytes > most) break;
    kept += segment;
  }
  return most < 0 ? "" : `${kept.trimEnd()}…`;
}

/** What a text takes within JSON, bytes. */
function bytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}

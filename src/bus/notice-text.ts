import type { Notice } from "./bus.ts";

/** A notice as text. Bytes are in base64. */
export function noticeToText(notice: Notice): string {
  if (notice.kind !== "note" || !(notice.data instanceof Uint8Array)) return JSON.stringify(notice);
  const { data, ...rest } = notice;
  return JSON.stringify({
    ...rest,
    bytes: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
  });
}

/** A notice as text of at most so many bytes, without the traces, and then without the events it carries where they are too much; null when that is not enough. */
export function noticeToTextWithin(notice: Notice, bytes: number): string | null {
  const text = noticeToText(notice);
  if (Buffer.byteLength(text) <= bytes) return text;
  if (notice.kind !== "event") return null;
  if (notice.traces !== undefined) return noticeToTextWithin({ ...notice, traces: undefined }, bytes);
  return notice.events === undefined ? null : noticeToTextWithin({ ...notice, events: undefined }, bytes);
}

/** Reads it back; null when it is none, as from a newer version or from somebody else. */
export function noticeFromText(text: string): Notice | null {
  let notice: Record<string, unknown> | null;
  try {
    notice = JSON.parse(text) as Record<string, unknown> | null;
  } catch {
    return null;
  }
  if (typeof notice !== "object" || notice === null || typeof notice.from !== "string") return null;
  if (notice.kind === "note" && typeof notice.bytes === "string") {
    const { bytes, ...rest } = notice;
    return { ...rest, data: new Uint8Array(Buffer.from(bytes as string, "base64")) } as unknown as Notice;
  }
  return notice as unknown as Notice;
}

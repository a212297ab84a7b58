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

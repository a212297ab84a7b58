import { YamabikoError } from "../../protocol/index.ts";
import type { OpenRoom } from "../../session/namespace.ts";

/** How a document is edited: by operational transformation of its text, or with Yjs. The first thing stored decides for ever. */
export type DocumentKind = "ot" | "yjs";

/** The kind an event makes a document of; null for an event that decides nothing. */
export function kindOfEvent(type: string): DocumentKind | null {
  if (type === "remote_change") return "ot";
  return type === "yjs_update" ? "yjs" : null;
}

/** The kind of a room's document as its log says: null while nothing was stored. */
export async function readKind(room: OpenRoom): Promise<DocumentKind | null> {
  const snapshot = await room.snapshot();
  if (snapshot !== null && snapshot.epoch === room.epoch) {
    return (JSON.parse(snapshot.data) as { kind: DocumentKind }).kind;
  }
  for (const { type } of await room.read(0, 10)) {
    const kind = kindOfEvent(type);
    if (kind !== null) return kind;
  }
  return null;
}

/** The refusal of a message for documents of the other kind. */
export function wrongKind(kind: DocumentKind): YamabikoError {
  return new YamabikoError(
    "conflict",
    kind === "yjs" ? "This document is edited with Yjs." : "This document is edited as plain text, not with Yjs.",
    { remedy: "A document keeps its kind; open another one." },
  );
}

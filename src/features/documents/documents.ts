import { z } from "zod";
import { type AccessRule, type Context, defineNamespace, message } from "../../session/namespace.ts";
import { wrongKind } from "./document-kind.ts";
import { DocumentRoom } from "./document-room.ts";
import { CARET_FAMILY, caretState } from "./ot/carets.ts";
import { acks, events, payloads } from "./schemas.ts";
import { AWARENESS, awarenessState } from "./yjs/awareness.ts";
import { YjsDocuments, type YjsOptions } from "./yjs/yjs-documents.ts";
import { yjsEvents, yjsMessages } from "./yjs/yjs-messages.ts";

export { DocumentRoom } from "./document-room.ts";
export type { Caret } from "./ot/caret.ts";
export type { HistoryEntry } from "./ot/past.ts";
export type { YjsOptions } from "./yjs/yjs-documents.ts";

/** What may be said about documents. All of it has a default. */
export interface DocumentsOptions {
  /** Who may read and write. Default: everyone. */
  access?: AccessRule;
  /** How long a document may become, UTF-16 units. Default: 1,048,576. */
  maxLength?: number;
  /** How many accepted messages of each document are kept to look back at; at least 1,000. Default: 10,000. */
  historyEvents?: number;
  /** How large documents of Yjs may be. */
  yjs?: YjsOptions;
}

/**
 * Documents that several people edit at once (PROTOCOL.md sections 15 and 17).
 *
 * @throws {RangeError} when a number is out of its range.
 */
export function documents(options: DocumentsOptions = {}) {
  const maxLength = atLeast(1, "maxLength", options.maxLength ?? 1_048_576);
  const historyEvents = atLeast(1_000, "historyEvents", options.historyEvents ?? 10_000);
  const yjs = new YjsDocuments(options.yjs);
  return defineNamespace({
    name: "document",
    addressedBy: "documentId",
    isSealed: true,
    /** Without `snapshot`, a reader asks by itself for what it lacks. */
    joinOptions: z.object({ snapshot: z.boolean().optional() }),
    messages: {
      ...yjsMessages,
      document_change: message({
        payload: payloads.document_change,
        ack: acks.document_change,
        async handle(context, { version, changes }) {
          const { ot, kind } = documentOf(context);
          if (kind === "yjs") throw wrongKind(kind);
          const { user, connectionId: clientId, messageId } = context;
          const { version: now, ...place } = await ot.submit({
            userId: user.id,
            clientId,
            messageId,
            version,
            changes,
          });
          return context.saved(place, { version: now });
        },
      }),
      cursor_move: message({
        payload: payloads.cursor_move,
        // Whoever reads may point.
        right: "read",
        handle(context, { position, anchor, head, version, caretId }) {
          const { carets } = documentOf(context);
          const family = context.state(CARET_FAMILY);
          const at = head ?? position ?? null;
          if (position === null || at === null) carets.remove(context.user.id, caretId, family);
          else carets.set(context.user, caretId, { anchor: anchor ?? at, head: at, version }, family);
        },
      }),
    },
    events: { ...events, ...yjsEvents },
    state: { [CARET_FAMILY]: caretState, [AWARENESS]: awarenessState },
    retention: { maxEvents: historyEvents },
    ...(options.access === undefined ? {} : { access: options.access }),
    gauges: { yjs_bytes: () => yjs.bytes, yjs_folds: () => yjs.waiting },
    open: (room) => DocumentRoom.open(room, { ot: { maxLength }, yjs }),
    onJoin: async (context) => ({ access: (await context.can("write")) ? "write" : "read" }),
  });
}

/** The documents' types for the client: `client.join<DocumentsNamespace>(roomId)`. */
export type DocumentsNamespace = ReturnType<typeof documents>;

function documentOf({ feature }: Context): DocumentRoom {
  return feature as DocumentRoom;
}

function atLeast(least: number, name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`documents: ${name} must be a whole number of at least ${least}`);
  }
  return value;
}

import type { ChangeJson } from "../../protocol/change.ts";

/** A document with edits that the server has not acknowledged, as it survives a page load. A JSON value. */
export interface StoredDocument {
  /** Where the room was read up to. */
  readonly cursor: string;
  /** The text there, without the unsent edits. */
  readonly version: number;
  readonly text: string;
  /** What may have been sent: the message, and the same change as it would be now. */
  readonly sent: {
    readonly messageId: string;
    readonly version: number;
    readonly changes: readonly ChangeJson[];
    readonly now: ChangeJson;
    readonly acceptedSeq: number | null;
  } | null;
  /** What was edited after that. */
  readonly unsent: ChangeJson | null;
}

/** Where documents keep edits that were not acknowledged when the page went away. */
export interface DocumentStorage {
  /** What was saved last, once: it is the caller's then. Null when there is nothing. */
  load(documentId: string): StoredDocument | null | Promise<StoredDocument | null>;
  /** Replaces what is saved; null removes it. */
  save(documentId: string, stored: StoredDocument | null): void | Promise<void>;
}

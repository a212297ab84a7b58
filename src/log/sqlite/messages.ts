import type { Amendment, Retention, RoomHead } from "../log.ts";
import type { SqliteDriver, SqlValue } from "./driver.ts";

/** How the worker opens the file. */
export interface FileSettings {
  readonly path: string;
  readonly synchronous: "full" | "normal";
  readonly driver: SqliteDriver;
  readonly busyTimeoutMs: number;
}

/**
 * Appends as they go to the worker: five values each (roomId, sender, messageId, type, data), so that a batch is one
 * flat array of strings.
 */
export type AppendColumns = (string | null)[];
export const APPEND_COLUMNS = 5;

/** What an append asks for beyond being appended; few do, so it is not among the columns. */
export interface Condition {
  /** Which append of the batch. */
  readonly index: number;
  readonly expect: number | undefined;
  readonly fence: number | undefined;
  readonly amend: readonly Amendment[];
}

export const APPENDED = 0;
export const DUPLICATE = 1;
export const HEAD_MOVED = 2;
export const AMENDED_MOVED = 3;
export const FENCE_OVER = 4;

/** What became of the appends of a batch, by position. */
export interface AppendOutcome {
  /** One of `APPENDED`, `DUPLICATE`, `HEAD_MOVED`, `AMENDED_MOVED`, `FENCE_OVER`. */
  readonly codes: Uint8Array;
  readonly seqs: Float64Array;
  readonly timestamps: Float64Array;
  readonly epochs: string[];
}

/** Writing questions other than appends. They share the batch's transaction. */
export type WriteRequest =
  | { readonly kind: "heads"; readonly roomIds: readonly string[] }
  | { readonly kind: "trim"; readonly roomId: string; readonly policy: Retention }
  | {
      readonly kind: "putSnapshot";
      readonly roomId: string;
      readonly seq: number;
      readonly data: string;
      readonly fence: number | undefined;
    }
  | {
      readonly kind: "setMark";
      readonly roomId: string;
      readonly name: string;
      readonly user: string;
      readonly seq: number;
    }
  | { readonly kind: "dropMarks"; readonly user: string; readonly name: string }
  | { readonly kind: "lease"; readonly roomId: string; readonly owner: string; readonly ttlMs: number }
  | { readonly kind: "release"; readonly roomId: string; readonly owner: string; readonly fence: number };

export type ReadRequest =
  | {
      readonly kind: "read";
      readonly roomId: string;
      readonly after: number;
      readonly limit: number;
      readonly maxBytes: number;
    }
  | {
      readonly kind: "readBack";
      readonly roomId: string;
      readonly before: number;
      readonly limit: number;
      readonly maxBytes: number;
    }
  | { readonly kind: "find"; readonly roomId: string; readonly sender: string | null; readonly messageId: string }
  | {
      readonly kind: "amendments";
      readonly roomId: string;
      readonly seq: number;
      readonly type: string;
      readonly limit: number;
    }
  | { readonly kind: "snapshot"; readonly roomId: string; readonly atMost: number }
  | { readonly kind: "marks"; readonly roomId: string; readonly name: string; readonly limit: number }
  | { readonly kind: "marksOf"; readonly user: string; readonly name: string; readonly limit: number }
  | { readonly kind: "rooms"; readonly after: string; readonly limit: number };

/** Events as they come from the worker: seven values each (seq, at, amends, type, sender, messageId, data). */
export type EventColumns = SqlValue[];

/** A page as it comes from the worker. */
export interface PageColumns extends RoomHead {
  readonly columns: EventColumns;
}
export const EVENT_COLUMNS = 7;

/** What a trim did, and whether it stopped before it was through so that appends can go between. */
export interface TrimOutcome {
  readonly removed: number;
  readonly more: boolean;
}

/** A batch: committed whole or not at all. */
export interface Batch {
  readonly kind: "batch";
  /** The caller's clock, ms since 1970. */
  readonly now: number;
  readonly appends: AppendColumns;
  readonly conditions: readonly Condition[];
  readonly requests: readonly WriteRequest[];
}

export interface BatchOutcome {
  readonly appended: AppendOutcome;
  readonly answers: unknown[];
}

export type ToWorker =
  | Batch
  | { readonly kind: "question"; readonly id: number; readonly request: ReadRequest }
  | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly message: string; readonly remedy: string | undefined }
  | { readonly kind: "committed"; readonly outcome: BatchOutcome }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly kind: "unanswered"; readonly id: number; readonly reason: string };

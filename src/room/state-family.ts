import type { Json, JsonObject } from "../protocol/index.ts";

/** One family of state. */
export interface StateFamily {
  /** The type of the envelope that tells a change. */
  readonly event: string;
  /** A value disappears by itself this long after it was set, ms. */
  readonly leaseMs?: number | undefined;
  /** Kept in the log as marks: values are seqs that only move forward. */
  readonly kept?: boolean | undefined;
  /**
   * What a node has set stays for the grace of members (MEM-2) when the node has ended, for whoever goes on there: it belongs to the room. A value that
   * is set or removed on another node meanwhile counts.
   */
  readonly inherited?: boolean | undefined;
  /** The payload that tells a change; `value` is null for a removal. */
  change(key: string, value: Json, last: Json): JsonObject;
  /** Instead of `change`: one payload for all changes of one delivery, the newest of each key; null for nothing. */
  changes?(changes: readonly KeyChange[]): JsonObject | null;
}

/** What became of one key of a family. */
export interface KeyChange {
  readonly key: string;
  /** Null when it was removed. */
  readonly value: Json;
  readonly last: Json;
}

import type { Retention } from "../log/log.ts";
import type { Json, JsonObject } from "../protocol/index.ts";

/** What a room must know of its namespace. */
export interface RoomKind {
  /** The families of state, by name. */
  readonly state: Readonly<Record<string, StateFamily>>;
  /** How much of the log is kept. */
  readonly retention: Retention;
  /** How long messages are gathered for live readers, ms. Default: not at all. */
  readonly gatherMs?: number | undefined;
}

/** One family of state. */
export interface StateFamily {
  /** The type of the envelope that tells a change. */
  readonly event: string;
  /** A value disappears by itself this long after it was set, ms. */
  readonly leaseMs?: number | undefined;
  /** Kept in the log as marks: values are seqs that only move forward. */
  readonly kept?: boolean | undefined;
  /** The payload that tells a change; `value` is null for a removal. */
  change(key: string, value: Json, last: Json): JsonObject;
}

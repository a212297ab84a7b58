import type { LogEvent } from "../log/log.ts";

/** What a cursor is owed, or the beginning of it. */
export interface Page {
  readonly epoch: string;
  /** Reading goes on after this seq: the cursor itself, or where what is kept begins when something was lost. */
  readonly start: number;
  /** The events `start + 1`, `start + 2`, … */
  readonly events: readonly LogEvent[];
  /** What the cursor needs and is no longer there. */
  readonly lost: Lost | null;
  /** The room's head when the page was made. */
  readonly head: number;
}

/** What was lost: removed by retention (`from` to `to`), or the whole log was made anew (both null). */
export interface Lost {
  readonly reason: "retention" | "epoch";
  readonly from: number | null;
  readonly to: number | null;
}

/** Where a reader that joins starts. */
export interface Place {
  readonly epoch: string;
  /** It gets what comes after this seq. */
  readonly start: number;
  /** What it asked for and is no longer there. */
  readonly lost: Lost | null;
  /** Whether it came with a cursor and misses nothing. */
  readonly recovered: boolean;
}

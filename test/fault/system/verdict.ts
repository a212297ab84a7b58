import type { Verdict } from "../../../src/testing/checker.ts";
import type { FaultKind } from "./faults.ts";
import type { RecoveryTimes } from "./recovery.ts";

/** What a run found, as it is kept in `verdict.json`. */
export interface RunVerdict {
  readonly plan: string;
  readonly seed: number;
  /** Whether the run did all it should, and nothing was wrong. */
  readonly ok: boolean;
  /** What was wrong besides violations, or was not done. */
  readonly complaints: readonly string[];
  readonly violations: Verdict["violations"];
  readonly examples: readonly string[];
  readonly counts: Verdict["counts"];
  readonly target: number;
  /** Deliveries that were owed to readers who stayed, and those that never came; not counted over several epochs. */
  readonly deliveries: { readonly owed: number; readonly missing: number };
  readonly kills: number;
  readonly partitions: number;
  readonly otherFaults: number;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly recoveryMs: Readonly<Record<string, RecoveryTimes>>;
  /** From the end of the last fault until everybody had everything, ms. */
  readonly settledMs: number;
  /** While messages were sent, s, and with everything around it. */
  readonly loadSeconds: number;
  readonly wholeSeconds: number;
  /** What nodes held at the end, the largest of them. */
  readonly holding: { readonly rssBytes: number; readonly files: number };
  /** What clients reported as wrong, by its words, and how often. */
  readonly clientErrors: Readonly<Record<string, number>>;
  readonly when: string;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
}

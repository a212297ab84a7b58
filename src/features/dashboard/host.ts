import type { Clock } from "../../protocol/index.ts";

/** What the server hands to the feature. */
export interface DashboardHost {
  readonly clock: Clock;
  /**
   * Opens a room on this node, and keeps it there until the answer is called.
   * Rejects with `invalid_message` for a bad roomId, `unavailable` when it cannot be opened.
   */
  hold(roomId: string): Promise<() => void>;
  /** Measures the system and the server, by series: what was since the last call. */
  sample(): Record<string, number>;
  /** What the series of this node are marked with; null where there is one node and nothing to tell apart. */
  readonly node: string | null;
  /** Told what failed and is nobody's answer. */
  failure(where: string, error: unknown): void;
}

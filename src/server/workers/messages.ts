import type { AdminOptions } from "../admin/options.ts";
import type { ConfigError } from "../config-error.ts";

/** What goes between the primary and a worker: what the log's and the bus's ports send, and words about the worker itself. */
export type Lane = "log" | "bus" | "life";

/** One message of one lane. */
export interface LaneMessage {
  readonly lane: Lane;
  readonly message: unknown;
}

/** What a worker says of itself. */
export type FromWorker =
  /** It has begun, and wants to know what it shares. */
  | { readonly kind: "began"; readonly nodeId: string }
  | { readonly kind: "listening"; readonly url: string; readonly port: number; readonly adminUrl: string | null }
  /** It cannot serve, and nor could another. */
  | { readonly kind: "failed"; readonly failure: Failure };

/** What the primary says to a worker. */
export type ToWorker =
  | { readonly kind: "setup"; readonly setup: WorkerSetup }
  /** End: tell the clients to come back, finish, and let go. */
  | { readonly kind: "close" };

/** What all workers have in common. */
export interface WorkerSetup {
  /** The port to listen on. */
  readonly port: number;
  /** What operators show and where, the same for all; null for no admin listener. */
  readonly admin: AdminOptions | null;
  readonly devSecret: string | null;
  readonly guestSecret: string;
  /** Whether the primary holds the log and carries the bus; false where the log is one that nodes share anyway. */
  readonly isLogHere: boolean;
}

/** An error as it is told to the primary. */
export type Failure = Pick<ConfigError, "message"> & {
  readonly code: string | null;
  readonly remedy: string | null;
  /** The port that could not be had; null where it is about none. */
  readonly port: number | null;
};

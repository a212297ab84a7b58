/**
 * What a link tells of itself: the connection from this node to a program that holds the log or carries the bus.
 *
 * Logs and buses call these functions and know nothing of metrics, health or the log of the process. Every call is
 * synchronous and never throws.
 */
export interface LinkEvents {
  /** The other side answers: at first, and again after `down`. */
  up(): void;
  /** The connection is gone; it is being made again. The reason holds no secret. */
  down(reason: string): void;
  /** The other side answered, `durationMs` after it was asked. */
  answered(durationMs: number): void;
  /** A notice of the bus could not leave. */
  dropped(): void;
  /** Something the operator should know, and what to do about it. */
  warning(message: string, remedy: string): void;
  /** How many appends wait, read when somebody looks. */
  waiting(read: () => number): void;
}

const nothing = () => {};

/** Events nobody listens to. */
export const nullLinkEvents: LinkEvents = {
  up: nothing,
  down: nothing,
  answered: nothing,
  dropped: nothing,
  warning: nothing,
  waiting: nothing,
};

/** How long to wait before the `attempt`-th new connection (from 1), ms: 50, 100, 200 … 2,000, less up to a quarter by chance. */
export function reconnectDelayMs(attempt: number): number {
  const delay = Math.min(2_000, 50 * 2 ** Math.min(attempt - 1, 10));
  return Math.round(delay * (1 - Math.random() / 4));
}

/** An address without its user and password, for logs and errors. */
export function withoutCredentials(address: string): string {
  return address.replace(/:\/\/.*@/s, "://");
}

import type { TransportName } from "../observe/observer.ts";
import type { Sink } from "../room/sink.ts";

/**
 * The transport seam: one client's bytes, in and out.
 *
 * A transport accepts a client, makes a `Session` for it, and from then on
 * - calls `session.receive` with every decoded message, in the order of arrival;
 * - calls `session.refuseInput` for bytes that are no message;
 * - calls `session.wake` when `writable` has become true again;
 * - calls `session.end` exactly once, when the client is gone.
 *
 * A transport is a cursor with a way out: it keeps no message that it could not send, beyond its outbox limit.
 */
export interface Connection extends Sink {
  readonly transport: TransportName;
  /** When anything was last heard of the client, by the monotonic clock, ms. */
  readonly heardAt: number;
  /** Whether more waits to be sent than the outbox limit allows. Then nothing more is done for the client until `wake`. */
  readonly isCongested: boolean;
  /** Asks the client for a sign of life. */
  ping(): void;
  /** Stops reading from the client, so that it feels the pressure; false goes on. */
  pauseReading(paused: boolean): void;
}

import type { TransportName } from "../observe/observer.ts";
import type { Envelope } from "../protocol/index.ts";
import type { Sink } from "../room/sink.ts";

/**
 * The transport seam: one client's bytes, in and out.
 *
 * A transport accepts a client, makes a `Session` for it, and from then on
 * - calls `session.receive` with every decoded message, in the order of arrival;
 * - calls `session.refuseInput` for bytes that are no message, and `session.receivePing` for a ping of its own;
 * - calls `session.wake` when `writable` has become true again;
 * - calls `session.end` exactly once, when the client is gone.
 *
 * A transport is a cursor with a way out: it keeps no message that it could not send, beyond its outbox limit.
 */
export interface Connection extends Sink {
  readonly transport: TransportName;
  /**
   * Whether the client speaks here as well as it listens (a WebSocket). Where it does not, what it sends comes by requests of
   * their own, to any node: they need no joined room, only the right to read it; and nothing is joined for it by itself.
   */
  readonly isDuplex: boolean;
  /** False for a client that is here for a room of its own choice and knows no other. Default: true. */
  readonly joinsDefaultRoom?: boolean;
  /** How long it may be silent before it is asked for a sign of life, ms. Default: the server's heartbeat. */
  readonly quietMs?: number;
  /**
   * The client's last sign of life, by the monotonic clock, ms: anything it sent, or took of what waited for it. While we
   * do not read from it for reasons of our own, it is now.
   */
  readonly heardAt: number;
  /** How long the newest ping that was answered was on its way and back, ms; null or absent when that is not known. */
  readonly latencyMs?: number | null;
  /** Somebody wants to know `latencyMs`: finds it out, so that it is there when it is asked for again. */
  measure?(): void;
  /**
   * For how long it has taken nothing of what waits for it, ms, as far as the heartbeat has looked; 0 when nothing waits. Absent where
   * nobody knows.
   */
  readonly takesNothingForMs?: number;
  /** Whether more waits to be sent than the outbox limit allows. Then nothing more is done for the client until `wake`. */
  readonly isCongested: boolean;
  /** Takes a message made for this client alone; it leaves as what `deliver` takes does. Never throws. */
  send(envelope: Envelope): void;
  /** Asks the client for a sign of life. False when it cannot be asked any more. */
  ping(): boolean;
  /** Stops reading from the client, so that it feels the pressure; false goes on. */
  pauseReading(paused: boolean): void;
}

import type { ErrorCode } from "../protocol/index.ts";
import type { TransportName } from "./transport-name.ts";

/**
 * The way of messages through the server, told as spans: `receive` from when a message came in until it is answered, `append` while
 * the log makes its event durable, `deliver` from then until it was handed to the connections of its readers.
 *
 * Sessions and rooms hold one of these, or null where nothing is traced; then asking for that is all it costs. Every call is
 * synchronous and never throws. Nothing of it names a user or says what is in a message; a room only where that is asked for.
 */
export interface Tracing {
  /**
   * A message came in.
   * @param traceparent what it belongs to, as the sender says (W3C Trace Context); what cannot be read is ignored.
   */
  received(type: string, transport: TransportName, traceparent: string | null): MessageSpan;
  /**
   * The log is asked to append an event.
   * @param cause the message it comes of, or a `traceparent`. Null: whatever is being done.
   */
  appending(roomId: string, type: string, cause: MessageSpan | string | null): AppendSpan;
  /** Another node appended an event, of which its notice says this. Null when it is not to be followed. */
  heard(roomId: string, type: string, traceparent: string): EventTrace | null;
  /** Sends on what is not sent yet. Never rejects; takes as long as whoever collects it takes. */
  flush(): Promise<void>;
}

/** One message, until it is answered. */
export interface MessageSpan {
  /** What it is about: a namespace, and a room of it where it is about one. */
  about(namespace: string, roomId: string | null): void;
  /** Does work as a part of it: what others trace meanwhile, such as a query to a database, belongs to it. */
  run<T>(work: () => T): T;
  /** It was refused with this code. */
  refused(code: ErrorCode): void;
  /** It is answered. Once. */
  end(): void;
}

/** An event on its way out. */
export interface EventTrace {
  /** One flush handed it to this many readers of this node. */
  delivered(readers: number): void;
}

/** An event on its way into the log, and then out. */
export interface AppendSpan extends EventTrace {
  /** What other nodes are told of it; null when nobody collects it, and so nothing of it need be kept. */
  readonly traceparent: string | null;
  /** It is durable, or was already. Once, if it has not failed. */
  appended(duplicate: boolean): void;
  /** The log refused it, or could not take it. */
  failed(error: unknown): void;
}

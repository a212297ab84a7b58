import type { Envelope } from "../../protocol/envelope.ts";

/** The ways a client can come. */
export type TransportName = "websocket" | "sse" | "long-polling" | "polling";

/** Where to, and how to speak there. */
export interface TransportTarget {
  /** The server, as given to `createClient`: `ws:`, `wss:`, `http:`, `https:`, or relative to the page. */
  readonly url: string;
  /** The token of this attempt, for transports that put it in a header. It also comes as the first envelope. */
  readonly token: string | null;
  /**
   * Asks for a token for one more attempt of the same link. Nothing comes when the link has ended meanwhile; undefined when
   * none could be had. It is also the one the client authenticates with after the next `opened`.
   */
  askToken(use: (token: string | null | undefined) => void): void;
}

/** An address that may be relative to the page. */
export function absolute(url: string): URL {
  return new URL(url, (globalThis as { location?: { href: string } }).location?.href);
}

/** What a link tells the client. Nothing is told after `closed`, nor after the client called `close` or `drop`. */
export interface TransportEvents {
  /**
   * The link takes envelopes from now on. Told again when the link goes on by another way: what was said before and has no answer
   * yet gets none, and the client says everything anew, `authenticate` first.
   */
  opened(): void;
  /** One decoded message from the server, in the order the server sent it. Not yet checked to be an envelope. */
  received(value: unknown): void;
  /** A frame came that is only a sign of life (an SSE comment, an empty poll). */
  alive(): void;
  /** The link ended by itself or never opened. `code` is a WebSocket close code, or the nearest one (PROTOCOL.md section 9). */
  closed(code: number, reason: string): void;
}

/**
 * One attempt at a connection.
 *
 * Everything the client says goes through `send`, in one order: `authenticate`, then one `join_room` with a cursor for
 * each room, then the unacknowledged messages, then whatever the application does. A transport over HTTP reads those
 * envelopes instead of passing them on: `join_room` and `leave_room` change what its stream or poll asks for (the cursor
 * goes on from the `seq` of what it hands to `received`), `authenticate` sets its header, `ping` is answered by a `pong` with the
 * same payload when a round trip succeeds, and the rest is POSTed in order. What it hands to `received` looks the same
 * as on a WebSocket: `welcome`, `joined_room`, events in order, `ack`.
 */
export interface TransportLink {
  /** Sends in order. Only called after `opened`. Never throws. */
  send(envelopes: readonly Envelope[]): void;
  /** Bytes accepted by `send` that the network has not taken yet; 0 when not known. */
  readonly backlogBytes: number;
  /** Ends the link politely. */
  close(code: number, reason: string): void;
  /** Ends the link as if the network had failed: no goodbye where the platform allows it. */
  drop(): void;
  /** The network may be another, or the page is looked at again. */
  woke?(): void;
}

/** The transport seam: something that can open links. Called by the connection for every attempt. */
export interface ClientTransport {
  readonly name: TransportName;
  /** Starts one attempt. Failing, also at once, is told through `events.closed`, never thrown, and never before it returns. */
  open(target: TransportTarget, events: TransportEvents): TransportLink;
}

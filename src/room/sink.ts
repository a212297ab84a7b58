import type { EncodableEvent } from "../codec/codec.ts";
import type { Envelope } from "../protocol/index.ts";

/**
 * A transport, seen from a room: a way out for bytes.
 *
 * A room never waits for a sink and never queues for it. It asks `writable`, and when that is false it leaves the sink
 * alone; the reader then is only a cursor, until the transport calls `wake` on it.
 */
export interface Sink {
  /** How this connection's messages look. Connections with the same format share buffers. */
  readonly format: Format;
  /** Whether more bytes may be delivered now. Once false it stays false until the transport wakes the connection's readers. */
  readonly writable: boolean;
  /**
   * Set for a sink that takes a bounded answer and not a stream (a poll): its readers never become live but are served from
   * their cursors whenever there is something new, so that each stands exactly where its cursor says. The value is how
   * many events it still takes; at 0 it is not writable.
   */
  readonly eventsLeft?: number | undefined;
  /** How long a sink of a bounded answer waits for something to come, ms; 0 takes what is there. */
  readonly waitsMs?: number | undefined;
  /** What the other side has not taken yet, as far as this process holds it, bytes. Absent where nobody knows. */
  readonly pendingBytes?: number;
  /**
   * Takes whole messages, already encoded and framed. The buffer is shared and must not be changed. They leave with
   * everything else for this connection in one write, at the end of this turn at the latest. Never throws.
   */
  deliver(bytes: Buffer): void;
  /** Closes the connection with a code of the close-code table. Nothing is delivered after it. */
  close(code: number, reason: string): void;
}

/** Encoding and framing together: what a message looks like in the bytes of one kind of connection. */
export interface Format {
  /** Names the format; buffers are cached by it, and connections of the same id share them. */
  readonly id: string;
  /** An event of the log of this epoch, complete with its frame. */
  event(event: EncodableEvent, epoch: string): Buffer;
  /** Any other message, complete with its frame. */
  envelope(envelope: Envelope): Buffer;
  /** Bytes that are no message of the codec, complete with their frame. Absent where only text passes. */
  bytes?(payload: Uint8Array): Buffer;
  /** Makes what is delivered of messages in this format, as `event` and `envelope` gave them. Default: one after the other. */
  join?(messages: readonly Buffer[]): Buffer;
  /** How long what comes in quick succession is gathered for live readers, ms. Default: not at all. */
  readonly gatherMs?: number;
}

/** What is delivered of messages in a format. */
export function joinMessages(format: Format, messages: readonly Buffer[]): Buffer {
  if (format.join !== undefined) return format.join(messages);
  return messages.length === 1 ? messages[0]! : Buffer.concat(messages);
}

/** One message, ready to be delivered. */
export function oneMessage(format: Format, envelope: Envelope): Buffer {
  const message = format.envelope(envelope);
  return format.join === undefined ? message : format.join([message]);
}

import type { Envelope, Json } from "../protocol/index.ts";

/**
 * The bus seam: the doorbell between nodes.
 *
 * A bus may lose, delay, repeat and reorder notices. Nothing depends on it but speed: a room that sees a hole reads the
 * log or asks the owner of the state, and a lost last notice is found by comparing heads and digests. It delivers a node's own
 * notices back to it or not, as it likes; who listens ignores them by `from`.
 *
 * A channel is the id of a room, or one of those below: any text to the bus.
 */
export interface Bus {
  /** Tells the other nodes that listen to the channel. Never throws and never waits; a failure is a lost notice. */
  publish(channel: string, notice: Notice): void;

  /** Calls `onNotice` for the channel's notices from now on, never from inside this call. Returns the way to stop. */
  subscribe(channel: string, onNotice: (notice: Notice) => void): () => void;

  /** True when no notice is ever lost, so that heads need not be compared. */
  readonly lossless: boolean;

  /**
   * Calls `run` each time the bus listens again after a while in which it may have missed anything: what was missed can be looked for at
   * once, and not only when heads are compared the next time. A bus that never knows leaves it out.
   */
  onResumed?(run: () => void): void;

  /** Hears nothing any more, and lets go when what was published has left, or has not in a second. */
  close(): Promise<void>;
}

/** The channel that every node listens to. It is no room's: no `roomId` begins so. */
export const NODES_CHANNEL = "@nodes";

/** The channel that one node alone listens to. */
export function nodeChannel(nodeId: string): string {
  return `@node:${nodeId}`;
}

/**
 * What one node tells others, about a room on the room's channel, else on `NODES_CHANNEL` or on the channel of one node.
 * Everything in it is JSON, but for the bytes in a note. `from` is the id of the node that published it.
 */
export type Notice = RoomNotice | StateNotice | NodeNotice;

/** What has happened in a room. */
export type RoomNotice =
  | {
      /** There is a new event in the log, of this seq. */
      readonly kind: "event";
      readonly from: string;
      readonly epoch: string;
      readonly seq: number;
      /** Events up to it, in rising order. Whoever misses one between reads the log, so a bus may leave them out. */
      readonly events?: readonly CarriedEvent[] | undefined;
      /** Of events up to it, those that are traced. A bus may leave them out. */
      readonly traces?: readonly CarriedTrace[] | undefined;
    }
  /** The node led the room, and has given the lead back. */
  | { readonly kind: "free"; readonly from: string }
  | { readonly kind: "signal"; readonly from: string; readonly envelope: Envelope }
  | {
      /** From what a namespace keeps of the room on one node to what it keeps on another; or, on a node channel, a word or an answer. */
      readonly kind: "note";
      readonly from: string;
      /** The id of the node it is for; all others leave it alone. Null for everybody. */
      readonly to: string | null;
      readonly name: string;
      readonly data: Json | Uint8Array;
    }
  | {
      /** A user has left by a word of its own: no grace holds it on other nodes (MEM-2). */
      readonly kind: "left";
      readonly from: string;
      readonly userId: string;
      /** Whether what it still reads with is ending too. */
      readonly isDeparting: boolean;
    }
  /** The room is no longer open there, in this life of it or any before. */
  | { readonly kind: "closed"; readonly from: string; readonly roomId: string; readonly life: number };

/** An event as the log has it, that amends no other. */
export interface CarriedEvent {
  readonly seq: number;
  readonly type: string;
  readonly sender: string | null;
  readonly messageId: string | null;
  /** ms since 1970. */
  readonly timestamp: number;
  /** The payload as JSON text. */
  readonly data: string;
}

/** What the spans of an event belong to (W3C Trace Context), where the node that appended it traces it. */
export type CarriedTrace = readonly [seq: number, type: string, traceparent: string];

/** What has changed of what one node owns of a room's state. */
export interface StateNotice {
  readonly kind: "state";
  readonly from: string;
  readonly roomId: string;
  /** Which of the room's lives on that node; a later one is higher. */
  readonly life: number;
  /** With what has changed since `base`, who knew that is at `version`; `newest` is where the owner is. From 0 it is the whole. */
  readonly base: number;
  readonly version: number;
  readonly newest: number;
  readonly changes: readonly OwnedChange[];
}

/** `value` is null for what is gone; then `last` is what is told of it. `leaseMs` is what is left of the lease, null for none. */
export type OwnedChange = readonly [
  family: string,
  key: string,
  value: Json,
  stamp: number,
  leaseMs: number | null,
  last: Json,
];

/** A room on a node, and how far what it owns there has come. */
export type RoomVersion = readonly [roomId: string, life: number, version: number];

/** What nodes tell each other of themselves, and to keep their states the same. */
export type NodeNotice =
  /** The node is there. */
  | { readonly kind: "alive"; readonly from: string }
  /** A node has ended, says itself or whoever saw it end. */
  | { readonly kind: "gone"; readonly from: string; readonly nodeId: string }
  /** These rooms are open there. It wants to hear of each what the other owns, or that it is not open. */
  | { readonly kind: "opened"; readonly from: string; readonly rooms: readonly RoomVersion[] }
  /** The answer to `opened`: these are not open. */
  | { readonly kind: "absent"; readonly from: string; readonly rooms: readonly string[] }
  /** How far what it owns has come, so that what was lost is noticed; also of nothing, when it knows what the other owned. Where the room is not open the answer is `closed`. */
  | { readonly kind: "digest"; readonly from: string; readonly rooms: readonly RoomVersion[] }
  /** What changed after these versions has not come. */
  | { readonly kind: "wanted"; readonly from: string; readonly rooms: readonly RoomVersion[] };

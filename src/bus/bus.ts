import type { Envelope, Json } from "../protocol/index.ts";

/**
 * The bus seam: the doorbell between nodes.
 *
 * A bus may lose, delay, repeat and reorder notices. Nothing depends on it but speed: a room that sees a hole reads the
 * log, and a lost last notice is found by comparing heads. It delivers a node's own notices back to it or not, as it
 * likes; rooms ignore them by `from`.
 */
export interface Bus {
  /** Tells the other nodes that serve the room. Never throws and never waits; a failure is a lost notice. */
  publish(roomId: string, notice: Notice): void;

  /** Calls `onNotice` for the room's notices from now on, never from inside this call. Returns the way to stop. */
  subscribe(roomId: string, onNotice: (notice: Notice) => void): () => void;

  /** True when no notice is ever lost, so that heads need not be compared. */
  readonly lossless: boolean;

  close(): Promise<void>;
}

/** What one node tells the others about a room. */
export type Notice =
  | {
      readonly kind: "event";
      /** The id of the node that appended it. */
      readonly from: string;
      readonly epoch: string;
      readonly seq: number;
    }
  | {
      readonly kind: "signal";
      readonly from: string;
      readonly envelope: Envelope;
    }
  | {
      /** From what a namespace keeps of the room on one node to what it keeps on another. */
      readonly kind: "note";
      readonly from: string;
      /** The id of the node it is for; all others leave it alone. Null for everybody. */
      readonly to: string | null;
      readonly name: string;
      readonly data: Json | Uint8Array;
    };

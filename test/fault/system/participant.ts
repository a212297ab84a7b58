import type { HistorySink } from "../recorded-client.ts";

/** A client under test, of whichever server: what it sends, is answered and is handed goes into a history. */
export interface Participant {
  readonly name: string;
  /** Messages acknowledged so far. */
  readonly acked: number;
  /** Messages that are not answered. */
  readonly waiting: number;
  /** What it reported as wrong. */
  readonly errors: readonly string[];
  /** Joins a room; with `after`, from that cursor. */
  join(roomId: string, after?: string): unknown;
  send(roomId: string, content: string, messageId: string): unknown;
  /** Sends what an earlier life has sent and noted. */
  sendAgain(roomId: string, content: string, messageId: string): unknown;
  /** The seq up to which the application was handed the room's events. */
  seqOf(roomId: string): number;
  close(): void;
}

/** Which program the clients are of. */
export type ParticipantKind = "yamabiko" | "socket.io";

/** What a participant is. */
export interface ParticipantPlan {
  readonly name: string;
  readonly token: string;
  /** The address of the WebSocket endpoint. */
  readonly wsUrl: string;
  readonly transport: "websocket" | "sse" | "long-polling" | "polling";
  readonly codec: "json" | "msgpack";
  readonly rooms: readonly string[];
}

/** Makes participants of one kind. */
export type MakeParticipant = (history: HistorySink, plan: ParticipantPlan) => Participant;

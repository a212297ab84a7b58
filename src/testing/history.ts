import { createHash } from "node:crypto";

/**
 * What happened during a run, as its clients and its final log tell it: one record per line of JSON, in the order of one
 * monotonic clock. `client` is one client program with its outbox, `user` the identity it sends as (a user may have
 * several clients), `reader` whoever is owed a room's events over all its connections. A `hash` is of what the
 * application said, by {@link hashOf}, never of bytes on the wire.
 */
export type HistoryRecord =
  | SentRecord
  | AckedRecord
  | RefusedRecord
  | UnknownRecord
  | JoinedRecord
  | DeliveredRecord
  | LostRecord
  | LeftRecord
  | ExpelledRecord
  | AskedRecord
  | ToldRecord
  | ConnectionRecord
  | FaultRecord
  | MembersRecord
  | HeadRecord
  | LogRecord;

/** The application sent a message: once per message, however often the client repeats it. */
export interface SentRecord {
  readonly kind: "sent";
  readonly client: string;
  readonly user: string;
  readonly roomId: string;
  readonly messageId: string;
  readonly hash: string;
}

/** An `ack{success:true}`. A message may have several. */
export interface AckedRecord {
  readonly kind: "acked";
  readonly user: string;
  readonly roomId: string;
  readonly messageId: string;
  readonly epoch: string;
  readonly seq: number;
  readonly duplicate: boolean;
}

/** The message was refused for good: it must not be in the log. */
export interface RefusedRecord {
  readonly kind: "refused";
  readonly user: string;
  readonly roomId: string;
  readonly messageId: string;
  readonly code: string;
}

/** Nobody waits for an answer any more: the message may be in the log, or not. */
export interface UnknownRecord {
  readonly kind: "unknown";
  readonly user: string;
  readonly roomId: string;
  readonly messageId: string;
}

/** A reader's join was answered. */
export interface JoinedRecord {
  readonly kind: "joined";
  readonly reader: string;
  readonly roomId: string;
  /** The cursor a reader kept from before its first join of this run; null when it starts where the server says. */
  readonly after: { readonly epoch: string; readonly seq: number } | null;
  readonly epoch: string;
  /** Where delivery starts. */
  readonly seq: number;
  readonly recovered: boolean;
}

/** The application was handed an event. */
export interface DeliveredRecord {
  readonly kind: "delivered";
  readonly reader: string;
  readonly roomId: string;
  readonly epoch: string;
  readonly seq: number;
  readonly user: string | null;
  readonly messageId: string | null;
  readonly hash: string;
}

/** The application was told `history_lost`; delivery goes on after `seq` of `epoch`. */
export interface LostRecord {
  readonly kind: "lost";
  readonly reader: string;
  readonly roomId: string;
  readonly reason: "retention" | "epoch";
  readonly from: number | null;
  readonly to: number | null;
  readonly epoch: string;
  readonly seq: number;
}

/** The reader is owed nothing more of the room. */
export interface LeftRecord {
  readonly kind: "left";
  readonly reader: string;
  readonly roomId: string;
}

/** The reader was taken out of the room: until it joins again nothing after `seq` is for it. */
export interface ExpelledRecord {
  readonly kind: "expelled";
  readonly reader: string;
  readonly roomId: string;
  readonly epoch: string;
  readonly seq: number;
}

/** Somebody began to read where a room stands. `reader` has one such read of a room at a time. */
export interface AskedRecord {
  readonly kind: "asked";
  readonly reader: string;
  readonly roomId: string;
}

/** What that read was answered. One that failed has no such record. */
export interface ToldRecord {
  readonly kind: "told";
  readonly reader: string;
  readonly roomId: string;
  readonly epoch: string;
  readonly head: number;
}

/** A client's connection came or went. */
export interface ConnectionRecord {
  readonly kind: "connection";
  readonly client: string;
  readonly event: "opened" | "closed";
  /** The close code. */
  readonly code: number | null;
}

/**
 * What the run did to the system. Only `recreated` changes what is right: the log of that room (null: of any room) was
 * deleted or lost its end, so what was acknowledged in an earlier epoch may be gone.
 */
export interface FaultRecord {
  readonly kind: "fault";
  readonly what: string;
  /** The room it concerns; null for all. */
  readonly roomId: string | null;
  /** Of a fault that lasts: which one begins or ends here, and what it befalls. */
  readonly id?: number;
  readonly phase?: "begin" | "end";
  readonly target?: string;
}

/** Who is in a room when all is over, as read through `via`: the readers whose users are its members. */
export interface MembersRecord {
  readonly kind: "members";
  readonly via: string;
  readonly roomId: string;
  readonly readers: readonly string[];
}

/** Where the final log of a room stands, as read through `via`. */
export interface HeadRecord {
  readonly kind: "head";
  readonly via: string;
  readonly roomId: string;
  readonly epoch: string;
  /** The oldest seq still kept; head + 1 when none is. */
  readonly first: number;
  readonly head: number;
}

/** One event of the final log, as read through `via`. */
export interface LogRecord {
  readonly kind: "log";
  readonly via: string;
  readonly roomId: string;
  readonly seq: number;
  readonly user: string | null;
  readonly messageId: string | null;
  readonly hash: string;
}

/** Names what the application said in 16 hexadecimal digits. */
export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** The records as lines of JSON. */
export function formatHistory(records: readonly HistoryRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join("");
}

/**
 * The way back. An unfinished last line, as a killed process leaves it, is left out.
 * @throws {SyntaxError} when another line is not JSON.
 */
export function parseHistory(text: string): HistoryRecord[] {
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as HistoryRecord);
}

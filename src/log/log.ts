/**
 * The log seam: durable order.
 *
 * A log holds one numbered list of events per room. It is the only source of order in the system: whatever the bus, the
 * nodes and the transports do, an event's place is the `seq` the log gave it. Rooms call it; nothing else does.
 *
 * What every implementation guarantees (the contract suite is `logContract` in `yamabiko/testing`):
 * - Within an epoch the seqs of a room are 1, 2, 3 … without a gap. A new room has head 0. An epoch is a random identity
 *   made with the room's log; if the data is lost and made anew, the epoch is another.
 * - `append` resolves only when the event is as durable as the implementation promises, and the results of one room's
 *   appends resolve in seq order. Appends of one event-loop turn commit together, in the order of the calls.
 * - When an append of a room fails with `unavailable`, every append to that room called after it and before the failure
 *   was reported fails with it too, so that a retry cannot overtake.
 * - What a caller must keep: no string it gives contains U+0000 (JSON escapes it) or an unpaired surrogate. Strings are kept
 *   as they are otherwise, and compared as bytes.
 * - Errors are `YamabikoError`: `conflict` (a condition did not hold; nothing changed), `unavailable` (nothing is known to
 *   have changed; the same messageId may be sent again).
 */
export interface Log {
  /**
   * Puts an event at the end of a room's log.
   *
   * @param sender the authenticated user, or null for the server itself.
   * @param messageId with it, the append is idempotent by (room, sender, messageId) for at least 24 h, also after a
   *   restart: a repetition changes nothing, is not checked against `expect`, `fence` or `amend`, and resolves to the first
   *   result with `duplicate: true`.
   */
  append(
    roomId: string,
    sender: string | null,
    messageId: string | null,
    event: NewEvent,
    options?: AppendOptions,
  ): Promise<AppendResult>;

  /**
   * Reads forward: the events with seq `after + 1`, `after + 2`, … at most `limit` of them and, beyond the first, at
   * most `maxBytes` of payload in UTF-8. When retention removed `after + 1`, the page starts at `first`.
   */
  read(roomId: string, after: number, limit: number, maxBytes?: number): Promise<LogPage>;

  /**
   * What `append` would say of a messageId it has seen: its first result with `duplicate: true`. Null when it is not
   * remembered. Sees every append that was resolved.
   */
  find(roomId: string, sender: string | null, messageId: string): Promise<AppendResult | null>;

  /**
   * The events of a type whose first amendment replaced the payload at `seq`: newest first, at most `limit`. Those that
   * retention removed are not among them.
   */
  amendments(roomId: string, seq: number, type: string, limit: number): Promise<readonly LogEvent[]>;

  /** Reads backward: the newest events with seq < `before` (Infinity: from the head), same bounds, in rising order. */
  readBack(roomId: string, before: number, limit: number, maxBytes?: number): Promise<LogPage>;

  /** The position of each room, in one question. A room never seen has its epoch made now. */
  heads(roomIds: readonly string[]): Promise<Map<string, RoomHead>>;

  /**
   * Removes the oldest events until the policy holds, none after its `upTo`. The head stays, and so does the protection against repeated
   * messageIds. The newest event is kept when only bytes would remove it. Resolves to how many events were removed.
   */
  trim(roomId: string, policy: Retention): Promise<number>;

  /**
   * Keeps `data` as what the events up to `seq` amount to, in the place of what was kept for this seq. The newest two snapshots of
   * a room are kept. At seq 0 it is of no event: what a leader keeps for the next one.
   *
   * @param fence as `AppendOptions.fence`: `conflict`, and nothing changes, when a lease was given out after the one with it.
   */
  putSnapshot(roomId: string, seq: number, data: string, fence?: number): Promise<void>;

  /** The newest snapshot of a room at or below `atMost` (default: any). */
  snapshot(roomId: string, atMost?: number): Promise<Snapshot | null>;

  /**
   * Moves a user's mark in a room forward to `seq`; a lower one changes nothing; the first one sets it, even to 0.
   * Durable when resolved.
   * Resolves to where the mark stands and whether this call moved it.
   */
  setMark(roomId: string, name: string, user: string, seq: number): Promise<{ seq: number; moved: boolean }>;

  /** All marks of that name in a room: user → seq. At most `limit` (default 1,000), highest first. */
  marks(roomId: string, name: string, limit?: number): Promise<Map<string, number>>;

  /** All marks of that name of a user: roomId → seq. At most `limit` (default 1,000), latest moved first. */
  marksOf(user: string, name: string, limit?: number): Promise<Map<string, number>>;

  /** Removes all marks of that name of a user, in all rooms. Durable when resolved. Resolves to how many there were. */
  dropMarks(user: string, name: string): Promise<number>;

  /**
   * The rooms there are, page by page: one that is there all the while is given at least once, in no order. A page may be empty
   * and not the last.
   * @param after `next` of the page before; null for the first.
   * @param limit about how many.
   */
  rooms(after: string | null, limit: number): Promise<RoomsPage>;

  /**
   * Takes the lease of a room, or keeps it. One owner at a time has it: who leads there, and nobody else.
   * - Nobody has it (it was never taken, was released, or its time is over): `owner` has it now, with a fence higher than
   *   every one given out before in this room. An owner whose own time is over gets a new fence like anybody.
   * - `owner` has it: it keeps its fence, and its time starts anew.
   * - Another has it: nothing changes.
   *
   * Durable when resolved, and as atomic as an append: of several who ask at once one gets it. Fences of a room never come
   * again, also after a restart. Time runs by the log's clock; `expiresInMs` counts from the moment of the decision, so a
   * caller counts its `ttlMs` from before it asked.
   *
   * @param owner whoever asks, unlike anybody else who may ask.
   * @param ttlMs how long it has it without asking again, ms, more than 0.
   */
  lease(roomId: string, owner: string, ttlMs: number): Promise<Lease>;

  /** Gives a lease back before its time is over. Changes nothing unless `owner` has it with this fence. */
  endLease(roomId: string, owner: string, fence: number): Promise<void>;

  /**
   * Somebody else has told what stands at `head` in this epoch, and the caller goes on from there without reading it. A log whose
   * keeper may lose what it had ends the epoch when it finds itself before that, as it does for what it gave out itself; with
   * `timestamp`, that of the event at `head`, also when it finds another event there.
   * Absent where nobody but the log may say what it holds: then it is read. `BEYOND_ALL` ends the epoch: two events are known under one seq.
   */
  seen?(roomId: string, epoch: string, head: number, timestamp?: number): void;

  /** Finishes what was accepted, then lets go of files, threads and connections. Later calls fail with `unavailable`. */
  close(): Promise<void>;
}

/** What a caller wants to append. */
export interface NewEvent {
  readonly type: string;
  /** The payload as JSON text. It is stored, cached and sent as these bytes and never encoded again. */
  readonly data: string;
}

export interface AppendOptions {
  /** Append only when the head is this seq; `conflict` otherwise. */
  readonly expect?: number | undefined;
  /**
   * Append only when no lease of the room was given out after the one with this fence; `conflict` otherwise. It is what makes
   * a leader harmless that was asleep while another took over. Whether its time is over is not looked at.
   */
  readonly fence?: number | undefined;
  /**
   * In the same commit, replace the payloads of earlier events, all or none: `conflict` when one of them is not there or is
   * not its `expectData`, or when two name the same seq. The first is the one the new event is about (`LogEvent.amends`).
   */
  readonly amend?: readonly Amendment[] | undefined;
}

/** The replacement of an earlier event's payload: how an edit or a deletion reaches what is stored. */
export interface Amendment {
  readonly seq: number;
  readonly expectData: string;
  readonly data: string;
}

export interface AppendResult {
  readonly epoch: string;
  readonly seq: number;
  /** True when this messageId was already in the log; `seq` and `timestamp` are then those of the first time. */
  readonly duplicate: boolean;
  /** ms since 1970, given by the log; never lower than the previous event's in the room. */
  readonly timestamp: number;
}

/** An event as the log keeps it. */
export interface LogEvent {
  readonly roomId: string;
  readonly seq: number;
  readonly type: string;
  readonly sender: string | null;
  readonly messageId: string | null;
  /** ms since 1970. */
  readonly timestamp: number;
  /** The payload as JSON text. */
  readonly data: string;
  /** The seq of the earlier event whose payload this one's commit replaced; the first of them, when it replaced several. */
  readonly amends: number | null;
}

/** Where a room's log stands. `first` is the oldest seq still kept (head + 1 when none is). */
export interface RoomHead {
  readonly epoch: string;
  readonly first: number;
  readonly head: number;
}

/** What a read gives: events with consecutive seqs, and where the log stands. */
export interface LogPage extends RoomHead {
  readonly events: readonly LogEvent[];
}

/** Some of the rooms of a log. */
export interface RoomsPage {
  readonly roomIds: readonly string[];
  /** Where to go on; null when there are no more. Means something only to the log that gave it. */
  readonly next: string | null;
}

/** How much of a room's log to keep. Absent means without bound in that respect. */
export interface Retention {
  readonly maxEvents?: number | undefined;
  readonly maxAgeMs?: number | undefined;
  /** Bytes of payload. */
  readonly maxBytes?: number | undefined;
  /** Nothing after this seq is removed, whatever else is asked for. */
  readonly upTo?: number | undefined;
}

export interface Snapshot {
  readonly epoch: string;
  readonly seq: number;
  readonly data: string;
}

/** Who has the lease of a room, after `lease` was asked. */
export interface Lease {
  readonly holder: string;
  /** Higher than the fence of every earlier lease of the room; the first is 1 or higher. */
  readonly fence: number;
  /** How long the holder has it from the decision on, unless it asks again, ms. */
  readonly expiresInMs: number;
}

/** A head that no log has reached. */
export const BEYOND_ALL = Number.MAX_SAFE_INTEGER;

/** How long a messageId is remembered at least, ms. */
export const DEDUPLICATION_MS = 24 * 60 * 60 * 1000;

/** The default bound of one read, bytes of payload. */
export const DEFAULT_READ_BYTES = 256 * 1024;

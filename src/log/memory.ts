import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../protocol/index.ts";
import {
  type Amendment,
  type AppendOptions,
  type AppendResult,
  DEDUPLICATION_MS,
  DEFAULT_READ_BYTES,
  type Lease,
  type Log,
  type LogEvent,
  type LogPage,
  type NewEvent,
  type Retention,
  type RoomHead,
  type RoomsPage,
  type Snapshot,
} from "./log.ts";
import { amendedMoved, fenceOver, headMoved, logClosed } from "./refusals.ts";

export interface MemoryLogOptions {
  /** Where timestamps and ages come from. Default: the system's clock. */
  readonly clock?: Clock | undefined;
  /** The epoch of every room. Default: a random one for each. */
  readonly epoch?: string | undefined;
}

/**
 * A log in the memory of this process, for tests and demonstrations: it keeps the whole seam but durability, and is gone
 * with the process. It grows until it is trimmed; messageIds are forgotten after `DEDUPLICATION_MS`.
 */
export function createMemoryLog(options: MemoryLogOptions = {}): Log {
  return new MemoryLog(options.clock ?? systemClock, options.epoch);
}

/** What an event occupies, and the event. */
interface Entry {
  event: LogEvent;
  bytes: number;
}

interface MemoryRoom {
  readonly epoch: string;
  first: number;
  head: number;
  timestamp: number;
  bytes: number;
  /** The event `first` is at `offset`; what lies before it has been removed and is cut off from time to time. */
  entries: Entry[];
  offset: number;
  /** The first event of a messageId, by messageKey, oldest first; one that was removed is here without its payload. */
  readonly remembered: Map<string, Entry>;
  snapshots: { seq: number; data: string }[];
  lease: HeldLease;
}

/** The newest lease of a room; fence 0 when there was none. */
interface HeldLease {
  readonly fence: number;
  readonly holder: string | null;
  /** By the monotonic clock, ms. */
  readonly expiresAt: number;
}

interface Mark {
  seq: number;
  /** Counts up with every move of any mark. */
  moved: number;
}

const FORGOTTEN_PER_APPEND = 2;

class MemoryLog implements Log {
  readonly #clock: Clock;
  readonly #epoch: string | undefined;
  readonly #rooms = new Map<string, MemoryRoom>();
  /** name → roomId → user → mark. */
  readonly #marks = new Map<string, Map<string, Map<string, Mark>>>();
  #moves = 0;
  #closed = false;

  constructor(clock: Clock, epoch: string | undefined) {
    this.#clock = clock;
    this.#epoch = epoch;
  }

  async append(
    roomId: string,
    sender: string | null,
    messageId: string | null,
    event: NewEvent,
    options?: AppendOptions,
  ): Promise<AppendResult> {
    const room = this.#room(roomId);
    const now = this.#clock.now();
    this.#forget(room, now, FORGOTTEN_PER_APPEND);
    const key = messageId === null ? null : messageKey(sender, messageId);
    const before = key === null ? undefined : room.remembered.get(key);
    if (before !== undefined) return repetitionOf(before, room);

    if (options?.expect !== undefined && options.expect !== room.head) throw headMoved();
    if (options?.fence !== undefined && options.fence !== room.lease.fence) throw fenceOver();
    const amend = options?.amend ?? [];
    if (amend.length > 0) amendAll(room, amend);
    const seq = room.head + 1;
    const timestamp = Math.max(now, room.timestamp);
    const bytes = Buffer.byteLength(event.data);
    const entry: Entry = {
      event: {
        roomId,
        seq,
        type: event.type,
        sender,
        messageId,
        timestamp,
        data: event.data,
        amends: amend[0]?.seq ?? null,
      },
      bytes,
    };
    room.entries.push(entry);
    room.head = seq;
    room.timestamp = timestamp;
    room.bytes += bytes;
    if (key !== null) room.remembered.set(key, entry);
    return { epoch: room.epoch, seq, duplicate: false, timestamp };
  }

  async read(roomId: string, after: number, limit: number, maxBytes = DEFAULT_READ_BYTES): Promise<LogPage> {
    const room = this.#room(roomId);
    const events: LogEvent[] = [];
    let bytes = 0;
    for (let seq = Math.max(after + 1, room.first); seq <= room.head && events.length < limit; seq++) {
      const entry = entryAt(room, seq)!;
      bytes += entry.bytes;
      if (events.length > 0 && bytes > maxBytes) break;
      events.push(entry.event);
    }
    return { ...headOf(room), events };
  }

  async readBack(roomId: string, before: number, limit: number, maxBytes = DEFAULT_READ_BYTES): Promise<LogPage> {
    const room = this.#room(roomId);
    const events: LogEvent[] = [];
    let bytes = 0;
    for (let seq = Math.min(before - 1, room.head); seq >= room.first && events.length < limit; seq--) {
      const entry = entryAt(room, seq)!;
      bytes += entry.bytes;
      if (events.length > 0 && bytes > maxBytes) break;
      events.push(entry.event);
    }
    return { ...headOf(room), events: events.reverse() };
  }

  async find(roomId: string, sender: string | null, messageId: string): Promise<AppendResult | null> {
    this.#refuseWhenClosed();
    const room = this.#rooms.get(roomId);
    const found = room?.remembered.get(messageKey(sender, messageId));
    return room === undefined || found === undefined ? null : repetitionOf(found, room);
  }

  async amendments(roomId: string, seq: number, type: string, limit: number): Promise<readonly LogEvent[]> {
    this.#refuseWhenClosed();
    const found: LogEvent[] = [];
    const room = this.#rooms.get(roomId);
    if (room === undefined) return found;
    for (let later = room.head; later >= room.first && later > seq && found.length < limit; later--) {
      const { event } = entryAt(room, later)!;
      if (event.amends === seq && event.type === type) found.push(event);
    }
    return found;
  }

  async heads(roomIds: readonly string[]): Promise<Map<string, RoomHead>> {
    return new Map(roomIds.map((roomId) => [roomId, headOf(this.#room(roomId))]));
  }

  async trim(roomId: string, policy: Retention): Promise<number> {
    const room = this.#room(roomId);
    const now = this.#clock.now();
    const before = room.first;
    const last = Math.min(policy.upTo ?? room.head, room.head);
    const { maxEvents = Infinity, maxAgeMs = Infinity, maxBytes = Infinity } = policy;
    while (room.first <= last && room.head - room.first + 1 > maxEvents) removeFirst(room);
    while (room.first <= last && entryAt(room, room.first)!.event.timestamp < now - maxAgeMs) removeFirst(room);
    while (room.first <= last && room.first < room.head && room.bytes > maxBytes) removeFirst(room);
    if (room.offset > room.entries.length / 2) {
      room.entries = room.entries.slice(room.offset);
      room.offset = 0;
    }
    this.#forget(room, now, Infinity);
    return room.first - before;
  }

  async putSnapshot(roomId: string, seq: number, data: string, fence?: number): Promise<void> {
    const room = this.#room(roomId);
    if (fence !== undefined && fence !== room.lease.fence) throw fenceOver();
    const others = room.snapshots.filter((snapshot) => snapshot.seq !== seq);
    room.snapshots = [...others, { seq, data }].sort((a, b) => b.seq - a.seq).slice(0, 2);
  }

  async snapshot(roomId: string, atMost = Infinity): Promise<Snapshot | null> {
    this.#refuseWhenClosed();
    const room = this.#rooms.get(roomId);
    const found = room?.snapshots.find((snapshot) => snapshot.seq <= atMost);
    return room === undefined || found === undefined ? null : { epoch: room.epoch, ...found };
  }

  async setMark(roomId: string, name: string, user: string, seq: number): Promise<{ seq: number; moved: boolean }> {
    this.#refuseWhenClosed();
    const marks = ensure(ensure(this.#marks, name), roomId);
    const mark = marks.get(user);
    if (mark !== undefined && mark.seq >= seq) return { seq: mark.seq, moved: false };
    marks.set(user, { seq, moved: ++this.#moves });
    return { seq, moved: true };
  }

  async marks(roomId: string, name: string, limit = 1_000): Promise<Map<string, number>> {
    this.#refuseWhenClosed();
    const found = [...(this.#marks.get(name)?.get(roomId) ?? [])].sort(([, a], [, b]) => b.seq - a.seq);
    return new Map(found.slice(0, limit).map(([user, mark]) => [user, mark.seq]));
  }

  async marksOf(user: string, name: string, limit = 1_000): Promise<Map<string, number>> {
    this.#refuseWhenClosed();
    const found: { roomId: string; mark: Mark }[] = [];
    for (const [roomId, marks] of this.#marks.get(name) ?? []) {
      const mark = marks.get(user);
      if (mark !== undefined) found.push({ roomId, mark });
    }
    found.sort((a, b) => b.mark.moved - a.mark.moved);
    return new Map(found.slice(0, limit).map(({ roomId, mark }) => [roomId, mark.seq]));
  }

  async dropMarks(user: string, name: string): Promise<number> {
    this.#refuseWhenClosed();
    let count = 0;
    for (const marks of this.#marks.get(name)?.values() ?? []) if (marks.delete(user)) count++;
    return count;
  }

  async rooms(after: string | null, limit: number): Promise<RoomsPage> {
    this.#refuseWhenClosed();
    const from = after === null ? 0 : Number(after);
    // None is ever removed, so those that came first stay where they are.
    const roomIds = Array.from(this.#rooms.keys()).slice(from, from + limit);
    return { roomIds, next: from + roomIds.length < this.#rooms.size ? `${from + roomIds.length}` : null };
  }

  async lease(roomId: string, owner: string, ttlMs: number): Promise<Lease> {
    const room = this.#room(roomId);
    const now = this.#clock.monotonic();
    const { fence, holder, expiresAt } = room.lease;
    const isHeld = holder !== null && expiresAt > now;
    if (isHeld && holder !== owner) return { holder, fence, expiresInMs: expiresAt - now };
    room.lease = { fence: isHeld ? fence : fence + 1, holder: owner, expiresAt: now + ttlMs };
    return { holder: owner, fence: room.lease.fence, expiresInMs: ttlMs };
  }

  async endLease(roomId: string, owner: string, fence: number): Promise<void> {
    const room = this.#room(roomId);
    if (room.lease.holder === owner && room.lease.fence === fence) room.lease = { fence, holder: null, expiresAt: 0 };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw logClosed();
  }

  #room(roomId: string): MemoryRoom {
    this.#refuseWhenClosed();
    let room = this.#rooms.get(roomId);
    if (room === undefined) {
      room = {
        epoch: this.#epoch ?? randomBytes(12).toString("base64url"),
        first: 1,
        head: 0,
        timestamp: 0,
        bytes: 0,
        entries: [],
        offset: 0,
        remembered: new Map(),
        snapshots: [],
        lease: { fence: 0, holder: null, expiresAt: 0 },
      };
      this.#rooms.set(roomId, room);
    }
    return room;
  }

  #forget(room: MemoryRoom, now: number, atMost: number): void {
    let looked = 0;
    for (const [key, { event }] of room.remembered) {
      if (looked++ >= atMost || event.timestamp + DEDUPLICATION_MS >= now) return;
      room.remembered.delete(key);
    }
  }
}

/** No sender and no messageId, whatever they contain, give the key of others. */
function messageKey(sender: string | null, messageId: string): string {
  return sender === null ? `:${messageId}` : `${sender.length}:${sender}${messageId}`;
}

function repetitionOf({ event }: Entry, { epoch }: MemoryRoom): AppendResult {
  return { epoch, seq: event.seq, duplicate: true, timestamp: event.timestamp };
}

function headOf(room: MemoryRoom): RoomHead {
  return { epoch: room.epoch, first: room.first, head: room.head };
}

function entryAt(room: MemoryRoom, seq: number): Entry | undefined {
  return seq < room.first ? undefined : room.entries[room.offset + seq - room.first];
}

/**
 * Replaces the payloads, once all of them are known to be as expected.
 * @throws {YamabikoError} `conflict` when one is not.
 */
function amendAll(room: MemoryRoom, amendments: readonly Amendment[]): void {
  const entries = new Map<Entry, string>();
  for (const { seq, expectData, data } of amendments) {
    const entry = entryAt(room, seq);
    if (entry === undefined || entry.event.data !== expectData || entries.has(entry)) throw amendedMoved();
    entries.set(entry, data);
  }
  for (const [entry, data] of entries) {
    const bytes = Buffer.byteLength(data);
    room.bytes += bytes - entry.bytes;
    entry.event = { ...entry.event, data };
    entry.bytes = bytes;
  }
}

function removeFirst(room: MemoryRoom): void {
  const entry = room.entries[room.offset]!;
  room.bytes -= entry.bytes;
  // The payload is let go of now; the slot only when the array is cut.
  entry.event = { ...entry.event, data: "" };
  room.offset++;
  room.first++;
}

function ensure<V>(map: Map<string, Map<string, V>>, key: string): Map<string, V> {
  let found = map.get(key);
  if (found === undefined) {
    found = new Map();
    map.set(key, found);
  }
  return found;
}

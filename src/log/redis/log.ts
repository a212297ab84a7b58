import { randomBytes } from "node:crypto";
import type { RedisLink, RedisValue } from "../../link/redis.ts";
import type { RedisScript } from "../../link/redis-script.ts";
import type { Clock } from "../../protocol/index.ts";
import type { AppendAnswer, AppendCall } from "../append-lanes.ts";
import { FarLog, whole } from "../far-log.ts";
import type { Mark } from "../known-heads.ts";
import {
  type AppendResult,
  DEDUPLICATION_MS,
  DEFAULT_READ_BYTES,
  type Lease,
  type Log,
  type LogEvent,
  type LogPage,
  type Retention,
  type RoomHead,
  type RoomsPage,
  type Snapshot,
} from "../log.ts";
import { fenceOver } from "../refusals.ts";
import type { RedisKeys } from "./keys.ts";
import { messageIdPart, senderPart, toEvent } from "./record.ts";
import {
  AMENDMENTS,
  APPEND,
  END_LEASE,
  FIND,
  LEASE,
  NOTE_MARK,
  OPEN_ROOM,
  PUT_SNAPSHOT,
  READ,
  READ_BACK,
  SET_MARK,
  SNAPSHOT,
  TRIM,
} from "./scripts.ts";

/** The most events and bytes one call removes, so that nobody waits long for a large trim. */
const TRIM_EVENTS = 2_000;
const TRIM_BYTES = 4 * 1024 * 1024;
const SNAPSHOTS_KEPT = 2;
/** How many rooms' heads are asked for in one go. */
const HEADS_AT_ONCE = 1_000;

/** The log on one Redis or one cluster. */
export class RedisLog extends FarLog implements Log {
  readonly #link: RedisLink;
  readonly #keys: RedisKeys;

  constructor(link: RedisLink, keys: RedisKeys, clock: Clock | null) {
    super(link, "Redis", clock);
    this.#link = link;
    this.#keys = keys;
  }

  read(roomId: string, after: number, limit: number, maxBytes = DEFAULT_READ_BYTES): Promise<LogPage> {
    return this.ask(async () => {
      const answer = await this.#runInRoom<PageAnswer>(READ, roomId, [whole(after), whole(limit), whole(maxBytes)]);
      const [epoch, first, head, from, ...records] = answer;
      const events = toEvents(roomId, from, 1, records);
      return { ...this.#learn(roomId, epoch, first, head, markOf(events.at(-1))), events };
    });
  }

  readBack(roomId: string, before: number, limit: number, maxBytes = DEFAULT_READ_BYTES): Promise<LogPage> {
    return this.ask(async () => {
      const values = [whole(before), whole(limit), whole(maxBytes)];
      const [epoch, first, head, from, ...records] = await this.#runInRoom<PageAnswer>(READ_BACK, roomId, values);
      const events = toEvents(roomId, from, -1, records).reverse();
      return { ...this.#learn(roomId, epoch, first, head, markOf(events.at(-1))), events };
    });
  }

  find(roomId: string, sender: string | null, messageId: string): Promise<AppendResult | null> {
    return this.ask(async () => {
      const key = `${senderPart(sender)}\0${messageIdPart(messageId)}`;
      const [epoch, before] = await this.#runInRoom<[string, string]>(FIND, roomId, [key]);
      if (epoch === "") return null;
      const [seq, timestamp] = before.split(" ");
      return { epoch, seq: Number(seq), duplicate: true, timestamp: Number(timestamp) };
    });
  }

  amendments(roomId: string, seq: number, type: string, limit: number): Promise<readonly LogEvent[]> {
    return this.ask(async () => {
      if (seq < 0) return [];
      const answer = await this.#runInRoom<(number | string)[]>(AMENDMENTS, roomId, [seq, type, whole(limit)]);
      const events: LogEvent[] = [];
      for (let index = 0; index < answer.length; index += 2) {
        events.push(toEvent(roomId, Number(answer[index]), String(answer[index + 1])));
      }
      return events;
    });
  }

  heads(roomIds: readonly string[]): Promise<Map<string, RoomHead>> {
    return this.ask(async () => {
      const heads = new Map<string, RoomHead>();
      for (let from = 0; from < roomIds.length; from += HEADS_AT_ONCE) {
        const some = roomIds.slice(from, from + HEADS_AT_ONCE);
        const found = await Promise.all(some.map((roomId) => this.#headOf(roomId)));
        for (const [index, roomId] of some.entries()) heads.set(roomId, found[index]!);
      }
      return heads;
    });
  }

  trim(roomId: string, policy: Retention): Promise<number> {
    const { maxEvents = "", maxAgeMs = "", maxBytes = "", upTo = "" } = policy;
    const values = [maxEvents, maxAgeMs, maxBytes, upTo, TRIM_EVENTS, TRIM_BYTES, DEDUPLICATION_MS];
    return this.ask(async () => {
      let removed = 0;
      for (;;) {
        const [count, more] = await this.#runInRoom<[number, number]>(TRIM, roomId, values);
        removed += count;
        if (more === 0) return removed;
      }
    });
  }

  async putSnapshot(roomId: string, seq: number, data: string, fence?: number): Promise<void> {
    const values = [seq, data, SNAPSHOTS_KEPT, fence ?? ""];
    if ((await this.ask(() => this.#runInRoom<number>(PUT_SNAPSHOT, roomId, values))) === 0) throw fenceOver();
  }

  snapshot(roomId: string, atMost = Infinity): Promise<Snapshot | null> {
    return this.ask(async () => {
      const answer = await this.#runInRoom<[string, number, string] | []>(SNAPSHOT, roomId, [whole(atMost)]);
      if (answer.length === 0) return null;
      const [epoch, seq, data] = answer;
      return { epoch, seq, data };
    });
  }

  setMark(roomId: string, name: string, user: string, seq: number): Promise<{ seq: number; moved: boolean }> {
    return this.ask(async () => {
      const marks = this.#keys.marks(roomId, name);
      const [stands, moved] = (await this.#link.run(SET_MARK, [marks], [user, seq])) as [number, number];
      // Also when it did not move: whoever moved it may have come only this far.
      await this.#link.run(NOTE_MARK, [this.#keys.marksOf(user, name)], [this.now() ?? "", roomId, moved]);
      return { seq: stands, moved: moved === 1 };
    });
  }

  marks(roomId: string, name: string, limit = 1_000): Promise<Map<string, number>> {
    return this.ask(async () => {
      const marks = new Map<string, number>();
      if (limit < 1) return marks;
      const key = this.#keys.marks(roomId, name);
      const answer = (await this.#link.command("zrevrange", key, 0, whole(limit) - 1, "WITHSCORES")) as string[];
      for (let index = 0; index < answer.length; index += 2) marks.set(answer[index]!, Number(answer[index + 1]));
      return marks;
    });
  }

  marksOf(user: string, name: string, limit = 1_000): Promise<Map<string, number>> {
    return this.ask(async () => {
      const marks = new Map<string, number>();
      if (limit < 1) return marks;
      const rooms = (await this.#link.command(
        "zrevrange",
        this.#keys.marksOf(user, name),
        0,
        whole(limit) - 1,
      )) as string[];
      const scores = await Promise.all(
        rooms.map((roomId) => this.#link.command("zscore", this.#keys.marks(roomId, name), user)),
      );
      rooms.forEach((roomId, index) => {
        // A room that was lost since has none.
        if (scores[index] !== null) marks.set(roomId, Number(scores[index]));
      });
      return marks;
    });
  }

  dropMarks(user: string, name: string): Promise<number> {
    return this.ask(async () => {
      const ofUser = this.#keys.marksOf(user, name);
      const rooms = (await this.#link.command("zrange", ofUser, 0, -1)) as string[];
      const removed = await Promise.all(
        rooms.map((roomId) => this.#link.command("zrem", this.#keys.marks(roomId, name), user)),
      );
      // Last, so that what was interrupted is found again.
      await this.#link.command("del", ofUser);
      return removed.filter((count) => Number(count) > 0).length;
    });
  }

  rooms(after: string | null, limit: number): Promise<RoomsPage> {
    return this.ask(async () => {
      const { keys, next } = await this.#link.scan(after, this.#keys.rooms, whole(limit));
      const roomIds = keys.map((key) => this.#keys.roomOf(key)).filter((roomId) => roomId !== null);
      return { roomIds, next };
    });
  }

  lease(roomId: string, owner: string, ttlMs: number): Promise<Lease> {
    return this.ask(async () => {
      const values = [owner, Math.ceil(ttlMs)];
      const [holder, fence, expiresInMs] = await this.#runInRoom<[string, number, number]>(LEASE, roomId, values);
      return { holder, fence, expiresInMs };
    });
  }

  endLease(roomId: string, owner: string, fence: number): Promise<void> {
    return this.ask(async () => {
      await this.#runInRoom(END_LEASE, roomId, [owner, fence]);
    });
  }

  /** One lane for each room: Redis does the calls of a room one after the other anyway. */
  laneOf(roomId: string): string {
    return roomId;
  }

  async carry(calls: readonly AppendCall[]): Promise<readonly AppendAnswer[]> {
    const { roomId } = calls[0]!;
    const values: RedisValue[] = [];
    for (const { sender, messageId, event, options } of calls) {
      const amend = options?.amend ?? [];
      values.push(senderPart(sender), messageIdPart(messageId), event.type, event.data);
      values.push(options?.expect ?? "", options?.fence ?? "", amend.length);
      for (const { seq, expectData, data } of amend) values.push(seq, expectData, data);
    }
    const [epoch, ...answers] = await this.#runInRoom<[string, ...number[]]>(APPEND, roomId, values);
    return calls.map((_, index) => {
      const [code, seq, timestamp] = answers.slice(index * 3, index * 3 + 3) as [number, number, number];
      return this.answerOf(roomId, code, epoch, seq, timestamp);
    });
  }

  async #runInRoom<T>(script: RedisScript, roomId: string, values: readonly RedisValue[]): Promise<T> {
    const known = this.known.get(roomId);
    const { seq, at } = known.mark;
    const common = [this.now() ?? "", newEpoch(), known.epoch, `${known.head} ${seq} ${Math.floor(at)}`];
    return (await this.#link.run(script, this.#keys.room(roomId), [...common, ...values])) as T;
  }

  /** Where a room stands: a plain read, unless it must be made or Redis has lost something of it. */
  async #headOf(roomId: string): Promise<RoomHead> {
    const known = this.known.get(roomId);
    const [room] = this.#keys.room(roomId);
    const found = (await this.#link.command("hmget", room, "epoch", "first", "head", "at")) as (string | null)[];
    const [epoch] = found;
    const [first, head, at] = found.slice(1).map(Number) as [number, number, number];
    const { mark } = known;
    // Whether what this node has seen is still there beneath newer events, only the events tell.
    const isAsSeen = head >= known.head && (mark.seq === 0 || (head === mark.seq && at === mark.at));
    if (epoch != null && (epoch !== known.epoch || isAsSeen)) {
      return this.#learn(roomId, epoch, first, head, { seq: head, at });
    }
    const opened = await this.#runInRoom<[string, number, number, number]>(OPEN_ROOM, roomId, []);
    return this.#learn(roomId, opened[0], opened[1], opened[2], { seq: opened[2], at: opened[3] });
  }

  #learn(roomId: string, epoch: string, first: number, head: number, mark?: Mark): RoomHead {
    this.known.note(roomId, epoch, head, mark);
    return { epoch, first, head };
  }
}

type PageAnswer = [epoch: string, first: number, head: number, from: number, ...records: string[]];

function toEvents(roomId: string, from: number, step: 1 | -1, records: readonly string[]): LogEvent[] {
  return records.map((record, index) => toEvent(roomId, from + index * step, record));
}

function markOf(event: LogEvent | undefined): Mark | undefined {
  return event === undefined ? undefined : { seq: event.seq, at: event.timestamp };
}

function newEpoch(): string {
  return randomBytes(12).toString("base64url");
}

import type { PostgresLink } from "../../link/postgres.ts";
import type { Clock } from "../../protocol/index.ts";
import type { AppendAnswer, AppendCall } from "../append-lanes.ts";
import { FarLog, whole } from "../far-log.ts";
import type { KnownHead } from "../known-heads.ts";
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

const SNAPSHOTS_KEPT = 2;
/** How many transactions of appends run at once; a room is always in the same one. */
const LANES = 4;

/** A list of names, as the first value of a statement gives it. */
const NAMES = "ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))";

interface AppendRow {
  readonly o_code: number;
  readonly o_epoch: string;
  readonly o_seq: number;
  readonly o_at: number;
}

interface EventRow {
  readonly seq: number;
  readonly at: number;
  readonly amends: number | null;
  readonly type: string;
  readonly sender: string | null;
  readonly message_id: string | null;
  readonly data: string;
}

/** Where a room stands, and when the event at the mark was appended that was asked for; null when it is not there. */
type HeadRow = RoomHead & { readonly mark_at: number | null };

/** An event of a page, and where the log stands; `seq` is null when the page is empty. */
type PageRow = HeadRow & (EventRow | { readonly seq: null });

/** The log in one schema of a database. */
export class PostgresLog extends FarLog implements Log {
  readonly #link: PostgresLink;
  readonly #schema: string;

  constructor(link: PostgresLink, schema: string, clock: Clock | null) {
    super(link, "PostgreSQL", clock);
    this.#link = link;
    this.#schema = schema;
  }

  read(roomId: string, after: number, limit: number, maxBytes = DEFAULT_READ_BYTES): Promise<LogPage> {
    return this.ask(() => this.#page(roomId, "ASC", "seq > $2", [whole(after), whole(limit), whole(maxBytes)]));
  }

  readBack(roomId: string, before: number, limit: number, maxBytes = DEFAULT_READ_BYTES): Promise<LogPage> {
    return this.ask(() => this.#page(roomId, "DESC", "seq < $2", [whole(before), whole(limit), whole(maxBytes)]));
  }

  find(roomId: string, sender: string | null, messageId: string): Promise<AppendResult | null> {
    return this.ask(async () => {
      const [row] = await this.#link.query<{ epoch: string; seq: number; at: number }>(
        `SELECT epoch, seq, events.at FROM ${this.#schema}.rooms JOIN ${this.#schema}.events ON room = id
         WHERE name = $1 AND message_id = $2 AND coalesce('u' || sender, '') = $3`,
        [roomId, messageId, sender === null ? "" : `u${sender}`],
      );
      return row === undefined ? null : { epoch: row.epoch, seq: row.seq, duplicate: true, timestamp: row.at };
    });
  }

  amendments(roomId: string, seq: number, type: string, limit: number): Promise<readonly LogEvent[]> {
    return this.ask(async () => {
      const rows = await this.#link.query<EventRow>(
        `SELECT seq, events.at, amends, type, sender, message_id, data
         FROM ${this.#schema}.rooms JOIN ${this.#schema}.events ON room = id
         WHERE name = $1 AND amends = $2 AND type = $3 AND data IS NOT NULL ORDER BY seq DESC LIMIT $4`,
        [roomId, seq, type, whole(limit)],
      );
      return rows.map((row) => toEvent(roomId, row));
    });
  }

  heads(roomIds: readonly string[]): Promise<Map<string, RoomHead>> {
    return this.ask(async () => {
      const heads = await this.#headsOf(roomIds);
      const missing = roomIds.filter((roomId) => !heads.has(roomId));
      if (missing.length === 0) return heads;
      await this.#link.query(`SELECT ${this.#schema}.open_rooms(${NAMES})`, [JSON.stringify(missing)]);
      for (const [roomId, head] of await this.#headsOf(missing)) heads.set(roomId, head);
      return heads;
    });
  }

  trim(roomId: string, policy: Retention): Promise<number> {
    const { maxEvents = null, maxAgeMs = null, maxBytes = null, upTo = null } = policy;
    return this.ask(async () => {
      let removed = 0;
      for (;;) {
        const [row] = await this.#link.query<{ o_removed: number; o_more: boolean }>(
          `SELECT o_removed, o_more FROM ${this.#schema}.trim_room($1, $2, $3, $4, $5, $6, $7)`,
          [roomId, maxEvents, maxAgeMs, maxBytes, upTo, DEDUPLICATION_MS, this.now()],
        );
        removed += row!.o_removed;
        if (!row!.o_more) return removed;
      }
    });
  }

  async putSnapshot(roomId: string, seq: number, data: string, fence?: number): Promise<void> {
    const [row] = await this.ask(() =>
      this.#link.query<{ is_kept: boolean }>(`SELECT ${this.#schema}.put_snapshot($1, $2, $3, $4, $5) AS is_kept`, [
        roomId,
        seq,
        data,
        SNAPSHOTS_KEPT,
        fence ?? null,
      ]),
    );
    if (!row!.is_kept) throw fenceOver();
  }

  snapshot(roomId: string, atMost = Infinity): Promise<Snapshot | null> {
    return this.ask(async () => {
      const [row] = await this.#link.query<Snapshot>(
        `SELECT epoch, seq, data FROM ${this.#schema}.rooms JOIN ${this.#schema}.snapshots ON room = id
         WHERE name = $1 AND seq <= $2 ORDER BY seq DESC LIMIT 1`,
        [roomId, whole(atMost)],
      );
      return row === undefined ? null : { epoch: row.epoch, seq: row.seq, data: row.data };
    });
  }

  setMark(roomId: string, name: string, user: string, seq: number): Promise<{ seq: number; moved: boolean }> {
    return this.ask(async () => {
      const [moved] = await this.#link.query(
        `INSERT INTO ${this.#schema}.marks AS marks (room, name, owner, seq, moved)
         VALUES ($1, $2, $3, $4, nextval('${this.#schema}.moves'))
         ON CONFLICT (room, name, owner) DO UPDATE SET seq = excluded.seq, moved = excluded.moved
         WHERE marks.seq < excluded.seq RETURNING seq`,
        [roomId, name, user, seq],
      );
      if (moved !== undefined) return { seq, moved: true };
      const [row] = await this.#link.query<{ seq: number }>(
        `SELECT seq FROM ${this.#schema}.marks WHERE room = $1 AND name = $2 AND owner = $3`,
        [roomId, name, user],
      );
      return { seq: row?.seq ?? seq, moved: false };
    });
  }

  marks(roomId: string, name: string, limit = 1_000): Promise<Map<string, number>> {
    return this.ask(async () => {
      const rows = await this.#link.query<{ owner: string; seq: number }>(
        `SELECT owner, seq FROM ${this.#schema}.marks WHERE room = $1 AND name = $2 ORDER BY seq DESC LIMIT $3`,
        [roomId, name, whole(limit)],
      );
      return new Map(rows.map(({ owner, seq }) => [owner, seq]));
    });
  }

  marksOf(user: string, name: string, limit = 1_000): Promise<Map<string, number>> {
    return this.ask(async () => {
      const rows = await this.#link.query<{ room: string; seq: number }>(
        `SELECT room, seq FROM ${this.#schema}.marks WHERE owner = $1 AND name = $2 ORDER BY moved DESC LIMIT $3`,
        [user, name, whole(limit)],
      );
      return new Map(rows.map(({ room, seq }) => [room, seq]));
    });
  }

  dropMarks(user: string, name: string): Promise<number> {
    return this.ask(async () => {
      const rows = await this.#link.query(
        `DELETE FROM ${this.#schema}.marks WHERE owner = $1 AND name = $2 RETURNING room`,
        [user, name],
      );
      return rows.length;
    });
  }

  rooms(after: string | null, limit: number): Promise<RoomsPage> {
    return this.ask(async () => {
      const rows = await this.#link.query<{ name: string }>(
        `SELECT name FROM ${this.#schema}.rooms WHERE name > $1 ORDER BY name LIMIT $2`,
        [after ?? "", whole(limit)],
      );
      const roomIds = rows.map(({ name }) => name);
      return { roomIds, next: roomIds.length < limit ? null : roomIds.at(-1)! };
    });
  }

  lease(roomId: string, owner: string, ttlMs: number): Promise<Lease> {
    return this.ask(async () => {
      const [row] = await this.#link.query<{ o_holder: string; o_fence: number; o_left: number }>(
        `SELECT o_holder, o_fence, o_left FROM ${this.#schema}.take_lease($1, $2, $3, $4)`,
        [roomId, owner, Math.ceil(ttlMs), this.now()],
      );
      return { holder: row!.o_holder, fence: row!.o_fence, expiresInMs: row!.o_left };
    });
  }

  endLease(roomId: string, owner: string, fence: number): Promise<void> {
    return this.ask(async () => {
      await this.#link.query(
        `UPDATE ${this.#schema}.rooms SET holder = NULL WHERE name = $1 AND holder = $2 AND fence = $3`,
        [roomId, owner, fence],
      );
    });
  }

  laneOf(roomId: string): string {
    let sum = 0;
    for (let index = 0; index < roomId.length; index++) sum = (sum * 31 + roomId.charCodeAt(index)) | 0;
    return `${Math.abs(sum) % LANES}`;
  }

  async carry(calls: readonly AppendCall[]): Promise<readonly AppendAnswer[]> {
    // The rooms one after the other, each with its calls in their order.
    const rooms = new Map<string, number[]>();
    for (const [index, { roomId }] of calls.entries()) {
      const indexes = rooms.get(roomId);
      if (indexes === undefined) rooms.set(roomId, [index]);
      else indexes.push(index);
    }
    const batch = Array.from(rooms, ([room, indexes]) => ({
      room,
      ...this.known.get(room),
      calls: indexes.map((index) => toArray(calls[index]!)),
    }));
    const rows = await this.#link.query<AppendRow>(
      `SELECT o_code, o_epoch, o_seq, o_at FROM ${this.#schema}.append($1::text::jsonb, $2)`,
      [JSON.stringify(batch), this.now()],
    );
    const answers: AppendAnswer[] = new Array(calls.length);
    let next = 0;
    for (const [roomId, indexes] of rooms) {
      for (const index of indexes) {
        const { o_code, o_epoch, o_seq, o_at } = rows[next++]!;
        answers[index] = this.answerOf(roomId, o_code, o_epoch, o_seq, o_at);
      }
    }
    return answers;
  }

  /** A page and where the log stands, of one moment. The sizes are added up before any payload is read. */
  async #page(
    roomId: string,
    order: "ASC" | "DESC",
    bound: "seq > $2" | "seq < $2",
    values: readonly [at: number, limit: number, maxBytes: number],
  ): Promise<LogPage> {
    const statement = `
      SELECT rooms.epoch, rooms.first, rooms.head, marked.at AS mark_at,
        events.seq, events.at, events.amends, events.type, events.sender, events.message_id, events.data
      FROM ${this.#schema}.rooms
      LEFT JOIN LATERAL (
        SELECT seq, row_number() OVER (ORDER BY seq ${order}) AS place, sum(size) OVER (ORDER BY seq ${order}) AS total
        FROM (
          SELECT seq, size FROM ${this.#schema}.events
          WHERE room = rooms.id AND ${bound} AND seq BETWEEN rooms.first AND rooms.head
          ORDER BY seq ${order} LIMIT $3
        ) AS page
      ) AS wanted ON wanted.place = 1 OR wanted.total <= $4
      LEFT JOIN ${this.#schema}.events ON events.room = rooms.id AND events.seq = wanted.seq
      LEFT JOIN ${this.#schema}.events AS marked ON marked.room = rooms.id AND marked.seq = $5
      WHERE rooms.name = $1
      ORDER BY events.seq`;
    const known = this.known.get(roomId);
    let rows = await this.#link.query<PageRow>(statement, [roomId, ...values, known.mark.seq]);
    if (rows.length === 0 || isOther(known, rows[0]!)) {
      await this.#mend(roomId, known);
      rows = await this.#link.query<PageRow>(statement, [roomId, ...values, known.mark.seq]);
    }
    const { epoch, first, head } = rows[0]!;
    const events = rows.filter((row): row is HeadRow & EventRow => row.seq !== null);
    const newest = events.at(-1);
    this.known.note(roomId, epoch, head, newest === undefined ? undefined : { seq: newest.seq, at: newest.at });
    return { epoch, first, head, events: events.map((row) => toEvent(roomId, row)) };
  }

  async #headsOf(roomIds: readonly string[]): Promise<Map<string, RoomHead>> {
    const known = new Map(roomIds.map((roomId) => [roomId, this.known.get(roomId)]));
    const asked = Array.from(known, ([name, { mark }]) => ({ name, seq: mark.seq }));
    const rows = await this.#link.query<HeadRow & { name: string; at: number }>(
      `SELECT rooms.name, rooms.epoch, rooms.first, rooms.head, rooms.at, marked.at AS mark_at
       FROM jsonb_to_recordset($1::text::jsonb) AS asked (name text, seq bigint)
       JOIN ${this.#schema}.rooms ON rooms.name = asked.name
       LEFT JOIN ${this.#schema}.events AS marked ON marked.room = rooms.id AND marked.seq = asked.seq`,
      [JSON.stringify(asked)],
    );
    const heads = new Map<string, RoomHead>();
    const others: string[] = [];
    for (const row of rows) {
      const { name, epoch, first, head, at } = row;
      heads.set(name, { epoch, first, head });
      if (isOther(known.get(name)!, row)) others.push(name);
      else this.known.note(name, epoch, head, { seq: head, at });
    }
    if (others.length > 0) {
      for (const roomId of others) await this.#mend(roomId, known.get(roomId)!);
      for (const [roomId, head] of await this.#headsOf(others)) heads.set(roomId, head);
    }
    return heads;
  }

  /** Makes a room that is not there, and ends the epoch of one that is not what is known. */
  async #mend(roomId: string, { epoch, head, mark }: KnownHead): Promise<void> {
    await this.#link.query(
      `SELECT ${this.#schema}.open_rooms(${NAMES}), ${this.#schema}.end_epoch($2, $3, $4, $5, $6)`,
      [JSON.stringify([roomId]), roomId, epoch, head, mark.seq, mark.at],
    );
  }
}

/** Whether PostgreSQL may have lost something of a room: it was restored, or a standby that was behind took over. */
function isOther({ epoch, head, mark }: KnownHead, row: HeadRow): boolean {
  return row.epoch === epoch && (row.head < head || (row.mark_at !== null && row.mark_at !== mark.at));
}

/** A call as the function `append` takes it. */
function toArray({ sender, messageId, event, options }: AppendCall): unknown[] {
  const amend = (options?.amend ?? []).map(({ seq, expectData, data }) => [seq, expectData, data]);
  return [sender, messageId, event.type, event.data, options?.expect ?? null, options?.fence ?? null, amend];
}

function toEvent(roomId: string, { seq, at, amends, type, sender, message_id, data }: EventRow): LogEvent {
  return { roomId, seq, type, sender, messageId: message_id, timestamp: at, data, amends };
}

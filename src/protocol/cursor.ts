import { YamabikoError } from "./errors.ts";

/** "I have everything of this room up to `seq` of `epoch`." `epoch` is null when the client does not mind the epoch. */
export interface Cursor {
  readonly epoch: string | null;
  readonly seq: number;
}

const FORM = /^([A-Za-z0-9_-]{1,64}):(0|[1-9][0-9]{0,15})$/;

/** A room's cursor with the revision of its state that is known there (opaque; null for none). */
export interface RoomCursor {
  readonly cursor: Cursor;
  readonly revision: string | null;
}

/** The wire form `"<epoch>:<seq>"` (also the `savedId` of an event, ACK-7). */
export function formatCursor(epoch: string, seq: number): string {
  return `${epoch}:${seq}`;
}

/**
 * Reads a cursor string or a bare seq.
 * @throws {YamabikoError} `invalid_message` when it is neither.
 */
export function parseCursor(value: unknown): Cursor {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return { epoch: null, seq: value };
  if (typeof value === "string") {
    const match = FORM.exec(value);
    if (match !== null) {
      const seq = Number(match[2]);
      if (Number.isSafeInteger(seq)) return { epoch: match[1]!, seq };
    }
  }
  throw new YamabikoError("invalid_message", "`after` is not a cursor.", {
    remedy: "Use the `cursor` or `savedId` the server gave, or a seq as a number.",
  });
}

const REVISION = /^[A-Za-z0-9_.-]{1,64}$/;

/** The cursor of several rooms: `roomId=E:N~revision` for each, form-encoded. A room without a revision has no `~`. */
export function formatRoomCursors(rooms: Iterable<readonly [roomId: string, cursor: string]>): string {
  return new URLSearchParams(Array.from(rooms, ([roomId, cursor]) => [roomId, cursor])).toString();
}

/** One room's part of it. */
export function formatRoomCursor(epoch: string, seq: number, revision: string | null): string {
  return revision === null ? formatCursor(epoch, seq) : `${formatCursor(epoch, seq)}~${revision}`;
}

/**
 * Reads one room's part.
 * @throws {YamabikoError} `invalid_message`.
 */
export function parseRoomCursor(value: string): RoomCursor {
  const at = value.indexOf("~");
  const position = at === -1 ? value : value.slice(0, at);
  const revision = at === -1 ? null : value.slice(at + 1);
  if (revision !== null && !REVISION.test(revision)) return { cursor: parseCursor(value), revision: null };
  const cursor = parseCursor(/^\d{1,16}$/.test(position) ? Number(position) : position);
  return { cursor, revision };
}

/**
 * Reads the cursor of several rooms: roomId, as it was written, → that room's part.
 * @throws {YamabikoError} `invalid_message` when it is none or names more than `max` rooms.
 */
export function parseRoomCursors(text: string, max: number): Map<string, RoomCursor> {
  const rooms = new Map<string, RoomCursor>();
  for (const [roomId, value] of new URLSearchParams(text)) {
    if (rooms.size >= max) throw new YamabikoError("invalid_message", `A cursor names at most ${max} rooms.`);
    rooms.set(roomId, parseRoomCursor(value));
  }
  return rooms;
}

import type { PendingSend, Person } from "./message.ts";
import { EMPTY_TIMELINE, type Timeline } from "./timeline.ts";
import type { UnreadBase } from "./unread.ts";

/** Somebody who is writing. */
export interface Typist {
  readonly userName: string;
  /** When it ends by itself, ms since 1970. */
  readonly until: number;
}

/** Everything the page shows of one room, at one moment. Immutable. */
export interface RoomView {
  readonly roomId: string;
  readonly status: "joining" | "joined" | "refused";
  /** Why the room cannot be joined. */
  readonly error: string | null;
  readonly timeline: Timeline;
  readonly pending: readonly PendingSend[];
  readonly typing: ReadonlyMap<string, Typist>;
  /** Read marks by user. */
  readonly read: ReadonlyMap<string, number>;
  readonly people: readonly Person[];
  readonly peopleCount: number;
  /** Every name seen in this room, by user. */
  readonly names: ReadonlyMap<string, string>;
  readonly base: UnreadBase | null;
  /** This user's own mark. */
  readonly readUpTo: number;
  /** The unread line stands before the first message of others after this; null when there is no line. */
  readonly lineAfter: number | null;
  readonly history: "idle" | "loading" | "failed";
  /** The cursor the client would resume from. */
  readonly cursor: string | null;
}

/** A room before anything is known of it. */
export function emptyView(roomId: string): RoomView {
  return {
    roomId,
    status: "joining",
    error: null,
    timeline: EMPTY_TIMELINE,
    pending: [],
    typing: new Map(),
    read: new Map(),
    people: [],
    peopleCount: 0,
    names: new Map(),
    base: null,
    readUpTo: 0,
    lineAfter: null,
    history: "idle",
    cursor: null,
  };
}

/** The name of a room as people read it: without the namespace. */
export function roomTitle(roomId: string): string {
  return roomId.startsWith("chat:") ? roomId.slice(5) : roomId;
}

import type { Room } from "../../room/room.ts";
import type { Answers } from "./node-questions.ts";

/** The orders a list of rooms has. */
export const ROOM_ORDERS = ["readers", "behind", "events", "bytes", "name"] as const;

/** Which rooms are asked for. */
export interface RoomsAsked {
  /** In the roomId; null for all. */
  readonly search: string | null;
  readonly order: (typeof ROOM_ORDERS)[number];
  readonly limit: number;
}

/** A room that is open on a node. */
export interface RoomRow {
  readonly roomId: string;
  /** Pushed readers, and those of them that are not live now. */
  readonly readers: number;
  readonly behind: number;
  readonly members: number;
  /** The newest seq. */
  readonly head: number;
  /** What it takes in memory: newest events and what its namespace keeps. */
  readonly bytes: number;
  readonly stateKeys: number;
  /** On how many nodes it is open. */
  readonly nodes: number;
}

/** The first rooms of a node in an order, and how many there are. */
export interface RoomsAnswer {
  readonly total: number;
  readonly fitting: number;
  readonly rows: readonly RoomRow[];
}

/** The rooms of this node that fit, the first in the order. */
export function listRooms(rooms: Iterable<Room>, { search, order, limit }: RoomsAsked): RoomsAnswer {
  const wanted = search?.toLowerCase() ?? "";
  let total = 0;
  const rows: RoomRow[] = [];
  for (const room of rooms) {
    total++;
    if (room.roomId.toLowerCase().includes(wanted)) rows.push(rowOf(room));
  }
  const fitting = rows.length;
  return { total, fitting, rows: rows.sort(inOrder(order)).slice(0, limit) };
}

/** The first of all nodes: a room that is open on several is one. */
export function mergeRooms({ answers, silent }: Answers<RoomsAnswer>, { order, limit }: RoomsAsked) {
  const rooms = new Map<string, RoomRow>();
  for (const { answer } of answers) {
    for (const row of answer.rows) {
      const known = rooms.get(row.roomId);
      rooms.set(row.roomId, known === undefined ? row : join(known, row));
    }
  }
  return {
    total: Math.max(rooms.size, ...answers.map(({ answer }) => answer.total)),
    fitting: Math.max(rooms.size, ...answers.map(({ answer }) => answer.fitting)),
    rooms: Array.from(rooms.values()).sort(inOrder(order)).slice(0, limit),
    silent,
  };
}

/** A room as this node has it. */
export function rowOf(room: Room): RoomRow {
  return {
    roomId: room.roomId,
    readers: room.readers,
    behind: room.behind,
    members: room.members.count,
    head: room.head,
    bytes: room.tailBytes + room.companionBytes,
    stateKeys: room.state.keys,
    nodes: 1,
  };
}

function join(a: RoomRow, b: RoomRow): RoomRow {
  return {
    roomId: a.roomId,
    readers: a.readers + b.readers,
    behind: a.behind + b.behind,
    // What all nodes know alike, some a moment later.
    members: Math.max(a.members, b.members),
    head: Math.max(a.head, b.head),
    bytes: a.bytes + b.bytes,
    stateKeys: Math.max(a.stateKeys, b.stateKeys),
    nodes: a.nodes + b.nodes,
  };
}

function inOrder(order: RoomsAsked["order"]): (a: RoomRow, b: RoomRow) => number {
  const byName = (a: RoomRow, b: RoomRow): number => (a.roomId < b.roomId ? -1 : 1);
  if (order === "name") return byName;
  const of = { readers: "readers", behind: "behind", events: "head", bytes: "bytes" } as const;
  const member = of[order];
  return (a, b) => b[member] - a[member] || byName(a, b);
}

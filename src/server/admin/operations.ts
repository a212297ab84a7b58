import type { Registry } from "prom-client";
import { isOperator } from "../../auth/operator.ts";
import type { Observer } from "../../observe/observer.ts";
import { type Clock, parseRoomId, YamabikoError } from "../../protocol/index.ts";
import type { Rooms } from "../../room/rooms.ts";
import type { Namespace } from "../../session/namespace.ts";
import { kindOf } from "../../session/room-kind.ts";
import type { Sessions } from "../../session/sessions.ts";
import { unknownNamespace } from "../../session/unknown.ts";
import { type Announcement, Announcer } from "./announcement.ts";
import { type ConnectionsAnswer, type ConnectionsAsked, listConnections, mergeConnections } from "./connection-rows.ts";
import { type Counts, readCounts } from "./counts.ts";
import { NodeQuestions } from "./node-questions.ts";
import { listRooms, mergeRooms, type RoomRow, type RoomsAnswer, type RoomsAsked, rowOf } from "./room-rows.ts";
import { slownessScore } from "./slowness.ts";
import { Tracer, type TraceTarget } from "./tracer.ts";

/** Clients of a node that is emptied are told to come back elsewhere within this time, ms. */
const EMPTY_WITHIN_MS = 10_000;
/** What is shown of a room's state, characters, and of one payload of its log. */
const STATE_LENGTH = 64_000;
const PAYLOAD_LENGTH = 4_000;

export interface OperationsParts {
  readonly nodeId: string;
  readonly version: string;
  readonly rooms: Rooms;
  readonly sessions: Sessions;
  readonly namespaces: ReadonlyMap<string, Namespace>;
  /** The namespace of traces. */
  readonly operatorNamespace: Namespace;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Whether this node is being emptied. */
  isDraining(): boolean;
  drain(isDraining: boolean): void;
}

/** A node, as an operator sees it. */
export interface NodeView {
  readonly nodeId: string;
  readonly version: string;
  readonly pid: number;
  readonly upMs: number;
  readonly memoryBytes: number;
  readonly connections: number;
  readonly byTransport: Readonly<Record<string, number>>;
  readonly slow: number;
  readonly rooms: number;
  readonly readersBehind: number;
  readonly isDraining: boolean;
  readonly counts: Counts;
}

/** An event of a room's log, as an operator sees it. */
export interface LoggedEvent {
  readonly seq: number;
  readonly type: string;
  readonly sender: string | null;
  readonly timestamp: number;
  readonly bytes: number;
  /** The payload as JSON text; the beginning of a long one. */
  readonly payload: string;
}

/** What operators see and do: of this node, and through it of all. */
export class Operations {
  readonly tracer: Tracer;
  readonly #parts: OperationsParts;
  readonly #questions: NodeQuestions;
  readonly #announcer: Announcer;

  constructor(parts: OperationsParts) {
    const { rooms, sessions, nodeId } = parts;
    this.#parts = parts;
    this.tracer = new Tracer({ ...parts, own: parts.operatorNamespace });
    this.#announcer = new Announcer(rooms.words, () => sessions.all());
    const questions = new NodeQuestions({ nodeId, words: rooms.words, otherNodes: () => rooms.otherNodes });
    this.#questions = questions;
    questions.on("node", () => this.#view());
    questions.on("connections", (asked) =>
      listConnections(sessions.all(), asked as unknown as ConnectionsAsked, nodeId),
    );
    questions.on("rooms", (asked) => listRooms(rooms.all(), asked as unknown as RoomsAsked));
    questions.on("room", (asked) => {
      const room = rooms.get(asked as string);
      return room === undefined ? { row: null } : { row: rowOf(room) };
    });
    questions.on("drain", (asked) => {
      this.#drain(asked === true);
      return { success: true };
    });
  }

  /** All nodes that answer, and the names of those that do not. */
  async nodes(): Promise<{ nodes: NodeView[]; silent: readonly string[] }> {
    const { answers, silent } = await this.#questions.all<NodeView>("node", null);
    return { nodes: answers.map(({ answer }) => answer), silent };
  }

  async connections(asked: ConnectionsAsked) {
    return mergeConnections(await this.#questions.all<ConnectionsAnswer>("connections", asked), asked.limit);
  }

  async rooms(asked: RoomsAsked) {
    return mergeRooms(await this.#questions.all<RoomsAnswer>("rooms", asked), asked);
  }

  /** A room: where it is open, who is in it, its state. Rejects with `unknown_type`, `invalid_message`, `unavailable`. */
  async room(name: string) {
    const room = await this.#open(name);
    const { answers, silent } = await this.#questions.all<{ row: RoomRow | null }>("room", room.roomId);
    const state = JSON.stringify(room.stateSnapshot());
    return {
      roomId: room.roomId,
      epoch: room.epoch,
      first: room.first,
      head: room.head,
      members: room.members.list(),
      state: state.length > STATE_LENGTH ? `${state.slice(0, STATE_LENGTH)}…` : state,
      nodes: answers.flatMap(({ nodeId, answer }) => (answer.row === null ? [] : [{ nodeId, ...answer.row }])),
      silent,
    };
  }

  /** Events of a room's log before a seq, oldest first. Rejects as `room`. */
  async log(
    name: string,
    before: number,
    limit: number,
  ): Promise<{ events: LoggedEvent[]; first: number; head: number }> {
    const room = await this.#open(name);
    const events = await room.readBack(before, limit);
    return {
      first: room.first,
      head: room.head,
      events: events.map(({ seq, type, sender, timestamp, data }) => ({
        seq,
        type,
        sender,
        timestamp,
        bytes: Buffer.byteLength(data),
        payload: data.length > PAYLOAD_LENGTH ? `${data.slice(0, PAYLOAD_LENGTH)}…` : data,
      })),
    };
  }

  /** Closes a user's connections, on all nodes. It may come again. */
  disconnect(userId: string): void {
    this.#parts.sessions.disconnect(userId, "forbidden", "disconnected by an operator");
  }

  /** Says something to clients, on all nodes. */
  announce(said: Announcement): void {
    const { to } = said;
    const room = to.room === undefined ? undefined : parseRoomId(to.room).roomId;
    this.#announcer.say({ ...said, to: { ...to, room } });
  }

  /**
   * Sends the clients of a node elsewhere and lets no more in, or lets them in again.
   * Rejects with `conflict` for the only one there is, `unavailable` for one that does not answer.
   */
  async drain(nodeId: string, isDraining: boolean): Promise<void> {
    const { nodes } = await this.nodes();
    const isElsewhere = nodes.some((node) => node.nodeId !== nodeId && !node.isDraining);
    if (isDraining && !isElsewhere) {
      throw new YamabikoError("conflict", "This is the only node that takes clients: they would have nowhere to go.", {
        remedy: "Start another node first, or end this process: its clients come back by themselves.",
      });
    }
    if ((await this.#questions.one(nodeId, "drain", isDraining)) === null) {
      throw new YamabikoError("unavailable", "The node does not answer.");
    }
  }

  /** An operator looks at a trace, or not any more. */
  trace(roomId: string, target: TraceTarget | null): void {
    this.tracer.say(roomId, target);
  }

  close(): void {
    this.tracer.close();
  }

  #drain(isDraining: boolean): void {
    this.#parts.drain(isDraining);
    if (isDraining) this.#parts.sessions.sendAway(EMPTY_WITHIN_MS, isOperator);
  }

  async #view(): Promise<NodeView> {
    const { nodeId, version, sessions, rooms, registry, isDraining } = this.#parts;
    const byTransport: Record<string, number> = {};
    let slow = 0;
    for (const session of sessions.all()) {
      const { transport } = session.connection;
      byTransport[transport] = (byTransport[transport] ?? 0) + 1;
      if (slownessScore(session) > 0) slow++;
    }
    let readersBehind = 0;
    for (const room of rooms.all()) readersBehind += room.behind;
    return {
      nodeId,
      version,
      pid: process.pid,
      upMs: Math.round(process.uptime() * 1_000),
      memoryBytes: process.memoryUsage.rss(),
      connections: sessions.count,
      byTransport,
      slow,
      rooms: rooms.count,
      readersBehind,
      isDraining: isDraining(),
      counts: await readCounts(registry),
    };
  }

  async #open(name: string) {
    const address = parseRoomId(name);
    const namespace = this.#parts.namespaces.get(address.namespace);
    if (namespace === undefined) throw unknownNamespace(address.namespace, this.#parts.namespaces);
    return this.#parts.rooms.open(address.roomId, kindOf(namespace));
  }
}

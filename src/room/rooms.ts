import type { Bus, Notice } from "../bus/bus.ts";
import type { Log } from "../log/log.ts";
import type { Observer } from "../observe/observer.ts";
import type { Tracing } from "../observe/tracing.ts";
import type { Clock, Limits, Timer } from "../protocol/index.ts";
import { Fanout } from "./fanout.ts";
import { Peers } from "./peers.ts";
import type { RoomKind } from "./room.ts";
import { Room } from "./room.ts";
import { Words } from "./words.ts";

/** How often leases, graces and retention are looked at, ms. */
const SWEEP_MS = 1_000;
/** How often heads are compared, ms: where the bus may lose a notice, and where it says it does not. */
const AUDIT_MS = 4_000;
const LOSSLESS_AUDIT_MS = 60_000;

export interface RoomsParts {
  readonly log: Log;
  readonly bus: Bus;
  readonly nodeId: string;
  readonly observer: Observer;
  /** Default: nothing is traced. */
  readonly tracing?: Tracing | null | undefined;
  readonly clock: Clock;
  readonly limits: Limits;
}

/** The rooms this node serves. A room is opened when somebody needs it and forgotten some time after nobody does. */
export class Rooms {
  readonly fanout: Fanout;
  /** What is said between nodes that is about no room. */
  readonly words: Words;
  readonly #peers: Peers;
  readonly #parts: RoomsParts;
  readonly #onNodeFound: ((nodeId: string) => void)[] = [];
  readonly #onNodeLost: ((nodeId: string) => void)[] = [];
  /** In the order of last use, the longest unused first. */
  readonly #rooms = new Map<string, Room>();
  readonly #opening = new Map<string, Promise<Room>>();
  #timer: Timer | null = null;
  #auditedAt = 0;
  #isAuditing = false;
  /** Notices were missed, and heads have not been compared since. */
  #isBehind = false;
  #closed = false;

  constructor(parts: RoomsParts) {
    this.#parts = parts;
    this.fanout = new Fanout(parts.observer);
    this.words = new Words(parts);
    this.#peers = new Peers({
      ...parts,
      onFound: (nodeId) => {
        for (const tell of this.#onNodeFound) tell(nodeId);
      },
      onLost: (nodeId) => {
        for (const tell of this.#onNodeLost) tell(nodeId);
      },
    });
    parts.bus.onResumed?.(() => {
      this.#isBehind = true;
      this.#peers.missed();
      void this.audit();
    });
    this.#arm();
    parts.observer.gauge("rooms", () => this.#rooms.size);
    parts.observer.gauge("tail_bytes", () => this.#sum((room) => room.tailBytes));
    parts.observer.gauge("feature_bytes", () => this.#sum((room) => room.companionBytes));
    parts.observer.gauge("state_keys", () => this.#sum((room) => room.state.keys));
    parts.observer.gauge("readers", () => this.#sum((room) => room.readers));
    parts.observer.gauge("readers_stalled", () => this.#sum((room) => room.behind));
  }

  /** How many rooms are in memory. */
  get count(): number {
    return this.#rooms.size;
  }

  /** The rooms that are in memory. */
  all(): Iterable<Room> {
    return this.#rooms.values();
  }

  /** The room, when it is in memory. */
  get(roomId: string): Room | undefined {
    return this.#rooms.get(roomId);
  }

  /**
   * The room, opened when it is not in memory. At once when it is.
   * Rejects with `unavailable` when the log does.
   */
  open(roomId: string, kind: RoomKind): Room | Promise<Room> {
    const room = this.#rooms.get(roomId);
    if (room !== undefined) {
      this.#rooms.delete(roomId);
      this.#rooms.set(roomId, room);
      return room;
    }
    let opening = this.#opening.get(roomId);
    if (opening === undefined) {
      opening = this.#open(roomId, kind).finally(() => this.#opening.delete(roomId));
      this.#opening.set(roomId, opening);
    }
    return opening;
  }

  async #open(roomId: string, kind: RoomKind): Promise<Room> {
    // Whoever rings while the log is asked is heard afterwards; only the highest matters, and it need not come last.
    const rung = new Map<string, Notice & { kind: "event" }>();
    const stopListening = this.#parts.bus.subscribe(roomId, (notice) => {
      if (notice.kind === "event" && notice.seq > (rung.get(notice.epoch)?.seq ?? 0)) rung.set(notice.epoch, notice);
    });
    try {
      const heads = await this.#parts.log.heads([roomId]);
      const head = heads.get(roomId);
      if (head === undefined) throw new Error("the log gave no head");
      const { tracing = null } = this.#parts;
      const room = new Room({ ...this.#parts, tracing, roomId, kind, head, fanout: this.fanout, peers: this.#peers });
      for (const notice of rung.values()) room.hear(notice);
      try {
        await room.load();
      } catch (error) {
        room.close();
        throw error;
      }
      if (this.#closed) room.close();
      else this.#rooms.set(roomId, room);
      return room;
    } finally {
      stopListening();
    }
  }

  /** Ends leases and graces, trims, forgets rooms nobody needs, compares heads. */
  sweep(): void {
    let idle = 0;
    let idleBytes = 0;
    for (const room of this.#rooms.values()) {
      room.sweep();
      if (!room.isIdle) continue;
      idle++;
      idleBytes += room.companionBytes;
    }
    const { limits } = this.#parts;
    for (const [roomId, room] of this.#rooms) {
      const areTooMany = idle > limits.idleRooms;
      if (!areTooMany && idleBytes <= limits.idleBytes) break;
      const bytes = room.companionBytes;
      if (!room.isIdle || (!areTooMany && bytes === 0)) continue;
      this.#rooms.delete(roomId);
      room.close();
      idle--;
      idleBytes -= bytes;
    }
    this.#peers.sweep();
    const now = this.#parts.clock.monotonic();
    if (this.#isBehind || now - this.#auditedAt >= (this.#parts.bus.lossless ? LOSSLESS_AUDIT_MS : AUDIT_MS)) {
      this.#auditedAt = now;
      void this.audit();
    }
  }

  /** Compares the heads of all rooms with the log's, in one question: finds a lost last notice. */
  async audit(): Promise<void> {
    if (this.#isAuditing) return;
    this.#isAuditing = true;
    try {
      const isBehind = this.#isBehind;
      const heads = await this.#parts.log.heads(Array.from(this.#rooms.keys()));
      if (isBehind) this.#isBehind = false;
      for (const [roomId, head] of heads) this.#rooms.get(roomId)?.learnHead(head);
    } catch (error) {
      this.#parts.observer.failure("comparing heads", error);
    } finally {
      this.#isAuditing = false;
    }
  }

  /** A user's marks of a kept family, over all rooms: roomId → seq. */
  marksOf(user: string, family: string): Promise<Map<string, number>> {
    return this.#parts.log.marksOf(user, family);
  }

  /** The other nodes that are there. */
  get otherNodes(): readonly string[] {
    return this.#peers.nodeIds;
  }

  /** Tells of every node that is found from now on. */
  onNodeFound(tell: (nodeId: string) => void): void {
    this.#onNodeFound.push(tell);
  }

  /** Tells of every node that is there no longer. */
  onNodeLost(tell: (nodeId: string) => void): void {
    this.#onNodeLost.push(tell);
  }

  /**
   * A user says that it leaves a room, whatever node it read it on: no grace is to hold it as a member (HTTP-3).
   */
  depart(roomId: string, userId: string): void {
    const room = this.#rooms.get(roomId);
    if (room === undefined) {
      const { bus, nodeId } = this.#parts;
      bus.publish(roomId, { kind: "left", from: nodeId, userId, isDeparting: true });
      return;
    }
    room.members.depart(userId);
    room.mark();
  }

  /** Stops. Readers are not told. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.words.close();
    // First, so that others know the members of these rooms may come back elsewhere.
    this.#peers.end();
    for (const room of this.#rooms.values()) room.close();
    this.#rooms.clear();
  }

  #arm(): void {
    this.#timer = this.#parts.clock.setTimer(() => {
      try {
        this.sweep();
      } catch (error) {
        this.#parts.observer.failure("sweeping rooms", error);
      }
      if (!this.#closed) this.#arm();
    }, SWEEP_MS);
  }

  #sum(of: (room: Room) => number): number {
    let sum = 0;
    for (const room of this.#rooms.values()) sum += of(room);
    return sum;
  }
}

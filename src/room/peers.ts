import {
  type Bus,
  NODES_CHANNEL,
  type NodeNotice,
  type Notice,
  nodeChannel,
  type RoomVersion,
  type StateNotice,
} from "../bus/bus.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock, Timer } from "../protocol/index.ts";
import { GRACE_MS } from "./members.ts";
import type { ChangePage } from "./owned-values.ts";
import type { SharedState } from "./shared-state.ts";

/** How often a node says that it is there, ms. */
const ALIVE_MS = 3_000;
/** A node that was not heard of for this long is gone, and what it owns with it, ms. */
const EXPIRY_MS = 15_000;
/** How often versions are compared, and what was not answered is asked again, ms. */
const DIGEST_MS = 5_000;
const LOSSLESS_DIGEST_MS = 60_000;
/** How long whoever opens a room waits for what the others own, ms. */
const OPENING_MS = 250;
/** How long the same is not wanted again, ms. */
const WANTED_MS = 300;
/** The most rooms in one notice. */
const ROOMS_PER_NOTICE = 500;

export interface PeersParts {
  readonly bus: Bus;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly observer: Observer;
  /** A node was found that was not known, or one is there no longer. */
  readonly onFound?: ((nodeId: string) => void) | undefined;
  readonly onLost?: ((nodeId: string) => void) | undefined;
}

/**
 * The other nodes: which are there, and what they own of the state of the rooms open here. Nodes tell each other what changes
 * (batched per turn of the event loop, and only where both have the room), compare versions from time to time, and ask for
 * what did not come. A node that is silent, or said to have ended, loses what it owned.
 */
export class Peers {
  readonly #parts: PeersParts;
  readonly #digestMs: number;
  /** When each was heard of last, by the monotonic clock, ms. */
  readonly #heardAt = new Map<string, number>();
  /** Those that did not answer in time: nobody waits for them until they are heard of again. */
  readonly #silent = new Set<string>();
  readonly #rooms = new Map<string, SharedState>();
  /** Who has not answered about a room opened here. */
  readonly #unanswered = new Map<string, Set<string>>();
  /** Whoever waits for these answers. */
  readonly #openings = new Map<string, () => void>();
  readonly #untold = new Set<SharedState>();
  /** What to ask of each node at the end of the turn. */
  readonly #wanted = new Map<string, Map<string, RoomVersion>>();
  /** When something was wanted last, by node and room. */
  readonly #wantedAt = new Map<string, number>();
  readonly #stops: (() => void)[];
  /** That of the room opened last: whatever is opened later has a higher one. */
  #newestLife = 0;
  #isScheduled = false;
  #saidAliveAt: number;
  #comparedAt: number;
  #sweptAt: number;
  #isClosed = false;

  constructor(parts: PeersParts) {
    const { bus, nodeId, clock, observer } = parts;
    this.#parts = parts;
    this.#digestMs = bus.lossless ? LOSSLESS_DIGEST_MS : DIGEST_MS;
    this.#saidAliveAt = this.#comparedAt = this.#sweptAt = clock.monotonic();
    const onNotice = (notice: Notice): void => this.#hear(notice);
    this.#stops = [bus.subscribe(NODES_CHANNEL, onNotice), bus.subscribe(nodeChannel(nodeId), onNotice)];
    bus.publish(NODES_CHANNEL, { kind: "alive", from: nodeId });
    observer.gauge("peers", () => this.#heardAt.size);
    observer.gauge("state_owned_elsewhere", () => {
      let sum = 0;
      for (const shared of this.#rooms.values()) sum += shared.replicated;
      return sum;
    });
  }

  /** The ids of the other nodes that are there; none when this one has ended. */
  get nodeIds(): readonly string[] {
    return this.#isClosed ? [] : Array.from(this.#heardAt.keys());
  }

  // ---- rooms

  /** A room was opened here. Resolves when what the others own of it is known, or has not come for a while. */
  async open(shared: SharedState): Promise<void> {
    const { roomId, life } = shared;
    this.#rooms.set(roomId, shared);
    this.#newestLife = life;
    if (this.#heardAt.size === 0) return;
    const asked = Array.from(this.#heardAt.keys());
    this.#unanswered.set(roomId, new Set(asked));
    this.#publish(NODES_CHANNEL, { kind: "opened", from: this.#parts.nodeId, rooms: [versionOf(shared)] });
    if (asked.every((nodeId) => this.#silent.has(nodeId))) return;
    let timer: Timer | null = null;
    await new Promise<void>((resolve) => {
      this.#openings.set(roomId, resolve);
      timer = this.#parts.clock.setTimer(() => {
        for (const nodeId of this.#unanswered.get(roomId) ?? []) this.#silent.add(nodeId);
        resolve();
      }, OPENING_MS);
    });
    this.#openings.delete(roomId);
    (timer as Timer | null)?.cancel();
  }

  /** A room is open here no longer. */
  close(shared: SharedState): void {
    const { roomId, life, peers } = shared;
    if (this.#rooms.get(roomId) !== shared) return;
    this.#rooms.delete(roomId);
    this.#unanswered.delete(roomId);
    this.#openings.get(roomId)?.();
    this.#untold.delete(shared);
    if (peers.size > 0) this.#publish(roomId, { kind: "closed", from: this.#parts.nodeId, roomId, life });
  }

  /** A room's state changed here, and its peers are to be told. */
  owned(shared: SharedState): void {
    this.#untold.add(shared);
    this.#schedule();
  }

  /** A notice of the state came, for a room or for this node. */
  hearState(notice: StateNotice): void {
    const { from, roomId, life, version, newest } = notice;
    if (from === this.#parts.nodeId) return;
    this.#isThere(from);
    const shared = this.#rooms.get(roomId);
    if (shared === undefined) return;
    shared.peers.set(from, Math.max(life, shared.peers.get(from) ?? 0));
    if (shared.hear(notice)) this.#want(shared, from, life, newest);
    if (version >= newest) this.#answered(from, roomId);
  }

  /** A room is open on another node no longer. */
  hearClosed({ from, roomId, life }: Notice & { kind: "closed" }): void {
    const shared = this.#rooms.get(roomId);
    if (shared !== undefined && life >= (shared.peers.get(from) ?? 0)) shared.forget(from, 0);
  }

  // ---- nodes

  /** Says that this node is there, finds out who is not, and what was lost. Called about once a second. */
  sweep(): void {
    const now = this.#parts.clock.monotonic();
    // After a sleep it is this node that has not listened.
    if (now - this.#sweptAt > EXPIRY_MS / 2) for (const nodeId of this.#heardAt.keys()) this.#heardAt.set(nodeId, now);
    this.#sweptAt = now;
    for (const [nodeId, heardAt] of this.#heardAt) if (now - heardAt >= EXPIRY_MS) this.#lose(nodeId, 0);
    if (now - this.#saidAliveAt >= ALIVE_MS) {
      this.#saidAliveAt = now;
      this.#publish(NODES_CHANNEL, { kind: "alive", from: this.#parts.nodeId });
    }
    for (const [key, at] of this.#wantedAt) if (now - at >= WANTED_MS) this.#wantedAt.delete(key);
    if (now - this.#comparedAt < this.#digestMs) return;
    this.#comparedAt = now;
    this.#compare();
  }

  /** Notices were missed: versions are compared with the next sweep. */
  missed(): void {
    this.#comparedAt = Number.NEGATIVE_INFINITY;
  }

  /** Ends, and tells the others. */
  end(): void {
    if (this.#isClosed) return;
    this.#flush();
    this.#publish(NODES_CHANNEL, { kind: "gone", from: this.#parts.nodeId, nodeId: this.#parts.nodeId });
    this.#isClosed = true;
    for (const stop of this.#stops) stop();
    for (const resolve of this.#openings.values()) resolve();
  }

  #hear(notice: Notice): void {
    const { from } = notice;
    if (this.#isClosed || from === this.#parts.nodeId) return;
    switch (notice.kind) {
      case "gone":
        this.#hearGone(notice.nodeId);
        return;
      case "state":
        this.hearState(notice);
        return;
      case "alive":
        this.#isThere(from);
        return;
      case "opened":
        this.#isThere(from);
        this.#hearOpened(from, notice.rooms);
        return;
      case "absent":
        this.#isThere(from);
        for (const roomId of notice.rooms) this.#answered(from, roomId);
        return;
      case "closed":
        this.hearClosed(notice);
        return;
      case "digest":
        this.#isThere(from);
        this.#hearDigest(from, notice.rooms);
        return;
      case "wanted":
        this.#isThere(from);
        this.#hearWanted(from, notice.rooms);
        return;
      default:
    }
  }

  #hearGone(nodeId: string): void {
    if (nodeId === this.#parts.nodeId) this.#publish(NODES_CHANNEL, { kind: "alive", from: nodeId });
    else this.#lose(nodeId, GRACE_MS);
  }

  #hearOpened(from: string, rooms: readonly RoomVersion[]): void {
    const absent: string[] = [];
    for (const [roomId, life, version] of rooms) {
      const shared = this.#rooms.get(roomId);
      if (shared === undefined) {
        absent.push(roomId);
        continue;
      }
      shared.peers.set(from, life);
      this.#sendPages(from, shared, shared.pages(0));
      this.#hearVersion(from, roomId, life, version);
    }
    if (absent.length > 0)
      this.#publish(nodeChannel(from), { kind: "absent", from: this.#parts.nodeId, rooms: absent });
  }

  /** Whoever says how far it is with a room that is not open here may not have heard that it was let go. */
  #hearDigest(from: string, rooms: readonly RoomVersion[]): void {
    const { nodeId } = this.#parts;
    for (const [roomId, life, version] of rooms) {
      if (this.#rooms.has(roomId)) this.#hearVersion(from, roomId, life, version);
      else this.#publish(nodeChannel(from), { kind: "closed", from: nodeId, roomId, life: this.#newestLife });
    }
  }

  #hearVersion(from: string, roomId: string, life: number, version: number): void {
    const shared = this.#rooms.get(roomId);
    if (shared === undefined) return;
    if (!shared.peers.has(from)) shared.peers.set(from, life);
    this.#want(shared, from, life, version);
  }

  #hearWanted(from: string, rooms: readonly RoomVersion[]): void {
    for (const [roomId, life, since] of rooms) {
      const shared = this.#rooms.get(roomId);
      if (shared === undefined) continue;
      if (!shared.peers.has(from)) shared.peers.set(from, 0);
      this.#sendPages(from, shared, shared.pages(life === shared.life ? since : 0));
    }
  }

  /** A node was heard of. One that is new is told what is open here, and asked what it owns. */
  #isThere(nodeId: string): void {
    const isNew = !this.#heardAt.has(nodeId);
    this.#heardAt.set(nodeId, this.#parts.clock.monotonic());
    this.#silent.delete(nodeId);
    if (!isNew) return;
    this.#parts.onFound?.(nodeId);
    this.#publish(nodeChannel(nodeId), { kind: "alive", from: this.#parts.nodeId });
    for (const roomId of this.#rooms.keys()) this.#unansweredBy(roomId).add(nodeId);
    this.#ask(nodeId, Array.from(this.#rooms.values()));
  }

  #lose(nodeId: string, graceMs: number): void {
    this.#heardAt.delete(nodeId);
    this.#silent.delete(nodeId);
    this.#parts.onLost?.(nodeId);
    for (const shared of this.#rooms.values()) shared.forget(nodeId, graceMs);
    for (const roomId of Array.from(this.#unanswered.keys())) this.#answered(nodeId, roomId);
  }

  // ---- asking and answering

  /** Asks again what was not answered, and tells everybody how far this node has come. */
  #compare(): void {
    const digests = new Map<string, RoomVersion[]>();
    for (const shared of this.#rooms.values()) {
      for (const nodeId of shared.peers.keys()) {
        if (shared.version === 0 && !shared.knows(nodeId)) continue;
        const digest = digests.get(nodeId);
        if (digest === undefined) digests.set(nodeId, [versionOf(shared)]);
        else digest.push(versionOf(shared));
      }
    }
    const { nodeId: from } = this.#parts;
    for (const [nodeId, versions] of digests) {
      for (const rooms of chunks(versions)) this.#publish(nodeChannel(nodeId), { kind: "digest", from, rooms });
    }
    const again = new Map<string, SharedState[]>();
    for (const [roomId, nodeIds] of this.#unanswered) {
      const shared = this.#rooms.get(roomId);
      if (shared === undefined) continue;
      for (const nodeId of nodeIds) {
        const rooms = again.get(nodeId);
        if (rooms === undefined) again.set(nodeId, [shared]);
        else rooms.push(shared);
      }
    }
    for (const [nodeId, rooms] of again) this.#ask(nodeId, rooms);
  }

  #ask(nodeId: string, rooms: readonly SharedState[]): void {
    const { nodeId: from } = this.#parts;
    for (const chunk of chunks(rooms.map(versionOf))) {
      this.#publish(nodeChannel(nodeId), { kind: "opened", from, rooms: chunk });
    }
  }

  #unansweredBy(roomId: string): Set<string> {
    let nodeIds = this.#unanswered.get(roomId);
    if (nodeIds === undefined) {
      nodeIds = new Set();
      this.#unanswered.set(roomId, nodeIds);
    }
    return nodeIds;
  }

  #answered(nodeId: string, roomId: string): void {
    const left = this.#unanswered.get(roomId);
    if (left?.delete(nodeId) !== true || left.size > 0) return;
    this.#unanswered.delete(roomId);
    this.#openings.get(roomId)?.();
  }

  #want(shared: SharedState, nodeId: string, life: number, version: number): void {
    const { roomId } = shared;
    const since = shared.missing(nodeId, life, version);
    if (since === null) return;
    const key = `${nodeId} ${roomId}`;
    const now = this.#parts.clock.monotonic();
    if (now - (this.#wantedAt.get(key) ?? Number.NEGATIVE_INFINITY) < WANTED_MS) return;
    this.#wantedAt.set(key, now);
    const wanted = this.#wanted.get(nodeId);
    if (wanted === undefined) this.#wanted.set(nodeId, new Map([[roomId, [roomId, life, since]]]));
    else wanted.set(roomId, [roomId, life, since]);
    this.#schedule();
  }

  // ---- out

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (!this.#isClosed) this.#flush();
    });
  }

  #flush(): void {
    for (const shared of this.#untold) {
      const pages = shared.takeUntold();
      if (pages !== null) this.#sendPages(null, shared, pages);
    }
    this.#untold.clear();
    const { nodeId: from } = this.#parts;
    for (const [nodeId, wanted] of this.#wanted) {
      for (const rooms of chunks(Array.from(wanted.values()))) {
        this.#publish(nodeChannel(nodeId), { kind: "wanted", from, rooms });
      }
    }
    this.#wanted.clear();
  }

  /** @param to null for everybody who has the room open. */
  #sendPages(to: string | null, { roomId, life, version }: SharedState, pages: readonly ChangePage[]): void {
    const channel = to === null ? roomId : nodeChannel(to);
    const { nodeId: from } = this.#parts;
    for (const page of pages) this.#publish(channel, { kind: "state", from, roomId, life, newest: version, ...page });
  }

  #publish(channel: string, notice: NodeNotice | StateNotice | (Notice & { kind: "closed" })): void {
    if (!this.#isClosed) this.#parts.bus.publish(channel, notice);
  }
}

function versionOf({ roomId, life, version }: SharedState): RoomVersion {
  return [roomId, life, version];
}

function chunks<T>(all: readonly T[]): T[][] {
  const found: T[][] = [];
  for (let at = 0; at < all.length; at += ROOMS_PER_NOTICE) found.push(all.slice(at, at + ROOMS_PER_NOTICE));
  return found;
}

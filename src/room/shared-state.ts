import type { StateNotice } from "../bus/bus.ts";
import type { Clock, Json } from "../protocol/index.ts";
import { type ChangePage, type OwnedValue, OwnedValues, toPages } from "./owned-values.ts";
import { Replica, stateId } from "./replica.ts";
import { MEMBERS, type RoomState } from "./state.ts";

export interface SharedStateParts {
  readonly roomId: string;
  readonly nodeId: string;
  /** Which of the room's lives on this node it is; a later one is higher. */
  readonly life: number;
  readonly state: RoomState;
  readonly clock: Clock;
  /** Whether the log has a family's values: the highest is the newest, whoever owns it. */
  isKept(family: string): boolean;
  /** Whether a family's values outlive the node that set them by the grace. */
  isInherited(family: string): boolean;
}

/** Told what other nodes did. */
export interface SharedStateListener {
  /** A user became present on another node. */
  arrived(user: { userId: string; userName: string; joinedAt: number }): void;
  /** A user is present on one of the other nodes no longer. */
  departed(userId: string, reason: "left" | "dropped"): void;
  /** The state changed: readers are told at the end of the turn. */
  changed(): void;
  /** Marks may have been missed: the log has them. */
  marksMissed(): void;
  /** There is something to tell the peers. */
  owned(): void;
}

/**
 * The state of a room over all nodes. Every value is owned by the node where it was set, by its connections; this node tells
 * the others what it owns, keeps what they own, and shows its readers the latest of each key. Of members, a user is one as
 * long as any node has it; of kept families, the highest counts.
 */
export class SharedState {
  readonly roomId: string;
  readonly life: number;
  /** The other nodes that have the room open, and which of its lives there it is. */
  readonly peers = new Map<string, number>();
  readonly #parts: SharedStateParts;
  readonly #listener: SharedStateListener;
  readonly #own = new OwnedValues();
  readonly #replicas = new Map<string, Replica>();
  /** The values of other nodes that readers see. */
  readonly #shown = new Map<string, OwnedValue>();
  /** What the peers have not been told, and since when. */
  #untold = new Map<string, OwnedValue & { version: number }>();
  #toldVersion = 0;
  /** The highest stamp of any value here. */
  #stamp = 0;

  constructor(parts: SharedStateParts, listener: SharedStateListener) {
    this.#parts = parts;
    this.#listener = listener;
    this.roomId = parts.roomId;
    this.life = parts.life;
  }

  /** How far what this node owns has come. */
  get version(): number {
    return this.#own.version;
  }

  /** Whether nothing would be lost with it. */
  get ownsNothing(): boolean {
    return this.#own.isEmpty;
  }

  /** How many keys other nodes own, as far as it is known here; traces of what is gone among them. */
  get replicated(): number {
    let sum = 0;
    for (const replica of this.#replicas.values()) sum += replica.size;
    return sum;
  }

  /** Whether something is known here of what a node owns. */
  knows(nodeId: string): boolean {
    return this.#replicas.has(nodeId);
  }

  // ---- what this node owns

  /** Sets a value. False, and nothing changes, when the bounds do not allow it. */
  set(family: string, key: string, value: Json, expiresAt: number | null, bytes: number): boolean {
    const id = stateId(family, key);
    const stamp = this.#nextStamp();
    if (!this.#parts.state.set(family, key, value, { expiresAt, bytes, mark: this.#markOf(stamp) })) return false;
    this.#shown.delete(id);
    this.#put(id, { family, key, value, stamp, expiresAt, last: null, bytes });
    return true;
  }

  /** Removes a value, whoever owns it. False when there was none. */
  remove(family: string, key: string): boolean {
    const id = stateId(family, key);
    const isRemoved = this.#parts.state.remove(family, key);
    if (!isRemoved) return false;
    const isOthers = this.#shown.delete(id);
    if (isOthers || this.#own.get(id) !== undefined) this.#trace(id, family, key, this.#nextStamp());
    return true;
  }

  /** Whoever set a value here has gone: it is removed, unless somebody on another node has set it since. */
  withdraw(family: string, key: string): boolean {
    const id = stateId(family, key);
    const value = this.#own.get(id);
    if (value === undefined) return false;
    this.#trace(id, family, key, value.stamp);
    return !this.#shown.has(id) && this.#parts.state.remove(family, key);
  }

  /** A user is present on this node. */
  join(userId: string, presence: Json): void {
    this.#put(stateId(MEMBERS, userId), {
      family: MEMBERS,
      key: userId,
      value: presence,
      stamp: 0,
      expiresAt: null,
      last: null,
      bytes: 2 * userId.length + PRESENCE_BYTES,
    });
  }

  /** A user is present on this node no longer. */
  leave(userId: string, reason: "left" | "dropped"): void {
    this.#trace(stateId(MEMBERS, userId), MEMBERS, userId, 0, { reason });
  }

  /** A value of a kept family moved, in the log. */
  moved(family: string, key: string, seq: number): void {
    const value = { family, key, value: seq, stamp: 0, expiresAt: null, last: null, bytes: key.length };
    this.#tellOnce(stateId(family, key), value);
  }

  // ---- what others own

  /** What another node owns changed. True when something before it is missing, to be asked for. */
  hear(notice: StateNotice): boolean {
    let replica = this.#replicas.get(notice.from);
    if (replica === undefined) {
      const { from } = notice;
      replica = new Replica(from, this.#parts.isKept, (id, before, after) => this.#replicated(from, id, before, after));
      this.#replicas.set(notice.from, replica);
    }
    const became = replica.hear(notice, this.#parts.clock.monotonic());
    if (became === "rebuilt") this.#listener.marksMissed();
    this.#listener.changed();
    return became === "hole";
  }

  /** After which version changes of another node must be asked for; null when nothing is missing. */
  missing(nodeId: string, life: number, version: number): number | null {
    const replica = this.#replicas.get(nodeId);
    if (replica === undefined) return 0;
    if (!replica.isBehind(life, version)) return null;
    return replica.life === life ? replica.known : 0;
  }

  /** Another node has gone, or has the room open no longer. Its members, and what is inherited, stay for `graceMs`; everything else ends now. */
  forget(nodeId: string, graceMs: number): void {
    this.peers.delete(nodeId);
    const replica = this.#replicas.get(nodeId);
    if (replica === undefined) return;
    const now = this.#parts.clock.monotonic();
    const { isInherited } = this.#parts;
    replica.end((family) => graceMs === 0 || (family !== MEMBERS && !isInherited(family)), now);
    if (graceMs === 0) this.#replicas.delete(nodeId);
    else replica.endsAt = now + graceMs;
    this.#listener.changed();
  }

  /** What the peers have not been told yet, in pages; null when that is nothing. */
  takeUntold(): ChangePage[] | null {
    if (this.#untold.size === 0) return null;
    const untold = Array.from(this.#untold.values());
    const base = this.#toldVersion;
    this.#untold.clear();
    this.#toldVersion = this.version;
    return toPages(base, this.version, untold, this.#parts.clock.monotonic());
  }

  /** What changed here after a version. */
  pages(since: number): ChangePage[] {
    return this.#own.pages(since, this.#parts.clock.monotonic());
  }

  /** Forgets what is old. The values that readers see expire by themselves. */
  sweep(now: number): void {
    this.#own.sweep(now);
    for (const replica of this.#replicas.values()) {
      if (replica.sweep(now)) this.#replicas.delete(replica.nodeId);
    }
    for (const [id, { expiresAt }] of this.#shown) {
      if (expiresAt !== null && expiresAt <= now) this.#shown.delete(id);
    }
  }

  // ---- the latest of each key

  #replicated(nodeId: string, id: string, before: OwnedValue | undefined, after: OwnedValue): void {
    const { family, key, value, last } = after;
    if (family === MEMBERS) this.#replicatedMember(key, before, after);
    else if (this.#parts.isKept(family)) {
      const known = this.#parts.state.get(family, key);
      if (typeof value !== "number" || (typeof known === "number" && known >= value)) return;
      this.#parts.state.set(family, key, value, { mark: String(value) });
    } else {
      this.#stamp = Math.max(this.#stamp, after.stamp);
      this.#yield(id, after, nodeId);
      this.#show(id, family, key, last);
    }
  }

  #replicatedMember(userId: string, before: OwnedValue | undefined, { value, last }: OwnedValue): void {
    if (value !== null && before === undefined) {
      this.#listener.arrived(value as { userId: string; userName: string; joinedAt: number });
    } else if (value === null && before !== undefined) {
      const { reason } = (last ?? {}) as { reason?: unknown };
      this.#listener.departed(userId, reason === "left" ? "left" : "dropped");
    }
  }

  /** What this node owned of a key is over when another has set or removed it later: nothing older comes back. */
  #yield(id: string, by: OwnedValue, nodeId: string): void {
    const mine = this.#own.get(id);
    if (mine === undefined || !isLater(by, nodeId, mine, this.#parts.nodeId)) return;
    this.#trace(id, mine.family, mine.key, mine.stamp);
  }

  /** Shows readers the latest value of a key that is owned by others. */
  #show(id: string, family: string, key: string, last: Json): void {
    const { state } = this.#parts;
    const mine = this.#own.newest(id);
    let winner: { value: OwnedValue; nodeId: string } | null =
      mine === undefined ? null : { value: mine, nodeId: this.#parts.nodeId };
    for (const replica of this.#replicas.values()) {
      const value = replica.get(id);
      if (value === undefined) continue;
      if (winner === null || isLater(value, replica.nodeId, winner.value, winner.nodeId)) {
        winner = { value, nodeId: replica.nodeId };
      }
    }
    const before = this.#shown.get(id);
    if (winner === null || winner.value.value === null) {
      this.#shown.delete(id);
      state.remove(family, key, false, last ?? undefined);
      return;
    }
    const { value, nodeId } = winner;
    if (value === before || (value === mine && before === undefined)) return;
    if (value === mine) this.#shown.delete(id);
    else this.#shown.set(id, value);
    const { expiresAt, bytes, stamp } = value;
    state.set(family, key, value.value, { expiresAt, bytes, mark: `${stamp} ${nodeId}` });
  }

  // ---- the own part

  #put(id: string, value: OwnedValue): void {
    this.#own.set(id, value);
    this.#toTell(id, value);
  }

  /** Something of this node's is gone. */
  #trace(id: string, family: string, key: string, stamp: number, last: Json = null): void {
    this.#tellOnce(id, { family, key, value: null, stamp, expiresAt: null, last, bytes: key.length });
  }

  #tellOnce(id: string, value: OwnedValue): void {
    if (this.peers.size === 0) this.#own.drop(id);
    else this.#own.trace(id, value, this.#parts.clock.monotonic());
    this.#toTell(id, value);
  }

  #toTell(id: string, value: OwnedValue): void {
    if (this.peers.size === 0) {
      // A node that opens the room later asks for the whole.
      this.#toldVersion = this.version;
      return;
    }
    this.#untold.delete(id);
    this.#untold.set(id, { ...value, version: this.version });
    this.#listener.owned();
  }

  #nextStamp(): number {
    this.#stamp = Math.max(this.#parts.clock.now(), this.#stamp + 1);
    return this.#stamp;
  }

  #markOf(stamp: number): string {
    return `${stamp} ${this.#parts.nodeId}`;
  }
}

const PRESENCE_BYTES = 64;

/** The later of two writes; of two at the same time, that of the node whose id is higher, as everybody sees it. */
function isLater(one: OwnedValue, oneNode: string, other: OwnedValue, otherNode: string): boolean {
  return one.stamp === other.stamp ? oneNode > otherNode : one.stamp > other.stamp;
}

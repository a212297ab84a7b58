import type { Newcomer } from "../../protocol/game/game.ts";
import type { Clock } from "../../protocol/index.ts";

/** Somebody who was let in becomes a member within this time, or never does, ms. */
const ARRIVE_MS = 5_000;
/** A node that has said nothing for this long is gone, ms; it says who is there every second. */
const NODE_MS = 3_500;
/** Who was on a node that is gone may come back on another one within this time, ms. */
const RETURN_MS = 10_000;

interface Local {
  readonly newcomer: Newcomer;
  readonly since: number;
  wasMember: boolean;
}

/** Who wants to play: those who read on this node and do not only watch, and those of whom other nodes say so. */
export class Presence {
  readonly #clock: Clock;
  readonly #isMember: (userId: string) => boolean;
  readonly #local = new Map<string, Local>();
  readonly #nodes = new Map<string, { readonly users: ReadonlyMap<string, Newcomer>; readonly heardAt: number }>();
  /** Until when somebody counts as present whom nobody speaks for. */
  readonly #awaited = new Map<string, number>();

  /** @param isMember whether a user is a member of the room, as far as this node knows. */
  constructor(clock: Clock, isMember: (userId: string) => boolean) {
    this.#clock = clock;
    this.#isMember = isMember;
  }

  /** Somebody on this node wants to play. */
  arrived(newcomer: Newcomer): void {
    const since = this.#clock.monotonic();
    const known = this.#local.get(newcomer.id);
    this.#local.set(newcomer.id, { newcomer, since, wasMember: known?.wasMember ?? false });
    this.#awaited.delete(newcomer.id);
  }

  /** Another node said who wants to play there. */
  heard(node: string, users: readonly Newcomer[]): void {
    this.#nodes.set(node, {
      users: new Map(users.map((user) => [user.id, user])),
      heardAt: this.#clock.monotonic(),
    });
    for (const { id } of users) this.#awaited.delete(id);
  }

  /** Somebody played when the world was led elsewhere, and has some time to show up. */
  await(userId: string): void {
    this.#awaited.set(userId, this.#clock.monotonic() + RETURN_MS);
  }

  /** Forgets those who are gone. */
  sweep(): void {
    const now = this.#clock.monotonic();
    for (const [id, local] of this.#local) {
      if (this.#isMember(id)) local.wasMember = true;
      else if (local.wasMember || now - local.since > ARRIVE_MS) this.#local.delete(id);
    }
    for (const [node, { users, heardAt }] of this.#nodes) {
      if (now - heardAt <= NODE_MS) continue;
      this.#nodes.delete(node);
      for (const id of users.keys()) if (!this.#local.has(id)) this.await(id);
    }
    for (const [id, until] of this.#awaited) if (until <= now) this.#awaited.delete(id);
  }

  /** Those on this node. */
  get local(): Newcomer[] {
    return Array.from(this.#local.values(), ({ newcomer }) => newcomer);
  }

  /** The other nodes that serve the game. */
  get nodes(): Iterable<string> {
    return this.#nodes.keys();
  }

  /** Everybody who is there. */
  *all(): Iterable<Newcomer> {
    for (const { newcomer } of this.#local.values()) yield newcomer;
    for (const { users } of this.#nodes.values()) yield* users.values();
  }

  has(userId: string): boolean {
    if (this.#local.has(userId) || this.#awaited.has(userId)) return true;
    for (const { users } of this.#nodes.values()) if (users.has(userId)) return true;
    return false;
  }

  /** Whether nobody plays or watches, here or elsewhere. */
  get isEmpty(): boolean {
    return this.#local.size === 0 && this.#nodes.size === 0 && this.#awaited.size === 0;
  }
}

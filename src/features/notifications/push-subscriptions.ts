import { type Json, type JsonObject, validate, YamabikoError } from "../../protocol/index.ts";
import { Folds } from "./folds.ts";
import type { NotificationsHost } from "./host.ts";
import { type Folded, type FoldedEvent, LogFold } from "./log-fold.ts";
import { refusalOfEndpoint } from "./push-endpoint.ts";
import { type PushSubscription, pushSubscription } from "./schemas.ts";

/** The most subscriptions of one user: the oldest make room. */
export const MAX_SUBSCRIPTIONS = 20;

const TRIES = 20;
const SNAPSHOT_EVENTS = 100;

/** How many events of `push:<sub>` are kept: more than between two snapshots. */
export const PUSH_EVENTS = 10 * SNAPSHOT_EVENTS;

/** The push subscriptions of users, each kept in the log of a room that nobody may join. */
export class PushSubscriptions {
  readonly #host: NotificationsHost;
  readonly #folds: Folds<Subscriptions>;

  /** @param most users whose subscriptions are in memory. */
  constructor(host: NotificationsHost, roomOf: (userId: string) => string, most: number) {
    this.#host = host;
    const open = (userId: string) =>
      new LogFold<Subscriptions>({
        room: host.room(roomOf(userId)),
        make: (snapshot) => new Subscriptions(snapshot),
        snapshotEvents: SNAPSHOT_EVENTS,
        failure: (where, error) => host.failure(where, error),
      });
    this.#folds = new Folds(open, { count: most, size: Infinity });
  }

  /** A user's subscriptions, as the log has them now. */
  of(userId: string): Promise<readonly PushSubscription[]> {
    return this.#folds.run(userId, async (fold) => {
      await fold.sync(true);
      return fold.state.list;
    });
  }

  /**
   * Adds one; resolves to how many there are when it is durable. The same one again changes nothing.
   * Rejects with `invalid_message` for an endpoint that is no push service's.
   */
  add(userId: string, { endpoint, keys }: PushSubscription): Promise<number> {
    const refusal = refusalOfEndpoint(endpoint, this.#host.allowPrivateEndpoints);
    if (refusal !== null) throw new YamabikoError("invalid_message", `The endpoint ${refusal}.`);
    const { p256dh, auth } = keys;
    return this.#change(userId, "push_subscribed", { endpoint, keys: { p256dh, auth } }, (known) => {
      const same = known.get(endpoint);
      return same?.keys.p256dh !== p256dh || same.keys.auth !== auth;
    });
  }

  /** Removes one; resolves to how many are left when that is durable. */
  remove(userId: string, endpoint: string): Promise<number> {
    return this.#change(userId, "push_unsubscribed", { endpoint }, (known) => known.get(endpoint) !== undefined);
  }

  #change(
    userId: string,
    type: string,
    payload: JsonObject,
    isChange: (known: Subscriptions) => boolean,
  ): Promise<number> {
    return this.#folds.run(userId, async (fold) => {
      for (let attempt = 0; attempt < TRIES; attempt++) {
        await fold.sync(true);
        if (!isChange(fold.state) || (await fold.append(type, payload, {})) !== null) return fold.state.list.length;
      }
      throw new YamabikoError("unavailable", "Others write to these subscriptions faster than this.");
    });
  }
}

/** What a room of subscriptions amounts to. */
class Subscriptions implements Folded {
  /** By endpoint, the oldest first. */
  readonly #known = new Map<string, PushSubscription>();

  constructor(snapshot: Json) {
    if (snapshot === null) return;
    const { subscriptions } = snapshot as { subscriptions?: unknown };
    if (!Array.isArray(subscriptions)) throw new TypeError("not a snapshot of push subscriptions");
    for (const subscription of subscriptions) this.#add(subscription);
  }

  get list(): readonly PushSubscription[] {
    return [...this.#known.values()];
  }

  get size(): number {
    return this.#known.size;
  }

  get(endpoint: string): PushSubscription | undefined {
    return this.#known.get(endpoint);
  }

  apply({ type, payload }: FoldedEvent): void {
    // The room is its user's alone, so all of it was erased.
    if (type === "events_erased") this.#known.clear();
    else if (type === "push_subscribed") this.#add(payload);
    else if (type === "push_unsubscribed") this.#known.delete(String(payload.endpoint));
  }

  toSnapshot(): Json {
    return { subscriptions: this.list.map(({ endpoint, keys }) => ({ endpoint, keys: { ...keys } })) };
  }

  #add(value: unknown): void {
    let subscription: PushSubscription;
    try {
      subscription = validate(pushSubscription, value) as PushSubscription;
    } catch {
      // Not of this feature's making.
      return;
    }
    this.#known.delete(subscription.endpoint);
    this.#known.set(subscription.endpoint, subscription);
    if (this.#known.size > MAX_SUBSCRIPTIONS) this.#known.delete(this.#known.keys().next().value!);
  }
}

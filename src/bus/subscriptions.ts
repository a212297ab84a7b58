import type { Notice } from "./bus.ts";

type Listener = (notice: Notice) => void;

/** Told when the first subscription of a room begins and when the last one ends. */
export interface SubscriptionOwner {
  roomWanted(roomId: string): void;
  roomUnwanted(roomId: string): void;
}

/** Who on this node listens to which room. */
export class Subscriptions {
  readonly #owner: SubscriptionOwner;
  readonly #rooms = new Map<string, Set<{ readonly onNotice: Listener }>>();

  constructor(owner: SubscriptionOwner) {
    this.#owner = owner;
  }

  /** The rooms somebody listens to. */
  get rooms(): Iterable<string> {
    return this.#rooms.keys();
  }

  has(roomId: string): boolean {
    return this.#rooms.has(roomId);
  }

  /** Begins to listen; returns the way to stop, which may be gone twice. */
  add(roomId: string, onNotice: Listener): () => void {
    const subscription = { onNotice };
    const subscriptions = this.#rooms.get(roomId);
    if (subscriptions !== undefined) {
      subscriptions.add(subscription);
    } else {
      this.#rooms.set(roomId, new Set([subscription]));
      this.#owner.roomWanted(roomId);
    }
    return () => this.#remove(roomId, subscription);
  }

  /** Tells the listeners of a room. What one throws does not keep the notice from the others, and nobody misses it. */
  deliver(roomId: string, notice: Notice): void {
    for (const { onNotice } of this.#rooms.get(roomId) ?? []) {
      try {
        onNotice(notice);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Forgets all, and tells nobody. */
  clear(): void {
    this.#rooms.clear();
  }

  #remove(roomId: string, subscription: { readonly onNotice: Listener }): void {
    const subscriptions = this.#rooms.get(roomId);
    if (subscriptions === undefined || !subscriptions.delete(subscription) || subscriptions.size > 0) return;
    this.#rooms.delete(roomId);
    this.#owner.roomUnwanted(roomId);
  }
}

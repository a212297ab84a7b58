import type { Bus, Notice } from "./bus.ts";

type Listener = (notice: Notice) => void;

/** What connects the buses of one process: who listens to which room. */
export interface MemoryHub {
  readonly rooms: Map<string, Set<Subscription>>;
}

/** One call of `subscribe`. */
interface Subscription {
  readonly onNotice: Listener;
  active: boolean;
}

/** Makes a hub. Buses with the same hub hear each other. */
export function createMemoryHub(): MemoryHub {
  return { rooms: new Map() };
}

export interface MemoryBusOptions {
  /** The hub to join. Default: one of its own, for a single node. */
  readonly hub?: MemoryHub | undefined;
}

/**
 * A bus between the nodes of one process: one node, or several in a test. Notices arrive in a later microtask, in the
 * order of publishing, at every subscription of the hub, the publisher's own included; none is lost. A listener that
 * throws does not keep a notice from the others; what it threw is thrown again by itself, so that nobody misses it.
 */
export function createMemoryBus(options: MemoryBusOptions = {}): Bus {
  return new MemoryBus(options.hub ?? createMemoryHub());
}

class MemoryBus implements Bus {
  readonly lossless = true;
  readonly #hub: MemoryHub;
  readonly #stops = new Set<() => void>();
  #closed = false;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  publish(roomId: string, notice: Notice): void {
    if (this.#closed) return;
    const subscriptions = this.#hub.rooms.get(roomId);
    if (subscriptions === undefined) return;
    // Those who listen now; a later subscription hears only what is published after it.
    const receivers = [...subscriptions];
    queueMicrotask(() => {
      for (const receiver of receivers) if (receiver.active) deliver(receiver.onNotice, notice);
    });
  }

  subscribe(roomId: string, onNotice: Listener): () => void {
    if (this.#closed) return () => {};
    const { rooms } = this.#hub;
    const subscription: Subscription = { onNotice, active: true };
    const subscriptions = rooms.get(roomId) ?? new Set();
    rooms.set(roomId, subscriptions.add(subscription));
    const stop = () => {
      if (!subscription.active) return;
      subscription.active = false;
      this.#stops.delete(stop);
      subscriptions.delete(subscription);
      if (subscriptions.size === 0) rooms.delete(roomId);
    };
    this.#stops.add(stop);
    return stop;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#stops) stop();
  }
}

function deliver(onNotice: Listener, notice: Notice): void {
  try {
    onNotice(notice);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

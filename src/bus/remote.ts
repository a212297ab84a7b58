import type { Bus, Notice } from "./bus.ts";
import { Subscriptions } from "./subscriptions.ts";

/** A way to another process that keeps order and loses nothing for as long as it is open; what is sent is copied. */
export interface BusPort {
  send(message: unknown): void;
  /** Calls these for what the other side sends, and once when it has gone. */
  listen(onMessage: (message: unknown) => void, onGone: () => void): void;
}

/** From a node to the hub: something for a channel, or that it listens to one, or no longer. */
type ToHub = readonly [channel: string, notice: Notice] | readonly [channel: string, isListening: boolean];
type FromHub = readonly [channel: string, notice: Notice];

/**
 * A bus between the processes of one machine, over a hub in one of them (`createBusHub`). What is published in one turn of the
 * event loop travels in one message. None is lost while both ends are there; a node does not hear its own.
 */
export function createRemoteBus(port: BusPort): Bus {
  return new RemoteBus(port);
}

class RemoteBus implements Bus {
  readonly lossless = true;
  readonly #out: Turns<ToHub>;
  readonly #subscriptions: Subscriptions;
  #isClosed = false;

  constructor(port: BusPort) {
    this.#out = new Turns(port);
    this.#subscriptions = new Subscriptions({
      roomWanted: (channel) => this.#out.push([channel, true]),
      roomUnwanted: (channel) => this.#out.push([channel, false]),
    });
    port.listen(
      (message) => {
        for (const [channel, notice] of message as readonly FromHub[]) {
          if (!this.#isClosed) this.#subscriptions.deliver(channel, notice);
        }
      },
      () => this.#out.end(),
    );
  }

  publish(channel: string, notice: Notice): void {
    if (!this.#isClosed) this.#out.push([channel, notice]);
  }

  subscribe(channel: string, onNotice: (notice: Notice) => void): () => void {
    return this.#isClosed ? () => {} : this.#subscriptions.add(channel, onNotice);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    for (const channel of this.#subscriptions.rooms) this.#out.push([channel, false]);
    this.#isClosed = true;
    this.#subscriptions.clear();
    this.#out.flush();
  }
}

/** What passes notices between the processes of one machine. */
export interface BusHub {
  /** Another node comes. Ends when its port does. */
  attach(port: BusPort): void;
  /** Tells every node that listens. */
  publish(channel: string, notice: Notice): void;
}

/** Makes a hub for remote buses. */
export function createBusHub(): BusHub {
  return new Hub();
}

class Hub implements BusHub {
  readonly #channels = new Map<string, Set<Turns<FromHub>>>();

  attach(port: BusPort): void {
    const node = new Turns<FromHub>(port);
    port.listen(
      (message) => {
        for (const [channel, said] of message as readonly ToHub[]) {
          if (said === true) this.#channel(channel).add(node);
          else if (said === false) this.#remove(channel, node);
          else this.#pass(channel, said, node);
        }
      },
      () => {
        node.end();
        for (const channel of Array.from(this.#channels.keys())) this.#remove(channel, node);
      },
    );
  }

  publish(channel: string, notice: Notice): void {
    this.#pass(channel, notice, null);
  }

  #pass(channel: string, notice: Notice, from: Turns<FromHub> | null): void {
    for (const node of this.#channels.get(channel) ?? []) if (node !== from) node.push([channel, notice]);
  }

  #channel(channel: string): Set<Turns<FromHub>> {
    let nodes = this.#channels.get(channel);
    if (nodes === undefined) {
      nodes = new Set();
      this.#channels.set(channel, nodes);
    }
    return nodes;
  }

  #remove(channel: string, node: Turns<FromHub>): void {
    const nodes = this.#channels.get(channel);
    if (nodes?.delete(node) === true && nodes.size === 0) this.#channels.delete(channel);
  }
}

/** Sends what was pushed in one turn of the event loop as one message. */
class Turns<T> {
  readonly #port: BusPort;
  #pushed: T[] = [];
  #isEnded = false;

  constructor(port: BusPort) {
    this.#port = port;
  }

  push(message: T): void {
    if (this.#isEnded || this.#pushed.push(message) > 1) return;
    setImmediate(() => this.flush());
  }

  flush(): void {
    const pushed = this.#pushed;
    this.#pushed = [];
    if (!this.#isEnded && pushed.length > 0) this.#port.send(pushed);
  }

  end(): void {
    this.#isEnded = true;
    this.#pushed = [];
  }
}

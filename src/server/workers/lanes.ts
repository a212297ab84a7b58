import type { Lane, LaneMessage } from "./messages.ts";

/** The way to another process of this machine, as `node:child_process` gives it on both sides. */
export interface ProcessLink {
  send?(message: LaneMessage, onSent?: (error: Error | null) => void): boolean;
  on(event: "message", listen: (message: unknown) => void): unknown;
  on(event: "disconnect", listen: () => void): unknown;
  readonly connected?: boolean | undefined;
}

/** One of several ways over the same link. */
export interface LanePort {
  send(message: unknown): void;
  listen(onMessage: (message: unknown) => void, onGone: () => void): void;
}

/** Several ways over one link, each with its own listener. What comes before somebody listens is kept for it. */
export class Lanes {
  readonly #link: ProcessLink;
  readonly #listeners = new Map<Lane, (message: unknown) => void>();
  readonly #unheard = new Map<Lane, unknown[]>();
  readonly #onGone: (() => void)[] = [];
  #isGone = false;
  #sent = 0;
  #left = 0;

  constructor(link: ProcessLink) {
    this.#link = link;
    link.on("message", (message) => this.#hear(message as LaneMessage));
    link.on("disconnect", () => {
      this.#isGone = true;
      for (const gone of this.#onGone) gone();
    });
  }

  /** How many messages the other side has not taken yet. */
  get waiting(): number {
    return this.#sent - this.#left;
  }

  /** How many messages have left. */
  get left(): number {
    return this.#left;
  }

  /** The way that is called so. Listened to by one. */
  port(lane: Lane): LanePort {
    return {
      send: (message) => {
        // The other side may be gone at any moment; whoever waits for it is told by `onGone`.
        if (this.#isGone || this.#link.connected !== true) return;
        this.#sent++;
        this.#link.send?.({ lane, message }, () => void this.#left++);
      },
      listen: (onMessage, onGone) => {
        this.#listeners.set(lane, onMessage);
        this.#onGone.push(onGone);
        for (const message of this.#unheard.get(lane) ?? []) onMessage(message);
        this.#unheard.delete(lane);
      },
    };
  }

  #hear({ lane, message }: LaneMessage): void {
    const listener = this.#listeners.get(lane);
    if (listener !== undefined) {
      listener(message);
      return;
    }
    const unheard = this.#unheard.get(lane);
    if (unheard === undefined) this.#unheard.set(lane, [message]);
    else unheard.push(message);
  }
}

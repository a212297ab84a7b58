/** How bad the network is made. */
export interface Trouble {
  /** Added to the round trip, ms; half of it each way. */
  readonly delayMs: number;
  /** Up to this much more each way, ms. */
  readonly jitterMs: number;
  /** As a lost packet is felt on a stream: everything behind it waits. Part of frames, 0 to 1. */
  readonly loss: number;
}

export const NO_TROUBLE: Trouble = { delayMs: 0, jitterMs: 0, loss: 0 };

/** How long a stream stands still for a lost packet, beyond the delay, ms. */
const RESEND_MS = 200;

/** One direction of a stream: late, but in order. */
class Lane {
  readonly #trouble: () => Trouble;
  #lastAt = 0;

  constructor(trouble: () => Trouble) {
    this.#trouble = trouble;
  }

  run(then: () => void): void {
    const { delayMs, jitterMs, loss } = this.#trouble();
    const now = performance.now();
    const lost = Math.random() < loss ? RESEND_MS + delayMs : 0;
    this.#lastAt = Math.max(this.#lastAt, now + delayMs / 2 + Math.random() * jitterMs + lost);
    if (this.#lastAt - now < 1) then();
    else setTimeout(then, this.#lastAt - now);
  }
}

/** A `WebSocket` over a network as bad as `trouble` says, from one moment to the next. */
export function delayedSocket(trouble: () => Trouble): typeof WebSocket {
  return class extends WebSocket {
    readonly #down = new Lane(trouble);
    readonly #up = new Lane(trouble);
    #handler: ((event: MessageEvent) => void) | null = null;

    override set onmessage(handler: ((event: MessageEvent) => void) | null) {
      this.#handler = handler;
      super.onmessage =
        handler === null
          ? null
          : (event) =>
              this.#down.run(() => {
                if (this.readyState === WebSocket.OPEN) this.#handler?.(event);
              });
    }

    override get onmessage(): ((event: MessageEvent) => void) | null {
      return this.#handler;
    }

    override send(data: string | ArrayBufferLike | Blob | ArrayBufferView<ArrayBuffer>): void {
      this.#up.run(() => {
        if (this.readyState === WebSocket.OPEN) super.send(data as string);
      });
    }
  };
}

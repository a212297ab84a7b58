import type { Socket } from "node:net";

/**
 * The sockets that left HTTP: handshakes being checked, and connections. Node's own server knows nothing of them any
 * more, yet waits for them when it closes, so somebody has to see to their end.
 */
export class UpgradedSockets {
  readonly #sockets = new Map<Socket, Upgraded>();
  #isEmpty: (() => void) | null = null;
  /** One listener for all: a connection that does nothing should cost nothing. */
  readonly #handleClose: (this: Socket) => void;

  constructor() {
    const closed = (socket: Socket): void => this.#closed(socket);
    this.#handleClose = function () {
      closed(this);
    };
  }

  /** How many there are. */
  get count(): number {
    return this.#sockets.size;
  }

  /** A socket asked for an upgrade. Call before anything waits: from the upgrade on nobody else listens for its errors. */
  add(socket: Socket, end: () => void): void {
    socket.on("error", ignore);
    if (socket.closed) return;
    this.#sockets.set(socket, { end, release: ignore });
    socket.on("close", this.#handleClose);
  }

  /** What is given back when the socket is gone. */
  hold(socket: Socket, release: () => void): void {
    const upgraded = this.#sockets.get(socket);
    if (upgraded === undefined) release();
    else upgraded.release = release;
  }

  #closed(socket: Socket): void {
    const upgraded = this.#sockets.get(socket);
    if (upgraded === undefined) return;
    this.#sockets.delete(socket);
    upgraded.release();
    if (this.#sockets.size === 0) this.#isEmpty?.();
  }

  /** The handshake is over: from now on this ends the socket. Default: it ends by itself. */
  serve(socket: Socket, end = ignore): void {
    const upgraded = this.#sockets.get(socket);
    if (upgraded !== undefined) upgraded.end = end;
  }

  /** Ends what does not end by itself. */
  end(): void {
    for (const { end } of Array.from(this.#sockets.values())) end();
  }

  /** Resolves when all are gone. Those that are left after a while are destroyed. */
  async gone(waitMs: number): Promise<void> {
    if (this.#sockets.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        for (const socket of this.#sockets.keys()) socket.destroy();
      }, waitMs);
      this.#isEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

interface Upgraded {
  /** Ends it when the server ends; nothing for one that ends by itself. */
  end: () => void;
  /** Gives back what it holds. */
  release: () => void;
}

function ignore(): void {}

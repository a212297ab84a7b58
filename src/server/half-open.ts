import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Observer } from "../observe/observer.ts";
import type { Limits } from "../protocol/index.ts";
import type { ClientAddress } from "./client-address.ts";

/** How many connections of one address may be without a request, for each connection it may have. */
const GENEROSITY = 4;

/**
 * Connections on which no request has come yet. They cost their makers nothing and last as long as `handshakeMs`, so
 * there is a limit of them per address too: four times `connectionsPerIp`. A trusted proxy has none.
 */
export class HalfOpen {
  readonly #waiting = new Map<Socket, string>();
  readonly #perAddress = new Map<string, number>();
  readonly #clientAddress: ClientAddress;
  readonly #limits: Limits;
  readonly #observer: Observer;
  /** One listener for all, so that it can be taken away from those that are done. */
  readonly #handleClose: (this: Socket) => void;

  /** @param http a server of our own. */
  constructor(http: Server, clientAddress: ClientAddress, limits: Limits, observer: Observer) {
    this.#clientAddress = clientAddress;
    this.#limits = limits;
    this.#observer = observer;
    const done = (socket: Socket): void => this.#done(socket);
    this.#handleClose = function () {
      done(this);
    };
    http.on("connection", (socket: Socket) => this.#connected(socket));
    http.on("request", (request: IncomingMessage) => this.#done(request.socket));
    http.on("upgrade", (request: IncomingMessage) => this.#done(request.socket));
  }

  /** Ends them all. */
  end(): void {
    for (const socket of Array.from(this.#waiting.keys())) socket.destroy();
  }

  #connected(socket: Socket): void {
    const address = this.#clientAddress.ofSocket(socket);
    const { connectionsPerIp } = this.#limits;
    const count = this.#perAddress.get(address ?? "") ?? 0;
    if (address !== null && connectionsPerIp !== 0 && count >= connectionsPerIp * GENEROSITY) {
      this.#observer.limited("connectionsPerIp");
      socket.destroy();
      return;
    }
    this.#waiting.set(socket, address ?? "");
    if (address !== null) this.#perAddress.set(address, count + 1);
    socket.on("close", this.#handleClose);
  }

  #done(socket: Socket): void {
    const address = this.#waiting.get(socket);
    if (address === undefined) return;
    this.#waiting.delete(socket);
    socket.off("close", this.#handleClose);
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
  }
}

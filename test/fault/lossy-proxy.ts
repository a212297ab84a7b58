import { once } from "node:events";
import {
  Agent,
  type ClientRequest,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { between, type Random } from "./random.ts";

/** How likely each thing is, 0 to 1. Whatever is not named never happens. */
export interface LossyChances {
  /** A request is thrown away before the server sees it. Per request. */
  readonly lose?: number;
  /** The server handles a request, and its answer is thrown away. Per request; of a stream, from its first byte. */
  readonly swallow?: number;
  /** An answer breaks off in the middle. Per answer, and per piece of a stream. */
  readonly cut?: number;
  /** A WebSocket is cut. Per piece that a client sends. */
  readonly cutSocket?: number;
  /** A WebSocket is cut as soon as the server answers, and that answer is thrown away. Per piece that a client sends. */
  readonly swallowSocket?: number;
  /** A request, or a WebSocket's handshake, arrives later, by at most `delayMs`. */
  readonly delay?: number;
}

export interface LossyProxyOptions {
  readonly targetPort: number;
  readonly random: Random;
  readonly chances?: LossyChances;
  /** The longest delay, ms. Default: 50. */
  readonly delayMs?: number;
}

/** What it did, and what it passed on. */
export interface LossyCounts {
  /** Requests that came. */
  requests: number;
  lost: number;
  swallowed: number;
  /** Answers and streams broken off. */
  cut: number;
  /** WebSockets that were let through. */
  sockets: number;
  socketsCut: number;
  socketsSwallowed: number;
  delayed: number;
  /** Upgrades refused or left hanging. */
  upgradesRefused: number;
  /** Streams held back. */
  held: number;
}

/**
 * A proxy on loopback that relays HTTP and WebSockets, and does to them what proxies and mobile networks do. What happens is drawn
 * from `random`, so a seed replays the draws, though not the times at which they fall.
 */
export class LossyProxy {
  /** Takes the place of the chances there were. */
  chances: LossyChances;
  /** What becomes of upgrades: passed on, answered with 403, or never answered, as by proxies that know no WebSocket. */
  upgrades: "pass" | "refuse" | "hang" = "pass";
  /** While true, nothing of an event stream comes through before its end, as with proxies that collect whole answers. */
  holdsStreams = false;
  readonly counts: LossyCounts = {
    requests: 0,
    lost: 0,
    swallowed: 0,
    cut: 0,
    sockets: 0,
    socketsCut: 0,
    socketsSwallowed: 0,
    delayed: 0,
    upgradesRefused: 0,
    held: 0,
  };
  readonly #targetPort: number;
  readonly #random: Random;
  readonly #delayMs: number;
  readonly #listener: Server;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #sockets = new Set<Socket>();

  private constructor({ targetPort, random, chances = {}, delayMs = 50 }: LossyProxyOptions) {
    this.#targetPort = targetPort;
    this.#random = random;
    this.chances = chances;
    this.#delayMs = delayMs;
    this.#listener = createServer((request, response) => void this.#relay(request, response));
    this.#listener.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket as Socket, head));
    this.#listener.on("connection", (socket) => this.#keep(socket));
  }

  /** Listens on a free port. */
  static async start(options: LossyProxyOptions): Promise<LossyProxy> {
    const proxy = new LossyProxy(options);
    proxy.#listener.listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  get wsUrl(): string {
    return `${this.url.replace("http:", "ws:")}/ws`;
  }

  /** From now on nothing is lost any more. What was cut stays cut. */
  heal(): void {
    this.chances = {};
  }

  /** Cuts everything there is. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = once(this.#listener, "close");
    this.#listener.close();
    this.cutAll();
    this.#agent.destroy();
    await closed;
  }

  #happens(chance: number | undefined): boolean {
    return chance !== undefined && chance > 0 && this.#random() < chance;
  }

  async #delay(): Promise<void> {
    if (!this.#happens(this.chances.delay)) return;
    this.counts.delayed++;
    const delayMs = between(this.#random, 1, this.#delayMs);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }

  async #relay(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.counts.requests++;
    response.on("error", () => {});
    // Drawn before anything waits, so that the order of requests decides.
    const isLost = this.#happens(this.chances.lose);
    const isSwallowed = !isLost && this.#happens(this.chances.swallow);
    await this.#delay();
    if (isLost) {
      this.counts.lost++;
      socket.destroy();
      return;
    }
    const { method, url: path, headers } = request;
    const onward = httpRequest({
      host: "127.0.0.1",
      port: this.#targetPort,
      method,
      path,
      headers: { ...headers, connection: "keep-alive" },
      agent: this.#agent,
    });
    // The server must hear of a client that went away, and the other way round.
    response.on("close", () => {
      if (!response.writableFinished) onward.destroy();
    });
    onward.on("error", () => socket.destroy());
    onward.on("response", (answer) => this.#answer(answer, onward, response, isSwallowed));
    request.on("error", () => onward.destroy());
    request.pipe(onward);
  }

  #answer(answer: IncomingMessage, onward: ClientRequest, response: ServerResponse, isSwallowed: boolean): void {
    const isStream = String(answer.headers["content-type"]).startsWith("text/event-stream");
    const { socket } = response;
    const end = (): void => {
      onward.destroy();
      socket?.destroy();
    };
    answer.on("error", end);
    answer.on("close", () => {
      if (!answer.complete) end();
    });
    if (isSwallowed) {
      this.counts.swallowed++;
      if (isStream) return end();
      // The server has said everything: it has done what it was asked to.
      answer.resume();
      answer.on("end", end);
      return;
    }
    if (isStream && this.holdsStreams) {
      this.counts.held++;
      answer.resume();
      return;
    }
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    const isCut = !isStream && this.#happens(this.chances.cut);
    answer.on("data", (bytes: Buffer) => {
      if (isCut || (isStream && this.#happens(this.chances.cut))) {
        this.counts.cut++;
        answer.pause();
        // The part that came through is on its way before the socket ends.
        response.write(bytes.subarray(0, between(this.#random, 0, bytes.length - 1)), end);
        return;
      }
      if (response.write(bytes)) return;
      answer.pause();
      response.once("drain", () => answer.resume());
    });
    answer.on("end", () => response.end());
  }

  async #upgrade(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    client.on("error", () => {});
    if (this.upgrades !== "pass") {
      this.counts.upgradesRefused++;
      if (this.upgrades === "refuse")
        client.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    await this.#delay();
    if (client.destroyed) return;
    this.counts.sockets++;
    const server = connect(this.#targetPort, "127.0.0.1");
    this.#keep(server);
    for (const socket of [client, server]) socket.setNoDelay(true);
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.on("error", () => {});
      socket.on("close", end);
    }
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let index = 0; index < request.rawHeaders.length; index += 2) {
      lines.push(`${request.rawHeaders[index]}: ${request.rawHeaders[index + 1]}`);
    }
    server.write(`${lines.join("\r\n")}\r\n\r\n`);
    server.write(head);
    let isSwallowing = false;
    client.on("data", (bytes: Buffer) => {
      if (this.#happens(this.chances.cutSocket)) {
        this.counts.socketsCut++;
        return end();
      }
      isSwallowing ||= this.#happens(this.chances.swallowSocket);
      pass(bytes, client, server);
    });
    server.on("data", (bytes: Buffer) => {
      if (isSwallowing) {
        this.counts.socketsSwallowed++;
        return end();
      }
      pass(bytes, server, client);
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

/** One that does not take its bytes is not read for. */
function pass(bytes: Buffer, from: Socket, to: Socket): void {
  if (to.destroyed || to.write(bytes)) return;
  from.pause();
  to.once("drain", () => from.resume());
}

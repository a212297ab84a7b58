import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What happens to the bytes of one link. */
type Mode = "pass" | "frozen" | "swallowing";

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  mode: Mode;
}

/**
 * A TCP proxy on loopback that does to its links what networks do: cuts them, lets them hang half-open, loses what the
 * server says, or is slow. Faults are of the links there are now; new ones are good, unless `refusing` is set.
 */
export class FaultProxy {
  /** The port of the server behind it. */
  targetPort: number;
  /** While true, new links are cut at once. */
  refusing = false;
  /** How much later bytes arrive, ms, in both directions. */
  delayMs = 0;
  /** Bytes that came from clients, and from the server, over all links. */
  readonly bytes = { up: 0, down: 0 };
  /** Bytes from the server that `swallow` took away. */
  swallowed = 0;
  readonly #listener: Server;
  readonly #links = new Set<Link>();

  private constructor(targetPort: number) {
    this.targetPort = targetPort;
    this.#listener = createServer((client) => this.#accept(client));
  }

  /** Listens on a free port. */
  static async start(targetPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(targetPort);
    proxy.#listener.listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    return proxy;
  }

  /** Where it listens. */
  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /** The WebSocket endpoint behind it. */
  get wsUrl(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** How many links there are. */
  get links(): number {
    return this.#links.size;
  }

  /** Ends all links at once, on both sides. */
  cut(): void {
    for (const link of this.#links) this.#end(link);
  }

  /** Leaves all links open, but nothing passes any more, in either direction: a half-open connection. */
  freeze(): void {
    for (const link of this.#links) link.mode = "frozen";
  }

  /** From now on what the server says on these links is lost; what the client says still arrives. */
  swallow(): void {
    for (const link of this.#links) link.mode = "swallowing";
  }

  /** Ends everything. */
  async close(): Promise<void> {
    this.refusing = true;
    this.cut();
    this.#listener.close();
    await once(this.#listener, "close");
  }

  #accept(client: Socket): void {
    client.on("error", () => {});
    if (this.refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.targetPort, "127.0.0.1");
    server.on("error", () => {});
    client.setNoDelay(true);
    server.setNoDelay(true);
    const link: Link = { client, server, mode: "pass" };
    this.#links.add(link);
    client.on("data", (bytes) => {
      this.bytes.up += bytes.length;
      this.#forward(link, client, server, bytes);
    });
    server.on("data", (bytes) => {
      this.bytes.down += bytes.length;
      if (link.mode === "swallowing") this.swallowed += bytes.length;
      else this.#forward(link, server, client, bytes);
    });
    for (const socket of [client, server]) {
      // A half-open link does not learn of the other side's end either.
      socket.on("close", () => {
        if (link.mode !== "frozen") this.#end(link);
      });
    }
  }

  /** One that does not take its bytes is not read for: the pressure goes through, as it does through a network. */
  #forward(link: Link, from: Socket, to: Socket, bytes: Buffer): void {
    const write = (): void => {
      if (link.mode === "frozen" || to.destroyed || to.write(bytes)) return;
      from.pause();
      to.once("drain", () => from.resume());
    };
    // Equal delays keep the order.
    if (this.delayMs === 0) write();
    else setTimeout(write, this.delayMs);
  }

  #end(link: Link): void {
    this.#links.delete(link);
    link.client.resetAndDestroy();
    link.server.resetAndDestroy();
  }
}

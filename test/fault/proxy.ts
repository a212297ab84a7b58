import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Which way bytes go: from clients to the server, or back. */
export type Direction = "up" | "down";

/** What happens to the bytes of one link. */
type Mode = "pass" | "frozen" | "swallowing" | "tearing";

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
  /** What is held back, of all links and of new ones. */
  #held: ReadonlySet<Direction> = new Set();
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

  /**
   * A partition: what goes these ways waits, on all links and on new ones, and goes on with {@link release}, as it does in a
   * network that repeats what was not received. The end of a link waits too.
   */
  hold(...ways: readonly Direction[]): void {
    this.#held = new Set(ways);
    for (const link of this.#links) this.#apply(link);
  }

  /** The partition is over. */
  release(): void {
    this.hold();
  }

  /** Lets every link pass the first half of what the server says next, and cuts it there. */
  tear(): void {
    for (const link of this.#links) link.mode = "tearing";
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
      else if (link.mode === "tearing") this.#tear(link, bytes);
      else this.#forward(link, server, client, bytes);
    });
    this.#apply(link);
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
      to.once("drain", () => {
        if (!this.#held.has(from === link.client ? "up" : "down")) from.resume();
      });
    };
    // Equal delays keep the order.
    if (this.delayMs === 0) write();
    else setTimeout(write, this.delayMs);
  }

  #apply({ client, server }: Link): void {
    if (this.#held.has("up")) client.pause();
    else if (!server.writableNeedDrain) client.resume();
    if (this.#held.has("down")) server.pause();
    else if (!client.writableNeedDrain) server.resume();
  }

  #tear(link: Link, bytes: Buffer): void {
    link.mode = "swallowing";
    link.client.write(bytes.subarray(0, bytes.length >> 1), () => this.#end(link));
  }

  #end(link: Link): void {
    this.#links.delete(link);
    link.client.resetAndDestroy();
    link.server.resetAndDestroy();
  }
}

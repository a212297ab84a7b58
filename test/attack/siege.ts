import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "vitest";
import { createLogger } from "../../src/observe/logger.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { startServer, until } from "../harness.ts";
import { Witness } from "./witness.ts";

/** The long form: more of everything, and the neighbour's latency is held to its bound. It wants a quiet machine. */
export const IS_FULL = process.env.TEST_ATTACK === "full";
/** How slow the neighbour may be at most while others attack, ms (p99). */
const P99_MS = 100;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** A server that is attacked, a neighbour that must not notice, and whatever the server wrote into its log. */
export class Siege {
  readonly server: Awaited<ReturnType<typeof startServer>>;
  /** The lines of the log. */
  readonly lines: string[];
  readonly #witness: Witness;
  readonly #faults: unknown[] = [];
  readonly #onFault = (error: unknown): void => void this.#faults.push(error);
  readonly #sockets = new Set<Socket>();

  private constructor(server: Awaited<ReturnType<typeof startServer>>, lines: string[], witness: Witness) {
    this.server = server;
    this.lines = lines;
    this.#witness = witness;
    process.on("unhandledRejection", this.#onFault);
    process.on("uncaughtException", this.#onFault);
  }

  static async start(options: ServerOptions = {}): Promise<Siege> {
    const lines: string[] = [];
    const logger = createLogger({ level: "debug", destination: { write: (line: string) => void lines.push(line) } });
    const server = await startServer({ logger, ...options });
    return new Siege(server, lines, await Witness.start(server));
  }

  /** Opens a socket and says something. What comes back is in `said`. */
  open(text: string | Buffer = ""): RawConnection {
    const { hostname, port } = new URL(this.server.url);
    const socket = connect(Number(port), hostname);
    this.#sockets.add(socket);
    const connection: RawConnection = { socket, said: "", isClosed: false };
    socket.on("data", (bytes) => {
      connection.said += bytes.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      connection.isClosed = true;
      this.#sockets.delete(socket);
    });
    if (text.length > 0) socket.write(text);
    return connection;
  }

  /** A number of the metrics, with its labels as they are written: `refused_total{code="rate_limited"}`. 0 when it is not there. */
  async metric(name: string): Promise<number> {
    const line = (await this.server.metrics()).split("\n").find((each) => each.startsWith(`yamabiko_${name} `));
    return Number(line?.split(" ").at(-1) ?? 0);
  }

  /** What the process holds after a full collection, bytes. */
  held(): number {
    collect();
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  }

  /** The attack is over: everybody but the neighbour has gone, and neither it nor the process noticed. */
  async calm(failures: readonly string[] = []): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#witness.check();
    expect(this.#faults).toEqual([]);
    await until(() => this.server.connections === 1, 20_000);
    const failed = (await this.server.metrics()).match(/failures_total\{where="[^"]*"\} [1-9]/g) ?? [];
    expect(failed.filter((line) => !failures.some((where) => line.includes(`where="${where}`)))).toEqual([]);
    const p99Ms = this.#witness.takeP99();
    if (IS_FULL) {
      console.log(`${expect.getState().currentTestName}: the neighbour's p99 ${p99Ms.toFixed(1)} ms`);
      expect(p99Ms).toBeLessThan(P99_MS);
    }
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#witness.stop();
    await this.server.close();
    process.off("unhandledRejection", this.#onFault);
    process.off("uncaughtException", this.#onFault);
  }
}

/** A connection at the level of bytes. */
export interface RawConnection {
  readonly socket: Socket;
  /** All that came. */
  said: string;
  isClosed: boolean;
}

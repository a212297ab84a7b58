import { signToken } from "../../src/auth/jwt.ts";
import type { Bus } from "../../src/bus/bus.ts";
import { createMemoryBus, createMemoryHub } from "../../src/bus/memory.ts";
import type { Log } from "../../src/log/log.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { type Clock, systemClock } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import type { YamabikoServer } from "../../src/server/server.ts";
import { RawClient, startServer } from "../harness.ts";

export const SECRET = "a secret that both nodes have, and nobody else";

export type Node = YamabikoServer & { url: string; wsUrl: string; adminUrl: string | null };

/** Two nodes over one log, as two machines would be, in production mode. */
export class TwoNodes {
  readonly here: Node;
  readonly there: Node;
  /** The log that they share. */
  readonly log: Log;
  readonly #start: () => Promise<Node>;
  readonly #more: Node[] = [];

  readonly #clock: Clock;

  private constructor(here: Node, there: Node, start: () => Promise<Node>, log: Log, clock: Clock) {
    this.log = log;
    this.#clock = clock;
    this.here = here;
    this.there = there;
    this.#start = start;
  }

  /** @param openBus the bus of each node; default: one that loses nothing. */
  static async start(options: ServerOptions = {}, openBus?: () => Bus): Promise<TwoNodes> {
    const log = createMemoryLog();
    const hub = createMemoryHub();
    const start = () =>
      startServer({
        log,
        bus: openBus?.() ?? createMemoryBus({ hub }),
        dev: false,
        auth: { secret: SECRET },
        ...options,
      });
    const [here, there] = await Promise.all([start(), start()]);
    return new TwoNodes(here, there, start, log, options.clock ?? systemClock);
  }

  /** One more node over the same log. */
  async startAnother(): Promise<Node> {
    const node = await this.#start();
    this.#more.push(node);
    return node;
  }

  token(user: string, expiresInMs = 3_600_000, rooms?: Record<string, string[]>): Promise<string> {
    const contents = { user, expiresInMs, ...(rooms === undefined ? {} : { rooms }) };
    return signToken(SECRET, contents, this.#clock);
  }

  /** A WebSocket that was welcomed. */
  async open(node: Node, user: string, token?: string): Promise<RawClient> {
    const headers = { Authorization: `Bearer ${token ?? (await this.token(user))}` };
    const client = await RawClient.open(node, undefined, { headers });
    await client.next("welcome");
    return client;
  }

  async close(): Promise<void> {
    await Promise.all([this.here, this.there, ...this.#more].map((node) => node.close()));
  }
}

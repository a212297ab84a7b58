import { signToken } from "../../src/auth/jwt.ts";
import { createMemoryBus, createMemoryHub } from "../../src/bus/memory.ts";
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
  readonly #start: () => Promise<Node>;
  readonly #more: Node[] = [];

  readonly #clock: Clock;

  private constructor(here: Node, there: Node, start: () => Promise<Node>, clock: Clock) {
    this.#clock = clock;
    this.here = here;
    this.there = there;
    this.#start = start;
  }

  static async start(options: ServerOptions = {}): Promise<TwoNodes> {
    const log = createMemoryLog();
    const hub = createMemoryHub();
    const start = () =>
      startServer({ log, bus: createMemoryBus({ hub }), dev: false, auth: { secret: SECRET }, ...options });
    const [here, there] = await Promise.all([start(), start()]);
    return new TwoNodes(here, there, start, options.clock ?? systemClock);
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

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { freePort, TestProcess, until } from "./process.ts";

const REDIS_SERVER = process.env.REDIS_SERVER_PATH ?? "redis-server";

/** How long it may take to read its files, ms. */
const LOAD_MS = 60_000;

export interface RedisServerOptions {
  /** How the append-only file is synced; `off` for none. Default: `everysec`. */
  readonly appendfsync?: "always" | "everysec" | "no" | "off";
  /** More arguments. */
  readonly args?: readonly string[];
  /** Where its files go. Default: a temporary directory that goes with it. */
  readonly directory?: string;
}

/** A Redis of a test's own: on a free port of loopback, with a directory that goes with it. */
export class RedisServer {
  readonly directory: string;
  readonly port: number;
  readonly #options: RedisServerOptions;
  #process: TestProcess | null = null;

  private constructor(directory: string, port: number, options: RedisServerOptions) {
    this.directory = directory;
    this.port = port;
    this.#options = options;
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "yamabiko-redis-")));
    const server = new RedisServer(directory, await freePort(), options);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, again when it was ended, over the same files. */
  async start(): Promise<void> {
    const { appendfsync = "everysec", args = [] } = this.#options;
    const words = ["--port", `${this.port}`, "--bind", "127.0.0.1", "--dir", this.directory, "--save", ""];
    words.push("--appendonly", appendfsync === "off" ? "no" : "yes", "--daemonize", "no", "--rdbcompression", "no");
    if (appendfsync !== "off") words.push("--appendfsync", appendfsync);
    const started = new TestProcess(REDIS_SERVER, [...words, ...args]);
    this.#process = started;
    await until(
      "Redis answers",
      async () => {
        if (!started.isRunning) throw new Error(`Redis did not start: ${started.output}`);
        return (await this.ask("ping").catch(() => null)) === "PONG";
      },
      LOAD_MS,
    );
  }

  /** What it answers to one command, over a connection of its own. */
  async ask(command: string, ...values: (string | number)[]): Promise<unknown> {
    const client = new Redis({
      host: "127.0.0.1",
      port: this.port,
      lazyConnect: true,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      protocol: 2,
    });
    client.on("error", () => {});
    try {
      await client.connect();
      return await client.call(command, ...values);
    } finally {
      client.disconnect();
    }
  }

  /** Kills it, as a crash would. */
  async kill(): Promise<void> {
    await this.#process?.end("SIGKILL");
  }

  /** Sends it a signal, such as SIGSTOP. */
  signal(name: NodeJS.Signals): void {
    this.#process?.signal(name);
  }

  /** Ends it and removes its files. */
  async stop(): Promise<void> {
    await this.#process?.end("SIGKILL");
    if (this.#options.directory === undefined) await rm(this.directory, { recursive: true, force: true });
  }
}

const SLOTS = 16_384;

/** A Redis Cluster of three masters. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[];

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  static async start(): Promise<RedisCluster> {
    const nodes = await Promise.all(
      [0, 1, 2].map(async () => {
        const busPort = await freePort();
        const args = ["--cluster-enabled", "yes", "--cluster-port", `${busPort}`, "--cluster-node-timeout", "2000"];
        return { node: await RedisServer.start({ args: [...args, "--cluster-config-file", "nodes.conf"] }), busPort };
      }),
    );
    const [first, ...others] = nodes;
    await Promise.all(
      nodes.map(({ node }, index) => {
        const from = Math.floor((SLOTS * index) / nodes.length);
        const to = Math.floor((SLOTS * (index + 1)) / nodes.length) - 1;
        return node.ask("cluster", "addslotsrange", from, to);
      }),
    );
    for (const { node, busPort } of others) await first!.node.ask("cluster", "meet", "127.0.0.1", node.port, busPort);
    await Promise.all(
      nodes.map(({ node }) =>
        until("the cluster is whole", async () => {
          const text = String(await node.ask("cluster", "info"));
          return text.includes("cluster_state:ok") && text.includes("cluster_known_nodes:3");
        }),
      ),
    );
    return new RedisCluster(nodes.map(({ node }) => node));
  }

  get url(): string {
    return `redis://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

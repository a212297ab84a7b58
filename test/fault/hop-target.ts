import { createRedisLog } from "../../src/log/redis.ts";
import { devToken } from "../harness.ts";
import { NodeGroup } from "./node-group.ts";
import { pick, type Random, seededRandom } from "./random.ts";
import { type History, readLogFile, readLogSeam } from "./recorded-client.ts";
import { findPort, ServerProcess } from "./server-process.ts";

/** Whom the clients of a run talk to. */
export interface HopTarget {
  readonly url: string;
  /** The endpoints that everything can be read from. */
  readonly wsUrls: readonly string[];
  /** What it printed. */
  readonly printed: string;
  /** What went wrong by itself; null when nothing did. */
  readonly failure: Error | null;
  /** How many servers answered requests of clients so far. */
  serversAsked(): Promise<number>;
  token(user: string): Promise<string>;
  /** Kills what serves, or a part of it, and sees that it starts again. */
  kill(random: Random): Promise<void>;
  /** Ends the servers, and puts what is stored of the rooms into the history. */
  readStored(history: History, roomIds: readonly string[]): Promise<void>;
  /** Ends everything. */
  end(): Promise<void>;
}

/** One server on a SQLite log, with or without workers, of which then one is killed each time. */
export class OneServer implements HopTarget {
  readonly #server: ServerProcess;
  readonly #hasWorkers: boolean;

  private constructor(server: ServerProcess, hasWorkers: boolean) {
    this.#server = server;
    this.#hasWorkers = hasWorkers;
  }

  static async start(command: string, seed: number, workers: number | undefined): Promise<OneServer> {
    const flags = workers === undefined ? [] : ["--workers", String(workers)];
    const server = await ServerProcess.start({ command, port: await findPort(seededRandom(seed)), flags });
    return new OneServer(server, workers !== undefined);
  }

  get url(): string {
    return this.#server.url;
  }

  get wsUrls(): readonly string[] {
    return [this.#server.wsUrl];
  }

  get printed(): string {
    return this.#server.printed;
  }

  get failure(): Error | null {
    return this.#server.failure;
  }

  async serversAsked(): Promise<number> {
    return 1;
  }

  token(user: string): Promise<string> {
    return devToken(this.url, user);
  }

  async kill(random: Random): Promise<void> {
    if (this.#hasWorkers) {
      // Another one comes in its place by itself.
      this.#server.killWorker(random);
      return;
    }
    await this.#server.kill();
    await this.#server.start();
  }

  async readStored(history: History): Promise<void> {
    await this.#server.stop();
    readLogFile(history, "the file", this.#server.logPath);
  }

  end(): Promise<void> {
    return this.#server.remove();
  }
}

/** Nodes on one Redis, behind an nginx that takes each request to any of them; one of them is killed each time. */
export class NodesBehindNginx implements HopTarget {
  readonly #group: NodeGroup;

  private constructor(group: NodeGroup) {
    this.#group = group;
  }

  static async start(command: string, seed: number, nodes: number): Promise<NodesBehindNginx> {
    return new NodesBehindNginx(await NodeGroup.start({ command, nodes, nginx: true, random: seededRandom(seed) }));
  }

  get url(): string {
    return this.#group.url;
  }

  get wsUrls(): readonly string[] {
    return this.#group.nodes.map(({ wsUrl }) => wsUrl);
  }

  get printed(): string {
    return this.#group.printed;
  }

  get failure(): Error | null {
    return this.#group.failure;
  }

  async serversAsked(): Promise<number> {
    const answered = (await this.#group.requests()).matchAll(/^POST (\S+) 200$/gm);
    return new Set(Array.from(answered, ([, address]) => address)).size;
  }

  token(user: string): Promise<string> {
    return this.#group.token(user);
  }

  async kill(random: Random): Promise<void> {
    const node = pick(random, this.#group.nodes);
    await node.kill();
    await node.start();
  }

  async readStored(history: History, roomIds: readonly string[]): Promise<void> {
    const log = await createRedisLog({ url: this.#group.redis.url });
    try {
      for (const roomId of roomIds) await readLogSeam(history, log, roomId);
    } finally {
      await log.close();
    }
  }

  end(): Promise<void> {
    return this.#group.stop();
  }
}

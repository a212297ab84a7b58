import { randomBytes } from "node:crypto";
import { signToken } from "../../src/auth/jwt.ts";
import { nginxConfig } from "../../src/bin/nginx-config.ts";
import { NginxServer } from "../support/nginx-server.ts";
import { RedisServer } from "../support/redis-server.ts";
import { type Random, seededRandom } from "./random.ts";
import { findPort, ServerProcess } from "./server-process.ts";

export interface NodeGroupOptions {
  /** What each node runs: the command, or a script that is started like it. */
  readonly command: string;
  /** How many nodes. Default: 3. */
  readonly nodes?: number;
  /** Whether there is an nginx before them, which takes each request to any of them by chance. Default: no. */
  readonly nginx?: boolean;
  readonly random?: Random;
}

/** Some nodes, each a process of its own, on a Redis of their own that keeps what it is given. */
export class NodeGroup {
  readonly redis: RedisServer;
  readonly nodes: readonly ServerProcess[];
  /** The way to any of them; the first one where there is no nginx. */
  readonly url: string;
  readonly wsUrl: string;
  readonly #secret: string;
  readonly #nginx: NginxServer | null;

  private constructor(redis: RedisServer, nodes: readonly ServerProcess[], nginx: NginxServer | null, secret: string) {
    this.redis = redis;
    this.nodes = nodes;
    this.#nginx = nginx;
    this.#secret = secret;
    const { url, wsUrl } = nginx ?? nodes[0]!;
    this.url = url;
    this.wsUrl = wsUrl;
  }

  static async start(options: NodeGroupOptions): Promise<NodeGroup> {
    const { command, nodes: count = 3, nginx: isBehindNginx = false, random = seededRandom(Date.now()) } = options;
    const secret = randomBytes(32).toString("base64url");
    const redis = await RedisServer.start();
    const nodes: ServerProcess[] = [];
    try {
      const ports: number[] = [];
      while (ports.length < count) {
        const port = await findPort(random);
        if (!ports.includes(port)) ports.push(port);
      }
      const env = {
        YAMABIKO_JWT_SECRET: secret,
        ...(isBehindNginx ? { YAMABIKO_TRUSTED_PROXIES: "127.0.0.1" } : {}),
      };
      const started = ports.map((port) => ServerProcess.start({ command, port, log: redis.url, env }));
      for (const settled of await Promise.allSettled(started))
        if (settled.status === "fulfilled") nodes.push(settled.value);
      await Promise.all(started);
      const nginx = isBehindNginx ? await NginxServer.start(anyNode(ports)) : null;
      return new NodeGroup(redis, nodes, nginx, secret);
    } catch (error) {
      await Promise.all([redis.stop(), ...nodes.map((node) => node.remove())]);
      throw error;
    }
  }

  /** A token that all nodes take. */
  token(user: string): Promise<string> {
    return signToken(this.#secret, { user, expiresInMs: 3_600_000 });
  }

  /** What all nodes printed. */
  get printed(): string {
    return this.nodes.map(({ printed }) => printed).join("\n");
  }

  /** What went wrong with one of them by itself; null when nothing did. */
  get failure(): Error | null {
    return this.nodes.find(({ failure }) => failure !== null)?.failure ?? null;
  }

  /** What nginx did with each request so far, as lines; empty where there is none. */
  async requests(): Promise<string> {
    return (await this.#nginx?.requests()) ?? "";
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    await this.#nginx?.stop();
    await Promise.all(this.nodes.map((node) => node.remove()));
    await this.redis.stop();
  }
}

/** By chance alone, so that two requests of one client meet at different nodes as often as can be. */
function anyNode(ports: readonly number[]): string {
  const nodes = ports.map((port) => `127.0.0.1:${port}`);
  return nginxConfig({ nodes, sticky: false, path: "/", tls: false }).replace("random two least_conn;", "random;");
}

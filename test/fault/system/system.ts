import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { signToken } from "../../../src/auth/jwt.ts";
import { nginxConfig } from "../../../src/bin/nginx-config.ts";
import { NginxServer } from "../../support/nginx-server.ts";
import { RedisServer } from "../../support/redis-server.ts";
import { FaultProxy } from "../proxy.ts";
import { type Random, seededRandom } from "../random.ts";
import { type Bundle, findPort, ServerProcess } from "../server-process.ts";
import { ClientProcess } from "./client-process.ts";
import type { ParticipantPlan } from "./participant.ts";
import type { RunPlan } from "./plan.ts";
import { RedisDisk } from "./redis-disk.ts";

const SECRET = "thirty-two bytes of a test's key";
/** Longer than any run, and than any jump of a clock. */
const TOKEN_MS = 30 * 24 * 3_600_000;
/** How long a server that could not start is left alone, ms. */
const RESTART_MS = 200;
const RESTART_TRIES = 100;

/** What one process of the system holds now. */
export interface Holding {
  readonly rssBytes: number;
  readonly files: number;
}

/** What a system is made of. */
interface SystemParts {
  readonly redis: RedisServer;
  readonly disk: RedisDisk;
  readonly links: readonly FaultProxy[];
  readonly nodes: readonly ServerProcess[];
  readonly nginx: NginxServer;
  readonly edge: FaultProxy;
  readonly programs: readonly ClientProcess[];
  readonly rooms: readonly string[];
  readonly auditor: string;
}

/** Redis, nodes that reach it through proxies, nginx before them, and processes of clients. */
export class System {
  readonly redis: RedisServer;
  readonly disk: RedisDisk;
  /** Between each node and Redis. */
  readonly links: readonly FaultProxy[];
  readonly nodes: readonly ServerProcess[];
  readonly nginx: NginxServer;
  /** Between some of the clients and nginx. */
  readonly edge: FaultProxy;
  readonly programs: readonly ClientProcess[];
  readonly rooms: readonly string[];
  /** An identity that may read every room. */
  readonly auditor: string;

  private constructor(parts: SystemParts) {
    this.redis = parts.redis;
    this.disk = parts.disk;
    this.links = parts.links;
    this.nodes = parts.nodes;
    this.nginx = parts.nginx;
    this.edge = parts.edge;
    this.programs = parts.programs;
    this.rooms = parts.rooms;
    this.auditor = parts.auditor;
  }

  /** Starts everything; `directory` is where histories go. */
  static async start(plan: RunPlan, bundle: Bundle, directory: string): Promise<System> {
    const random = seededRandom(plan.seed);
    const ends: (() => Promise<unknown>)[] = [];
    try {
      const disk = await RedisDisk.make(plan.needsFullDisk);
      ends.push(() => disk.remove());
      const redis = await RedisServer.start({ appendfsync: plan.appendfsync, directory: disk.directory });
      ends.push(() => redis.stop());
      const links = await Promise.all(Array.from({ length: plan.nodes }, () => FaultProxy.start(redis.port)));
      ends.push(...links.map((link) => () => link.close()));
      const nodes: ServerProcess[] = [];
      for (const link of links) {
        const node = await ServerProcess.start(await nodeOptions(plan, bundle, link, random));
        ends.push(() => node.remove());
        nodes.push(node);
      }
      const config = nginxConfig({
        nodes: nodes.map(({ url }) => new URL(url).host),
        sticky: false,
        path: "/",
        tls: false,
      });
      // By chance alone, so that requests of one client meet at different nodes as often as can be.
      const nginx = await NginxServer.start(config.replace("random two least_conn;", "random;"));
      ends.push(() => nginx.stop());
      const edge = await FaultProxy.start(Number(new URL(nginx.url).port));
      ends.push(() => edge.close());
      const rooms = Array.from({ length: plan.rooms }, (_, index) => `chat:room-${index}`);
      const programs = await clientProcesses(plan, bundle, directory, rooms, nginx.wsUrl, edge.wsUrl);
      const auditor = await signToken(SECRET, { user: "auditor", expiresInMs: TOKEN_MS });
      return new System({ redis, disk, links, nodes, nginx, edge, programs, rooms, auditor });
    } catch (error) {
      for (const end of ends.reverse()) await end();
      throw error;
    }
  }

  get acked(): number {
    return this.programs.reduce((sum, { acked }) => sum + acked, 0);
  }

  /** Starts a node again, as often as it takes: without Redis it does not come up, and whoever looks after it tries again. */
  async startNode(index: number): Promise<void> {
    const node = this.nodes[index]!;
    for (let attempt = 1; ; attempt++) {
      try {
        return await node.start();
      } catch (error) {
        node.failure = null;
        if (attempt === RESTART_TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
      }
    }
  }

  /** What ended by itself. */
  ended(): Error[] {
    return [...this.nodes, ...this.programs].flatMap(({ failure }) => (failure === null ? [] : [failure]));
  }

  /** What every node holds; 0 of one that does not run. */
  async holdings(): Promise<Holding[]> {
    return Promise.all(
      this.nodes.map(async (node) => {
        if (!node.isRunning) return { rssBytes: 0, files: 0 };
        const { pid } = node.child;
        try {
          const pages = readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+) kB/)?.[1];
          return { rssBytes: Number(pages ?? 0) * 1024, files: (await readdir(`/proc/${pid}/fd`)).length };
        } catch {
          return { rssBytes: 0, files: 0 };
        }
      }),
    );
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.programs.map((program) => program.kill()));
    await Promise.allSettled([this.edge.close(), this.nginx.stop()]);
    await Promise.allSettled(this.nodes.map((node) => node.remove()));
    await Promise.allSettled(this.links.map((link) => link.close()));
    await this.redis.stop();
    await this.disk.remove();
  }
}

async function nodeOptions(plan: RunPlan, bundle: Bundle, link: FaultProxy, random: Random) {
  const port = await findPort(random);
  const redisUrl = `redis://127.0.0.1:${link.port}`;
  return {
    command: plan.participants === "yamabiko" ? bundle.command : bundle.socketIoServer,
    port,
    log: redisUrl,
    flags: ["--trusted-proxies", "127.0.0.1", "--heartbeat-ms", "5000"],
    env: { YAMABIKO_JWT_SECRET: SECRET },
    nodeFlags: ["--import", bundle.clockShift],
    ipc: true,
  };
}

async function clientProcesses(
  plan: RunPlan,
  bundle: Bundle,
  directory: string,
  rooms: readonly string[],
  wsUrl: string,
  edgeUrl: string,
): Promise<ClientProcess[]> {
  const perProcess: ParticipantPlan[][] = Array.from({ length: plan.processes }, () => []);
  for (let index = 0; index < plan.clients; index++) {
    const name = `c${String(index).padStart(2, "0")}`;
    const process = index % plan.processes;
    perProcess[process]!.push({
      name,
      token: await signToken(SECRET, { user: name, expiresInMs: TOKEN_MS }),
      // The clients of the last process come through the proxy.
      wsUrl: process === plan.processes - 1 ? edgeUrl : wsUrl,
      transport: plan.transports[Math.floor(index / plan.processes) % plan.transports.length]!,
      codec: index % 2 === 0 ? "json" : "msgpack",
      rooms: [0, 1].map((other) => rooms[(index + other * (1 + (index % 3))) % rooms.length]!),
    });
  }
  return perProcess.map((participants, index) => {
    return new ClientProcess(`w${index + 1}`, bundle.clientProgram, directory, {
      kind: plan.participants,
      seed: plan.seed + index,
      participants,
      ratePerSecond: plan.ratePerSecond / plan.processes,
      inFlight: plan.inFlight,
      freshShare: plan.freshShare,
      askEveryMs: plan.askEveryMs,
    });
  });
}

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, TestProcess, until } from "./process.ts";
import { RedisServer } from "./redis-server.ts";

const REDIS_SERVER = process.env.REDIS_SERVER_PATH ?? "redis-server";
/** What the Sentinel calls it. */
const NAME = "main";
/** How long a primary is silent before the Sentinel takes it for dead, ms. */
const DOWN_AFTER_MS = 1_000;

/** A Redis of a test's own, its replica, and a Sentinel that makes the replica the primary when the primary is dead. */
export class WatchedRedis {
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  /** The address by way of the Sentinel. */
  readonly url: string;
  readonly #directory: string;
  readonly #sentinel: TestProcess;

  private constructor(
    primary: RedisServer,
    replica: RedisServer,
    port: number,
    directory: string,
    sentinel: TestProcess,
  ) {
    this.primary = primary;
    this.replica = replica;
    this.url = `redis+sentinel://127.0.0.1:${port}/${NAME}`;
    this.#directory = directory;
    this.#sentinel = sentinel;
  }

  static async start(): Promise<WatchedRedis> {
    const primary = await RedisServer.start();
    const replica = await RedisServer.start({ args: ["--replicaof", "127.0.0.1", `${primary.port}`] });
    const port = await freePort();
    const directory = await mkdtemp(join(tmpdir(), "yamabiko-sentinel-"));
    const config = join(directory, "sentinel.conf");
    const lines = [`port ${port}`, "bind 127.0.0.1", `dir ${directory}`];
    lines.push(`sentinel monitor ${NAME} 127.0.0.1 ${primary.port} 1`);
    lines.push(`sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`, `sentinel failover-timeout ${NAME} 5000`);
    await writeFile(config, `${lines.join("\n")}\n`);
    const watched = new WatchedRedis(
      primary,
      replica,
      port,
      directory,
      new TestProcess(REDIS_SERVER, [config, "--sentinel"]),
    );
    await until("the replica follows", () => watched.isFollowing());
    // It asks its primary for replicas every 10 s, and writes what it knows into its file.
    await until("the Sentinel knows the replica", async () =>
      (await readFile(config, "utf8")).includes(`sentinel known-replica ${NAME} 127.0.0.1 ${replica.port}`),
    );
    return watched;
  }

  /** Whether the replica has a connection to the primary. */
  async isFollowing(): Promise<boolean> {
    return String(await this.replica.ask("info", "replication")).includes("master_link_status:up");
  }

  /** From now on the replica is told nothing new, though the primary goes on: what replication that lags behind does. */
  async fallBehind(): Promise<void> {
    await this.primary.ask("acl", "setuser", "default", "-psync");
    await this.primary.ask("client", "kill", "type", "replica");
    await until("the replica is behind", async () => !(await this.isFollowing()));
  }

  async stop(): Promise<void> {
    await this.#sentinel.end("SIGKILL");
    await Promise.all([this.primary.stop(), this.replica.stop()]);
    await rm(this.#directory, { recursive: true, force: true });
  }
}

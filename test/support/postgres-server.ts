import { execFile } from "node:child_process";
import { chmod, chown, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import { freePort, TestProcess, until } from "./process.ts";

const run = promisify(execFile);

/** A PostgreSQL of a test's own: on a free port of loopback, with a directory that goes with it. */
export class PostgresServer {
  readonly port: number;
  readonly #directory: string;
  readonly #bin: string;
  readonly #owner: { uid: number; gid: number } | null;
  #process: TestProcess | null = null;

  private constructor(port: number, directory: string, bin: string, owner: { uid: number; gid: number } | null) {
    this.port = port;
    this.#directory = directory;
    this.#bin = bin;
    this.#owner = owner;
  }

  static async start(): Promise<PostgresServer> {
    const directory = await mkdtemp(join(tmpdir(), "yamabiko-postgres-"));
    const owner = process.getuid?.() === 0 ? await postgresUser() : null;
    if (owner !== null) await chown(directory, owner.uid, owner.gid);
    await chmod(directory, 0o700);
    const server = new PostgresServer(await freePort(), directory, await findPrograms(), owner);
    const words = ["-D", directory, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    await run(`${server.#bin}/initdb`, words, { ...owner, cwd: directory });
    await server.start();
    return server;
  }

  /** The address of a database of this server; `parameters` as in `?schema=x`. */
  url(parameters = ""): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres${parameters}`;
  }

  /** Starts it, again when it was ended, over the same files. */
  async start(): Promise<void> {
    const settings = ["listen_addresses=127.0.0.1", `port=${this.port}`, `unix_socket_directories=${this.#directory}`];
    // Its processes crash in tests, never the machine: nothing need reach the disk.
    settings.push("max_connections=60", "shared_buffers=32MB", "fsync=off");
    const words = ["-D", this.#directory, ...settings.flatMap((setting) => ["-c", setting])];
    const started = new TestProcess(`${this.#bin}/postgres`, words, { ...this.#owner, cwd: this.#directory });
    this.#process = started;
    await until("PostgreSQL answers", async () => {
      if (!started.isRunning) throw new Error(`PostgreSQL did not start: ${started.output}`);
      return this.ask("SELECT 1").then(
        () => true,
        () => false,
      );
    });
  }

  /** The rows of one statement, over a connection of its own. */
  async ask(statement: string): Promise<readonly Record<string, unknown>[]> {
    const sql = postgres(this.url(), { max: 1, connect_timeout: 5, onnotice: () => {} });
    try {
      return Array.from(await sql.unsafe(statement));
    } finally {
      await sql.end({ timeout: 0 });
    }
  }

  /** Ends it at once, as a crash would. Its processes notice that their first one is gone. */
  async kill(): Promise<void> {
    await this.#process?.end("SIGQUIT");
  }

  /** Ends it and removes its files. */
  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** PostgreSQL refuses to run as root: then it is the user its package made. */
async function postgresUser(): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all(["-u", "-g"].map(async (what) => (await run("id", [what, "postgres"])).stdout));
  return { uid: Number(uid), gid: Number(gid) };
}

async function findPrograms(): Promise<string> {
  if (process.env.POSTGRES_BIN !== undefined) return process.env.POSTGRES_BIN;
  const versions = await readdir("/usr/lib/postgresql");
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0]!;
  return `/usr/lib/postgresql/${newest}/bin`;
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { MemorySample } from "./memory-probe.ts";
import { between, pick, type Random } from "./random.ts";

const START_MS = 60_000;
/** Whatever becomes of the tests, no server outlives them. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
/** Ports that the system does not give to outgoing connections, so that a client never meets itself where a server was. */
const [LOWEST_PORT, HIGHEST_PORT] = [20_000, 30_000];

/** The `yamabiko` command, compiled from the sources as they are now, in a directory of its own. */
export interface Bundle {
  readonly command: string;
  /** A script for `--import` that answers how much memory the process holds. */
  readonly memoryProbe: string;
  /** A server of its own with a game and a ticker, in place of the command. */
  readonly leadNode: string;
  /** A script for `--import` that moves the wall clock of the process when told. */
  readonly clockShift: string;
  /** A server on Socket.IO, in place of the command. */
  readonly socketIoServer: string;
  /** A process of clients, see `system/client-program.ts`. */
  readonly clientProgram: string;
  remove(): Promise<void>;
}

/** Compiles the command. It must see `node_modules` and `package.json`, so it lies two levels below the root. */
export async function bundleCommand(): Promise<Bundle> {
  // Two levels below the root as well, be it this file or one it was compiled into.
  const source = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  await mkdir(source(".cache"), { recursive: true });
  const directory = await mkdtemp(source(".cache/fault-"));
  await build({
    entryPoints: {
      yamabiko: source("src/bin/yamabiko.ts"),
      worker: source("src/log/sqlite/worker.ts"),
      "memory-probe": source("test/fault/memory-probe.ts"),
      "clock-shift": source("test/fault/clock-shift.ts"),
      "socket-io-server": source("test/fault/system/socket-io-server.ts"),
      "client-program": source("test/fault/system/client-program.ts"),
      "lead-node": source("test/fault/lead-node.ts"),
    },
    outdir: directory,
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    packages: "external",
  });
  return {
    command: join(directory, "yamabiko.js"),
    memoryProbe: join(directory, "memory-probe.js"),
    leadNode: join(directory, "lead-node.js"),
    clockShift: join(directory, "clock-shift.js"),
    socketIoServer: join(directory, "socket-io-server.js"),
    clientProgram: join(directory, "client-program.js"),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** A port nobody listens on. */
export async function findPort(random: Random): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = between(random, LOWEST_PORT, HIGHEST_PORT);
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
  throw new Error("There is no free port.");
}

export interface ServerProcessOptions {
  readonly command: string;
  readonly port: number;
  /** Where the log is. Default: a SQLite file that outlives the process. */
  readonly log?: string;
  /** Flags of `yamabiko serve` besides the port, the log and `--dev`. */
  readonly flags?: readonly string[];
  /** Flags of Node itself. */
  readonly nodeFlags?: readonly string[];
  /** Variables of its environment. None of the tests' own that begin with `YAMABIKO_` is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** How many files and sockets it may have open. Default: as the tests. */
  readonly openFiles?: number;
  /** Wires for messages from and to a script loaded with `--import`. */
  readonly ipc?: boolean;
}

/** A server in a process of its own; its log outlives it. */
export class ServerProcess {
  readonly url: string;
  readonly wsUrl: string;
  /** Where the log is, unless the options name another. */
  readonly logPath: string;
  /** What all incarnations printed, the last 64 KiB. */
  printed = "";
  readonly #options: ServerProcessOptions;
  readonly #directory: string;
  #child: ChildProcess | null = null;
  /** What went wrong by itself; null when nothing did. */
  failure: Error | null = null;

  private constructor(options: ServerProcessOptions, directory: string) {
    this.#options = options;
    this.#directory = directory;
    this.logPath = join(directory, "log.db");
    this.url = `http://127.0.0.1:${options.port}`;
    this.wsUrl = `ws://127.0.0.1:${options.port}/ws`;
  }

  /** Starts one with an empty log. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const server = new ServerProcess(options, await mkdtemp(join(tmpdir(), "yamabiko-fault-")));
    try {
      await server.start();
    } catch (error) {
      await server.remove();
      throw error;
    }
    return server;
  }

  /** The process that runs now. */
  get child(): ChildProcess {
    if (this.#child === null) throw new Error("The server does not run.");
    return this.#child;
  }

  /** Starts it again on the same port and log; resolves when it takes requests. */
  async start(): Promise<void> {
    const child = this.#spawn();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`No server came up. It printed:\n${this.printed}`)), START_MS);
      let line = "";
      const read = (chunk: Buffer): void => {
        line += chunk.toString();
        this.printed = `${this.printed}${chunk.toString()}`.slice(-64 * 1024);
        if (!line.includes("is listening on")) return;
        clearTimeout(timer);
        resolve();
      };
      child.stdout?.on("data", read);
      child.stderr?.on("data", read);
      child.once("exit", () => {
        clearTimeout(timer);
        reject(new Error(`The server ended at its start. It printed:\n${this.printed}`));
      });
    });
  }

  /** Starts it and kills it after `afterMs`, wherever its start has come to by then. */
  async startInVain(afterMs: number): Promise<void> {
    this.#spawn();
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    await this.kill();
  }

  /** Whether it runs, as far as we know. */
  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** Moves its wall clock. Needs `ipc` and the clock shift among the flags. */
  shiftClock(shiftMs: number): void {
    this.child.send({ shiftMs });
  }

  /** Ends it without a warning, as the kernel or a power cut would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** The workers that run now, by process id. */
  workers(): number[] {
    const { pid } = this.child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return children.split(" ").filter(Boolean).map(Number);
  }

  /** Ends one of its workers without a warning. */
  killWorker(random: Random): void {
    process.kill(pick(random, this.workers()), "SIGKILL");
  }

  /** What the memory probe says now. Needs `ipc`, `--expose-gc` and the probe among the flags. */
  async memory(): Promise<MemorySample> {
    const { child } = this;
    const answer = once(child, "message");
    child.send("sample");
    return (await answer)[0] as MemorySample;
  }

  /** Sends it a signal, such as SIGSTOP. */
  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Lets it close. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Ends it and removes its log. */
  async remove(): Promise<void> {
    if (this.#child !== null) await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #spawn(): ChildProcess {
    const { command, port, flags = [], nodeFlags = [], env = {}, ipc = false } = this.#options;
    const { log = `sqlite:${this.logPath}`, openFiles } = this.#options;
    const words = [...nodeFlags, command, "serve", "--dev", "--port", String(port), "--log", log, ...flags];
    // The shell's limit is that of the program it becomes.
    const limit = openFiles === undefined ? [] : ["-c", `ulimit -n ${openFiles} && exec "$0" "$@"`, process.execPath];
    const child = spawn(openFiles === undefined ? process.execPath : "/bin/sh", [...limit, ...words], {
      cwd: this.#directory,
      // The server knows every variable that begins like its own, and refuses those of the tests.
      env: { ...withoutOwn(process.env), ...env },
      stdio: ["ignore", "pipe", "pipe", ...(ipc ? (["ipc"] as const) : [])],
    });
    this.#child = child;
    running.add(child);
    child.on("exit", (code, signal) => {
      running.delete(child);
      if (this.#child !== child) return;
      this.#child = null;
      this.failure = new Error(`The server ended by itself with ${code ?? signal}. It printed:\n${this.printed}`);
    });
    return child;
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const { child } = this;
    this.#child = null;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    // One that was stopped would hear nothing but SIGKILL.
    child.kill("SIGCONT");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await exit;
    clearTimeout(timer);
  }
}

function withoutOwn(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("YAMABIKO_")));
}

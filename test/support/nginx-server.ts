import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, TestProcess, until } from "./process.ts";

const run = promisify(execFile);
const NGINX = process.env.NGINX_PATH ?? "/usr/sbin/nginx";

/** An nginx of a test's own: on a free port of loopback, with a directory that goes with it. */
export class NginxServer {
  readonly url: string;
  readonly wsUrl: string;
  readonly #directory: string;
  #process: TestProcess | null = null;

  private constructor(port: number, directory: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.wsUrl = `ws://127.0.0.1:${port}/ws`;
    this.#directory = directory;
  }

  /** Starts one with what would be a file of `/etc/nginx/conf.d/`, except that it listens on a free port. */
  static async start(config: string): Promise<NginxServer> {
    const port = await freePort();
    const directory = await writeConfig(
      config.replace("listen [::]:80;", "").replace("listen 80;", `listen 127.0.0.1:${port};`),
    );
    const server = new NginxServer(port, directory);
    await server.start();
    return server;
  }

  /** Starts it, again when it was killed, on the same port. */
  async start(): Promise<void> {
    const started = new TestProcess(NGINX, [...wordsOf(this.#directory), "-g", "daemon off;"]);
    this.#process = started;
    await until("nginx answers", async () => {
      if (!started.isRunning) throw new Error(`nginx did not start: ${started.output}`);
      return fetch(this.url).then(
        () => true,
        () => false,
      );
    });
  }

  /** Kills all its processes, as a crash of the machine would. */
  async kill(): Promise<void> {
    const { pid } = this.#process!;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
    await this.#process!.end("SIGKILL");
    for (const child of children.split(" ").filter(Boolean)) kill(Number(child));
  }

  /** What nginx says against a configuration; empty when it accepts it. */
  static async complaints(config: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
    const directory = await writeConfig(config, files);
    try {
      await run(NGINX, [...wordsOf(directory), "-t"]);
      return "";
    } catch (error) {
      return (error as { stderr?: string }).stderr || String(error);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** What it did with each request so far: its method, the node or nodes it asked, and the status, as lines. */
  requests(): Promise<string> {
    return readFile(join(this.#directory, "requests"), "utf8");
  }

  /** Ends it and removes its files. */
  async stop(): Promise<void> {
    await this.#process?.end("SIGTERM");
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It had gone with its parent.
  }
}

function wordsOf(directory: string): string[] {
  return ["-e", "stderr", "-p", directory, "-c", join(directory, "nginx.conf")];
}

/** @param files more files, by their path in the configuration, which then lie in the directory. */
async function writeConfig(config: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "yamabiko-nginx-"));
  await mkdir(join(directory, "temp"));
  let site = config;
  for (const [path, text] of Object.entries(files)) {
    const own = join(directory, path.replaceAll("/", "_"));
    await writeFile(own, text);
    site = site.replaceAll(path, own);
  }
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${directory}/temp/${name};`,
  );
  const head = [process.getuid?.() === 0 ? "user root;" : "", "worker_processes 1;", `pid ${directory}/pid;`];
  head.push("error_log stderr warn;", "events { worker_connections 1024; }");
  const http = [
    "log_format nodes '$request_method $upstream_addr $status';",
    `access_log ${directory}/requests nodes;`,
  ];
  await writeFile(
    join(directory, "nginx.conf"),
    `${head.join("\n")}\nhttp {\n${[...http, ...temporary].join("\n")}\n${site}\n}\n`,
  );
  return directory;
}

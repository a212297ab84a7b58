import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, readdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";

/** The core of the load generator: the server has the other one for itself. */
const CORE = 1;
const START_MS = 15_000;

/** How a Redis of each kind keeps what it is given. `redis-volatile` does not, as nothing in it must last. */
const APPEND_ONLY = {
  redis: { appendonly: "yes", appendfsync: "everysec" },
  "redis-always": { appendonly: "yes", appendfsync: "always" },
  "redis-volatile": { appendonly: "no" },
};

/** @typedef {{ url: string, stop: () => Promise<void> }} Store */

/**
 * Whether what a kind of log needs is installed.
 *
 * @param {string} kind
 */
export function hasStore(kind) {
  if (kind.startsWith("redis")) return existsSync("/usr/bin/redis-server");
  return !kind.startsWith("postgres") || existsSync("/usr/lib/postgresql");
}

/**
 * Starts a Redis or a PostgreSQL for one server, in a directory of its own. It ends with this process, whatever ends that.
 *
 * @param {keyof typeof APPEND_ONLY | "postgres"} kind
 * @param {string} directory
 * @returns {Promise<Store>}
 */
export async function startStore(kind, directory) {
  const port = await freePort();
  const [words, owner, url] =
    kind === "postgres" ? postgres(directory, port) : redis(directory, port, APPEND_ONLY[kind]);
  // The shell sees the end of this process as the end of its input.
  const script = `taskset -c ${CORE} "$@" <&- & store=$!; cat > /dev/null; kill -INT $store; wait $store`;
  const shell = spawn("/bin/sh", ["-c", script, "store", ...words], {
    stdio: ["pipe", "ignore", "inherit"],
    cwd: directory,
    ...owner,
  });
  const ended = once(shell, "exit");
  await reachable(port);
  return {
    url,
    stop: async () => {
      shell.stdin.end();
      await ended;
    },
  };
}

function redis(directory, port, appendOnly) {
  const settings = {
    port,
    bind: "127.0.0.1",
    dir: directory,
    save: "",
    ...appendOnly,
    loglevel: "warning",
  };
  const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  return [["redis-server", ...words], {}, `redis://127.0.0.1:${port}`];
}

function postgres(directory, port) {
  const root = process.getuid?.() === 0;
  const id = (what) => Number(execFileSync("id", [what, "postgres"], { encoding: "utf8" }));
  const owner = root ? { uid: id("-u"), gid: id("-g") } : {};
  if (root) chownSync(directory, owner.uid, owner.gid);
  chmodSync(directory, 0o700);
  const version = readdirSync("/usr/lib/postgresql").sort((a, b) => b - a)[0];
  const bin = `/usr/lib/postgresql/${version}/bin`;
  const files = join(directory, "files");
  const words = ["-D", files, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C"];
  execFileSync(`${bin}/initdb`, words, { ...owner, cwd: directory, stdio: "ignore" });
  const settings = [
    `port=${port}`,
    "listen_addresses=127.0.0.1",
    `unix_socket_directories=${directory}`,
    "log_min_messages=fatal",
  ];
  const started = [`${bin}/postgres`, "-D", files, ...settings.flatMap((setting) => ["-c", setting])];
  return [started, owner, `postgres://postgres@127.0.0.1:${port}/postgres`];
}

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

async function reachable(port) {
  const end = performance.now() + START_MS;
  while (performance.now() < end) {
    const socket = connect(port, "127.0.0.1");
    const isThere = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the store does not listen");
}

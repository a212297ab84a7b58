import { once } from "node:events";
import { createInterface } from "node:readline";
import { start } from "./machine.mjs";

/** How long a server has to start, to answer, and to end by itself, ms. */
const START_MS = 15_000;
const ANSWER_MS = 15_000;
const END_MS = 3_000;
/** The core of the server; the load generator has another. */
const CORE = 0;

/**
 * What a server is told.
 *
 * @typedef {object} ServerSettings
 * @property {string} dist the compiled Yamabiko
 * @property {boolean} [deflate] compress what is sent
 * @property {string} [secret] let nobody in without a token (HS256), for those that can
 * @property {number} [heartbeatMs] how often silent connections are pinged, for those that can
 * @property {string} [redis] the Redis that all nodes share, for those that are one of several
 */

/**
 * @typedef {object} ServerProcess
 * @property {number} pid
 * @property {number} port
 * @property {(question: "watch" | "report" | "traffic") => Promise<any>} ask servers in Node answer, see `peers/lifetime.mjs`
 * @property {() => Promise<void>} stop
 */

/**
 * Starts a server in a process of its own and waits until it listens.
 *
 * @param {import("../peers/peers.mjs").Peer} peer
 * @param {ServerSettings} settings
 * @param {{ isUrgent: boolean, programs: import("./programs.mjs").Programs, nodeFlags?: readonly string[] }} how
 * @returns {Promise<ServerProcess>}
 */
export async function startServer(peer, settings, { isUrgent, programs, nodeFlags = [] }) {
  const child = start(CORE, commandOf(peer, settings, programs, nodeFlags), isUrgent);
  const ended = once(child, "exit");
  const lines = createInterface(child.stdout);
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
    await ended;
    clearTimeout(timer);
  };
  const answer = async (patienceMs) => {
    const [line] = await Promise.race([
      once(lines, "line"),
      ended.then(() => Promise.reject(new Error(`${peer.name} ended`))),
      rejectAfter(patienceMs, `${peer.name} does not answer`),
    ]);
    return JSON.parse(line);
  };
  const ask = (question) => {
    child.stdin.write(`${question}\n`);
    return answer(ANSWER_MS);
  };
  try {
    const { port } = await answer(START_MS);
    return { pid: child.pid, port, ask, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function commandOf(peer, settings, programs, nodeFlags) {
  if (peer.runtime === "native") return [programs.limit];
  const rest = [peer.script, ...peer.args, JSON.stringify(settings)];
  if (peer.runtime === "bun") return [programs.bun, ...rest];
  return [process.execPath, ...peer.nodeFlags, ...nodeFlags, ...rest];
}

/**
 * @param {number} ms
 * @param {string} message
 * @returns {Promise<never>}
 */
export function rejectAfter(ms, message) {
  return new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error(message)), ms).unref();
  });
}

import { once } from "node:events";
import { createInterface } from "node:readline";
import { start } from "./machine.mjs";

/** How long a server has to start, and to end by itself, ms. */
const START_MS = 15_000;
const END_MS = 3_000;
/** The core of the server; the load generator has another. */
const CORE = 0;

/**
 * Starts a server in a process of its own and waits until it listens.
 *
 * @param {import("../peers/peers.mjs").Peer} peer
 * @param {string} dist the compiled Yamabiko
 * @param {boolean} isUrgent
 * @returns {Promise<{ pid: number, port: number, stop: () => Promise<void> }>}
 */
export async function startServer(peer, dist, isUrgent) {
  const child = start(CORE, [process.execPath, peer.script, ...peer.args, dist], isUrgent);
  const ended = once(child, "exit");
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
    await ended;
    clearTimeout(timer);
  };
  try {
    const [line] = await Promise.race([
      once(createInterface(child.stdout), "line"),
      ended.then(() => Promise.reject(new Error(`${peer.name} ended before it listened`))),
      rejectAfter(START_MS, `${peer.name} did not start`),
    ]);
    return { pid: child.pid, port: JSON.parse(line).port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
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

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cpuOf, describeMachine } from "../lib/machine.mjs";
import { prepare, say } from "../lib/table.mjs";
import { connect } from "../lib/trial.mjs";

const CONNECTIONS = 2_000;
/** Often, so that a short time is enough. */
const HEARTBEAT_MS = 1_000;
const SECONDS = 8;

/**
 * What a heartbeat costs the server: a ping to a connection that says nothing else, and its pong. CPU of connections that do
 * nothing but that, a ping a second each, less that of the same without.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether all stayed connected
 */
export async function runHeartbeat(options) {
  const group = { shape: { rooms: 20, members: CONNECTIONS / 20, senders: 1, bodyBytes: 128 }, scenarios: [] };
  const { peers, how } = prepare({ peers: ["yamabiko"], groups: [group] }, options);
  const idle = await cpuWhileIdle(peers[0], group, how);
  const beating = await cpuWhileIdle(peers[0], group, { ...how, heartbeatMs: HEARTBEAT_MS });
  const us = ((beating - idle) * 1e6) / (CONNECTIONS * SECONDS * (1_000 / HEARTBEAT_MS));
  const text = [
    "# What a heartbeat costs\n",
    `${describeMachine()}, ${new Date().toISOString().slice(0, 10)}. ${CONNECTIONS.toLocaleString("en")} connections, a ping a second each, for ${SECONDS} s, less the same without.\n`,
    `**${us.toFixed(1)} µs** of server CPU for a ping and its pong.\n`,
  ].join("\n");
  const out = options.out ?? fileURLToPath(new URL("../results", import.meta.url));
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "heartbeat.md"), text);
  process.stdout.write(`\n${text}`);
  return us > 0;
}

async function cpuWhileIdle(peer, group, how) {
  const { server, load, stop } = await connect(peer, group, how);
  try {
    await new Promise((resolve) => setTimeout(resolve, 2 * HEARTBEAT_MS));
    const before = cpuOf(server.pid);
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1_000));
    if (!load.isRunning) throw new Error("a connection was lost");
    const used = cpuOf(server.pid) - before;
    say(`${how.heartbeatMs ?? "no"} ms between heartbeats: ${((100 * used) / SECONDS).toFixed(1)} % of a core`);
    return used;
  } finally {
    await stop();
  }
}

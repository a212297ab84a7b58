import { runTable } from "../lib/table.mjs";
import { hasStore } from "../peers/stores.mjs";

const SENDERS = 20;

/**
 * F6: how fast sends are acknowledged, which is when they are in the log.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every message was acknowledged, once
 */
export function runSends(options) {
  const benchmark = {
    name: "sends",
    title: "Acknowledged sends",
    intro:
      `${SENDERS} clients, each alone in a room; a message has 128 bytes and is sent when another has been acknowledged. ` +
      "No peer here has a durable log to compare with. Redis and PostgreSQL run on the core of the load generator.",
    peers: [
      "yamabiko",
      "yamabiko-sqlite",
      "yamabiko-normal",
      ...(hasStore("redis") ? ["yamabiko-redis", "yamabiko-redis-always"] : []),
      ...(hasStore("postgres") ? ["yamabiko-postgres"] : []),
    ],
    groups: [
      {
        shape: { rooms: SENDERS, members: 1, senders: 1, bodyBytes: 128, endsWithAck: true },
        scenarios: [1, 64, 1_000].map((amount) => ({
          name: `F6-${amount}`,
          title: amount === 1 ? "one at a time" : `${amount.toLocaleString("en")} always on their way`,
          mode: "closed",
          amount,
          watchesLoop: true,
        })),
      },
    ],
    columns: ["acks", "cpuPerAck", "p50", "p99", "loopP99", "loopMax", "serverCpu", "loadCpu"],
    charted: "acksPerSecond",
    chartTitle: "Acknowledged sends per second (more is better)",
  };
  return runTable(benchmark, options);
}

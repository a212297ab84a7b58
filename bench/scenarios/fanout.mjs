import { runTable } from "../lib/table.mjs";

/**
 * F1a, F1, F1S: one room, one publisher.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every server delivered what it had to
 */
export function runFanout(options) {
  const shape = { rooms: 1, members: options.readers, senders: 1, bodyBytes: 128 };
  const groups = [
    {
      shape,
      scenarios: [
        { name: "F1a", title: "40 messages a second", mode: "open", amount: 40 },
        { name: "F1", title: "100 messages a second", mode: "open", amount: 100 },
        { name: "F1S", title: "saturation: 8 messages always on their way", mode: "closed", amount: 8 },
      ],
    },
  ];
  const benchmark = {
    name: "fanout",
    title: "Fan-out",
    intro: `One room with ${options.readers.toLocaleString("en")} readers, 128 bytes of payload.`,
    peers: ["limit", "yamabiko", "yamabiko-sqlite", "ws-naive", "ws-tuned", "socket.io", "bun"],
    groups,
    columns: [
      ...["cpu", "cpuToLimit", "rate", "rateToSocketIo", "rateToBun", "p50", "p99", "complete", "serverCpu", "loadCpu"],
      ...["bytes", "reads", "rssPerConnection", "handshake"],
    ],
  };
  return runTable(benchmark, options);
}

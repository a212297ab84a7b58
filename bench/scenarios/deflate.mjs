import { runTable } from "../lib/table.mjs";

const groups = [
  {
    shape: { rooms: 1, members: 500, senders: 1, bodyBytes: 4_096, deflate: true },
    scenarios: [{ name: "F5", title: "500 readers, 4 KiB of prose, 20 messages a second", mode: "open", amount: 20 }],
  },
];

/**
 * F5: permessage-deflate.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every server delivered what it had to, compressed
 */
export function runDeflate(options) {
  const benchmark = {
    name: "deflate",
    title: "Compressed fan-out",
    intro: "permessage-deflate; every delivery must come compressed, and is inflated and compared.",
    peers: ["yamabiko", "yamabiko-sqlite", "ws-naive", "ws-tuned", "socket.io", "bun"],
    groups,
    columns: [
      "cpu",
      "cpuToBun",
      "cpuToTuned",
      "rate",
      "p50",
      "p99",
      "complete",
      "serverCpu",
      "loadCpu",
      "bytes",
      "reads",
    ],
  };
  return runTable(benchmark, options);
}

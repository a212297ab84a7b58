import { runTable } from "../lib/table.mjs";

const groups = [
  {
    shape: { rooms: 100, members: 20, senders: 20, bodyBytes: 128 },
    scenarios: [
      {
        name: "F2",
        title: "chat: 100 rooms of 20, each member sends 2 messages of 128 B a second",
        mode: "open",
        amount: 4_000,
      },
    ],
  },
  {
    shape: { rooms: 10, members: 50, senders: 1, bodyBytes: 1_024 },
    scenarios: [
      {
        name: "F3",
        title: "game: 10 rooms of 50, 60 messages of 1 KiB a second to each room",
        mode: "open",
        amount: 600,
      },
    ],
  },
];

/**
 * F2, F3: many rooms.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every server delivered what it had to
 */
export function runRooms(options) {
  const benchmark = {
    name: "rooms",
    title: "Many rooms",
    intro: "Every member of a room gets every message of it, its sender too.",
    peers: ["limit", "yamabiko", "yamabiko-sqlite", "ws-naive", "ws-tuned", "socket.io", "bun"],
    groups,
    columns: [
      ...[
        "cpu",
        "cpuToLimit",
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
      ...["rssPerConnection", "handshake"],
    ],
  };
  return runTable(benchmark, options);
}

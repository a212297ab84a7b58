import { runTable } from "../lib/table.mjs";

const FILL_MS = 2_000;
/** Fills whatever holds back what the stalled reader does not take. */
const fill = `closed 8 0 ${FILL_MS}`;
const steady = { mode: /** @type {const} */ ("open"), amount: 40 };

/**
 * F7: one reader that does not read among others that do.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether everybody got everything, the stalled reader too, once it read again
 */
export function runStalled(options) {
  const shape = { rooms: 1, members: options.readers, senders: 1, bodyBytes: 1_024 };
  const benchmark = {
    name: "stalled",
    title: "A stalled reader",
    intro:
      `One room with ${options.readers.toLocaleString("en")} readers, 1 KiB, 40 messages a second, after ${FILL_MS / 1_000} s of as much as the ` +
      "server takes with 8 on their way. In the end the stalled reader reads again and must get all it is owed.",
    peers: options.isQuick
      ? ["yamabiko", "ws-tuned"]
      : ["limit", "yamabiko", "yamabiko-sqlite", "ws-tuned", "socket.io", "bun"],
    groups: [
      { shape, scenarios: [{ name: "F7-all", title: "everybody reads", ...steady, before: [fill] }] },
      {
        shape: { ...shape, lastTiny: true },
        scenarios: [
          {
            name: "F7",
            title: "one reads nothing; figures of the others",
            ...steady,
            before: ["stall", fill],
            wakes: true,
          },
        ],
      },
    ],
    columns: ["cpu", "rate", "p50", "p99", "complete", "serverCpu", "loadCpu", "rss"],
    charted: "p99Ms",
    chartTitle: "p99 of those who read, ms (less is better)",
  };
  return runTable(benchmark, options);
}

import { runTable } from "../lib/table.mjs";
import { connect } from "../lib/trial.mjs";

const FULL = 10_000;
const QUICK = 4_000;

/**
 * F4: what a connection costs that does nothing.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every server let everybody in
 */
export function runIdle(options) {
  const connections = options.isQuick ? QUICK : FULL;
  const group = (name, title, rooms) => ({
    shape: { rooms, members: connections / rooms, senders: 1, bodyBytes: 128, sources: 4 },
    hasTokens: true,
    scenarios: [{ name, title, mode: "open", amount: 1 }],
  });
  const many = connections.toLocaleString("en");
  const benchmark = {
    name: "idle",
    title: "Idle connections",
    intro:
      "What the server's process grew by, and what CPU it spent, while clients connected, 32 at a time, and were let in. " +
      "Yamabiko checks a token (HS256) of another user for each and joins it to a room; its peers check nothing.",
    peers: ["limit", "yamabiko", "yamabiko-small", "yamabiko-compact", "ws-naive", "ws-tuned", "socket.io", "bun"],
    groups: [
      group("F4", `${many} connections in 10 rooms`, 10),
      // Left out of a quick run of everything.
      ...(options.isQuick && options.scenarios.length === 0
        ? []
        : [group("F4r", `${many} connections, each in a room of its own`, connections)]),
    ],
    columns: ["rssPerConnection", "rssToTuned", "handshake", "handshakeToTuned", "rss"],
    charted: "rssKbPerConnection",
    chartTitle: "RSS per idle connection, KB (less is better)",
    attempt,
  };
  return runTable(benchmark, options);
}

async function attempt(peer, group, how) {
  const [scenario] = group.scenarios;
  try {
    const { connected, stop } = await connect(peer, group, how);
    await stop();
    return [{ peer, scenario, figures: connected, faults: [] }];
  } catch (error) {
    return [{ peer, scenario, figures: null, faults: [error.message] }];
  }
}

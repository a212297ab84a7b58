import { countedFaults } from "../lib/summary.mjs";
import { runTable } from "../lib/table.mjs";
import { connect } from "../lib/trial.mjs";

const ROOMS = 100;
const MISSED = 100;
const FULL = 10_000;
const QUICK = 4_000;
/** How long all may take to come back, ms. */
const PATIENCE_MS = 60_000;
/** How long after that the memory is looked at, ms. */
const REST_MS = 2_000;

/**
 * F8: everybody comes back at once and resumes.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether everybody got everything
 */
export function runResume(options) {
  const clients = options.isQuick ? QUICK : FULL;
  const shape = {
    rooms: ROOMS,
    members: clients / ROOMS + 1,
    senders: 1,
    bodyBytes: 128,
    resumes: true,
    connecting: 64,
    sources: 4,
  };
  const benchmark = {
    name: "resume",
    title: "Everybody comes back",
    intro:
      `${clients.toLocaleString("en")} clients in ${ROOMS} rooms lose their connections, ${MISSED} messages are sent to each room, all clients connect at once ` +
      "and resume with their cursors. Memory is that in use after a collection, with everybody connected. No peer here resumes.",
    peers: ["yamabiko", "yamabiko-sqlite"],
    groups: [
      {
        shape,
        scenarios: [
          {
            name: "F8",
            title: `${clients.toLocaleString("en")} clients, ${MISSED} missed events each`,
            mode: "open",
            amount: MISSED,
          },
        ],
      },
    ],
    columns: [
      ...[
        "seconds",
        "letIn",
        "resumed",
        "loopP99",
        "loopMax",
        "serverCpu",
        "loadCpu",
        "base",
        "after",
        "rssBase",
        "rssAfter",
      ],
    ],
    charted: "seconds",
    chartTitle: "Seconds until all have resumed (less is better)",
    attempt: tryResume,
  };
  return runTable(benchmark, options);
}

/**
 * Connects everybody, drops all but the senders, and measures their return.
 *
 * @param {import("../peers/peers.mjs").Peer} peer
 * @param {import("../lib/trial.mjs").Group} group the `amount` of its scenario is how many messages each room is sent meanwhile
 * @param {import("../lib/trial.mjs").How} how
 * @returns {Promise<import("../lib/trial.mjs").Trial[]>}
 */
export async function tryResume(peer, group, how) {
  const [scenario] = group.scenarios;
  let connection = null;
  try {
    const nodeFlags = [...(how.nodeFlags ?? []), "--expose-gc"];
    connection = await connect(peer, group, { drainMs: PATIENCE_MS, ...how, nodeFlags });
    const { server, load } = connection;
    const base = await server.ask("report");
    await load.command(`away ${scenario.amount}`, PATIENCE_MS);
    await server.ask("watch");
    const back = await load.next(2 * PATIENCE_MS);
    const { loopP99Ms, loopMaxMs } = await server.ask("report");
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const after = await server.ask("report");
    const figures = {
      seconds: back.seconds,
      letInSeconds: back.letInSeconds,
      resumedPerSecond: back.resumed / back.seconds,
      loopP99Ms,
      loopMaxMs,
      serverCpuPct: (100 * back.serverCpuS) / back.seconds,
      generatorCpuPct: (100 * back.generatorCpuS) / back.seconds,
      othersCpuPct: (100 * Math.max(0, back.busyS - back.serverCpuS - back.generatorCpuS)) / back.seconds,
      stealPct: (100 * back.stealS) / back.allS,
      baseUsedMb: base.usedKb / 1024,
      afterUsedMb: after.usedKb / 1024,
      baseRssMb: base.rssKb / 1024,
      afterRssMb: after.rssKb / 1024,
    };
    const faults = countedFaults(back);
    if (!back.isDrained) faults.push("not everything arrived in time");
    if (back.resumed !== back.expected) faults.push(`${back.resumed} of ${back.expected} resumed`);
    return [{ peer, scenario, figures, faults }];
  } catch (error) {
    return [{ peer, scenario, figures: null, faults: [error.message] }];
  } finally {
    await connection?.stop();
  }
}

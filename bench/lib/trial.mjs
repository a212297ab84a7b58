import { createHmac } from "node:crypto";
import { LoadGenerator } from "./load-generator.mjs";
import { costsOf } from "./machine.mjs";
import { CACHE } from "./programs.mjs";
import { startServer } from "./server-process.mjs";
import { countedFaults, faultsOf, figuresOf, STEAL_LIMIT, TAKEN_LIMIT } from "./summary.mjs";

const WARM_MS = 700;
/** How long after a window everything must have arrived, ms. */
const DRAIN_MS = 10_000;
/** How often a window is repeated because somebody took time away. */
const REPEATS = 2;
/** What tokens are signed with, where there are any. */
const SECRET = "the benchmark's own secret, known to everybody";
const TOKEN_SECONDS = 3_600;

/**
 * What is published, and by whom.
 *
 * @typedef {object} Scenario
 * @property {string} name
 * @property {string} title
 * @property {"open" | "closed"} mode so many messages a second, or so many on the way
 * @property {number} amount
 * @property {readonly string[]} [before] commands to the load generator
 * @property {boolean} [wakes] whether the stalled reader then wakes, and must get all it was owed
 * @property {boolean} [watchesLoop] whether the delay of the server's event loop is measured
 * @property {number} [size] what the scenario grows in, for charts
 */

/**
 * Scenarios that are measured one after the other on the same connections.
 *
 * @typedef {object} Group
 * @property {import("./plan.mjs").Shape} shape
 * @property {readonly Scenario[]} scenarios
 * @property {boolean} [hasTokens] whether readers show a token, to servers that look at it
 */

/**
 * One window of one peer in one scenario.
 *
 * @typedef {object} Trial
 * @property {import("../peers/peers.mjs").Peer} peer
 * @property {Scenario} scenario
 * @property {import("./summary.mjs").Figures | null} figures null when there was no window
 * @property {readonly string[]} faults
 */

/**
 * @typedef {object} How
 * @property {number} seconds the length of a window
 * @property {string} dist the compiled Yamabiko
 * @property {boolean} isUrgent
 * @property {import("./programs.mjs").Programs} programs
 * @property {readonly string[]} [nodeFlags]
 * @property {number} [heartbeatMs] of servers that can; else none falls into a measurement
 * @property {number} [drainMs]
 * @property {(text: string) => void} say
 */

/**
 * Starts a server and connects all readers.
 *
 * @param {import("../peers/peers.mjs").Peer} peer
 * @param {Group} group
 * @param {How} how
 */
export async function connect(peer, { shape, hasTokens = false }, how) {
  const { dist, isUrgent, programs, nodeFlags, heartbeatMs, drainMs = DRAIN_MS } = how;
  const readers = shape.rooms * shape.members;
  const settings = {
    dist,
    heartbeatMs,
    ...(shape.deflate ? { deflate: true } : {}),
    ...(hasTokens ? { secret: SECRET } : {}),
  };
  const server = await startServer(peer, settings, { isUrgent, programs, nodeFlags });
  try {
    const target = {
      dialect: peer.dialect,
      ports: [server.port],
      pids: [server.pid],
      shape,
      drainMs,
      tokens: hasTokens ? makeTokens(readers) : [],
    };
    const before = costsOf(server.pid);
    const load = await LoadGenerator.start(programs.load, target, CACHE, isUrgent);
    const after = costsOf(server.pid);
    const connected = {
      rssKbPerConnection: (after.rssKb - before.rssKb) / readers,
      handshakeUs: ((after.cpuS - before.cpuS) * 1e6) / readers,
      stealPct: (100 * (after.stealS - before.stealS)) / Math.max(0.01, after.allS - before.allS),
    };
    const stop = async () => {
      await load.stop();
      await server.stop();
    };
    return { server, load, connected, stop };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** A token for each reader, each of another user. */
function makeTokens(count) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = encode({ alg: "HS256", typ: "JWT" });
  const exp = Math.floor(Date.now() / 1_000) + TOKEN_SECONDS;
  return Array.from({ length: count }, (_none, index) => {
    const text = `${head}.${encode({ sub: `user-${index}`, name: `User ${index}`, exp })}`;
    return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
  });
}

/**
 * Starts a server, connects the readers and measures one window for each scenario.
 *
 * @param {import("../peers/peers.mjs").Peer} peer
 * @param {Group} group
 * @param {How} how
 * @returns {Promise<Trial[]>}
 */
export async function tryPeer(peer, group, how) {
  const { scenarios } = group;
  const trials = [];
  let connection = null;
  try {
    connection = await connect(peer, group, how);
    for (const scenario of scenarios) {
      if (!connection.load.isRunning) break;
      trials.push({ peer, scenario, ...(await tryScenario(peer, group, scenario, connection, how)) });
    }
  } catch (error) {
    trials.push({ peer, scenario: scenarios[trials.length], figures: null, faults: [error.message] });
  } finally {
    await connection?.stop();
  }
  for (const scenario of scenarios.slice(trials.length)) {
    trials.push({ peer, scenario, figures: null, faults: ["not measured after the failure before"] });
  }
  return trials;
}

async function tryScenario(peer, { shape }, scenario, { server, load, connected }, how) {
  const faults = [];
  for (const command of scenario.before ?? []) {
    const answer = await load.command(command);
    if (answer.missing !== undefined) faults.push(...countedFaults(answer));
  }
  const watches = scenario.watchesLoop === true && peer.runtime === "node";
  if (watches) await server.ask("watch");
  const window = await measureCalmly(load, scenario, how);
  const loop = watches ? await server.ask("report") : {};
  faults.push(...faultsOf(window, peer.dialect.ack !== "", shape.deflate));
  if (scenario.wakes && load.isRunning) {
    const woken = await load.command("wake");
    faults.push(...countedFaults(woken));
    if (!woken.isWhole) faults.push("the stalled reader did not get all it was owed");
  }
  const { rssKbPerConnection, handshakeUs } = connected;
  const { loopP99Ms, loopMaxMs } = loop;
  const delays = watches ? { loopP99Ms, loopMaxMs } : {};
  return { figures: { ...figuresOf(window), rssKbPerConnection, handshakeUs, ...delays }, faults };
}

/**
 * Measures again while the host, or other processes, take time away from us; the calmest window counts. A window with a fault
 * always counts.
 */
async function measureCalmly(load, scenario, { seconds, say }) {
  let best = null;
  for (let attempt = 0; attempt <= REPEATS; attempt++) {
    const window = await load.measure(scenario, { warmMs: WARM_MS, windowMs: seconds * 1_000 });
    const isFaulty = faultsOf(window, false).length > 0;
    const { stealPct, takenPct } = figuresOf(window);
    const lost = stealPct / STEAL_LIMIT + takenPct / TAKEN_LIMIT;
    if (best === null || isFaulty || lost < best.lost) best = { window, lost };
    if (isFaulty || (stealPct <= STEAL_LIMIT && takenPct <= TAKEN_LIMIT) || !load.isRunning) break;
    if (attempt < REPEATS)
      say(`  ${stealPct.toFixed(0)} % stolen by the host, ${takenPct.toFixed(0)} % by other processes: again`);
  }
  return best.window;
}

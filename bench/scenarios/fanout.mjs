import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildYamabiko } from "../lib/build.mjs";
import { chooseLoadGenerator, LoadGenerator } from "../lib/load-generator.mjs";
import { canPin, describeMachine, openFilesLimit } from "../lib/machine.mjs";
import { pick } from "../lib/options.mjs";
import { report } from "../lib/report.mjs";
import { startServer } from "../lib/server-process.mjs";
import { faultsOf, figuresOf, medians, STEAL_LIMIT } from "../lib/summary.mjs";
import { BROKEN_PEERS, PEERS } from "../peers/peers.mjs";

/**
 * How much is published.
 *
 * @typedef {object} Scenario
 * @property {string} name
 * @property {string} title
 * @property {"open" | "closed"} mode so many a second, or so many on the way
 * @property {number} amount
 */

/** @type {readonly Scenario[]} */
const SCENARIOS = [
  { name: "F1a", title: "40 messages a second", mode: "open", amount: 40 },
  { name: "F1", title: "100 messages a second", mode: "open", amount: 100 },
  { name: "F1S", title: "saturation: 8 messages always on their way", mode: "closed", amount: 8 },
];

const WARM_MS = 700;
/** Files a server has open besides its connections, at most. */
const SPARE_FILES = 200;
/** How long after a window everything must have arrived, ms. */
const DRAIN_MS = 10_000;
/** How often a window is repeated because the host took time away. */
const REPEATS = 2;

const bench = fileURLToPath(new URL("../", import.meta.url));
const cache = join(bench, ".cache");

/**
 * Runs every peer through every scenario, interleaved, and writes the results.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every server delivered what it had to
 */
export async function runFanout(options) {
  const peers = pick(PEERS, options.peers);
  const scenarios = pick(SCENARIOS, options.scenarios);
  const files = openFilesLimit();
  if (options.readers + SPARE_FILES > files) {
    throw new TypeError(
      `${options.readers} readers need more open files than ${files}: raise the hard limit (ulimit -Hn)`,
    );
  }
  const dist = options.dist ?? buildYamabiko(cache);
  const generator = chooseLoadGenerator(cache, options.load);
  say(`${describeMachine()}; ${canPin ? "server on core 0, load on core 1" : "not pinned"}; load in ${generator.kind}`);

  /** @type {Trial[]} */
  const trials = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const peer of peers) {
      for (const trial of await tryPeer(peer, scenarios, { ...options, dist, generator })) {
        trials.push(trial);
        say(`round ${round}/${options.rounds}  ${describe(trial)}`);
      }
    }
  }

  const results = {
    machine: describeMachine(),
    pinned: canPin,
    load: generator.kind,
    measuredAt: new Date().toISOString(),
    readers: options.readers,
    windowSeconds: options.seconds,
    rounds: options.rounds,
    scenarios: scenarios.map((scenario) => ({
      ...scenario,
      peers: peers.map((peer) =>
        summarize(
          peer,
          trials.filter((t) => t.peer === peer && t.scenario === scenario),
        ),
      ),
    })),
  };
  const text = report(results);
  const out = options.out ?? join(bench, "results");
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "fanout.md"), text);
  writeFileSync(join(out, "fanout.json"), `${JSON.stringify(results, null, 2)}\n`);
  process.stdout.write(`\n${text}`);
  return trials.every((trial) => trial.faults.length === 0);
}

/**
 * Shows that the benchmark refuses servers that are fast and wrong.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>}
 */
export async function runSelfCheck(options) {
  const kinds = options.load === "auto" ? /** @type {const} */ (["c", "node"]) : [options.load];
  let areAllRefused = true;
  for (const kind of kinds) {
    const generator = chooseLoadGenerator(cache, kind);
    const settings = { readers: 50, seconds: 0.5, dist: "", isUrgent: options.isUrgent, generator, drainMs: 300 };
    for (const peer of BROKEN_PEERS) {
      const [trial] = await tryPeer(peer, SCENARIOS.slice(0, 1), { ...settings, amount: 200 });
      const isRefused = trial !== undefined && trial.faults.length > 0;
      areAllRefused &&= isRefused;
      say(
        `${kind.padEnd(5)}${peer.name.padEnd(15)}${isRefused ? `refused: ${trial.faults.join(", ")}` : "NOT NOTICED"}`,
      );
    }
  }
  return areAllRefused;
}

/**
 * One window of one peer in one scenario.
 *
 * @typedef {object} Trial
 * @property {import("../peers/peers.mjs").Peer} peer
 * @property {Scenario} scenario
 * @property {import("../lib/summary.mjs").Figures | null} figures null when there was no window
 * @property {readonly string[]} faults
 */

/**
 * Starts a server, connects the readers and measures one window for each scenario.
 *
 * @param {import("../peers/peers.mjs").Peer} peer
 * @param {readonly Scenario[]} scenarios
 * @param {{ readers: number, seconds: number, dist: string, isUrgent: boolean, drainMs?: number, amount?: number,
 *   generator: ReturnType<typeof chooseLoadGenerator> }} settings
 * @returns {Promise<Trial[]>}
 */
async function tryPeer(peer, scenarios, { readers, seconds, dist, isUrgent, drainMs = DRAIN_MS, amount, generator }) {
  const trials = [];
  const server = await startServer(peer, dist, isUrgent);
  let load = null;
  try {
    const target = { dialect: peer.dialect, port: server.port, pid: server.pid, readers, drainMs };
    load = await LoadGenerator.start(generator.command, target, cache, isUrgent);
    for (const scenario of scenarios) {
      if (!load.isRunning) break;
      const asked = amount === undefined ? scenario : { ...scenario, amount };
      const window = await measureCalmly(load, asked, { warmMs: WARM_MS, windowMs: seconds * 1_000 });
      trials.push({ peer, scenario, figures: figuresOf(window), faults: faultsOf(window, peer.dialect.ack !== "") });
    }
  } catch (error) {
    trials.push({ peer, scenario: scenarios[trials.length], figures: null, faults: [error.message] });
  } finally {
    await load?.stop();
    await server.stop();
  }
  for (const scenario of scenarios.slice(trials.length)) {
    trials.push({ peer, scenario, figures: null, faults: ["not measured after the failure before"] });
  }
  return trials;
}

/** Measures again while the host takes time away from us; the calmest window counts. A window with a fault always counts. */
async function measureCalmly(load, scenario, times) {
  let best = null;
  for (let attempt = 0; attempt <= REPEATS; attempt++) {
    const window = await load.measure(scenario, times);
    const isFaulty = faultsOf(window, false).length > 0;
    const steal = figuresOf(window).stealPct;
    if (best === null || isFaulty || steal < figuresOf(best).stealPct) best = window;
    if (isFaulty || steal <= STEAL_LIMIT || !load.isRunning) return best;
    say(`  ${steal.toFixed(0)} % stolen by the host: again`);
  }
  return best;
}

function summarize(peer, trials) {
  const measured = trials.filter((trial) => trial.figures !== null).map((trial) => trial.figures);
  return {
    name: peer.name,
    title: peer.title,
    runs: measured.length,
    figures: measured.length === 0 ? null : medians(measured),
    each: measured,
    faults: trials.flatMap((trial) => trial.faults),
  };
}

function describe({ peer, scenario, figures, faults }) {
  const head = `${scenario.name.padEnd(4)}${peer.name.padEnd(16)}`;
  const tail = faults.length === 0 ? "" : `  FAULTY: ${faults.join(", ")}`;
  if (figures === null) return head + tail;
  const columns = [
    `${Math.round(figures.deliveriesPerSecond).toLocaleString("en").padStart(9)}/s`,
    `${figures.cpuUsPerDelivery.toFixed(2).padStart(6)} us`,
    `p99 ${figures.p99Ms.toFixed(1).padStart(6)} ms`,
    `reads ${figures.readsPerDelivery.toFixed(2)}`,
    `server ${figures.serverCpuPct.toFixed(0).padStart(3)} %`,
    `load ${figures.generatorCpuPct.toFixed(0).padStart(3)} %`,
    `others ${figures.othersCpuPct.toFixed(0).padStart(3)} %`,
    `steal ${figures.stealPct.toFixed(1)} %`,
  ];
  return `${head}${columns.join("  ")}${tail}`;
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

import { PEERS } from "../peers/peers.mjs";
import { buildYamabiko } from "./build.mjs";
import { barChart } from "./chart.mjs";
import { canPin, describeMachine, openFilesLimit } from "./machine.mjs";
import { pick } from "./options.mjs";
import { CACHE, findPrograms } from "./programs.mjs";
import { rowsOf, writeResults } from "./results.mjs";
import { tryPeer } from "./trial.mjs";

/** Files a server has open besides its connections, at most. */
const SPARE_FILES = 200;

/**
 * Runs peers through groups of scenarios, interleaved, and writes the results.
 *
 * @param {object} benchmark
 * @param {string} benchmark.name of the files
 * @param {string} benchmark.title
 * @param {string} benchmark.intro
 * @param {readonly string[]} benchmark.peers those that take part when none are named
 * @param {readonly import("./trial.mjs").Group[]} benchmark.groups
 * @param {readonly (keyof typeof import("./report.mjs").COLUMNS)[]} benchmark.columns
 * @param {keyof import("./summary.mjs").Figures} [benchmark.charted]
 * @param {string} [benchmark.chartTitle]
 * @param {(scenarios: readonly any[]) => readonly { file: string, svg: string }[]} [benchmark.draw] instead of the bars
 * @param {(peer: import("../peers/peers.mjs").Peer, group: import("./trial.mjs").Group, how: import("./trial.mjs").How) =>
 *   Promise<import("./trial.mjs").Trial[]>} [benchmark.attempt] how one peer is measured in one group
 * @param {import("./options.mjs").Options} options
 * @returns {Promise<boolean>} whether every server delivered what it had to
 */
export async function runTable(benchmark, options) {
  const { name, title, intro, groups, columns, attempt = tryPeer } = benchmark;
  const { peers, how } = prepare(benchmark, options);
  const all = groups.flatMap(({ scenarios }) => scenarios);
  const wanted = new Set(
    pick(
      all,
      options.scenarios.filter((scenario) => all.some((other) => other.name === scenario)),
    ),
  );
  /** @type {import("./trial.mjs").Trial[]} */
  const trials = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const group of groups) {
      const scenarios = group.scenarios.filter((scenario) => wanted.has(scenario));
      if (scenarios.length === 0) continue;
      for (const peer of peers) {
        for (const trial of await attempt(peer, { ...group, scenarios }, how)) {
          trials.push(trial);
          say(`round ${round}/${options.rounds}  ${describe(trial)}`);
        }
      }
    }
  }
  const scenarios = all
    .filter((scenario) => wanted.has(scenario))
    .map((scenario) => ({
      ...scenario,
      peers: rowsOf(
        peers,
        trials.filter((trial) => trial.scenario === scenario),
      ),
    }));
  const charts = benchmark.draw?.(scenarios) ?? [drawBars(benchmark, scenarios)];
  writeResults({ name, title, intro, columns, scenarios, charts }, options, how.programs.kind);
  return trials.every((trial) => trial.faults.length === 0);
}

/** The peers that can take part, and how they are measured. */
export function prepare({ peers: defaults, groups }, options) {
  const named = pick(PEERS, options.peers.length > 0 ? options.peers : defaults);
  const readers = Math.max(...groups.map(({ shape }) => shape.rooms * shape.members));
  const files = openFilesLimit();
  if (readers + SPARE_FILES > files) {
    throw new TypeError(`${readers} readers need more open files than ${files}: raise the hard limit (ulimit -Hn)`);
  }
  const programs = findPrograms(named, options.load, say);
  if (programs.kind === "node" && groups.some(({ shape }) => !isSimple(shape))) {
    throw new Error("This benchmark needs the native load generator, and that a C compiler (`cc`).");
  }
  if (programs.kind === "node") say("There is no C compiler: the load generator in JavaScript costs more.");
  const peers = named.filter(
    ({ runtime }) => runtime === "node" || programs[runtime === "bun" ? "bun" : "limit"] !== null,
  );
  const dist = options.dist ?? buildYamabiko(CACHE);
  say(`${describeMachine()}; ${canPin ? "server on core 0, load on core 1" : "not pinned"}; load in ${programs.kind}`);
  const { seconds, isUrgent, nodeFlags } = options;
  return { peers, how: { seconds, isUrgent, nodeFlags, dist, programs, say } };
}

/** Whether the load generator in JavaScript can do it. */
function isSimple({ rooms, senders, deflate, lastTiny, endsWithAck, resumes }) {
  return rooms === 1 && senders === 1 && !deflate && !lastTiny && !endsWithAck && !resumes;
}

function drawBars(
  { name, charted = "cpuUsPerDelivery", chartTitle = "Server CPU per delivery, µs (less is better)" },
  scenarios,
) {
  const sections = scenarios.map((scenario) => ({
    title: `${scenario.name}: ${scenario.title}`,
    bars: scenario.peers
      .filter(({ figures }) => typeof figures?.[charted] === "number")
      .map(({ name: peer, title, figures }) => ({
        name: peer,
        title: title.replaceAll("`", ""),
        value: figures[charted],
        text: figures[charted] < 100 ? figures[charted].toFixed(2) : Math.round(figures[charted]).toLocaleString("en"),
      })),
  }));
  return { file: `${name}.svg`, svg: barChart(chartTitle, sections) };
}

const PROGRESS = [
  ["deliveriesPerSecond", (value) => `${Math.round(value).toLocaleString("en").padStart(9)}/s`],
  ["cpuUsPerDelivery", (value) => `${value.toFixed(2).padStart(6)} us`],
  ["acksPerSecond", (value) => `${Math.round(value).toLocaleString("en")} acks/s`],
  ["p50Ms", (value) => `p50 ${value.toFixed(1).padStart(5)} ms`],
  ["p99Ms", (value) => `p99 ${value.toFixed(1).padStart(6)} ms`],
  ["readsPerDelivery", (value) => `reads ${value.toFixed(2)}`],
  ["seconds", (value) => `${value.toFixed(2)} s`],
  ["loopP99Ms", (value) => `loop p99 ${value.toFixed(1)} ms`],
  ["loopMaxMs", (value) => `max ${value.toFixed(1)} ms`],
  ["nodesUsPerMessage", (value) => `nodes ${value.toFixed(0)} us/message`],
  ["redisUsPerMessage", (value) => `Redis ${value.toFixed(1)} us/message`],
  ["idleInPerMessage", (value) => `idle nodes ${value.toFixed(1)} bytes/message`],
  ["serverCpuPct", (value) => `server ${value.toFixed(0).padStart(3)} %`],
  ["generatorCpuPct", (value) => `load ${value.toFixed(0).padStart(3)} %`],
  ["othersCpuPct", (value) => `others ${value.toFixed(0).padStart(3)} %`],
  ["rssKbPerConnection", (value) => `${value.toFixed(1)} KB/conn`],
  ["handshakeUs", (value) => `handshake ${value.toFixed(0)} us`],
  ["takenPct", (value) => `taken ${value.toFixed(1)} %`],
  ["stealPct", (value) => `steal ${value.toFixed(1)} %`],
];

function describe({ peer, scenario, figures, faults }) {
  const parts = PROGRESS.filter(([name]) => typeof figures?.[name] === "number").map(([name, show]) =>
    show(figures[name]),
  );
  const tail = faults.length === 0 ? "" : `  FAULTY: ${faults.join(", ")}`;
  return `${scenario.name.padEnd(8)}${peer.name.padEnd(17)}${parts.join("  ")}${tail}`;
}

/** Progress goes to standard error. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

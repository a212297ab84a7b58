import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { findNchan, startNchan } from "../http/nchan.mjs";
import { BROKEN_PEERS, MARKER, PEERS, TAIL } from "../http/peers.mjs";
import { medians, report } from "../http/report.mjs";
import { buildYamabiko } from "../lib/build.mjs";
import { canPin, describeMachine, start } from "../lib/machine.mjs";
import { pick } from "../lib/options.mjs";

/** Streams, and long polls. */
const READERS = 500;
/** Messages a second. */
const SCENARIOS = [
  { name: "F9-10", rate: 10 },
  { name: "F9-40", rate: 40 },
];

const SERVER_CORE = 0;
const LOAD_CORE = 1;
const WARM_MS = 1_000;
const DRAIN_MS = 10_000;
const START_MS = 15_000;
const CONNECT_MS = 40_000;
/** Connections a server has seen before its memory is first taken. */
const WARM_READERS = 20;

const bench = fileURLToPath(new URL("../", import.meta.url));
const cache = join(bench, ".cache");

/**
 * F9: what a stream or a poll takes that waits, and what a delivery to it costs.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every server delivered what it had to
 */
export async function runHttp(options) {
  const rates = pick(SCENARIOS, options.scenarios).map(({ rate }) => rate);
  // Named for all benchmarks at once: those that are known here.
  const known = options.peers.filter((name) => PEERS.some((peer) => peer.name === name));
  const wanted = pick(PEERS, known.length > 0 ? known : []);
  const dist = options.dist ?? buildYamabiko(cache);
  const load = compileLoad();
  const nchan = findNchan();
  const peers = wanted.filter(({ program }) => program !== "nginx" || nchan !== null);
  const absent = wanted.filter((peer) => !peers.includes(peer)).map(({ title }) => title);
  if (absent.length > 0) say(`not installed: ${absent.join(", ")}`);
  say(`${describeMachine()}; ${canPin ? "server on core 0, load on core 1" : "not pinned"}`);
  const trials = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const peer of peers) {
      for (const trial of await tryPeer(peer, { ...options, rates, dist, load, nchan })) {
        trials.push(trial);
        say(`round ${round}/${options.rounds}  ${describe(trial)}`);
      }
    }
  }
  const results = {
    machine: describeMachine(),
    pinned: canPin,
    measuredAt: new Date().toISOString(),
    readers: READERS,
    windowSeconds: options.seconds,
    rounds: options.rounds,
    absent,
    rates,
    peers: peers.map(({ name, title, way }) => ({
      name,
      title,
      way,
      idle: medians(trials.filter((t) => t.peer === name && t.rate === 0).map((t) => t.figures)),
      byRate: rates.map((rate) => {
        const ofRate = trials.filter((t) => t.peer === name && t.rate === rate);
        return {
          rate,
          faults: ofRate.flatMap((t) => t.faults),
          figures: medians(ofRate.map((t) => t.figures)),
        };
      }),
    })),
  };
  const out = options.out ?? join(bench, "results");
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "http.json"), `${JSON.stringify(results, null, 2)}\n`);
  const text = report(results);
  writeFileSync(join(out, "http.md"), text);
  process.stdout.write(text);
  return trials.every(({ faults }) => faults.length === 0);
}

/**
 * Shows that servers which deliver wrongly are refused.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether all of them were
 */
export async function runHttpSelfCheck(options) {
  const how = { ...options, rates: [40], dist: "", load: compileLoad(), nchan: null };
  let isGood = true;
  for (const peer of BROKEN_PEERS) {
    const faults = (await tryPeer(peer, how)).flatMap((trial) => trial.faults);
    say(`${peer.title}: ${faults.length > 0 ? `refused (${faults.join("; ")})` : "NOT NOTICED"}`);
    isGood &&= faults.length > 0;
  }
  return isGood;
}

/** One server: what N idle readers take, then every rate. */
async function tryPeer(peer, options) {
  const server =
    peer.program === "nginx"
      ? await startNchan(options.nchan, SERVER_CORE, cache, options.isUrgent)
      : await startNode(peer.program, options);
  const trials = [];
  try {
    const few = await startLoad(peer, server, WARM_READERS, options);
    await few.stop();
    const before = await server.memory();
    const generator = await startLoad(peer, server, READERS, options);
    try {
      const after = await server.memory();
      const each = (name) => (after[name] === null ? undefined : (after[name] - before[name]) / 1024 / READERS);
      const idle = { rssKb: each("rss"), usedKb: each("used"), baseMb: before.rss / 2 ** 20 };
      trials.push({ peer: peer.name, rate: 0, figures: idle, faults: [] });
      for (const rate of options.rates) {
        const seen = await generator.measure(rate, WARM_MS, options.seconds * 1000);
        trials.push({ peer: peer.name, rate, figures: figuresOf(seen), faults: faultsOf(seen) });
        if (!seen.isDrained) break;
      }
    } finally {
      await generator.stop();
    }
  } finally {
    await server.stop();
  }
  return trials;
}

function figuresOf(seen) {
  const each = (value) => value / Math.max(1, seen.deliveriesInWindow);
  return {
    published: seen.published / seen.seconds,
    deliveries: seen.deliveriesInWindow / seen.seconds,
    cpuUs: each(seen.serverCpuS * 1e6),
    cpuPct: (seen.serverCpuS / seen.seconds) * 100,
    loadPct: (seen.generatorCpuS / seen.seconds) * 100,
    othersPct: ((seen.busyS - seen.serverCpuS - seen.generatorCpuS) / seen.seconds) * 100,
    stealPct: (seen.stealS / seen.seconds) * 100,
    bytes: each(seen.bytes),
    answers: each(seen.answers),
    p50Ms: seen.p50Ms,
    p99Ms: seen.p99Ms,
  };
}

function faultsOf({ isDrained, missing, repeated, corrupt, acks, publishedSinceStart }) {
  const faults = [];
  if (!isDrained) faults.push("not everything arrived");
  if (missing > 0) faults.push(`${missing} missing`);
  if (repeated > 0) faults.push(`${repeated} repeated or late`);
  if (corrupt > 0) faults.push(`${corrupt} altered`);
  if (acks !== publishedSinceStart) faults.push(`${publishedSinceStart - acks} not acknowledged`);
  return faults;
}

function describe({ peer, rate, figures, faults }) {
  const what =
    rate === 0
      ? `idle: ${figures.rssKb?.toFixed(1)} KB RSS each`
      : `${rate}/s: ${figures.cpuUs.toFixed(1)} µs a delivery, server ${figures.cpuPct.toFixed(0)} %, load ${figures.loadPct.toFixed(0)} %, p99 ${figures.p99Ms.toFixed(1)} ms`;
  return `${peer.padEnd(20)}${what}${faults.length === 0 ? "" : `  WRONG: ${faults.join("; ")}`}`;
}

async function startNode(program, { dist, nodeFlags, isUrgent }) {
  const script = join(bench, "http/peer.mjs");
  const child = start(SERVER_CORE, [process.execPath, "--expose-gc", ...nodeFlags, script, program, dist], isUrgent);
  const answer = answers(child, program);
  const { port, token } = await answer(START_MS);
  return {
    pid: child.pid,
    port,
    token,
    memory() {
      child.stdin.write("memory\n");
      return answer(START_MS);
    },
    stop: () => end(child),
  };
}

async function startLoad(peer, { pid, port, token }, readers, { load, isUrgent }) {
  const texts = {
    first: peer.first(token),
    again: peer.again(token),
    publish: peer.publish,
    marker: MARKER,
    tail: TAIL.replaceAll("##########", ""),
    cursor: peer.cursor ?? "",
  };
  const numbers = {
    port,
    pid,
    readers,
    drainMs: DRAIN_MS,
    isPoll: Number(peer.way === "poll"),
    cursorInHeaders: Number(peer.way === "poll" && peer.cursor === undefined),
  };
  const lines = Object.entries(numbers).map(([name, value]) => `${name} ${value}`);
  for (const [name, text] of Object.entries(texts)) lines.push(`${name} ${Buffer.from(text).toString("hex")}`);
  mkdirSync(cache, { recursive: true });
  const plan = join(cache, `http-plan-${process.pid}.txt`);
  writeFileSync(plan, `${lines.join("\n")}\n`);
  const child = start(LOAD_CORE, [load, plan], isUrgent);
  const answer = answers(child, "the load generator");
  const stop = () => end(child);
  try {
    await answer(CONNECT_MS);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    rmSync(plan, { force: true });
  }
  return {
    measure(rate, warmMs, windowMs) {
      child.stdin.write(`open ${rate} ${warmMs} ${windowMs}\n`);
      return answer(warmMs + windowMs + DRAIN_MS + 10_000);
    },
    stop,
  };
}

/** The lines a program says, as JSON. */
function answers(child, what) {
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return async (patienceMs) => {
    const patience = new Promise((_resolve, reject) => {
      setTimeout(() => reject(new Error(`${what} does not answer`)), patienceMs).unref();
    });
    const { value, done } = await Promise.race([lines.next(), patience]);
    if (done) throw new Error(`${what} ended`);
    const answer = JSON.parse(value);
    if (answer.error !== undefined) throw new Error(`${what}: ${answer.error}`);
    return answer;
  };
}

/** Both kinds end with their standard input. */
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.stdin.end();
  const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await ended;
  clearTimeout(timer);
}

function compileLoad() {
  const source = join(bench, "http/load.c");
  const binary = join(cache, "http-load");
  if ((statSync(binary, { throwIfNoEntry: false })?.mtimeMs ?? 0) > statSync(source).mtimeMs) return binary;
  mkdirSync(cache, { recursive: true });
  const { status, error } = spawnSync("cc", ["-O2", "-o", binary, source], { stdio: "inherit" });
  if (status !== 0) throw new Error(`The load generator needs a C compiler (cc). ${error?.message ?? ""}`);
  return binary;
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

import { parseArgs } from "node:util";

/**
 * @typedef {object} Options
 * @property {number} readers of the fan-out
 * @property {number} seconds the length of one window
 * @property {number} rounds
 * @property {readonly string[]} scenarios names; empty: all
 * @property {readonly string[]} peers names; empty: those of the benchmark
 * @property {boolean} isQuick
 * @property {"auto" | "c" | "node"} load
 * @property {boolean} isUrgent whether the measured processes go before all others
 * @property {readonly string[]} nodeFlags for the servers in Node
 * @property {string | null} dist a compiled Yamabiko to measure instead of the sources
 * @property {string | null} out where the results go; null: `bench/results`
 */

export const USAGE = `npm run bench -- WHAT… [options]     Yamabiko and its peers side by side

  all            everything below but the self-check
  fanout         F1a, F1, F1S: one room, 1,000 readers
  rooms          F2, F3: chat in 100 rooms, a game in 10
  idle           F4: 10,000 idle connections
  deflate        F5: compressed messages
  sends          F6: acknowledged, durable sends
  stalled        F7: one reader that does not read
  resume         F8: 10,000 clients come back at once
  http           F9: 500 streams, 500 long polls
  documents      20 typists in one text of 100,000 characters
  game           F10: a game of 100 players at 60 ticks a second
  redis          F11: one, two and three nodes on one Redis
  redis-calls    what an append, a notice, a head cost Redis
  heartbeat      a ping and its pong
  growth         more readers, more rooms
  F1a … F11      one scenario
  self-check     shows that wrong servers are refused; http-self-check, the same for F9

  --quick          one round of 1 s
  --seconds S      length of one measured window (2)
  --rounds N       how often everything is repeated, interleaved (3)
  --readers N      readers of the fan-out (1000)
  --scenario A,B   only these
  --peers A,B      limit, yamabiko, yamabiko-sqlite, -normal, -redis, -redis-always, -postgres, -small, ws-naive, ws-tuned, socket.io, bun,
                   socket.io-redis, socket.io-sharded, socket.io-streams (F11)
  --load c|node    which load generator (c where a compiler is found; node can do the fan-out only)
  --urgent         servers and load generator go before all other processes (needs root)
  --node-flags="A B"   for the servers in Node, e.g. --node-flags=--cpu-prof
  --dist DIR       a compiled Yamabiko to measure instead of src/
  --out DIR        where the results go (bench/results)
`;

/**
 * @param {readonly string[]} args
 * @returns {Options}
 * @throws {TypeError} when an option is unknown or not a number where it must be one
 */
export function readOptions(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      readers: { type: "string" },
      seconds: { type: "string" },
      rounds: { type: "string" },
      scenario: { type: "string" },
      peers: { type: "string" },
      quick: { type: "boolean", default: false },
      load: { type: "string", default: "auto" },
      urgent: { type: "boolean", default: false },
      "node-flags": { type: "string" },
      dist: { type: "string" },
      out: { type: "string" },
    },
  });
  if (!["auto", "c", "node"].includes(values.load)) throw new TypeError("--load is c or node");
  return {
    readers: positive("readers", values.readers, 1_000),
    seconds: positive("seconds", values.seconds, values.quick ? 1 : 2),
    rounds: positive("rounds", values.rounds, values.quick ? 1 : 3),
    scenarios: list(values.scenario, ","),
    peers: list(values.peers, ","),
    isQuick: values.quick,
    load: /** @type {Options["load"]} */ (values.load),
    isUrgent: values.urgent,
    nodeFlags: list(values["node-flags"], " "),
    dist: values.dist ?? null,
    out: values.out ?? null,
  };
}

function positive(name, text, fallback) {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new TypeError(`--${name} is a number above 0`);
  return value;
}

function list(text, separator) {
  return text === undefined ? [] : text.split(separator).filter((name) => name !== "");
}

/**
 * The entries that were asked for, all when none was named.
 *
 * @template {{ name: string }} T
 * @param {readonly T[]} all
 * @param {readonly string[]} names
 * @returns {readonly T[]}
 */
export function pick(all, names) {
  for (const name of names) {
    if (!all.some((entry) => entry.name === name)) {
      throw new TypeError(`There is no "${name}". There are: ${all.map((entry) => entry.name).join(", ")}`);
    }
  }
  return names.length === 0 ? all : all.filter((entry) => names.includes(entry.name));
}

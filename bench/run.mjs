import { readOptions, USAGE } from "./lib/options.mjs";
import { say } from "./lib/table.mjs";
import { takeTurn } from "./lib/turn.mjs";
import { runDeflate } from "./scenarios/deflate.mjs";
import { runDocuments } from "./scenarios/documents.mjs";
import { runFanout } from "./scenarios/fanout.mjs";
import { runGame } from "./scenarios/game.mjs";
import { runGrowth } from "./scenarios/growth.mjs";
import { runHeartbeat } from "./scenarios/heartbeat.mjs";
import { runHttp, runHttpSelfCheck } from "./scenarios/http.mjs";
import { runIdle } from "./scenarios/idle.mjs";
import { runRedis } from "./scenarios/redis.mjs";
import { runRedisCalls } from "./scenarios/redis-calls.mjs";
import { runResume } from "./scenarios/resume.mjs";
import { runRooms } from "./scenarios/rooms.mjs";
import { runSelfCheck } from "./scenarios/self-check.mjs";
import { runSends } from "./scenarios/sends.mjs";
import { runStalled } from "./scenarios/stalled.mjs";

const SEVERAL_NODES = ["F11-1", "F11-2", "F11-3", "F11-1of3"].flatMap((name) => [`${name}-paced`, `${name}-full`]);

/** What can be run, and the scenarios in it: each takes options and returns whether all was well. */
const BENCHMARKS = {
  fanout: { run: runFanout, scenarios: ["F1a", "F1", "F1S"] },
  rooms: { run: runRooms, scenarios: ["F2", "F3"] },
  idle: { run: runIdle, scenarios: ["F4", "F4r"] },
  deflate: { run: runDeflate, scenarios: ["F5"] },
  sends: { run: runSends, scenarios: ["F6-1", "F6-64", "F6-1000"] },
  stalled: { run: runStalled, scenarios: ["F7-all", "F7"] },
  resume: { run: runResume, scenarios: ["F8"] },
  http: { run: runHttp, scenarios: ["F9-10", "F9-40"] },
  documents: { run: runDocuments, scenarios: [] },
  game: { run: runGame, scenarios: ["F10"] },
  redis: { run: runRedis, scenarios: SEVERAL_NODES },
  "redis-calls": { run: runRedisCalls, scenarios: [] },
  heartbeat: { run: runHeartbeat, scenarios: [] },
  growth: { run: runGrowth, scenarios: [] },
  "http-self-check": { run: runHttpSelfCheck, scenarios: [] },
  "self-check": { run: runSelfCheck, scenarios: [] },
};

/** Not part of `all`. */
const CHECKS = ["self-check", "http-self-check"];

const args = process.argv.slice(2);
const split = args.findIndex((arg) => arg.startsWith("-"));
const names = split === -1 ? args : args.slice(0, split);
const rest = split === -1 ? [] : args.slice(split);

/** What was asked for: names of benchmarks, and for single scenarios those of each. */
function plan() {
  const asked = new Map();
  for (const name of names) {
    if (name === "all") {
      for (const other of Object.keys(BENCHMARKS)) if (!CHECKS.includes(other)) asked.set(other, []);
    } else if (Object.hasOwn(BENCHMARKS, name)) asked.set(name, []);
    else {
      const isMeant = (scenario) => scenario === name || scenario.startsWith(`${name}-`);
      const found = Object.entries(BENCHMARKS).find(([, { scenarios }]) => scenarios.some(isMeant));
      if (found === undefined) return new Map();
      const [benchmark, { scenarios }] = found;
      asked.set(benchmark, [...(asked.get(benchmark) ?? []), ...scenarios.filter(isMeant)]);
    }
  }
  return asked;
}

const asked = plan();
if (asked.size === 0) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  try {
    const options = readOptions(rest);
    await takeTurn(say);
    for (const [name, scenarios] of asked) {
      const isGood = await BENCHMARKS[name].run(scenarios.length > 0 ? { ...options, scenarios } : options);
      if (!isGood) process.exitCode = 1;
    }
  } catch (error) {
    process.stderr.write(`${error instanceof TypeError ? `${error.message}\n\n${USAGE}` : error.stack}\n`);
    process.exitCode = 1;
  }
}

import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { measureEncodings } from "../game/encodings.mjs";
import { buildYamabiko } from "../lib/build.mjs";
import { describeMachine, start } from "../lib/machine.mjs";
import { CACHE } from "../lib/programs.mjs";
import { say } from "../lib/table.mjs";

const PLAYERS = 100;
/** How long players run before anything is counted, ms. */
const WARM_MS = 3_000;
const ANSWER_MS = 20_000;

/** What is played, and what is wanted of it. */
const WORLDS = [
  { name: "all", title: "all move", moving: 1, radius: 0, bytesPerPlayer: 3.5 },
  { name: "some", title: "30 of 100 move", moving: 0.3, radius: 0, bytesPerPlayer: 1.2 },
  { name: "view", title: "all move, and see 500 of 2,000 far", moving: 1, radius: 500, bytesPerPlayer: null },
];
const GOALS = { cpuMsPerTick: 3.5, jitterP99Ms: 4 };

/**
 * F10: a game of 100 players at 60 ticks a second, 100 clients that send an input each tick.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every client got ticks, and all inputs were sent
 */
export async function runGame(options) {
  mkdirSync(CACHE, { recursive: true });
  const dist = options.dist ?? buildYamabiko(CACHE);
  say("Encodings of one tick");
  const encodings = await measureEncodings(dist);
  const seconds = Math.max(options.seconds, options.isQuick ? 2 : 10);
  const worlds = [];
  for (const world of WORLDS) {
    say(`100 players: ${world.title}`);
    worlds.push({ ...world, ...(await play(world, { dist, seconds, options })) });
  }
  const text = report({ encodings, worlds, seconds, isUrgent: options.isUrgent });
  const out = options.out ?? fileURLToPath(new URL("../results", import.meta.url));
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "game.md"), text);
  const json = { machine: describeMachine(), measuredAt: new Date().toISOString(), encodings, worlds };
  writeFileSync(join(out, "game.json"), `${JSON.stringify(json, null, 2)}\n`);
  process.stdout.write(`\n${text}`);
  return worlds.every(({ framesPerSecond, inputsPerSecond }) => framesPerSecond > 0 && inputsPerSecond > 0);
}

/** One world, for a while. */
async function play({ moving, radius }, { dist, seconds, options }) {
  const server = run(0, "server.mjs", { dist, radius }, options);
  try {
    const { port } = await server.answer();
    const load = run(1, "load.mjs", { port, players: PLAYERS, moving }, options);
    try {
      await load.answer();
      await wait(WARM_MS);
      await Promise.all([server.ask(), load.ask()]);
      await wait(seconds * 1_000);
      const [made, came] = await Promise.all([server.ask(), load.ask()]);
      const changes = came.frames - came.whole;
      return {
        bytesPerPlayer: (came.bytes - came.wholeBytes) / changes / PLAYERS,
        bytesPerFrame: came.bytes / came.frames,
        wholeFrames: came.whole,
        cpuMsPerTick: made.cpuMs / made.ticks,
        ticksPerSecond: made.ticks / seconds,
        framesPerSecond: came.frames / seconds / PLAYERS,
        inputsPerSecond: came.inputs / seconds / PLAYERS,
        jitterP50Ms: made.jitterP50Ms,
        jitterP99Ms: made.jitterP99Ms,
        load: loadavg()[0],
      };
    } finally {
      load.stop();
    }
  } finally {
    server.stop();
  }
}

function run(core, script, settings, { isUrgent, nodeFlags }) {
  const path = fileURLToPath(new URL(`../game/${script}`, import.meta.url));
  const flags = core === 0 ? nodeFlags : [];
  const child = start(core, [process.execPath, ...flags, path, JSON.stringify(settings)], isUrgent);
  const lines = createInterface(child.stdout);
  const answer = async () => {
    const [line] = await once(lines, "line", { signal: AbortSignal.timeout(ANSWER_MS) });
    return JSON.parse(line);
  };
  const ask = () => {
    child.stdin.write("report\n");
    return answer();
  };
  return { answer, ask, stop: () => child.stdin.end() };
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function report({ encodings, worlds, seconds, isUrgent }) {
  const goal = (value, most) => `${value.toFixed(2)}${most === null ? "" : value <= most ? " ✓" : ` (goal ${most})`}`;
  const whole = encodings.find(({ name }) => name === "Yamabiko, whole").all.bytes / PLAYERS;
  const lines = [
    "# A game of 100 players",
    "",
    `${describeMachine()}. Players at 60 ticks a second in a world of 2,000 × 2,000, positions in eighths, angles in 256 steps; the number of each player's last input is in every frame of ours. ` +
      `${isUrgent ? "The processes measured went before all others. " : ""}Load of the machine while measuring, in all: ${worlds.map(({ load }) => load.toFixed(1)).join(", ")}.`,
    "",
    "## One tick, encoded",
    "",
    "| encoding | bytes, all move | per player | µs | bytes, 30 % move | µs |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    ...encodings.map(
      ({ name, all, some }) =>
        `| ${name} | ${Math.round(all.bytes)} | ${(all.bytes / PLAYERS).toFixed(2)} | ${all.us.toFixed(0)} | ${Math.round(some.bytes)} | ${some.us.toFixed(0)} |`,
    ),
    "",
    `A whole tick: ${goal(whole, 7)} bytes per player. Ours includes making the snapshot of the players' values.`,
    "",
    `## 100 clients, an input each tick, ${seconds} s`,
    "",
    "| world | bytes per player and tick | bytes per frame | server CPU per tick, ms | ticks/s | frames/s and client | inputs/s and client | jitter p50, ms | jitter p99, ms |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...worlds.map((world) => {
      const wanted = WORLDS.find(({ name }) => name === world.name).bytesPerPlayer;
      return `| ${world.title} | ${goal(world.bytesPerPlayer, wanted)} | ${world.bytesPerFrame.toFixed(0)} | ${goal(world.cpuMsPerTick, GOALS.cpuMsPerTick)} | ${world.ticksPerSecond.toFixed(1)} | ${world.framesPerSecond.toFixed(1)} | ${world.inputsPerSecond.toFixed(1)} | ${world.jitterP50Ms.toFixed(2)} | ${goal(world.jitterP99Ms, GOALS.jitterP99Ms)} |`;
    }),
    "",
    "Bytes are the payload of the WebSocket frames that are differences. CPU is that of the whole server process, with reading 6,000 inputs a second. Jitter is how far the time between two steps is from 16.67 ms.",
    "",
  ];
  return lines.join("\n");
}

/**
 * A game of the benchmark: players move as their clients want, and nothing else happens.
 *
 *   node server.mjs '{"dist": DIR, "radius": 0}'
 *
 * Answers `report` with what it took since the last one.
 */

import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const settings = JSON.parse(process.argv.at(-1));
const load = (path) => import(pathToFileURL(join(settings.dist, path)).href);
const { createServer } = await load("index.js");
const { angle8, axis, defineGame, game, q16 } = await load("features/index.js");

const SIZE = 2_000;
let intervals = [];
let lastAt = 0;
let cpu = process.cpuUsage();

const field = defineGame({
  schema: {
    player: { x: q16(0, SIZE, 1 / 8), y: q16(0, SIZE, 1 / 8), rotation: angle8() },
    input: { dx: axis(), dy: axis() },
  },
  ...(settings.radius > 0 ? { view: { radius: settings.radius, x: "x", y: "y" } } : {}),
  onJoin: (_newcomer, _world, { random }) => ({ values: { x: SIZE * random(), y: SIZE * random() } }),
  step(_world, inputs, dt) {
    const now = performance.now();
    if (lastAt > 0) intervals.push(now - lastAt);
    lastAt = now;
    for (const [player, { dx, dy }] of inputs) {
      player.x = (player.x + dx * 200 * dt + SIZE) % SIZE;
      player.y = (player.y + dy * 200 * dt + SIZE) % SIZE;
      if (dx !== 0 || dy !== 0) player.rotation = Math.atan2(dy, dx);
    }
  },
});

const server = createServer({
  dev: true,
  log: "memory:",
  limits: {
    connectionsPerIp: 0,
    handshakesPerSecond: 0,
    messagesPerSecond: 0,
    bytesPerSecond: 0,
    userMessagesPerSecond: 0,
  },
  heartbeatMs: 3_600_000,
  namespaces: [game(field)],
});
const { port } = await server.listen(0, "127.0.0.1");
process.stdout.write(`${JSON.stringify({ port })}\n`);

const quantile = (values, part) => values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? 0;

createInterface(process.stdin)
  .on("line", () => {
    const used = process.cpuUsage(cpu);
    const off = intervals.map((ms) => Math.abs(ms - 1_000 / 60));
    process.stdout.write(
      `${JSON.stringify({
        ticks: intervals.length,
        cpuMs: (used.user + used.system) / 1_000,
        jitterP50Ms: quantile(off, 0.5),
        jitterP99Ms: quantile(off, 0.99),
      })}\n`,
    );
    cpu = process.cpuUsage();
    intervals = [];
  })
  .once("close", () => process.exit(0));

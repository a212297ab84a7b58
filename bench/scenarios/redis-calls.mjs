import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Redis } from "ioredis";
import { buildYamabiko } from "../lib/build.mjs";
import { cpuOf, describeMachine } from "../lib/machine.mjs";
import { CACHE } from "../lib/programs.mjs";
import { say } from "../lib/table.mjs";
import { hasStore, startStore } from "../peers/stores.mjs";

const ROOMS = 2_000;
/** How many rooms are appended to at once. */
const AT_ONCE = 200;
const PAYLOAD = JSON.stringify({ text: "x".repeat(128 - '{"text":""}'.length) });

/**
 * What single things cost Redis: an append, a notice and whoever hears it, a head, a read; and what an event and a room take there.
 * What `scripts/scale.mjs` computes Redis from.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether all was answered
 * @throws {Error} when Redis is not installed
 */
export async function runRedisCalls(options) {
  if (!hasStore("redis")) throw new Error("This benchmark needs a Redis (`redis-server`).");
  const dist = options.dist ?? buildYamabiko(CACHE);
  mkdirSync(CACHE, { recursive: true });
  const directory = mkdtempSync(join(CACHE, "redis-"));
  const store = await startStore("redis", directory);
  const redis = new Redis(store.url);
  try {
    const doors = await import(pathToFileURL(join(dist, "redis.js")).href);
    const pid = Number(/process_id:(\d+)/.exec(await redis.info("server"))[1]);
    const rows = await measureAll({ doors, redis, pid, url: store.url, rounds: options.rounds });
    write(rows, options);
    return true;
  } finally {
    redis.disconnect();
    await store.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measureAll({ doors, redis, pid, url, rounds }) {
  const log = await doors.createRedisLog({ url });
  const buses = [];
  for (let node = 0; node < 5; node++) buses.push(await doors.createRedisBus({ url }));
  const rooms = Array.from({ length: ROOMS }, (_none, index) => `bench:r${index}`);
  let id = 0;
  const append = (room) => log.append(room, "ann", `message-${++id}`, { type: "tick", data: PAYLOAD });
  /** Each of the rooms once, so many at a time. */
  const forAll = async (call) => {
    for (let from = 0; from < ROOMS; from += AT_ONCE) await Promise.all(rooms.slice(from, from + AT_ONCE).map(call));
  };
  const cost = async (what, calls, run) => {
    const each = [];
    await run();
    for (let round = 0; round < rounds; round++) {
      const before = cpuOf(pid);
      await run();
      each.push(((cpuOf(pid) - before) * 1e6) / calls);
    }
    const us = each.toSorted((a, b) => a - b)[Math.floor(each.length / 2)];
    say(`${what}: ${us.toFixed(2)} us`);
    return { what, us };
  };
  const used = async () => Number(/used_memory:(\d+)/.exec(await redis.info("memory"))[1]);

  const empty = await used();
  await log.heads(rooms);
  const opened = await used();
  await forAll(append);
  const first = await used();
  for (let turn = 0; turn < 20; turn++) await forAll(append);
  const bytesPerEvent = ((await used()) - first) / (20 * ROOMS);
  const memory = { bytesPerRoom: (opened - empty) / ROOMS, bytesPerEvent };

  const notice = (room) => ({ kind: "event", from: "bench", epoch: "an-epoch-of-it", seq: Number(room.slice(7)) });
  const carried = (room) => {
    const { seq } = notice(room);
    const event = {
      seq,
      type: "tick",
      sender: "ann",
      messageId: `message-${seq}`,
      timestamp: Date.now(),
      data: PAYLOAD,
    };
    return { ...notice(room), events: [event] };
  };
  /** Publishes to each room once and waits until each of the hearers has heard of the last. */
  const ring = (make, hearers) => async () => {
    const last = rooms.at(-1);
    const stops = [];
    const heard = buses.slice(0, hearers).map(
      (bus) =>
        new Promise((resolve) => {
          for (const room of rooms) stops.push(bus.subscribe(room, room === last ? resolve : () => {}));
        }),
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    return async () => {
      await forAll(async (room) => {
        buses[4].publish(room, make(room));
        await new Promise((resolve) => setImmediate(resolve));
      });
      await Promise.all(heard);
      for (const stop of stops) stop();
      await new Promise((resolve) => setTimeout(resolve, 300));
    };
  };
  /** The cost of ringing, without that of subscribing. */
  const ringCost = async (what, make, hearers) => {
    const each = [];
    for (let round = 0; round <= rounds; round++) {
      const run = await ring(make, hearers)();
      const before = cpuOf(pid);
      const publishing = run();
      await publishing;
      if (round > 0) each.push(((cpuOf(pid) - before) * 1e6) / ROOMS);
    }
    const us = each.toSorted((a, b) => a - b)[Math.floor(each.length / 2)];
    say(`${what}: ${us.toFixed(2)} us`);
    return { what, us };
  };

  const calls = [
    await cost("an append, alone in its room and turn", ROOMS, () => forAll(append)),
    await cost("an append, 16 of a room in a turn", 16 * ROOMS, () =>
      forAll((room) => Promise.all(Array.from({ length: 16 }, () => append(room)))),
    ),
    await cost("where a room stands", ROOMS, () => log.heads(rooms)),
    await cost("a read of the newest event", ROOMS, () => forAll((room) => log.read(room, 20, 1))),
    await ringCost("a notice that 1 node hears", notice, 1),
    await ringCost("a notice that 4 nodes hear", notice, 4),
    await ringCost("a notice with an event that 1 node hears", carried, 1),
    await ringCost("a notice with an event that 4 nodes hear", carried, 4),
  ];
  await Promise.all([log.close(), ...buses.map((bus) => bus.close())]);
  return { calls, memory };
}

function write({ calls, memory }, options) {
  const text = [
    "# What single things cost Redis\n",
    `${describeMachine()}, ${new Date().toISOString().slice(0, 10)}. ${ROOMS.toLocaleString("en")} rooms, ${AT_ONCE} of them at once, payloads of ${PAYLOAD.length} bytes; ` +
      `append-only file, \`everysec\`; medians of ${options.rounds}. CPU is that of the whole Redis process. \`scripts/scale.mjs\` computes with it.\n`,
    "| what | Redis CPU µs |",
    "| --- | ---: |",
    ...calls.map(({ what, us }) => `| ${what} | ${us.toFixed(1)} |`),
    "",
    "| what | bytes in Redis |",
    "| --- | ---: |",
    `| an event with its messageId | ${memory.bytesPerEvent.toFixed(0)} |`,
    `| a room without events | ${memory.bytesPerRoom.toFixed(0)} |`,
    "",
  ].join("\n");
  const out = options.out ?? fileURLToPath(new URL("../results", import.meta.url));
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "redis-calls.md"), text);
  const json = { machine: describeMachine(), measuredAt: new Date().toISOString(), calls, memory };
  writeFileSync(join(out, "redis-calls.json"), `${JSON.stringify(json, null, 2)}\n`);
  process.stdout.write(`\n${text}`);
}

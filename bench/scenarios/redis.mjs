import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { LoadGenerator } from "../lib/load-generator.mjs";
import { cpuOf } from "../lib/machine.mjs";
import { CACHE } from "../lib/programs.mjs";
import { startServer } from "../lib/server-process.mjs";
import { faultsOf, figuresOf } from "../lib/summary.mjs";
import { runTable } from "../lib/table.mjs";
import { hasStore, startStore } from "../peers/stores.mjs";

const ROOMS = 120;
const MEMBERS = 6;
/** Messages a second, and on their way. */
const PACED = 300;
const IN_FLIGHT = 240;
const WARM_MS = 1_000;
const DRAIN_MS = 10_000;

/** The Redis each peer is given. */
const STORES = { "yamabiko-redis": "redis", "yamabiko-redis-always": "redis-always" };

/**
 * F11: what Redis costs when there are one, two and three nodes.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every server delivered what it had to
 * @throws {Error} when Redis is not installed
 */
export function runRedis(options) {
  if (!hasStore("redis")) throw new Error("This benchmark needs a Redis (`redis-server`).");
  const group = (name, nodes, serving, title) => ({
    shape: { rooms: ROOMS, members: MEMBERS, senders: 1, bodyBytes: 128 },
    nodes,
    serving,
    scenarios: [
      { name: `${name}-paced`, title: `${title}, ${PACED} messages a second`, mode: "open", amount: PACED },
      { name: `${name}-full`, title: `${title}, ${IN_FLIGHT} always on their way`, mode: "closed", amount: IN_FLIGHT },
    ],
  });
  const benchmark = {
    name: "redis",
    title: "Several nodes on one Redis",
    intro:
      `${ROOMS} rooms of ${MEMBERS}, one member of each publishes 128 bytes. The members of each room, and the senders, are spread evenly over the nodes that serve it. ` +
      "All nodes share core 0, Redis and the load generator core 1: what counts is the CPU of nodes and of Redis for each message, of which a rate per core follows (1 ÷ CPU). " +
      "Yamabiko acknowledges each message after it is in its log in Redis (append-only file, `everysec`); Socket.IO acknowledges nothing, and its Redis keeps nothing.",
    peers: ["yamabiko-redis", "socket.io-redis", "socket.io-sharded", "socket.io-streams"],
    groups: [
      group("F11-1", 1, 1, "1 node"),
      group("F11-2", 2, 2, "2 nodes, rooms on both"),
      group("F11-3", 3, 3, "3 nodes, rooms on all"),
      group("F11-1of3", 3, 1, "3 nodes, all rooms on the first"),
    ],
    columns: [
      ...[
        "messages",
        "acks",
        "perNodeCore",
        "nodesPerMessage",
        "redisPerMessage",
        "nodesPerDelivery",
        "redisPerDelivery",
      ],
      ...["redisIn", "redisOut", "servingIn", "idleIn", "p50", "p99", "nodesCpu", "redisCpu"],
    ],
    charted: "bothUsPerMessage",
    chartTitle: "CPU of the nodes and of Redis for a message with its deliveries, µs (less is better)",
    attempt: tryNodes,
  };
  return runTable(benchmark, options);
}

/**
 * Starts a Redis and the nodes, connects everybody, and measures.
 *
 * @param {import("../peers/peers.mjs").Peer} peer
 * @param {import("../lib/trial.mjs").Group & { nodes: number, serving: number }} group
 * @param {import("../lib/trial.mjs").How} how
 * @returns {Promise<import("../lib/trial.mjs").Trial[]>}
 */
async function tryNodes(peer, group, how) {
  const trials = [];
  const stops = [];
  try {
    const cluster = await startCluster(peer, group, how, stops);
    for (const scenario of group.scenarios)
      trials.push({ peer, scenario, ...(await measure(peer, group, scenario, cluster, how)) });
  } catch (error) {
    trials.push({ peer, scenario: group.scenarios[trials.length], figures: null, faults: [error.message] });
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
  return trials;
}

async function startCluster(peer, { nodes, serving, shape }, { dist, isUrgent, programs, nodeFlags }, stops) {
  mkdirSync(CACHE, { recursive: true });
  const directory = mkdtempSync(join(CACHE, "redis-"));
  stops.push(async () => rmSync(directory, { recursive: true, force: true }));
  const store = await startStore(STORES[peer.name] ?? "redis-volatile", directory);
  stops.push(store.stop);
  const redis = new Redis(store.url);
  stops.push(async () => redis.disconnect());
  const servers = [];
  for (let node = 0; node < nodes; node++) {
    const server = await startServer(peer, { dist, redis: store.url }, { isUrgent, programs, nodeFlags });
    stops.push(server.stop);
    servers.push(server);
  }
  const target = {
    dialect: peer.dialect,
    ports: servers.slice(0, serving).map(({ port }) => port),
    pids: servers.map(({ pid }) => pid),
    shape,
    drainMs: DRAIN_MS,
    tokens: [],
  };
  const load = await LoadGenerator.start(programs.load, target, CACHE, isUrgent);
  stops.push(() => load.stop());
  const redisPid = Number(/process_id:(\d+)/.exec(await redis.info("server"))[1]);
  return { servers, load, redis, redisPid };
}

async function measure(peer, { serving, shape }, scenario, cluster, { seconds }) {
  const { load, servers } = cluster;
  // First in a window of its own, so that what is counted begins and ends with nothing on its way.
  const warm = await load.measure(scenario, { warmMs: 0, windowMs: WARM_MS });
  const before = await look(cluster);
  const window = await load.measure(scenario, { warmMs: 0, windowMs: seconds * 1_000 });
  const after = await look(cluster);
  const isAcked = peer.dialect.ack !== "";
  const messages = window.published;
  const deliveries = messages * shape.members;
  const sum = (of) => after.nodes.reduce((total, node, index) => total + of(node) - of(before.nodes[index]), 0);
  const nodesCpuS = sum(({ cpuS }) => cpuS);
  const redisCpuS = after.redis.cpuS - before.redis.cpuS;
  const inBytes = after.nodes.map((node, index) => node.inBytes - before.nodes[index].inBytes);
  const mean = (values) => values.reduce((total, value) => total + value, 0) / values.length;
  const { deliveriesPerSecond, p50Ms, p99Ms, stealPct, generatorCpuPct } = figuresOf(window);
  const figures = {
    messagesPerSecond: messages / window.seconds,
    ...(isAcked ? { acksPerSecond: window.acksInWindow / window.seconds } : {}),
    deliveriesPerSecond,
    messagesPerNodeCore: messages / nodesCpuS,
    nodesUsPerMessage: (nodesCpuS * 1e6) / messages,
    redisUsPerMessage: (redisCpuS * 1e6) / messages,
    bothUsPerMessage: ((nodesCpuS + redisCpuS) * 1e6) / messages,
    nodesUsPerDelivery: (nodesCpuS * 1e6) / deliveries,
    redisUsPerDelivery: (redisCpuS * 1e6) / deliveries,
    redisInPerMessage: (after.redis.inBytes - before.redis.inBytes) / messages,
    redisOutPerMessage: (after.redis.outBytes - before.redis.outBytes) / messages,
    servingInPerMessage: mean(inBytes.slice(0, serving)) / messages,
    ...(serving < servers.length ? { idleInPerMessage: mean(inBytes.slice(serving)) / messages } : {}),
    p50Ms,
    p99Ms,
    nodesCpuPct: (100 * nodesCpuS) / window.seconds,
    redisCpuPct: (100 * redisCpuS) / window.seconds,
    generatorCpuPct,
    stealPct,
  };
  return { figures, faults: [...faultsOf(warm, isAcked), ...faultsOf(window, isAcked)] };
}

/** What the nodes and Redis have used, and what went between them, up to now. */
async function look({ servers, redis, redisPid }) {
  const nodes = [];
  for (const { pid, ask } of servers) nodes.push({ cpuS: cpuOf(pid), ...(await ask("traffic")) });
  const cpuS = cpuOf(redisPid);
  const stats = await redis.info("stats");
  const [inBytes, outBytes] = ["input", "output"].map((way) =>
    Number(new RegExp(`total_net_${way}_bytes:(\\d+)`).exec(stats)[1]),
  );
  return { nodes, redis: { cpuS, inBytes, outBytes } };
}

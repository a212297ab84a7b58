import { BOUNDS, COSTS, VALUES } from "./costs.mjs";
import { comeBack, hotRoom, sizeOf, sum } from "./model.mjs";

/** What the tables of the guide are about. */
export const CHAT = {
  rooms: 2,
  members: 50,
  messagesPerMinute: 1,
  keptEvents: 500,
  tailEvents: 64,
  heartbeatSeconds: 30,
  openingsPerMinute: 0.01,
};
export const CROWD = { ...CHAT, rooms: 1, members: 10_000, messagesPerMinute: 0.01 };
export const SIZES = [10_000, 1_000_000, 10_000_000];
const HOT_ROOMS = [100, 1_000, 10_000, 100_000, 1_000_000];

/** The tables by name, as Markdown. */
export function tables() {
  const chat = SIZES.map((connections) => sizeOf({ connections, ...CHAT }));
  const crowd = SIZES.map((connections) => sizeOf({ connections, ...CROWD }));
  return {
    costs: costTable(),
    chat: sizeTable(chat),
    crowd: sizeTable(crowd),
    storms: stormTable(chat),
    settings: settingTable(),
    "hot-rooms": hotRoomTable(),
    limits: limitTable(chat),
  };
}

/** One workload, all that is computed of it. */
export function ownTables(workload) {
  const size = sizeOf(workload);
  return { size: sizeTable([size]), storms: stormTable([size]), limits: limitTable([size]) };
}

function costTable() {
  const rows = Object.values(COSTS).map(({ what, value, unit, source, isMeasured }) => [
    what,
    `${count(value)} ${unit}`,
    `${isMeasured ? "measured" : "**assumed**"}: ${source}`,
  ]);
  return table(["what", "planned with", "where it comes from"], rows, "---");
}

function sizeTable(sizes) {
  const row = (title, cell) => [title, ...sizes.map(cell)];
  return table(
    ["", ...sizes.map(({ workload }) => `${count(workload.connections)} connections`)],
    [
      row("rooms", ({ rooms }) => count(rooms)),
      row("messages/s", ({ messages }) => count(messages)),
      row("deliveries/s", ({ deliveries }) => count(deliveries)),
      row("**nodes** (one process on one core each)", ({ nodes }) => `**${count(nodes)}**`),
      row("because of", ({ nodesBecauseOf }) => nodesBecauseOf),
      row("connections of a node", ({ connectionsPerNode }) => count(connectionsPerNode)),
      row("nodes that serve a room", ({ serving }) => serving.toFixed(1)),
      row("rooms open on a node", ({ openRoomsPerNode }) => count(openRoomsPerNode)),
      row("memory of a node", ({ nodeBytes }) => bytes(nodeBytes)),
      row("CPU of all nodes: deliveries", ({ nodeCpu }) => cores(nodeCpu.deliveries)),
      row("sends", ({ nodeCpu }) => cores(nodeCpu.sends)),
      row("messages of other nodes", ({ nodeCpu }) => cores(nodeCpu.hearing)),
      row("heartbeats", ({ nodeCpu }) => cores(nodeCpu.heartbeats)),
      row("rooms opened, and nodes being there", ({ nodeCpu }) => cores(nodeCpu.peers)),
      row("**Redis shards**", ({ shards }) => `**${count(shards)}**`),
      row("because of", ({ shardsBecauseOf }) => shardsBecauseOf),
      row("CPU of Redis: appends", ({ redisCpu }) => cores(redisCpu.appends)),
      row("notices", ({ redisCpu }) => cores(redisCpu.notices)),
      row("comparing heads", ({ redisCpu }) => cores(redisCpu.audits)),
      row("memory of Redis", ({ redisBytes }) => bytes(redisBytes)),
      row("notices to nodes/s", ({ noticesPerSecond }) => count(noticesPerSecond)),
      row("to the clients", ({ egressBitsPerSecond }) => bits(egressBitsPerSecond)),
    ],
  );
}

function stormTable(sizes) {
  const row = (title, cell) => [title, ...sizes.map(cell)];
  const lost = ({ connectionsPerNode, nodes }) =>
    comeBack({ clients: connectionsPerNode, nodes: nodes - 1, spareLoad: 1 - BOUNDS.load });
  const whole = ({ workload, nodes }) => comeBack({ clients: workload.connections, nodes, spareLoad: 1 });
  return table(
    ["", ...sizes.map(({ workload, nodes }) => `${count(workload.connections)} on ${count(nodes)} nodes`)],
    [
      row("one node dies: clients that come", ({ connectionsPerNode }) => count(connectionsPerNode)),
      row("all are back after", (size) => duration(lost(size).seconds)),
      row("attempts given up after 10 s", (size) => count(lost(size).gaveUp)),
      row("all nodes start anew: half are back after", (size) => duration(whole(size).halfSeconds)),
      row("all are back after", (size) => duration(whole(size).seconds)),
      row("attempts given up after 10 s", (size) => count(whole(size).gaveUp)),
      row("most in front of a node at once", (size) => count(whole(size).longest / size.nodes)),
      row("rolling restart, one node after the other, 15 s each", ({ nodes }) => duration(nodes * 15)),
      row("the same, a twentieth of the nodes at a time", ({ nodes }) =>
        duration(Math.ceil(nodes / Math.max(1, Math.floor(nodes / 20))) * 15),
      ),
    ],
  );
}

function settingTable() {
  const with_ = (changed) => sizeOf({ connections: 1_000_000, ...CHAT, ...changed });
  const rows = [
    ["as above", {}],
    ["a load balancer brings a room to 3 nodes", { roomNodes: 3 }],
    ["`tailEvents` 512, as it comes", { tailEvents: 512 }],
    ["rooms of 10", { members: 10 }],
    ["rooms of 200", { members: 200 }],
    ["10 messages a minute", { messagesPerMinute: 10 }],
    ["10 rooms each", { rooms: 10 }],
    ["10,000 events kept of each room", { keptEvents: 10_000 }],
    ["heartbeats every 10 s", { heartbeatSeconds: 10 }],
  ].map(([title, changed]) => {
    const { nodes, nodesBecauseOf, nodeBytes, shards, shardsBecauseOf, redisBytes } = with_(changed);
    return [
      title,
      `${count(nodes)} (${nodesBecauseOf})`,
      bytes(nodeBytes),
      `${count(shards)} (${shardsBecauseOf})`,
      bytes(redisBytes),
    ];
  });
  return table(["1,000,000 connections, chat", "nodes", "memory of a node", "shards", "memory of Redis"], rows);
}

function hotRoomTable() {
  const rows = HOT_ROOMS.map((members) => {
    const nodes = Math.max(1, Math.ceil(members / 10_000));
    const { alone, joined, redis, listBitsPerSecond } = hotRoom(members, nodes);
    return [
      count(members),
      count(nodes),
      rate(alone),
      rate(joined),
      rate(redis),
      listBitsPerSecond === 0 ? "–" : bits(listBitsPerSecond),
    ];
  });
  return table(
    [
      "members of one room",
      "nodes",
      "messages/s, each alone",
      "messages/s, joined in writes",
      "what its shard takes",
      "its list, while people come and go",
    ],
    rows,
  );
}

/** What ends first, each as a share of what there is; beyond 100 % it is too much. */
function limitTable(sizes) {
  const share = (value) => {
    const text = value < 0.001 ? "< 0.1 %" : `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;
    return value > 1 ? `**${text}**` : text;
  };
  const row = (title, cell) => [title, ...sizes.map((size) => share(cell(size)))];
  const notices = ({ workload, nodes }) =>
    (((workload.connections * workload.openingsPerMinute) / 60) * 2 + nodes / BOUNDS.aliveSeconds) * (nodes - 1);
  return table(
    ["", ...sizes.map(({ workload }) => `${count(workload.connections)} connections`)],
    [
      row(
        "connections of a node, of 100,000 (limit `connections`)",
        ({ connectionsPerNode }) => connectionsPerNode / 100_000,
      ),
      row(
        "ports from one address of a load balancer to a node",
        ({ connectionsPerNode }) => connectionsPerNode / BOUNDS.ports,
      ),
      row(
        "connections a load balancer tracks, of 262,144, on one machine",
        ({ workload }) => (2 * workload.connections) / BOUNDS.conntrack,
      ),
      row("memory of a node, of 2 GB", ({ nodeBytes }) => nodeBytes / BOUNDS.nodeBytes),
      row("CPU of one Redis, if there were one", ({ redisCpu }) => sum(redisCpu)),
      row("of it: comparing heads", ({ redisCpu }) => redisCpu.audits),
      row(
        "classic Pub/Sub in a cluster: each shard carries every notice",
        ({ noticesPerSecond }) => (noticesPerSecond * VALUES.hearingUs) / 1e6,
      ),
      row(
        "what nodes tell all nodes (`@nodes`), on one channel and so one shard",
        (size) => (notices(size) * VALUES.hearingUs) / 1e6,
      ),
      row("the same, CPU of each node", (size) => (notices(size) * VALUES.peerUs) / 1e6 / size.nodes),
      row("10 Gbit/s of network to the clients", ({ egressBitsPerSecond }) => egressBitsPerSecond / 10e9),
    ],
  );
}

function table(head, rows, numbers = "---:") {
  const rule = head.map((_cell, index) => (index === 0 ? "---" : numbers));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function count(value) {
  return value >= 10 || Number.isInteger(value)
    ? Math.round(value).toLocaleString("en")
    : String(Number(value.toPrecision(2)));
}

function rate(value) {
  return value >= 1 ? count(value) : `one in ${count(1 / value)} s`;
}

function cores(value) {
  return value < 0.005 ? "< 0.01" : `${value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString("en")}`;
}

function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  return `${count(value / 1000 ** step)} ${units[step]}`;
}

function bits(value) {
  const units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  return `${count(value / 1000 ** step)} ${units[step]}`;
}

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "over an hour";
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}

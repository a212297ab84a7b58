import { BOUNDS, VALUES } from "./costs.mjs";

/**
 * What people do.
 *
 * @typedef {object} Workload
 * @property {number} connections
 * @property {number} rooms of each connection
 * @property {number} members of each room
 * @property {number} messagesPerMinute each connection sends
 * @property {number} keptEvents of each room in the log (retention)
 * @property {number} tailEvents of each room in the memory of a node (limit `tailEvents`)
 * @property {number} heartbeatSeconds
 * @property {number} [roomNodes] the most nodes that a load balancer brings a room's members to; absent: any
 * @property {number} openingsPerMinute how often each connection makes a node open a room it had not open
 */

/** @typedef {ReturnType<typeof sizeOf>} Size */

/**
 * How many nodes serve a room whose members are spread by chance: over all nodes, or over those a load balancer brings a room to.
 *
 * @param {number} members
 * @param {number} nodes
 * @param {number} [roomNodes] Default: all
 */
export function servingNodes(members, nodes, roomNodes = nodes) {
  const open = Math.min(nodes, roomNodes);
  return open * (1 - (1 - 1 / open) ** members);
}

/**
 * What a workload takes: nodes, Redis, memory, network. More nodes serve a room on more of them, which takes more of each, so
 * their number is looked for until it is enough for itself.
 *
 * @param {Workload} workload
 * @param {Readonly<Record<string, number>>} [costs]
 * @throws {RangeError} when a number is not above 0
 */
export function sizeOf(workload, costs = VALUES) {
  for (const [name, value] of Object.entries(workload)) {
    if (value !== undefined && !(value > 0)) throw new RangeError(`${name} is a number above 0`);
  }
  const traffic = trafficOf(workload);
  let nodes = BOUNDS.leastNodes;
  for (;;) {
    const needed = nodesFor(workload, traffic, nodes, costs);
    if (needed <= nodes) return describe(workload, traffic, nodes, costs);
    nodes = needed;
  }
}

function trafficOf({ connections, rooms, members, messagesPerMinute }) {
  const messages = (connections * messagesPerMinute) / 60;
  return { rooms: Math.max(1, Math.round((connections * rooms) / members)), messages, deliveries: messages * members };
}

/** CPU of all nodes, in cores. */
function nodeCores(workload, { messages, deliveries }, nodes, costs) {
  const { connections, heartbeatSeconds, openingsPerMinute } = workload;
  const serving = servingNodes(workload.members, nodes, workload.roomNodes);
  const openings = (connections * openingsPerMinute) / 60;
  const us = {
    deliveries: deliveries * costs.deliveryUs,
    sends: messages * costs.sendUs,
    hearing: messages * (serving - 1) * costs.hearUs,
    heartbeats: (connections / heartbeatSeconds) * costs.heartbeatUs,
    // Each opening is told to all nodes, and each answers; each node says to all others that it is there.
    peers: (openings * 2 + nodes / BOUNDS.aliveSeconds) * (nodes - 1) * costs.peerUs,
  };
  return Object.fromEntries(Object.entries(us).map(([name, value]) => [name, value / 1e6]));
}

/** CPU of Redis, in cores. */
function redisCores(workload, { rooms, messages }, nodes, costs) {
  const serving = servingNodes(workload.members, nodes, workload.roomNodes);
  const us = {
    appends: messages * costs.appendUs,
    notices: messages * (costs.noticeUs + serving * costs.hearingUs),
    audits: ((rooms * serving) / BOUNDS.auditSeconds) * costs.headUs,
  };
  return Object.fromEntries(Object.entries(us).map(([name, value]) => [name, value / 1e6]));
}

function nodeBytes(workload, { rooms }, nodes, costs) {
  const { connections, members, tailEvents, roomNodes } = workload;
  const openRooms = (rooms * servingNodes(members, nodes, roomNodes)) / nodes;
  const perConnection = costs.connectionBytes + costs.kernelBytes;
  const perRoom = costs.openRoomBytes + tailEvents * costs.tailEventBytes + members * costs.memberBytes;
  return costs.processBytes + (connections / nodes) * perConnection + openRooms * perRoom;
}

function nodesFor(workload, traffic, nodes, costs) {
  return Math.ceil(Math.max(1, ...Object.values(nodeBindings(workload, traffic, nodes, costs))) - 1e-9);
}

/** What asks for how many nodes; the largest decides. */
function nodeBindings(workload, traffic, nodes, costs) {
  const fixed = costs.processBytes;
  return {
    CPU: sum(nodeCores(workload, traffic, nodes, costs)) / BOUNDS.load,
    memory: ((nodeBytes(workload, traffic, nodes, costs) - fixed) * nodes) / (BOUNDS.nodeBytes - fixed),
    connections: workload.connections / BOUNDS.nodeConnections,
  };
}

function describe(workload, traffic, nodes, costs) {
  const nodeCpu = nodeCores(workload, traffic, nodes, costs);
  const redisCpu = redisCores(workload, traffic, nodes, costs);
  const redisBytes = traffic.rooms * (costs.roomBytes + workload.keptEvents * costs.eventBytes);
  const serving = servingNodes(workload.members, nodes, workload.roomNodes);
  const shards = Math.max(1, Math.ceil(sum(redisCpu) / BOUNDS.load), Math.ceil(redisBytes / BOUNDS.shardBytes));
  return {
    ...traffic,
    workload,
    nodes,
    serving,
    nodeCpu,
    redisCpu,
    redisBytes,
    shards,
    nodeBytes: nodeBytes(workload, traffic, nodes, costs),
    connectionsPerNode: workload.connections / nodes,
    openRoomsPerNode: (traffic.rooms * serving) / nodes,
    noticesPerSecond: traffic.messages * serving,
    egressBitsPerSecond: traffic.deliveries * costs.deliveryBytes * 8,
    /** What decides how many nodes and shards there are. */
    nodesBecauseOf: nodes > BOUNDS.leastNodes ? largest(nodeBindings(workload, traffic, nodes, costs)) : "one may end",
    shardsBecauseOf: largest({ CPU: sum(redisCpu) / BOUNDS.load, memory: redisBytes / BOUNDS.shardBytes }),
  };
}

function largest(of) {
  return Object.entries(of).reduce((most, entry) => (entry[1] > most[1] ? entry : most))[0];
}

/**
 * Clients that lost their connections at once come back: when they try, how long they wait in front of the nodes, and when the
 * last is in. Each tries after half to all of a second (then of 2, 4 … 30 s), and gives an attempt up after `patienceSeconds`.
 * In steps of 100 ms; the same numbers give the same answer.
 *
 * @param {{ clients: number, nodes: number, spareLoad: number, patienceSeconds?: number }} storm
 * @param {Readonly<Record<string, number>>} [costs]
 */
export function comeBack({ clients, nodes, spareLoad, patienceSeconds = 10 }, costs = VALUES) {
  const step = 0.1;
  const perStep = (nodes * spareLoad * step * 1e6) / costs.handshakeUs;
  /** By step: how many try then, of each attempt. */
  const due = new Map();
  const plan = (now, count, attempt) => {
    const wait = Math.min(2 ** (attempt - 1), 30);
    const steps = Math.max(1, Math.round((wait * 0.5) / step));
    const first = Math.round((now + wait * 0.5) / step);
    for (let index = 0; index < steps; index++) {
      const at = first + index;
      due.set(at, [...(due.get(at) ?? []), { count: count / steps, attempt }]);
    }
  };
  plan(0, clients, 1);
  const queue = [];
  let back = 0;
  let given = 0;
  let longest = 0;
  const half = { seconds: null };
  for (let at = 0; at < 36_000; at++) {
    for (const some of due.get(at) ?? []) queue.push({ ...some, since: at });
    due.delete(at);
    while (queue.length > 0 && (at - queue[0].since) * step >= patienceSeconds) {
      const { count, attempt } = queue.shift();
      given += count;
      plan(at * step, count, attempt + 1);
    }
    let left = perStep;
    while (left > 0 && queue.length > 0) {
      const taken = Math.min(left, queue[0].count);
      queue[0].count -= taken;
      left -= taken;
      back += taken;
      if (queue[0].count <= 1e-9) queue.shift();
    }
    longest = Math.max(
      longest,
      queue.reduce((total, { count }) => total + count, 0),
    );
    if (half.seconds === null && back >= clients / 2) half.seconds = (at + 1) * step;
    if (back >= clients - 1e-6) return { seconds: (at + 1) * step, halfSeconds: half.seconds, gaveUp: given, longest };
  }
  return { seconds: Number.POSITIVE_INFINITY, halfSeconds: half.seconds, gaveUp: given, longest };
}

/**
 * How many messages a second one room can take, by what limits it.
 *
 * @param {number} members
 * @param {number} nodes that serve it
 * @param {Readonly<Record<string, number>>} [costs]
 */
export function hotRoom(members, nodes, costs = VALUES) {
  const serving = servingNodes(members, nodes);
  const core = BOUNDS.load * 1e6;
  return {
    serving,
    alone: core / ((members / serving) * costs.deliveryUs + costs.hearUs),
    joined: core / ((members / serving) * costs.joinedDeliveryUs + costs.hearUs),
    redis: core / (costs.appendUs + costs.noticeUs + serving * costs.hearingUs),
    /** While people come and go: the list of a crowd to everybody, once a second. */
    listBitsPerSecond: members > BOUNDS.crowd ? members * BOUNDS.crowdListBytes * 8 : 0,
  };
}

/** @param {Readonly<Record<string, number>>} parts */
export function sum(parts) {
  return Object.values(parts).reduce((total, value) => total + value, 0);
}

/**
 * What things cost, as measured on the machine of `bench/README.md` (2 virtual cores, loopback), and what is only assumed.
 * Planning values: rounded up, and where a cost falls when much is going on, nearer to that of a lone message.
 *
 * @typedef {object} Cost
 * @property {number} value
 * @property {string} unit
 * @property {string} what
 * @property {string} source
 * @property {boolean} isMeasured
 */

const measured = (value, unit, what, source) => ({ value, unit, what, source, isMeasured: true });
const assumed = (value, unit, what, source) => ({ value, unit, what, source, isMeasured: false });

/** @satisfies {Readonly<Record<string, Cost>>} */
export const COSTS = {
  deliveryUs: measured(
    8,
    "µs of a node",
    "one message to one reader",
    "F1a; falls below 1.1 when messages share writes (F1S)",
  ),
  joinedDeliveryUs: measured(1.1, "µs of a node", "the same, at saturation", "F1S"),
  deliveryBytes: measured(263, "bytes", "a delivery of 128 bytes of payload", "F1"),
  sendUs: measured(60, "µs of a node", "a send taken in, appended and acknowledged", "F6-64 on Redis: 46; alone: 455"),
  hearUs: measured(
    45,
    "µs of a node",
    "a message of another node, taken from the bus",
    "F11: 34 for a second node, 45 each for a second and a third; alone: about 250",
  ),
  handshakeUs: measured(510, "µs of a node", "a connection: handshake, HS256 token, one room joined", "F4"),
  heartbeatUs: measured(7, "µs of a node", "a ping and its pong", "`heartbeat`"),
  connectionBytes: measured(8_500, "bytes", "a connection with its room", "F4"),
  openRoomBytes: measured(8_000, "bytes", "a room open on a node, without its tail", "F4, F4r"),
  tailEventBytes: assumed(
    600,
    "bytes of a node",
    "an event in the tail of an open room",
    "263 encoded, and the event itself",
  ),
  memberBytes: measured(
    300,
    "bytes of a node",
    "a member of a room open there, wherever connected",
    "240 live bytes in the performance guide, and its place",
  ),
  processBytes: measured(200e6, "bytes", "a process", "performance guide"),
  appendUs: measured(28, "µs of Redis", "an append, alone in its room and turn", "`redis-calls`; 11 with 16 in a turn"),
  noticeUs: measured(1.5, "µs of Redis", "a notice with its event, published", "`redis-calls`"),
  hearingUs: measured(0.9, "µs of Redis", "each node that hears it", "`redis-calls`"),
  headUs: measured(
    1.3,
    "µs of Redis",
    "the head of a room, compared every 5 s by each node that has it open",
    "`redis-calls`",
  ),
  eventBytes: measured(
    380,
    "bytes of Redis",
    "an event of 128 bytes with its messageId",
    "decision 0011; 291 in rooms of few events",
  ),
  roomBytes: measured(300, "bytes of Redis", "a room", "`redis-calls`: 185, and its hashes"),
  peerUs: assumed(
    20,
    "µs of a node",
    "a notice between nodes that is about no message",
    "as a small message on a WebSocket",
  ),
  kernelBytes: assumed(
    4_000,
    "bytes",
    "what Linux keeps of an idle connection",
    "the objects of a TCP socket and a file",
  ),
};

/** How much of anything is planned with, and what Linux and a load balancer allow as they come. */
export const BOUNDS = {
  /** Of a core, on a usual day: the rest is for bursts and for those who come back. */
  load: 0.5,
  /** So that one may end. */
  leastNodes: 2,
  /** Of one process, which uses one core. */
  nodeConnections: 50_000,
  nodeBytes: 2e9,
  shardBytes: 8e9,
  /** Ports from one address of a load balancer to one port of a node (`ip_local_port_range`). */
  ports: 28_232,
  /** `nf_conntrack_max` of a machine of some GB. */
  conntrack: 262_144,
  /** How often heads are compared, and how often a node says it is there, s. */
  auditSeconds: 5,
  aliveSeconds: 3,
  /** Beyond so many members arrivals are not told one by one; the list of a crowd, bytes (MEM-3). */
  crowd: 100,
  crowdListBytes: 7_000,
};

/** The values alone. */
export const VALUES = Object.fromEntries(Object.entries(COSTS).map(([name, { value }]) => [name, value]));

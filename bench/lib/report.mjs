/** Beyond this the load generator may be what limits, percent of a core. */
const GENERATOR_BUSY = 85;
/** Beyond this other processes were in the way, percent of the time. */
const TAKEN = 2;

/**
 * A column of a table: what it says of a server, given its figures and a way to those of another row.
 *
 * @typedef {object} Column
 * @property {string} title
 * @property {(figures: import("./summary.mjs").Figures, row: (name: string) => import("./summary.mjs").Figures | null) => string} cell
 */

/** @returns {Column} */
function column(title, name, format) {
  return { title, cell: (figures) => (typeof figures[name] === "number" ? format(figures[name], figures) : "–") };
}

/** @returns {Column} */
function ratio(title, name, peer) {
  const cell = (figures, row) => {
    const reference = row(peer)?.[name];
    return typeof figures[name] === "number" && reference > 0 ? (figures[name] / reference).toFixed(2) : "–";
  };
  return { title, cell };
}

const fixed = (digits) => (value) => value.toFixed(digits);

/** All columns there are. A benchmark names those of its tables. */
export const COLUMNS = {
  cpu: column("CPU µs/delivery", "cpuUsPerDelivery", fixed(2)),
  cpuToLimit: ratio("CPU ÷ limit", "cpuUsPerDelivery", "limit"),
  cpuToBun: ratio("CPU ÷ Bun", "cpuUsPerDelivery", "bun"),
  cpuToTuned: ratio("CPU ÷ tuned ws", "cpuUsPerDelivery", "ws-tuned"),
  rate: column("deliveries/s", "deliveriesPerSecond", (value, { generatorCpuPct }) =>
    generatorCpuPct > GENERATOR_BUSY ? `≥ ${count(value)}` : count(value),
  ),
  rateToSocketIo: ratio("× Socket.IO", "deliveriesPerSecond", "socket.io"),
  rateToBun: ratio("× Bun", "deliveriesPerSecond", "bun"),
  cpuPerAck: column("CPU µs/send", "cpuUsPerAck", fixed(1)),
  acks: column("acknowledged sends/s", "acksPerSecond", count),
  messages: column("messages/s", "messagesPerSecond", count),
  perNodeCore: column("messages/s and core of nodes", "messagesPerNodeCore", count),
  nodesPerMessage: column("nodes µs/message", "nodesUsPerMessage", fixed(0)),
  redisPerMessage: column("Redis µs/message", "redisUsPerMessage", fixed(1)),
  nodesPerDelivery: column("nodes µs/delivery", "nodesUsPerDelivery", fixed(1)),
  redisPerDelivery: column("Redis µs/delivery", "redisUsPerDelivery", fixed(2)),
  redisIn: column("bytes into Redis/message", "redisInPerMessage", fixed(0)),
  redisOut: column("out of Redis", "redisOutPerMessage", fixed(0)),
  servingIn: column("into a serving node", "servingInPerMessage", fixed(0)),
  idleIn: column("into a node that serves none", "idleInPerMessage", fixed(1)),
  nodesCpu: column("nodes CPU %", "nodesCpuPct", fixed(0)),
  redisCpu: column("Redis CPU %", "redisCpuPct", fixed(0)),
  p50: column("p50 ms", "p50Ms", milliseconds),
  p99: column("p99 ms", "p99Ms", milliseconds),
  complete: column("complete", "complete", (value) => value.toFixed(value === 1 ? 1 : 4)),
  serverCpu: column("server CPU %", "serverCpuPct", fixed(0)),
  loadCpu: column("load CPU %", "generatorCpuPct", fixed(0)),
  bytes: column("bytes/delivery", "bytesPerDelivery", fixed(0)),
  reads: column("reads/delivery", "readsPerDelivery", fixed(2)),
  rss: column("RSS MB", "rssMb", fixed(0)),
  rssPerConnection: column("RSS KB/connection", "rssKbPerConnection", fixed(1)),
  handshake: column("handshake CPU µs", "handshakeUs", fixed(0)),
  handshakeToTuned: ratio("handshake ÷ tuned ws", "handshakeUs", "ws-tuned"),
  rssToTuned: ratio("RSS ÷ tuned ws", "rssKbPerConnection", "ws-tuned"),
  loopP99: column("loop delay p99 ms", "loopP99Ms", milliseconds),
  loopMax: column("loop delay max ms", "loopMaxMs", milliseconds),
  seconds: column("all resumed after s", "seconds", fixed(2)),
  letIn: column("all let in after s", "letInSeconds", fixed(2)),
  resumed: column("events resumed/s", "resumedPerSecond", count),
  base: column("memory in use before MB", "baseUsedMb", fixed(0)),
  after: column("memory in use after MB", "afterUsedMb", fixed(0)),
  rssBase: column("RSS before MB", "baseRssMb", fixed(0)),
  rssAfter: column("RSS after MB", "afterRssMb", fixed(0)),
};

/**
 * The results as a Markdown page.
 *
 * @param {object} results as the `.json` beside it has them
 * @returns {string}
 */
export function report(results) {
  const { title, intro, machine, rounds, windowSeconds, measuredAt, pinned, charts } = results;
  const times = rounds === 1 ? `One round` : `Medians of ${rounds} interleaved rounds`;
  const parts = [
    `# ${title}\n`,
    `${intro} ${machine}. ${times}${windowSeconds > 0 ? `, windows of ${windowSeconds} s` : ""}, ${measuredAt.slice(0, 10)}. ` +
      `${pinned ? "The server has one core, the load generator another." : "Nothing was pinned to a core."} ` +
      "Everything over loopback. Figures are for comparing rows of one run; `bench/README.md` says what they mean.\n",
    ...charts.map((file) => `![${title}](${file})\n`),
  ];
  for (const scenario of results.scenarios) parts.push(section(scenario, results.columns));
  return parts.join("\n");
}

function section({ name, title, peers }, columns) {
  const head = ["server", ...columns.map((key) => COLUMNS[key].title), "runs"];
  const figuresOf = (peer) => peers.find((other) => other.name === peer)?.figures ?? null;
  const rows = peers.map(({ title: server, figures, runs }) => [
    server,
    ...columns.map((key) => (figures === null ? "–" : COLUMNS[key].cell(figures, figuresOf))),
    String(runs),
  ]);
  const table = [head, head.map((_cell, index) => (index === 0 ? "---" : "---:")), ...rows];
  const lines = table.map((cells) => `| ${cells.join(" | ")} |`);
  return [`## ${name}: ${title}\n`, ...lines, "", ...notes(peers)].join("\n");
}

function notes(peers) {
  const lines = [];
  for (const { title, faults, figures } of peers) {
    if (faults.length > 0) lines.push(`- **${title} delivered wrongly:** ${[...new Set(faults)].join("; ")}.`);
    if (figures === null) continue;
    if (figures.generatorCpuPct > GENERATOR_BUSY) {
      lines.push(
        `- ${title}: the load generator was busy for ${figures.generatorCpuPct.toFixed(0)} %; the rate is a lower bound.`,
      );
    }
    if (figures.takenPct > TAKEN) {
      const share = figures.takenPct.toFixed(0);
      lines.push(
        `- ${title}: for ${share} % of the time other processes had a core that it or the load generator wanted.`,
      );
    }
    if (figures.stealPct > 5)
      lines.push(`- ${title}: the host took ${figures.stealPct.toFixed(0)} % of the time away.`);
  }
  return lines.length === 0 ? [] : [...lines, ""];
}

function count(value) {
  return Math.round(value).toLocaleString("en");
}

function milliseconds(value) {
  return value < 10 ? value.toFixed(2) : value.toFixed(0);
}

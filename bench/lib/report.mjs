/** Beyond this the load generator may be what limits, percent of a core. */
const GENERATOR_BUSY = 85;
/** Beyond this other processes took part of the two cores, percent of a core. */
const OTHERS_BUSY = 10;
/** What ratios are taken to. */
const REFERENCE = "socket.io";

/**
 * The results as a Markdown page.
 *
 * @param {object} results as `fanout.json` has them
 * @returns {string}
 */
export function report(results) {
  const parts = [
    "# Fan-out\n",
    `One room with ${count(results.readers)} readers, 128 bytes of payload. ${results.machine}. ` +
      `Medians of ${results.rounds} interleaved rounds of ${results.windowSeconds} s, ${results.measuredAt.slice(0, 10)}. ` +
      `${results.pinned ? "The server has one core, the load generator another." : "Nothing was pinned to a core."} ` +
      "Everything over loopback. Figures are for comparing rows of one run; `bench/README.md` says what they mean.\n",
  ];
  for (const scenario of results.scenarios) parts.push(section(scenario));
  return parts.join("\n");
}

function section({ name, title, peers }) {
  const reference = peers.find((peer) => peer.name === REFERENCE)?.figures ?? null;
  const head = [
    "server",
    "CPU µs/delivery",
    "deliveries/s",
    "× Socket.IO",
    "CPU ÷ Socket.IO",
    "p50 ms",
    "p99 ms",
    "complete",
    "server CPU %",
    "load CPU %",
    "bytes/delivery",
    "reads/delivery",
    "RSS MB",
    "runs",
  ];
  const rows = peers.map((peer) => row(peer, reference));
  const table = [head, head.map((_cell, index) => (index === 0 ? "---" : "---:")), ...rows];
  const lines = table.map((cells) => `| ${cells.join(" | ")} |`);
  return [`## ${name}: ${title}\n`, ...lines, "", ...notes(peers)].join("\n");
}

function row({ title, runs, figures }, reference) {
  if (figures === null) return [title, ...Array(11).fill("–"), String(runs), "–"];
  const ratio = (name) => (reference === null ? "–" : (figures[name] / reference[name]).toFixed(2));
  const isBound = figures.generatorCpuPct > GENERATOR_BUSY;
  return [
    title,
    figures.cpuUsPerDelivery.toFixed(2),
    `${isBound ? "≥ " : ""}${count(figures.deliveriesPerSecond)}`,
    ratio("deliveriesPerSecond"),
    ratio("cpuUsPerDelivery"),
    milliseconds(figures.p50Ms),
    milliseconds(figures.p99Ms),
    figures.complete.toFixed(figures.complete === 1 ? 1 : 4),
    figures.serverCpuPct.toFixed(0),
    figures.generatorCpuPct.toFixed(0),
    figures.bytesPerDelivery.toFixed(0),
    figures.readsPerDelivery.toFixed(2),
    figures.rssMb.toFixed(0),
    String(runs),
  ];
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
    if (figures.othersCpuPct > OTHERS_BUSY) {
      lines.push(`- ${title}: other processes took ${figures.othersCpuPct.toFixed(0)} % of a core.`);
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

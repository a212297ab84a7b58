/** Beyond this the load generator, or somebody else, took part in the figures; percent of a core. */
const LOAD_BUSY = 85;
const OTHERS_BUSY = 15;

/** The median of each figure. */
export function medians(all) {
  const result = {};
  for (const name of Object.keys(all[0] ?? {})) {
    const values = all.map((figures) => figures[name]).filter((value) => typeof value === "number");
    if (values.length > 0) result[name] = median(values);
  }
  return result;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The results as a Markdown page. */
export function report({ machine, pinned, measuredAt, readers, windowSeconds, rounds, absent, rates, peers }) {
  const parts = [
    "# Streams and long polls\n",
    `${readers} readers of one room, 128 bytes a message. ${machine}. ${rounds === 1 ? "One round" : `Medians of ${rounds} interleaved rounds`}, ` +
      `windows of ${windowSeconds} s, ${measuredAt.slice(0, 10)}. ${pinned ? "The server has one core, the load generator another." : "Nothing was pinned to a core."} ` +
      "Everything over loopback. Figures are for comparing rows of one run; `bench/README.md` says what they mean.\n",
  ];
  if (absent.length > 0) parts.push(`Not installed, so not measured: ${absent.join(", ")}.\n`);
  parts.push(
    "## Idle\n",
    table(
      ["server", "RSS KB each", "heap and buffers KB each", "÷ node:http", "RSS MB before"],
      peers.map(({ title, idle, way }) => [
        title,
        fixed(idle.rssKb, 1),
        fixed(idle.usedKb, 1),
        ratio(idle.usedKb ?? idle.rssKb, baseline(peers, way)?.idle[idle.usedKb === undefined ? "rssKb" : "usedKb"]),
        fixed(idle.baseMb, 0),
      ]),
    ),
  );
  for (const rate of rates) {
    const of = (peer) => peer.byRate.find((entry) => entry.rate === rate);
    parts.push(
      `## ${rate} messages a second\n`,
      table(
        [
          "server",
          "CPU µs/delivery",
          "÷ node:http",
          "server CPU %",
          "deliveries/s",
          "answers/delivery",
          "bytes/delivery",
          "p50 ms",
          "p99 ms",
          "load CPU %",
        ],
        peers.map((peer) => {
          const { figures } = of(peer);
          return [
            peer.title,
            fixed(figures.cpuUs, 1),
            ratio(figures.cpuUs, of(baseline(peers, peer.way) ?? peer)?.figures.cpuUs),
            fixed(figures.cpuPct, 0),
            figures.deliveries === undefined ? "–" : Math.round(figures.deliveries).toLocaleString("en"),
            peer.way === "sse" ? "–" : fixed(figures.answers, 2),
            fixed(figures.bytes, 0),
            fixed(figures.p50Ms, 1),
            fixed(figures.p99Ms, 1),
            fixed(figures.loadPct, 0),
          ];
        }),
      ),
      ...notes(
        peers.map((peer) => ({ title: peer.title, ...of(peer) })),
        rate * readers,
      ),
    );
  }
  return `${parts.join("\n")}\n`;
}

function baseline(peers, way) {
  return peers.find(({ name }) => name === `naive-${way}`);
}

function notes(rows, wanted) {
  const lines = [];
  for (const { title, faults, figures } of rows) {
    if (faults.length > 0) lines.push(`- **${title} delivered wrongly:** ${[...new Set(faults)].join("; ")}.`);
    if (figures.deliveries < 0.97 * wanted) {
      lines.push(
        `- ${title} did not keep up: ${Math.round(figures.deliveries).toLocaleString("en")} of ${wanted.toLocaleString("en")} deliveries a second.`,
      );
    }
    if (figures.loadPct > LOAD_BUSY)
      lines.push(`- ${title}: the load generator was busy for ${fixed(figures.loadPct, 0)} %.`);
    if (figures.othersPct > OTHERS_BUSY)
      lines.push(`- ${title}: other processes took ${fixed(figures.othersPct, 0)} % of a core.`);
    if (figures.stealPct > 5) lines.push(`- ${title}: the host took ${fixed(figures.stealPct, 0)} % of the time away.`);
  }
  return lines.length === 0 ? [] : [...lines, ""];
}

function table(head, rows) {
  const lines = [head, head.map((_cell, index) => (index === 0 ? "---" : "---:")), ...rows];
  return `${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n`;
}

function fixed(value, digits) {
  return typeof value === "number" ? value.toFixed(digits) : "–";
}

function ratio(value, reference) {
  return typeof value === "number" && reference > 0 ? (value / reference).toFixed(2) : "–";
}

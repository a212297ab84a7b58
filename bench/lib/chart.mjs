/** Charts as SVG: bars of one figure for each scenario, lines for how a figure grows. Readable on light and dark pages. */

const WIDTH = 760;
const LABELS = 250;
const RIGHT = 70;
const BAR = 16;
const GAP = 6;
const HEAD = 30;
const LINES_HEIGHT = 300;
const LEFT = 56;
const COLORS = ["#2f7fd1", "#d1662f", "#3a9d5d", "#8a5bc2", "#b5892b", "#c2457f", "#6b7683", "#2aa3a3"];

const STYLE = `<style>
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; } .axis { stroke: #9aa4ae; stroke-width: 1; } .faint { fill: #59636e; }
  .bar { fill: #8c96a1; } .own { fill: #2f7fd1; } .floor { fill: #b9c0c7; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .faint { fill: #9aa4ae; } .axis { stroke: #59636e; }
    .bar { fill: #6e7781; } .own { fill: #4c9bea; } .floor { fill: #484f58; }
  }
</style>`;

/**
 * Horizontal bars: for each section a bar for each server.
 *
 * @param {string} title
 * @param {readonly { title: string, bars: readonly { name: string, title: string, value: number, text: string }[] }[]} sections
 * @returns {string}
 */
export function barChart(title, sections) {
  const parts = [];
  let y = HEAD;
  for (const { title: head, bars } of sections) {
    const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
    y += 8;
    parts.push(text(0, y + 12, head, "title"));
    y += HEAD - 8;
    for (const { name, title: server, value, text: label } of bars) {
      const width = Math.max(1, (value / most) * (WIDTH - LABELS - RIGHT));
      const kind = name === "limit" ? "floor" : name.startsWith("yamabiko") ? "own" : "bar";
      parts.push(text(LABELS - 8, y + 12, server, "", "end"));
      parts.push(`<rect class="${kind}" x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`);
      parts.push(text(LABELS + width + 6, y + 12, label, "faint"));
      y += BAR + GAP;
    }
  }
  return page(title, y + 10, parts);
}

/**
 * Lines over a logarithmic axis.
 *
 * @param {string} title
 * @param {string} axis what grows
 * @param {readonly { title: string, points: readonly { x: number, y: number }[] }[]} lines
 * @returns {string}
 */
export function lineChart(title, axis, lines) {
  const all = lines.flatMap(({ points }) => points);
  if (all.length === 0) return page(title, HEAD, []);
  const low = Math.log10(Math.min(...all.map(({ x }) => x)));
  const high = Math.max(low + 0.01, Math.log10(Math.max(...all.map(({ x }) => x))));
  const most = Math.max(...all.map(({ y }) => y)) * 1.1;
  const right = WIDTH - 230;
  const bottom = HEAD + LINES_HEIGHT;
  const placeX = (x) => LEFT + ((Math.log10(x) - low) / (high - low)) * (right - LEFT);
  const placeY = (y) => bottom - (y / most) * LINES_HEIGHT;
  const parts = [
    `<path class="axis" fill="none" d="M${LEFT} ${HEAD} V${bottom} H${right}"/>`,
    text(LEFT - 8, placeY(0) + 4, "0", "faint", "end"),
    ...[0.5, 1].map((share) => text(LEFT - 8, placeY(most * share) + 4, (most * share).toFixed(1), "faint", "end")),
    ...[...new Set(all.map(({ x }) => x))].map((x) =>
      text(placeX(x), bottom + 16, x.toLocaleString("en"), "faint", "middle"),
    ),
    text((LEFT + right) / 2, bottom + 34, axis, "faint", "middle"),
  ];
  for (const [index, { title: name, points }] of lines.entries()) {
    const color = COLORS[index % COLORS.length];
    const path = points.map(({ x, y }, at) => `${at === 0 ? "M" : "L"}${placeX(x).toFixed(1)} ${placeY(y).toFixed(1)}`);
    parts.push(`<path fill="none" stroke="${color}" stroke-width="2" d="${path.join(" ")}"/>`);
    for (const { x, y } of points) {
      parts.push(`<circle fill="${color}" cx="${placeX(x).toFixed(1)}" cy="${placeY(y).toFixed(1)}" r="3"/>`);
    }
    const y = HEAD + 14 + index * 18;
    parts.push(
      `<rect fill="${color}" x="${right + 16}" y="${y - 9}" width="10" height="10" rx="2"/>`,
      text(right + 32, y, name),
    );
  }
  return page(title, bottom + 44, parts);
}

function page(title, height, parts) {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" role="img">`;
  return [head, `<title>${escapeText(title)}</title>`, STYLE, text(0, 16, title, "title"), ...parts, "</svg>", ""].join(
    "\n",
  );
}

function text(x, y, content, kind = "", anchor = "start") {
  const classes = kind === "" ? "" : ` class="${kind}"`;
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}"${classes}>${escapeText(content)}</text>`;
}

function escapeText(content) {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { canPin, describeMachine } from "./machine.mjs";
import { report } from "./report.mjs";
import { medians } from "./summary.mjs";

/**
 * What trials of one scenario come to: a row for each peer.
 *
 * @param {readonly import("../peers/peers.mjs").Peer[]} peers
 * @param {readonly import("./trial.mjs").Trial[]} trials
 */
export function rowsOf(peers, trials) {
  return peers.map((peer) => {
    const own = trials.filter((trial) => trial.peer === peer);
    const measured = own.filter((trial) => trial.figures !== null).map((trial) => trial.figures);
    return {
      name: peer.name,
      title: peer.title,
      runs: measured.length,
      figures: measured.length === 0 ? null : medians(measured),
      each: measured,
      faults: own.flatMap((trial) => trial.faults),
    };
  });
}

/**
 * Writes a benchmark's results as Markdown, JSON and charts, and prints the Markdown.
 *
 * @param {{ name: string, title: string, intro: string, columns: readonly (keyof typeof import("./report.mjs").COLUMNS)[],
 *   scenarios: readonly object[], charts: readonly { file: string, svg: string }[] }} benchmark
 * @param {import("./options.mjs").Options} options
 * @param {"c" | "node"} load
 */
export function writeResults({ charts, name, ...benchmark }, options, load) {
  const results = {
    name,
    machine: describeMachine(),
    pinned: canPin,
    load,
    measuredAt: new Date().toISOString(),
    windowSeconds: options.seconds,
    rounds: options.rounds,
    ...benchmark,
    charts: charts.map(({ file }) => file),
  };
  const out = options.out ?? fileURLToPath(new URL("../results", import.meta.url));
  const text = report(results);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, `${name}.md`), text);
  writeFileSync(join(out, `${name}.json`), `${JSON.stringify(results, null, 2)}\n`);
  for (const { file, svg } of charts) writeFileSync(join(out, file), svg);
  process.stdout.write(`\n${text}`);
}

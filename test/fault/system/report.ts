import { readFile, writeFile } from "node:fs/promises";
import type { RunVerdict } from "./verdict.ts";

const BEGIN = "<!-- run:begin (written by npm run test:faults -- --report) -->";
const END = "<!-- run:end -->";

/** Writes what a run found into the page, between its marks; each plan has a section of its own. */
export async function writeReport(verdictPath: string, pagePath: string): Promise<void> {
  const verdict = JSON.parse(await readFile(verdictPath, "utf8")) as RunVerdict;
  const page = await readFile(pagePath, "utf8");
  await writeFile(pagePath, withReport(page, verdict));
}

/** The page with this verdict in place of the one before it of the same plan. */
export function withReport(page: string, verdict: RunVerdict): string {
  const begin = BEGIN.replace("run:", `run ${verdict.plan}:`);
  const end = END.replace("run:", `run ${verdict.plan}:`);
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to === -1) throw new Error(`The page has no place for the plan ${verdict.plan}.`);
  return `${page.slice(0, from + begin.length)}\n\n${reportOf(verdict)}\n\n${page.slice(to)}`;
}

/** What a run found, as tables. */
export function reportOf(verdict: RunVerdict): string {
  const { counts, violations, deliveries } = verdict;
  const found = (...kinds: readonly (keyof typeof violations)[]): number =>
    kinds.reduce((sum, kind) => sum + (violations[kind] ?? 0), 0);
  const rows: (readonly [string, number | string])[] = [
    ["acknowledged", counts.acked],
    ["delivered", counts.delivered],
    ["SIGKILLs", verdict.kills],
    ["partitions", verdict.partitions],
    ["other faults", verdict.otherFaults],
    ["acknowledged again, as a repetition", counts.duplicates],
    ["unanswered when their client died, and in the log", counts.unknownInLog],
    ["**lost**", found("lost", "behind")],
    ["**twice**", found("repeated", "repeated_in_log")],
    ["**holes**", found("gap", "hole_in_log", "cursor_moved", "false_loss")],
    ["**reordered**", found("reordered", "overtaken")],
    ["**phantom**", found("phantom", "foretold", "altered", "wrong_content")],
    ["**unresolved**", found("unresolved")],
    ["all violations", Object.values(violations).reduce((sum, count) => sum + count, 0)],
  ];
  // Over several epochs it cannot be said what was owed.
  if (counts.losses === 0) {
    const { missing, owed } = deliveries;
    rows.push(["deliveries that never came", `${number(missing)} of ${number(owed)}${percent(missing, owed)}`]);
  } else rows.push(["told that something was lost", counts.losses]);
  const lines = [
    `Seed ${verdict.seed}, ${verdict.when.slice(0, 10)}, ${verdict.machine}; ${Object.entries(verdict.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(
        ", ",
      )}. ${verdict.loadSeconds} s under load (${number(Math.round(counts.acked / verdict.loadSeconds))} acknowledged a second, faults included); all settled ${number(verdict.settledMs)} ms after the last fault.`,
    "",
    "| | |",
    "| --- | ---: |",
    ...rows.map(([what, value]) => `| ${what} | ${typeof value === "number" ? number(value) : value} |`),
    "",
    "| fault | done | recovered p50, ms | p99, ms | longest, ms |",
    "| --- | ---: | ---: | ---: | ---: |",
    ...Object.entries(verdict.faults)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([kind, done]) => {
        const times = verdict.recoveryMs[kind];
        const cells = times === undefined ? ["", "", ""] : [times.p50, times.p99, times.max].map(number);
        return `| ${kind} | ${done} | ${cells.join(" | ")} |`;
      }),
  ];
  if (verdict.complaints.length > 0) {
    lines.push("", ...verdict.complaints.map((complaint) => `- ${complaint.split("\n")[0]!.slice(0, 200)}`));
  }
  return lines.join("\n");
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

function percent(part: number, whole: number): string {
  return part === 0 || whole === 0 ? "" : ` (${((100 * part) / whole).toFixed(1)} %)`;
}

import type { Registry } from "prom-client";

/** What an operator sees of the counters, by the metric and its label. */
const COUNTED = {
  disconnections: ["yamabiko_disconnects_total", "class"],
  limits: ["yamabiko_rate_limited_total", "limit"],
  refusals: ["yamabiko_refused_total", "code"],
  failures: ["yamabiko_failures_total", "where"],
} as const;

/** Totals since the node began, by what is counted and then by reason, limit, code or place. */
export type Counts = { readonly [name in keyof typeof COUNTED]: Readonly<Record<string, number>> };

/** Reads the counters of a node. */
export async function readCounts(registry: Registry): Promise<Counts> {
  const entries = Object.entries(COUNTED).map(async ([name, [metric, label]]) => {
    const values = (await registry.getSingleMetric(metric)?.get())?.values ?? [];
    const totals: Record<string, number> = {};
    for (const { labels, value } of values) {
      const by = String((labels as Record<string, string | number>)[label] ?? "");
      totals[by] = (totals[by] ?? 0) + value;
    }
    return [name, totals] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as unknown as Counts;
}

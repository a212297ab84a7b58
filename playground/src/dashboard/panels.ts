/** One chart: what it shows, and in what unit. */
export interface Panel {
  /** Names it on this dashboard. */
  readonly id: string;
  readonly series: readonly string[];
  readonly unit: Unit;
}

/** What a number counts. */
export type Unit = "percent" | "mib" | "ms" | "perSecond" | "none";

/** The charts of the server's own dashboard; a series of several nodes is `name@node`. */
const SYSTEM_PANELS = [
  { id: "load", unit: "percent", names: ["cpu", "process_cpu", "memory"] },
  { id: "traffic", unit: "perSecond", names: ["messages_in", "messages_out", "requests", "acks"] },
  { id: "loop", unit: "ms", names: ["event_loop_ms"] },
  { id: "memory", unit: "mib", names: ["rss_mb", "heap_mb"] },
  { id: "people", unit: "none", names: ["connections", "rooms"] },
] as const satisfies readonly { id: string; unit: Unit; names: readonly string[] }[];

/** The name of a chart of the server's own dashboard. */
export type SystemPanel = (typeof SYSTEM_PANELS)[number]["id"];
/** The name of a series of the server's own dashboard. */
export type SystemSeries = (typeof SYSTEM_PANELS)[number]["names"][number];

/** The dashboard that every server has. */
export const SYSTEM = "system";

/** The charts of a dashboard: those of the server's own by what belongs together, else one for each series. */
export function panelsOf(dashboard: string, series: readonly string[]): Panel[] {
  if (dashboard !== SYSTEM) return series.map((name) => ({ id: name, series: [name], unit: "none" }));
  return SYSTEM_PANELS.flatMap(({ id, unit, names }) => {
    const found = names.flatMap((name) => series.filter((one) => baseOf(one) === name));
    return found.length === 0 ? [] : [{ id, unit, series: found }];
  });
}

/** The series without the node it is of. */
export function baseOf(series: string): string {
  const at = series.lastIndexOf("@");
  return at === -1 ? series : series.slice(0, at);
}

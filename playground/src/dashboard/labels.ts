import { baseOf, type Panel, SYSTEM, type SystemPanel, type SystemSeries } from "./panels.ts";
import type { DashboardStrings } from "./strings.ts";

/** What a series is called: the server's own have words, with the node behind them where there are several. */
export function seriesLabel(dashboard: string, series: string, strings: DashboardStrings): string {
  if (dashboard !== SYSTEM) return series;
  const base = baseOf(series);
  const label = strings.series[base as SystemSeries] ?? base;
  return base === series ? label : `${label} @${series.slice(base.length + 1)}`;
}

/** What a chart is called. */
export function panelLabel(dashboard: string, { id }: Panel, strings: DashboardStrings): string {
  return dashboard === SYSTEM ? (strings.panels[id as SystemPanel] ?? id) : id;
}

import type { SeriesView } from "./dashboard-store.ts";
import { formatValue } from "./format.ts";
import { seriesLabel } from "./labels.ts";
import type { Panel } from "./panels.ts";
import { Sparkline } from "./sparkline.tsx";
import type { DashboardStrings } from "./strings.ts";

/** A tile for each series: its newest value, and the last minute of it. */
export function Tiles(props: {
  dashboard: string;
  panels: readonly Panel[];
  series: readonly SeriesView[];
  isAbove: (panel: Panel, value: number | null) => boolean;
  locale: string;
  strings: DashboardStrings;
}) {
  const { dashboard, panels, series, isAbove, locale, strings } = props;
  const byName = new Map(series.map((one) => [one.name, one]));
  return (
    <ul className="tiles" aria-label={strings.tiles}>
      {panels.flatMap((panel) =>
        panel.series.map((name) => {
          const one = byName.get(name);
          if (one === undefined) return null;
          const label = seriesLabel(dashboard, name, strings);
          return (
            <li key={name} className="tile" data-series={name} data-above={isAbove(panel, one.latest)}>
              <span className="tile-label" title={label}>
                {label}
              </span>
              <strong className="tile-value">{formatValue(one.latest, panel.unit, locale, strings)}</strong>
              <Sparkline values={one.spark} />
            </li>
          );
        }),
      )}
    </ul>
  );
}

import { useEffect, useId, useMemo, useState } from "react";
import { useStore } from "../../src/chat/use-store.ts";
import { DashboardStore, type DashboardView } from "../../src/dashboard/dashboard-store.ts";
import { formatValue } from "../../src/dashboard/format.ts";
import { panelLabel, seriesLabel } from "../../src/dashboard/labels.ts";
import { type Panel, panelsOf, SYSTEM } from "../../src/dashboard/panels.ts";
import { COLOURS, SeriesChart } from "../../src/dashboard/series-chart.tsx";
import type { DashboardStrings } from "../../src/dashboard/strings.ts";
import { Placeholder } from "./notes.tsx";
import { useOperator } from "./operator.tsx";

const SPAN_SECONDS = 300;

/** The server's own dashboard, by the same room that everybody else may read. */
export function LiveCharts({ strings, locale }: { strings: DashboardStrings; locale: string }) {
  const { client } = useOperator();
  const [store, setStore] = useState<DashboardStore | null>(null);
  useEffect(() => {
    const opened = new DashboardStore(client, SYSTEM, "m5");
    setStore(opened);
    return () => {
      opened.close();
      setStore(null);
    };
  }, [client]);
  if (store === null) return <div className="panels console-charts" aria-busy="true" />;
  return <Charts store={store} strings={strings} locale={locale} />;
}

function Charts({ store, strings, locale }: { store: DashboardStore; strings: DashboardStrings; locale: string }) {
  const view = useStore(store);
  const names = view.series.map(({ name }) => name).join("\n");
  const panels = useMemo(() => panelsOf(SYSTEM, names === "" ? [] : names.split("\n")), [names]);
  if (panels.length === 0)
    return <Placeholder isLoading={view.error === null} text={strings.refused(view.error ?? "")} />;
  return (
    <div className="panels console-charts dashboard-colours">
      {panels.map((panel) => (
        <ChartCard key={panel.id} panel={panel} view={view} strings={strings} locale={locale} />
      ))}
    </div>
  );
}

function ChartCard(props: { panel: Panel; view: DashboardView; strings: DashboardStrings; locale: string }) {
  const { panel, view, strings, locale } = props;
  const titleId = useId();
  const [hovered, setHovered] = useState<number | null>(null);
  const label = panelLabel(SYSTEM, panel, strings);
  const series = panel.series.flatMap((name) => view.series.filter((one) => one.name === name));
  // biome-ignore lint/correctness/useExhaustiveDependencies: a view is made anew for every update, and names its series.
  const content = useMemo(
    () => ({ t: view.t, series, spanSeconds: SPAN_SECONDS, threshold: null, hasBand: false }),
    [view, panel.series.join("\n")],
  );
  const write = (value: number | null): string => formatValue(value, panel.unit, locale, strings);
  const newest = series.map(({ name, latest }) => `${seriesLabel(SYSTEM, name, strings)} ${write(latest)}`);
  return (
    <section className="panel" aria-labelledby={titleId} data-panel={panel.id}>
      <div className="panel-head">
        <h3 id={titleId}>{label}</h3>
      </div>
      <SeriesChart
        label={strings.chartLabel(label, newest.join(", "))}
        locale={locale}
        content={content}
        format={write}
        onHover={setHovered}
      />
      <ul className="panel-legend">
        {series.map(({ name, latest, values }, index) => (
          <li key={name} data-colour={index % COLOURS}>
            <span className="panel-swatch" aria-hidden="true" />
            {seriesLabel(SYSTEM, name, strings)}{" "}
            <strong>{write(hovered === null ? latest : (values[hovered] ?? null))}</strong>
          </li>
        ))}
      </ul>
    </section>
  );
}

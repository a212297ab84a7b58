import { useId, useMemo, useState } from "react";
import { Icon } from "../shell/icon.tsx";
import type { DashboardView } from "./dashboard-store.ts";
import { formatValue } from "./format.ts";
import { panelLabel, seriesLabel } from "./labels.ts";
import type { Panel } from "./panels.ts";
import { COLOURS, SeriesChart } from "./series-chart.tsx";
import type { DashboardStrings } from "./strings.ts";

/** One chart: what it shows now or under the cursor, and its threshold. */
export function PanelCard(props: {
  dashboard: string;
  panel: Panel;
  view: DashboardView;
  spanSeconds: number;
  threshold: number | null;
  onThreshold: (threshold: number | null) => void;
  locale: string;
  strings: DashboardStrings;
}) {
  const { dashboard, panel, view, spanSeconds, threshold, onThreshold, locale, strings } = props;
  const titleId = useId();
  const [hovered, setHovered] = useState<number | null>(null);
  const label = panelLabel(dashboard, panel, strings);
  const series = panel.series.flatMap((name) => view.series.filter((one) => one.name === name));
  const hasBand = view.stepSeconds > 1;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a view is made anew for every update, and names its series.
  const content = useMemo(
    () => ({ t: view.t, series, spanSeconds, threshold, hasBand }),
    [view, panel.series.join("\n"), spanSeconds, threshold, hasBand],
  );
  const write = (value: number | null): string => formatValue(value, panel.unit, locale, strings);
  const newest = series.map(({ name, latest }) => `${seriesLabel(dashboard, name, strings)} ${write(latest)}`);
  const isAbove = threshold !== null && series.some(({ latest }) => latest !== null && latest > threshold);
  const at = hovered === null ? null : (view.t[hovered] ?? null);
  return (
    <section className="panel" aria-labelledby={titleId} data-panel={panel.id} data-above={isAbove}>
      <div className="panel-head">
        <h3 id={titleId}>{label}</h3>
        {isAbove ? (
          <span className="panel-above" role="img" aria-label={strings.above(label)}>
            <Icon name="warning" size={15} />
          </span>
        ) : null}
        <ThresholdField
          key={`${dashboard}/${panel.id}`}
          label={strings.thresholdFor(label)}
          threshold={threshold}
          onThreshold={onThreshold}
          strings={strings}
        />
      </div>
      <SeriesChart
        label={strings.chartLabel(label, newest.join(", "))}
        locale={locale}
        content={content}
        format={write}
        onHover={setHovered}
      />
      <ul className="panel-legend">
        {series.map(({ name, latest, values, min, max }, index) => {
          const value = hovered === null ? latest : (values[hovered] ?? null);
          const [low, high] = hovered === null ? [null, null] : [min[hovered] ?? null, max[hovered] ?? null];
          return (
            <li key={name} data-colour={index % COLOURS}>
              <span className="panel-swatch" aria-hidden="true" />
              {seriesLabel(dashboard, name, strings)} <strong>{write(value)}</strong>
              {hasBand && low !== null && high !== null ? (
                <span className="muted">{strings.range(write(low), write(high))}</span>
              ) : null}
            </li>
          );
        })}
        <li className="panel-time muted">
          {at === null ? strings.now : strings.at(new Date(at * 1_000).toLocaleTimeString(locale))}
        </li>
      </ul>
    </section>
  );
}

function ThresholdField(props: {
  label: string;
  threshold: number | null;
  onThreshold: (threshold: number | null) => void;
  strings: DashboardStrings;
}) {
  const { label, threshold, onThreshold, strings } = props;
  const id = useId();
  const [text, setText] = useState(threshold === null ? "" : String(threshold));
  return (
    <div className="panel-threshold">
      <label htmlFor={id} title={label}>
        {strings.threshold}
      </label>
      <input
        id={id}
        className="field"
        type="number"
        step="any"
        inputMode="decimal"
        aria-label={label}
        placeholder={strings.thresholdNone}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          const value = event.target.valueAsNumber;
          onThreshold(Number.isFinite(value) ? value : null);
        }}
      />
    </div>
  );
}

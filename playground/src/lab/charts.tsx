import { memo, useMemo } from "react";
import uPlot from "uplot";
import { Chart, type Ink } from "./chart.tsx";
import { BARS } from "./latency.ts";
import type { Spark } from "./recent.ts";

const X = Array.from({ length: BARS }, (_, bar) => bar);
/** A bar for each decade: 0.1 ms to 100 s. */
const DECADES = ["0.1", "1", "10", "100", "1k", "10k", "100k"] as const;
const bars = uPlot.paths.bars?.({ size: [0.82, 60], align: 1 });

/** A distribution of latencies: the share of each bar, on a logarithmic scale. */
export const DistributionChart = memo(function DistributionChart(props: { label: string; bars: readonly number[] }) {
  // Nothing is no bar, not a bar without height.
  const values = useMemo((): uPlot.AlignedData => [X, props.bars.map((share) => share || null)], [props.bars]);
  return <Chart label={props.label} height={92} values={values} options={distribution} />;
});

/** The highest latencies of the last minute. */
export const SparkChart = memo(function SparkChart({ label, spark }: { label: string; spark: Spark }) {
  const values = useMemo((): uPlot.AlignedData => [[...spark[0]], [...spark[1]]], [spark]);
  return <Chart label={label} height={68} values={values} options={sparkLine} />;
});

const PLAIN: Partial<uPlot.Options> = { cursor: { show: false }, legend: { show: false }, padding: [6, 6, 7, 2] };
const FONT = "11px system-ui, sans-serif";

function distribution(ink: Ink): Omit<uPlot.Options, "width" | "height"> {
  return {
    ...PLAIN,
    padding: [6, 10, 0, 12],
    scales: { x: { time: false, range: [0, BARS] }, y: { range: (_plot, _min, max) => [0, Math.max(max ?? 0, 0.05)] } },
    axes: [
      {
        stroke: ink.text,
        font: FONT,
        size: 22,
        gap: 3,
        grid: { show: false },
        ticks: { show: true, stroke: ink.grid, width: 1, size: 3 },
        splits: () => DECADES.map((_, decade) => decade * (BARS / 6)),
        values: () => [...DECADES.slice(0, 6), ""],
      },
      { show: false },
    ],
    series: [{}, { stroke: ink.line, fill: ink.fill, width: 1, points: { show: false }, ...(bars && { paths: bars }) }],
  };
}

function sparkLine(ink: Ink): Omit<uPlot.Options, "width" | "height"> {
  return {
    ...PLAIN,
    scales: { x: { time: false, range: [-60, 0] }, y: { distr: 3, log: 10, range: logRange } },
    axes: [
      { show: false },
      {
        stroke: ink.text,
        font: FONT,
        size: 30,
        gap: 3,
        grid: { stroke: ink.grid, width: 1 },
        ticks: { show: false },
        // uPlot would leave out what it finds too dense on a logarithmic scale.
        filter: (_plot, splits) => splits,
        splits: (_plot, _axis, min, max) => [1, 10, 100, 1_000, 10_000].filter((ms) => ms >= min && ms <= max),
        values: (_plot, splits) => splits.map((ms) => (ms >= 1_000 ? `${ms / 1_000}k` : String(ms))),
      },
    ],
    series: [
      {},
      { stroke: ink.line, width: 1.5, spanGaps: false, points: { show: true, size: 3.5, fill: ink.line, width: 0 } },
    ],
  };
}

/** Whole decades, so that the line does not jump about. */
function logRange(_plot: uPlot, min: number | null, max: number | null): [number, number] {
  const low = Math.max(0.1, min ?? 1);
  const high = Math.max(low * 10, max ?? 10);
  return [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high))];
}

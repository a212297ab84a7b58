import { type KeyboardEvent, useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { SeriesView } from "./dashboard-store.ts";

/** What a chart shows. Made anew for every update; the chart itself stays. */
export interface ChartContent {
  /** When each slot began, s since 1970. */
  readonly t: readonly number[];
  readonly series: readonly SeriesView[];
  /** How far the time axis goes back from the newest slot, s. */
  readonly spanSeconds: number;
  /** A line across, and the colour above it; null for none. */
  readonly threshold: number | null;
  /** Whether there is a lowest and a highest beside each mean. */
  readonly hasBand: boolean;
}

const HEIGHT = 190;
const FONT = "11px system-ui, sans-serif";
/** As many colours as there are in the style sheet. */
export const COLOURS = 6;

/** A chart of series over time. Follows its width and the theme; arrow keys move the cursor, Escape takes it away. */
export function SeriesChart(props: {
  label: string;
  locale: string;
  content: ChartContent;
  /** Formats a value of the axis. */
  format: (value: number) => string;
  /** The slot under the cursor, or null when there is none. */
  onHover: (index: number | null) => void;
}) {
  const { label, locale, content, format, onHover } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const newest = useRef({ content, format, onHover });
  const lines = `${content.series.map(({ name }) => name).join("\n")} ${content.hasBand}`;

  useEffect(() => {
    newest.current = { content, format, onHover };
    // Series that are not drawn yet come with the next chart.
    const drawn = plot.current?.series.length ?? 0;
    if (drawn === alignedOf(content).length) plot.current?.setData(alignedOf(content));
  }, [content, format, onHover]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `lines` says when other series must be drawn.
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const draw = (): void => {
      plot.current?.destroy();
      const size = { width: element.clientWidth, height: HEIGHT };
      const options = optionsOf(inkOf(element), () => newest.current, locale);
      plot.current = new uPlot({ ...options, ...size }, alignedOf(newest.current.content), element);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      themed.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [locale, lines]);

  const move = (event: KeyboardEvent): void => {
    const { current } = plot;
    if (current === null) return;
    const times = current.data[0];
    const at = current.cursor.idx ?? times.length;
    if (event.key === "Escape") current.setCursor({ left: -10, top: -10 });
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const next = Math.max(0, Math.min(times.length - 1, at + (event.key === "ArrowLeft" ? -1 : 1)));
      current.setCursor({ left: current.valToPos(times[next] ?? 0, "x"), top: 10 });
      event.preventDefault();
    }
  };

  return (
    <div
      ref={box}
      className="series-chart"
      role="img"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move the cursor over the chart.
      tabIndex={0}
      style={{ blockSize: HEIGHT }}
      onKeyDown={move}
      onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
    />
  );
}

/** The x values, then for each series its means, and where there is a band its lowest and highest. */
function alignedOf({ t, series, hasBand }: ChartContent): uPlot.AlignedData {
  const columns = series.flatMap(({ values, min, max }) => (hasBand ? [values, min, max] : [values]));
  return [t, ...columns] as uPlot.AlignedData;
}

interface Ink {
  readonly text: string;
  readonly grid: string;
  readonly alert: string;
  readonly lines: readonly string[];
  readonly bands: readonly string[];
}

function optionsOf(
  ink: Ink,
  now: () => { content: ChartContent; format: (value: number) => string; onHover: (index: number | null) => void },
  locale: string,
): Omit<uPlot.Options, "width" | "height"> {
  const { series, hasBand } = now().content;
  const time = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const shortTime = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
  const lines = series.flatMap((_, index): uPlot.Series[] => {
    const stroke = ink.lines[index % COLOURS] ?? ink.text;
    const line: uPlot.Series = {
      stroke,
      width: 1.6,
      spanGaps: false,
      points: { show: true, size: 5, fill: stroke, filter: alone },
    };
    const edge: uPlot.Series = { stroke: "transparent", width: 0, points: { show: false } };
    return hasBand ? [line, edge, edge] : [line];
  });
  const bands = hasBand
    ? series.map((_, index): uPlot.Band => {
        const first = 1 + index * 3;
        return { series: [first + 2, first + 1], fill: ink.bands[index % COLOURS] ?? ink.grid };
      })
    : [];
  return {
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    legend: { show: false },
    padding: [10, 28, 0, 0],
    bands,
    scales: {
      x: {
        time: true,
        range: (_plot, _min, max) => {
          const to = max ?? Date.now() / 1_000;
          return [to - now().content.spanSeconds, to];
        },
      },
      y: { range: (_plot, min, max) => rangeOf(min, max, now().content.threshold) },
    },
    axes: [
      {
        stroke: ink.text,
        font: FONT,
        size: 26,
        gap: 4,
        space: 84,
        grid: { show: false },
        ticks: { stroke: ink.grid, width: 1, size: 4 },
        values: (_plot, splits) => {
          const format = splits.every((at) => at % 60 === 0) ? shortTime : time;
          return splits.map((at) => format.format(at * 1_000));
        },
      },
      {
        stroke: ink.text,
        font: FONT,
        size: 62,
        gap: 4,
        space: 34,
        grid: { stroke: ink.grid, width: 1 },
        ticks: { show: false },
        values: (_plot, splits) => splits.map((value) => now().format(value)),
      },
    ],
    series: [{}, ...lines],
    hooks: {
      setCursor: [(plot) => now().onHover(plot.cursor.idx ?? null)],
      draw: [(plot) => drawThreshold(plot, now().content.threshold, ink.alert)],
    },
  };
}

/** The slots between two gaps: no line leads to them. */
function alone(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const indices: number[] = [];
  for (let at = 0; at < values.length; at++) {
    if (values[at] != null && values[at - 1] == null && values[at + 1] == null) indices.push(at);
  }
  return indices;
}

/** The values with some room around them, 0 where it is near, and the threshold. */
function rangeOf(min: number | null, max: number | null, threshold: number | null): [number, number] {
  const low = Math.min(min ?? 0, threshold ?? Number.POSITIVE_INFINITY);
  const high = Math.max(max ?? 1, threshold ?? Number.NEGATIVE_INFINITY);
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  const bottom = low >= 0 && low < (high - low || 1) * 2 ? 0 : low - room;
  return [bottom, high + room];
}

function drawThreshold(plot: uPlot, threshold: number | null, colour: string): void {
  if (threshold === null) return;
  const { ctx, bbox } = plot;
  const y = Math.round(plot.valToPos(threshold, "y", true));
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.globalAlpha = 0.08;
  ctx.fillStyle = colour;
  ctx.fillRect(bbox.left, bbox.top, bbox.width, y - bbox.top);
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

/** Custom properties come as they are written; only a property that uses one comes as a colour. */
function inkOf(element: HTMLElement): Ink {
  const probe = document.createElement("span");
  element.append(probe);
  const colour = (value: string): string => {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  };
  const colours = (of: (name: string) => string): string[] =>
    Array.from({ length: COLOURS }, (_, index) => colour(of(`var(--series-${index})`)));
  const ink = {
    text: colour("var(--ink-soft)"),
    grid: colour("var(--line)"),
    alert: colour("var(--danger)"),
    lines: colours((name) => name),
    bands: colours((name) => `color-mix(in srgb, ${name} 18%, transparent)`),
  };
  probe.remove();
  return ink;
}

import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

/** The colours a chart is drawn in, as its own style sheet gives them. */
export interface Ink {
  readonly line: string;
  readonly fill: string;
  readonly text: string;
  readonly grid: string;
}

/** What a chart shows: the x values, then one row for each series. */
export type ChartValues = uPlot.AlignedData;

/**
 * A small chart. It follows its width and the theme. `options` is asked anew for another theme and must not change otherwise.
 * Decoration for those who see it: `label` says the same in words.
 */
export function Chart(props: {
  label: string;
  height: number;
  values: ChartValues;
  options: (ink: Ink) => Omit<uPlot.Options, "width" | "height">;
}) {
  const { label, height, values, options } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const newest = useRef(values);

  useEffect(() => {
    newest.current = values;
    plot.current?.setData(values);
  }, [values]);

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const draw = (): void => {
      plot.current?.destroy();
      const size = { width: element.clientWidth, height };
      plot.current = new uPlot({ ...options(inkOf(element)), ...size }, newest.current, element);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
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
  }, [height, options]);

  return <div ref={box} className="chart" role="img" aria-label={label} style={{ blockSize: height }} />;
}

/** Custom properties come as they are written; only a property that uses one comes as a colour. */
function inkOf(element: HTMLElement): Ink {
  const style = getComputedStyle(element);
  return {
    line: style.color,
    fill: style.backgroundColor,
    text: style.outlineColor,
    grid: style.borderTopColor,
  };
}

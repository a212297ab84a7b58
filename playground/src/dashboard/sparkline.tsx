import { memo } from "react";

const WIDTH = 120;
const HEIGHT = 28;

/** The last values as a line, gaps left open. Decoration: the newest value is said in words beside it. */
export const Sparkline = memo(function Sparkline({ values }: { values: readonly (number | null)[] }) {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const y = (value: number): number =>
    high === low ? HEIGHT / 2 : HEIGHT - 2 - ((value - low) / (high - low)) * (HEIGHT - 4);
  let path = "";
  let isDrawing = false;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isDrawing = false;
      continue;
    }
    const x = (index / Math.max(1, values.length - 1)) * WIDTH;
    path += `${isDrawing ? "L" : "M"}${x.toFixed(1)} ${y(value).toFixed(1)}`;
    isDrawing = true;
  }
  return (
    <svg className="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={path} />
    </svg>
  );
});

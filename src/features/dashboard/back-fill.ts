import { RESOLUTIONS, type Resolution, type Row, type SeriesGrid } from "../../protocol/series-grid.ts";
import type { ReaderOptions } from "./schemas.ts";

/** The most cells of one back-fill: where there are more series, it goes less far back. */
const MAX_CELLS = 50_000;
/** Means are told with this many digits. */
const DIGITS = 6;

/** What a series was last set to, and when, ms since 1970. */
export type Latest = readonly [t: number, value: number | null];

/** What a reader starts from: the newest slots as columns. Rows with nothing but gaps are left out. */
export interface BackFill {
  resolution: Resolution;
  /** `t`, then the series. */
  columns: string[];
  /** Oldest first: values for `1s`, else means of slots that are over. */
  rows: Row[];
  /** Beside `rows`, of roll-ups: the lowest of each. */
  min?: (number | null)[][];
  /** Beside `rows`, of roll-ups: the highest of each. */
  max?: (number | null)[][];
  /** Of roll-ups: the seconds of the slot that is not over, as rows. */
  recent?: Row[];
  /** What each series was last set to, and when; also where that is before the first row. */
  latest: { [series: string]: [number, number | null] };
}

/** Makes the back-fill of a grid. */
export function backFill(
  grid: SeriesGrid,
  latest: ReadonlyMap<string, Latest>,
  { last, resolution }: ReaderOptions,
): BackFill {
  const { series } = grid;
  const lists = resolution === "1s" ? 1 : 3;
  const rows = Math.min(last, Math.floor(MAX_CELLS / (lists * (series.length + 1))));
  const newest = Object.fromEntries(Array.from(latest, ([name, [t, value]]) => [name, [t, value]]));
  const whole = { resolution, columns: ["t", ...series], latest: newest as BackFill["latest"] };
  const seconds = (count: number): Row[] =>
    grid
      .times("1s", count)
      .map((t): Row => [t, ...series.map((name) => grid.at(name, t))])
      .filter(hasValue);
  if (resolution === "1s") return { ...whole, rows: seconds(rows) };
  const times = grid.times(resolution, rows + 1);
  const open = times.at(-1);
  const over = times.slice(0, -1).map((t) => series.map((name) => grid.foldAt(name, resolution, t)));
  const kept = over.flatMap((folds, index) =>
    folds.some((fold) => fold !== null) ? [{ t: times[index]!, folds }] : [],
  );
  return {
    ...whole,
    rows: kept.map(({ t, folds }): Row => [t, ...folds.map((fold) => (fold === null ? null : rounded(fold.avg)))]),
    min: kept.map(({ folds }) => folds.map((fold) => fold?.min ?? null)),
    max: kept.map(({ folds }) => folds.map((fold) => fold?.max ?? null)),
    recent: seconds(RESOLUTIONS[resolution].stepMs / 1_000).filter(([t]) => open !== undefined && t >= open),
  };
}

function hasValue([, ...cells]: Row): boolean {
  return cells.some((cell) => cell !== null);
}

function rounded(value: number): number {
  return Number(value.toPrecision(DIGITS));
}

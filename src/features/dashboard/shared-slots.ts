import type { JsonObject } from "../../protocol/index.ts";
import { type Fold, RESOLUTIONS, type SeriesGrid } from "../../protocol/series-grid.ts";

/** The roll-ups that are shared. */
const ROLL_UPS = ["10s", "1m"] as const;

/** What a node has of one series, as it is told to another. */
interface Slots {
  readonly series: string;
  /** `[t, value]` of the seconds that are no gaps. */
  readonly seconds: [t: number, value: number][];
  /** By roll-up, of the slots that are over: `[t, min, max, avg]`. */
  readonly folds: { [resolution in (typeof ROLL_UPS)[number]]: [t: number, min: number, max: number, avg: number][] };
}

/** What a grid has of a series, for a node that has just opened the dashboard. */
export function slotsOf(grid: SeriesGrid, series: string): JsonObject {
  const slots: Slots = {
    series,
    seconds: grid.times("1s").flatMap((t): [number, number][] => {
      const value = grid.at(series, t);
      return value === null ? [] : [[t, value]];
    }),
    folds: { "10s": foldsOf(grid, series, "10s"), "1m": foldsOf(grid, series, "1m") },
  };
  return slots as unknown as JsonObject;
}

/** Takes over what another node has and this one has not. Returns the name of the series. */
export function mergeSlots(grid: SeriesGrid, given: JsonObject, now: number): string {
  const { series, seconds, folds } = given as unknown as Slots;
  for (const resolution of ROLL_UPS) {
    for (const [t, min, max, avg] of folds[resolution]) {
      const isOver = t + RESOLUTIONS[resolution].stepMs <= now;
      if (isOver && grid.foldAt(series, resolution, t) === null) grid.setFold(series, resolution, t, { min, max, avg });
    }
  }
  for (const [t, value] of seconds) if (t <= now && grid.at(series, t) === null) grid.set(series, t, value);
  return series;
}

function foldsOf(grid: SeriesGrid, series: string, resolution: (typeof ROLL_UPS)[number]) {
  return grid
    .times(resolution)
    .slice(0, -1)
    .flatMap((t): [number, number, number, number][] => {
      const fold: Fold | null = grid.foldAt(series, resolution, t);
      return fold === null ? [] : [[t, fold.min, fold.max, fold.avg]];
    });
}

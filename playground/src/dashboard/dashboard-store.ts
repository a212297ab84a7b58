import type { Client } from "yamabiko/client";
import { type Dashboard, type DashboardStatus, openDashboard, type Resolution } from "yamabiko/client/dashboard";
import { Emitter } from "../chat/emitter.ts";

/** How far back a chart can look, and what it is made of. */
export const WINDOWS = {
  m1: { resolution: "1s", last: 60 },
  m5: { resolution: "1s", last: 300 },
  m10: { resolution: "1s", last: 600 },
  h1: { resolution: "10s", last: 360 },
} as const satisfies Record<string, { resolution: Resolution; last: number }>;

/** The name of a window. */
export type WindowName = keyof typeof WINDOWS;

/** The slots of a sparkline. */
const SPARK = 60;
/** Updates a second: as often as somebody can read. */
const MAX_HZ = 4;

/** What the page shows of a dashboard, at one moment. */
export interface DashboardView {
  readonly status: DashboardStatus;
  readonly error: string | null;
  /** When something was last published, ms since 1970; null before that. */
  readonly updatedAt: number | null;
  readonly series: readonly SeriesView[];
  /** When each slot began, s since 1970. */
  readonly t: readonly number[];
  /** How long a slot is, s. */
  readonly stepSeconds: number;
}

/** One series. */
export interface SeriesView {
  readonly name: string;
  readonly latest: number | null;
  readonly spark: readonly (number | null)[];
  readonly values: readonly (number | null)[];
  readonly min: readonly (number | null)[];
  readonly max: readonly (number | null)[];
}

const NOTHING: DashboardView = { status: "joining", error: null, updatedAt: null, series: [], t: [], stepSeconds: 1 };

/** Follows one dashboard in one window of time. What it keeps is bounded by the window. */
export class DashboardStore extends Emitter<DashboardView> {
  readonly #dashboard: Dashboard;
  readonly #stop: () => void;
  #look: number | null = null;

  constructor(client: Client, name: string, window: WindowName) {
    super(NOTHING);
    this.#dashboard = openDashboard(client, name, { ...WINDOWS[window], maxHz: MAX_HZ });
    this.#stop = this.#dashboard.onUpdate(() => this.#plan());
    this.#plan();
  }

  close(): void {
    this.#stop();
    if (this.#look !== null) cancelAnimationFrame(this.#look);
    this.#dashboard.close();
  }

  /** Once a frame is often enough, and in a page nobody sees there are none. */
  #plan(): void {
    this.#look ??= requestAnimationFrame(() => {
      this.#look = null;
      this.set(this.#view());
    });
  }

  #view(): DashboardView {
    const dashboard = this.#dashboard;
    const { series, status, error, updatedAt, resolution } = dashboard;
    const { t, values, min, max } = dashboard.columns();
    return {
      status,
      error: error?.message ?? null,
      updatedAt,
      t: t.map((at) => at / 1_000),
      stepSeconds: resolution === "1s" ? 1 : 10,
      series: series.map((name, index) => ({
        name,
        latest: dashboard.latest(name),
        values: values[index] ?? [],
        min: min[index] ?? [],
        max: max[index] ?? [],
        spark: (values[index] ?? []).slice(-SPARK),
      })),
    };
  }
}

/** `yamabiko/client/dashboard`: the newest values of a dashboard and a bounded past of them, as columns a chart can draw. */

import type { YamabikoError } from "../protocol/errors.ts";
import { RESOLUTIONS, type Resolution, type Row, SeriesGrid } from "../protocol/series-grid.ts";
import type { Client } from "./client.ts";
import type { Room } from "./room.ts";

export type { Resolution } from "../protocol/series-grid.ts";

/** How to follow a dashboard. */
export interface DashboardOptions {
  /** How many slots are asked for and kept. Default 300; at most 600, 360 or 1,440 by `resolution`. */
  last?: number;
  /** How long a slot is. Default `1s`. */
  resolution?: Resolution;
  /** Updates per second at most, 0.1 to 60. Default: what the server does, 10. */
  maxHz?: number;
  /** A page that has been hidden for this long leaves the room, ms; shown again, it is back with all it missed. Null: it stays. Default 5000. */
  hiddenAfterMs?: number | null;
}

/**
 * `joining` until the first values and again after a drop; `live`; `paused` by `pause()` or because the page is hidden; `failed` when the
 * server refused; `closed`.
 */
export type DashboardStatus = "joining" | "live" | "paused" | "failed" | "closed";

/** What a dashboard has, as columns: all of the same length, oldest first. Null is a gap. */
export interface DashboardColumns {
  /** When each slot began, ms since 1970. */
  readonly t: number[];
  /** By series, in the order asked for: values, or means where the resolution is a roll-up. */
  readonly values: (number | null)[][];
  /** Of roll-ups the lowest; else the same as `values`. */
  readonly min: (number | null)[][];
  /** Of roll-ups the highest; else the same as `values`. */
  readonly max: (number | null)[][];
}

/** A dashboard that is being followed. Everything it keeps is bounded by `last` and the number of series. */
export interface Dashboard {
  readonly name: string;
  readonly resolution: Resolution;
  readonly status: DashboardStatus;
  /** Why it failed. */
  readonly error: YamabikoError | null;
  /** The series there are, sorted. */
  readonly series: readonly string[];
  /** When something was last set, ms since 1970 by the server's clock; null before that. */
  readonly updatedAt: number | null;
  /** The newest value of a series; null for a gap, and for one that is not there. */
  latest(series: string): number | null;
  /** The newest `last` slots of these series (default: of all, all that is kept). A fresh copy. */
  columns(series?: readonly string[], last?: number): DashboardColumns;
  /** Calls `run` when anything changed: values, series or the status. Returns the function that removes it. */
  onUpdate(run: () => void): () => void;
  /** Leaves the room and keeps what there is. */
  pause(): void;
  /** Joins again; what was missed comes with the answer. */
  resume(): void;
  /** Ends it. */
  close(): void;
}

const HIDDEN_AFTER_MS = 5_000;
/** Beyond this many, series that have only gaps are forgotten. */
const MANY_SERIES = 256;

/**
 * Follows the dashboard `name`: joins its room, fills in the past, merges what comes, and after every drop what was missed. A
 * client follows a dashboard once: close one before you open another of the same name. Works where there is no document.
 */
export function openDashboard(client: Client, name: string, options: DashboardOptions = {}): Dashboard {
  return new FollowedDashboard(client, name, options);
}

/** `joined_room.state` of a dashboard. */
interface BackFill {
  readonly resolution?: Resolution;
  readonly columns?: readonly string[];
  readonly rows?: readonly Row[];
  readonly min?: readonly (readonly (number | null)[])[];
  readonly max?: readonly (readonly (number | null)[])[];
  readonly recent?: readonly Row[];
  readonly latest?: Readonly<Record<string, readonly [t: number, value: number | null]>>;
}

/** The payload of `metrics_update`. */
interface Update {
  readonly t: number;
  readonly values: Readonly<Record<string, number | null>>;
  readonly times?: Readonly<Record<string, number>>;
}

class FollowedDashboard implements Dashboard {
  readonly name: string;
  readonly resolution: Resolution;
  readonly #client: Client;
  readonly #last: number;
  readonly #maxHz: number | undefined;
  readonly #hiddenAfterMs: number | null;
  readonly #grid: SeriesGrid;
  readonly #latest = new Map<string, readonly [t: number, value: number | null]>();
  readonly #listeners = new Set<() => void>();
  #room: Room | null = null;
  #stops: (() => void)[] = [];
  #isHidden = false;
  #isPaused = false;
  #isClosed = false;
  #hideTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, name: string, options: DashboardOptions) {
    const { last = 300, resolution = "1s", maxHz, hiddenAfterMs = HIDDEN_AFTER_MS } = options;
    this.name = name;
    this.resolution = resolution;
    this.#client = client;
    this.#last = Math.max(1, Math.min(last, RESOLUTIONS[resolution].slots));
    this.#maxHz = maxHz;
    this.#hiddenAfterMs = hiddenAfterMs;
    // A roll-up needs the seconds of the slot that is not over.
    const slots = { "1s": 60, "10s": 0, "1m": 0 };
    slots[resolution] = this.#last;
    this.#grid = new SeriesGrid(slots);
    if (typeof document !== "undefined" && hiddenAfterMs !== null) {
      document.addEventListener("visibilitychange", this.#looked);
      this.#looked();
    }
    this.#join();
  }

  get status(): DashboardStatus {
    if (this.#isClosed) return "closed";
    if (this.#room === null) return "paused";
    const { status } = this.#room;
    return status === "joined" ? "live" : status === "joining" ? "joining" : "failed";
  }

  error: YamabikoError | null = null;

  get series(): readonly string[] {
    return Array.from(this.#latest.keys()).sort();
  }

  get updatedAt(): number | null {
    let newest: number | null = null;
    for (const [t] of this.#latest.values()) newest = Math.max(newest ?? t, t);
    return newest;
  }

  latest(series: string): number | null {
    return this.#latest.get(series)?.[1] ?? null;
  }

  columns(series = this.series, last = this.#last): DashboardColumns {
    const grid = this.#grid;
    const t = grid.times(this.resolution, Math.min(last, this.#last));
    if (this.resolution === "1s") {
      const values = series.map((name) => t.map((at) => grid.at(name, at)));
      return { t, values, min: values, max: values };
    }
    const folds = series.map((name) => t.map((at) => grid.foldAt(name, this.resolution, at)));
    const of = (part: "avg" | "min" | "max"): (number | null)[][] =>
      folds.map((ofSeries) => ofSeries.map((fold) => fold?.[part] ?? null));
    return { t, values: of("avg"), min: of("min"), max: of("max") };
  }

  onUpdate(run: () => void): () => void {
    this.#listeners.add(run);
    return () => this.#listeners.delete(run);
  }

  pause(): void {
    this.#isPaused = true;
    this.#leave();
  }

  resume(): void {
    this.#isPaused = false;
    this.#join();
  }

  close(): void {
    this.#isClosed = true;
    if (typeof document !== "undefined") document.removeEventListener("visibilitychange", this.#looked);
    clearTimeout(this.#hideTimer);
    this.#leave();
    this.#listeners.clear();
  }

  readonly #looked = (): void => {
    clearTimeout(this.#hideTimer);
    if (document.visibilityState === "hidden") {
      this.#hideTimer = setTimeout(() => {
        this.#isHidden = true;
        this.#leave();
      }, this.#hiddenAfterMs ?? 0);
      return;
    }
    this.#isHidden = false;
    this.#join();
  };

  #join(): void {
    if (this.#room !== null || this.#isPaused || this.#isHidden || this.#isClosed) return;
    const options = { last: this.#last, resolution: this.resolution };
    const maxHz = this.#maxHz === undefined ? {} : { maxHz: this.#maxHz };
    const room: Room = this.#client.join(`dashboard:${this.name}`, { ...options, ...maxHz });
    this.#room = room;
    this.error = null;
    const hear = (name: string, run: (payload: unknown) => void): void => {
      this.#stops.push(
        room.on(name, (payload: unknown) => {
          run(payload);
          this.#tell();
        }),
      );
    };
    hear("joined", (payload) => this.#fill((payload as { state?: BackFill }).state));
    hear("room_state", (payload) => this.#fill((payload as { state?: BackFill }).state));
    hear("metrics_update", (payload) => this.#take(payload as Update));
    hear("left", () => {});
    hear("failed", (error) => {
      this.error = error as YamabikoError;
    });
    this.#stops.push(this.#client.on("status", () => this.#tell()));
    this.#tell();
  }

  #leave(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#room?.leave();
    this.#room = null;
    this.#tell();
  }

  /** What the server has is taken over; what it no longer has, after a restart, stays for as long as it fits. */
  #fill({ resolution, columns = [], rows = [], min = [], max = [], recent, latest = {} }: BackFill = {}): void {
    const grid = this.#grid;
    const [, ...names] = columns;
    const isRollUp = resolution !== undefined && resolution !== "1s";
    if (isRollUp) {
      for (const [index, [t, ...means]] of rows.entries()) {
        for (const [at, name] of names.entries()) {
          const [avg, lowest, highest] = [means[at] ?? null, min[index]?.[at] ?? null, max[index]?.[at] ?? null];
          const isGap = avg === null || lowest === null || highest === null;
          if (!isGap) grid.setFold(name, resolution, t, { avg, min: lowest, max: highest });
        }
      }
    }
    for (const [t, ...values] of isRollUp ? (recent ?? []) : rows) {
      for (const [at, name] of names.entries()) if (values[at] != null) grid.set(name, t, values[at]);
    }
    for (const [name, newest] of Object.entries(latest)) this.#latest.set(name, newest);
    this.#forget();
  }

  #take({ t, values, times }: Update): void {
    for (const [name, value] of Object.entries(values)) {
      const at = times?.[name] ?? t;
      this.#latest.set(name, [at, value]);
      this.#grid.set(name, at, value);
    }
    this.#forget();
  }

  /** Series come and go; those that went must not pile up. */
  #forget(): void {
    if (this.#latest.size <= MANY_SERIES) return;
    for (const name of this.#latest.keys()) {
      if (!this.#grid.isEmpty(name)) continue;
      this.#latest.delete(name);
      this.#grid.drop(name);
    }
  }

  #tell(): void {
    for (const run of [...this.#listeners]) run();
  }
}

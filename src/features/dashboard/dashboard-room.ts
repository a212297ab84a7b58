import { type Json, type JsonObject, YamabikoError } from "../../protocol/index.ts";
import { SeriesGrid } from "../../protocol/series-grid.ts";
import type { OpenRoom, ReaderContext, RoomFeature, StateView } from "../../session/namespace.ts";
import { type BackFill, backFill, type Latest } from "./back-fill.ts";
import { type Published, type ReaderOptions, readerOptions, type Values } from "./schemas.ts";
import { mergeSlots, slotsOf } from "./shared-slots.ts";

/** The family of a dashboard's state: by series, when it was last set and to what. */
export const SERIES = "series";
/** A value that claims to be later than now by more than this is taken for one of now, ms: clocks of nodes differ. */
const MAX_AHEAD_MS = 5_000;
/** How many series of nodes that have gone keep their past. */
const MAX_DEPARTED = 64;
/** How long readers wait for the past that other nodes have, ms. */
const PEERS_MS = 250;
/** The notes between nodes: who opens a dashboard asks, and is told series by series, then that it was all. */
const ASK = "ask_slots";
const TELL = "slots";
const END = "slots_end";
/** What claims to be older than the newest by more than this says that the clock was set back, ms. */
const SET_BACK_MS = 60_000;

/** What a dashboard is bounded by. */
export interface DashboardBounds {
  /** Series of one dashboard. */
  readonly series: number;
  /** Whether there can be no other node. */
  readonly isAlone: boolean;
  /** How many series may be added to all dashboards now. */
  readonly seriesLeft: () => number;
  /** Told when the room is let go. */
  readonly closed: (dashboard: DashboardRoom) => void;
}

/** One dashboard while its room is open here: the newest values, and the slots behind them. */
export class DashboardRoom implements RoomFeature {
  readonly room: OpenRoom;
  readonly #bounds: DashboardBounds;
  readonly #state: StateView;
  readonly #latest = new Map<string, Latest>();
  /** Done when other nodes have told what they have of the past, or had their time to. */
  readonly ready: Promise<void>;
  /** Series that have a past and no newest value, the longest gone first. */
  readonly #departed = new Set<string>();
  #settle = (): void => {};
  #grid = new SeriesGrid();

  constructor(room: OpenRoom, bounds: DashboardBounds) {
    this.room = room;
    this.#bounds = bounds;
    this.#state = room.state(SERIES);
    this.ready = bounds.isAlone ? Promise.resolve() : this.#askPeers();
  }

  /** How many series it has. */
  get series(): number {
    return this.#grid.series.length;
  }

  /** What its slots take in memory, bytes. */
  get bytes(): number {
    return this.#grid.bytes;
  }

  /** When something was last set, ms since 1970; null before the first time. */
  get newestAt(): number | null {
    return this.#grid.newestAt;
  }

  /** What the slots amount to in memory only; the room stays for as long as there is anything. */
  get isBusy(): boolean {
    return this.series > 0;
  }

  /**
   * Sets the newest values, and tells the readers.
   * @throws {YamabikoError} `invalid_message` when there would be too many series; then nothing was set.
   */
  publish(values: Values, t: number): Published {
    const names = Object.keys(values);
    this.#makeRoom(names.filter((name) => !this.#grid.has(name)));
    for (const name of names) this.#state.set(name, [t, values[name]!]);
    return { t, values };
  }

  /** Forgets everything. */
  clear(): void {
    for (const name of this.#grid.series) this.#drop(name);
  }

  #drop(name: string): void {
    this.#state.remove(name);
    this.#grid.drop(name);
    this.#departed.delete(name);
  }

  backFill(options: ReaderOptions): BackFill {
    return backFill(this.#grid, this.#latest, options);
  }

  /** Synchronous with the revision of the state: what a reader is told after this is what this does not hold. */
  state(reader: ReaderContext): JsonObject {
    return this.backFill(readerOptions.parse(reader.options)) as unknown as JsonObject;
  }

  stateChanged({ family, key, value }: { family: string; key: string; value: Json }): void {
    if (family !== SERIES) return;
    if (value === null) {
      this.#latest.delete(key);
      this.#depart(key);
      return;
    }
    this.#departed.delete(key);
    const latest = value as unknown as Latest;
    const now = this.room.clock.now();
    const t = Math.min(latest[0], now + MAX_AHEAD_MS);
    const { newestAt } = this.#grid;
    // Slots of a future that will not come would refuse everything until then.
    if (newestAt !== null && newestAt - now > SET_BACK_MS) this.#grid = new SeriesGrid();
    this.#latest.set(key, [t, latest[1]]);
    this.#grid.set(key, t, latest[1]);
  }

  /** The node that set it last has gone. Its past stays for a while: the next node may go on with it. */
  #depart(name: string): void {
    this.#departed.add(name);
    const [oldest] = this.#departed;
    if (oldest === undefined || this.#departed.size <= MAX_DEPARTED) return;
    this.#departed.delete(oldest);
    this.#grid.drop(oldest);
  }

  heard(name: string, data: Json | Uint8Array, from: string): void {
    if (name === ASK) {
      for (const series of this.#grid.series) this.room.tell(TELL, slotsOf(this.#grid, series), from);
      this.room.tell(END, null, from);
    } else if (name === TELL) mergeSlots(this.#grid, data as JsonObject, this.room.clock.now());
    else if (name === END) this.#settle();
  }

  #askPeers(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.room.clock.setTimer(resolve, PEERS_MS);
      this.#settle = () => {
        timer.cancel();
        resolve();
      };
      this.room.tell(ASK, null);
    });
  }

  close(): void {
    this.#settle();
    this.#bounds.closed(this);
  }

  /** Series that have long had no value make room for new ones. */
  #makeRoom(added: readonly string[]): void {
    if (added.length === 0) return;
    const { series, seriesLeft } = this.#bounds;
    let missing = Math.max(this.series + added.length - series, added.length - seriesLeft());
    for (const name of this.#grid.series) {
      if (missing <= 0) return;
      if (!this.#grid.isEmpty(name)) continue;
      this.#drop(name);
      missing--;
    }
    if (missing <= 0) return;
    throw new YamabikoError(
      "invalid_message",
      `A dashboard has at most ${series} series, and all of them together are bounded.`,
      {
        remedy: "Publish to series that are there, or to another dashboard.",
      },
    );
  }
}

import type { TransportName } from "yamabiko/client";
import { Emitter } from "../chat/emitter.ts";
import { fieldsOf, numeric } from "../chat/message.ts";
import { type ClockOffset, compareClocks } from "./clock-offset.ts";
import { FEED, Lane, type LaneHost, type LaneView, preciseNow, TRANSPORTS } from "./lane.ts";

/** Rates the slider stops at, events per second. */
export const RATES = [0.5, 1, 2, 4, 8, 15, 30, 60] as const;
/** How often short polling asks. */
export const POLL_MS = 2_000;

/** Everything the page shows, at one moment. */
export interface LabView {
  readonly lanes: readonly LaneView[];
  /** Events per second; 0 when paused; null before it is known. */
  readonly perSecond: number | null;
  /** What it was before the pause. */
  readonly perSecondBefore: number;
  readonly clock: ClockOffset | null;
  /** How long is counted, ms. */
  readonly countedMs: number;
  /** The newest number any lane has. */
  readonly head: number;
  /** The last cut of all; null before the first. */
  readonly cut: Cut | null;
}

/** A cut of all connections, and what became of it. */
export interface Cut {
  readonly at: number;
  /** Whether all are back. */
  readonly isOver: boolean;
  /** Until all were back, ms. */
  readonly tookMs: number;
  readonly caughtUp: number;
  readonly missed: number;
}

const LOOK_MS = 250;
const COMPARE_MS = 30_000;
const RATE_DELAY_MS = 150;

/** What the lab needs of this window's own connection: so that what it asks is not measured. */
export interface LabControl {
  readonly status: string;
  emitWithAck(type: string, payload: object, options: { timeoutMs: number }): Promise<unknown>;
}

/** Follows one feed over every transport at once. */
export class LabStore extends Emitter<LabView> {
  readonly #control: LabControl;
  readonly #lanes: readonly Lane[];
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #clock: ClockOffset | null = null;
  #isComparing = false;
  #countedFrom = performance.now();
  #perSecond: number | null = null;
  #before: number = RATES[3];
  #rateTimer: ReturnType<typeof setTimeout> | undefined;
  #wanted: number | null = null;
  #cut: { at: number; reconnects: number[]; caughtUp: number; missed: number; done: Cut | null } | null = null;

  constructor(control: LabControl, sign: Pick<LaneHost, "token" | "keepSignedIn">) {
    super({ lanes: [], perSecond: null, perSecondBefore: RATES[3], clock: null, countedMs: 0, head: 0, cut: null });
    this.#control = control;
    const host: LaneHost = {
      ...sign,
      clockAheadMs: () => this.#clock?.aheadMs ?? null,
      rateChanged: (perSecond: number) => this.#rateChanged(perSecond),
    };
    this.#lanes = TRANSPORTS.map((transport) => new Lane(transport, host, POLL_MS));
    this.#timers.push(
      setInterval(() => this.#look(), LOOK_MS),
      setInterval(() => void this.#compare(), COMPARE_MS),
    );
    for (const { room } of this.#lanes) {
      room.on("joined", () => {
        if (this.#clock === null) void this.#compare();
      });
    }
    this.#look();
  }

  /** Asks for another rate: for everyone who looks at this feed. */
  setRate(perSecond: number): void {
    this.#wanted = perSecond;
    this.#look();
    clearTimeout(this.#rateTimer);
    this.#rateTimer = setTimeout(() => {
      // What the server says counts, when it refuses as well.
      const settle = (): void => {
        if (this.#wanted === perSecond) this.#wanted = null;
        this.#look();
      };
      this.#ask("set_rate", { perSecond }).then(settle, settle);
    }, RATE_DELAY_MS);
  }

  pause(): void {
    this.setRate(0);
  }

  resume(): void {
    this.setRate(this.#before);
  }

  /** Counts from 0 on. */
  clear(): void {
    for (const lane of this.#lanes) lane.clear();
    this.#countedFrom = performance.now();
    this.#cut = null;
    this.#look();
  }

  /** Drops every connection as a failing network would. */
  cutAll(): void {
    const now = preciseNow();
    const views = this.#lanes.map((lane) => lane.view(now));
    this.#cut = {
      at: now,
      reconnects: views.map(({ reconnects }) => reconnects),
      caughtUp: sumOf(views, "caughtUp"),
      missed: sumOf(views, "missed"),
      done: null,
    };
    for (const lane of this.#lanes) lane.cut();
    this.#look();
  }

  /** Cuts one of them. */
  cut(transport: TransportName): void {
    this.#lanes.find((lane) => lane.transport === transport)?.cut();
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#rateTimer);
    for (const lane of this.#lanes) lane.close();
  }

  #rateChanged(perSecond: number): void {
    this.#perSecond = perSecond;
    if (perSecond > 0) this.#before = perSecond;
    this.#look();
  }

  async #compare(): Promise<void> {
    if (this.#isComparing) return;
    this.#isComparing = true;
    const ask = async (): Promise<number> => {
      const now = numeric(fieldsOf(await this.#ask("compare_clocks", {})).now);
      if (now === null) throw new Error("The server did not say its time.");
      return now;
    };
    try {
      this.#clock = await compareClocks(ask, preciseNow);
    } catch {
      // Next time.
    } finally {
      this.#isComparing = false;
    }
  }

  /** Asks by the window's own connection; where that is offline, by the best of those measured. */
  #ask(type: string, payload: object): Promise<unknown> {
    const lane = this.#lanes.find(({ client }) => client.status === "connected")?.client;
    const by = this.#control.status === "connected" ? this.#control : lane;
    return (
      by?.emitWithAck(type, { roomId: FEED, ...payload }, { timeoutMs: 5_000 }) ?? Promise.reject(new Error("offline"))
    );
  }

  #look(): void {
    const now = preciseNow();
    const lanes = this.#lanes.map((lane) => lane.view(now));
    this.set({
      lanes,
      perSecond: this.#wanted ?? this.#perSecond,
      perSecondBefore: this.#before,
      clock: this.#clock,
      countedMs: performance.now() - this.#countedFrom,
      head: Math.max(0, ...lanes.map(({ at }) => at ?? 0)),
      cut: this.#cutNow(lanes, now),
    });
  }

  #cutNow(lanes: readonly LaneView[], now: number): Cut | null {
    const cut = this.#cut;
    if (cut === null) return null;
    if (cut.done !== null) return cut.done;
    const isOver = lanes.every(
      ({ status, reconnects, isCaughtUp }, index) =>
        status === "connected" && isCaughtUp && reconnects > (cut.reconnects[index] ?? 0),
    );
    const state: Cut = {
      at: cut.at,
      isOver,
      tookMs: now - cut.at,
      caughtUp: sumOf(lanes, "caughtUp") - cut.caughtUp,
      missed: sumOf(lanes, "missed") - cut.missed,
    };
    if (isOver) cut.done = state;
    return state;
  }
}

function sumOf(lanes: readonly LaneView[], what: "caughtUp" | "missed"): number {
  return lanes.reduce((sum, { feed }) => sum + feed[what], 0);
}

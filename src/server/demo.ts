import { z } from "zod";
import { game, openField } from "../features/index.ts";
import { type Clock, type Json, systemClock, type Timer, YamabikoError } from "../protocol/index.ts";
import {
  defineNamespace,
  type Lead,
  message,
  type Namespace,
  type OpenRoom,
  type RoomView,
} from "../session/namespace.ts";
import { arena } from "./arena.ts";
import type { ServerRoom } from "./server-room.ts";

/** The one room of the ticker. */
export const TICKER_ROOM = "demo:ticker";

/** Events per second until somebody chooses another rate, and again when nobody looks any more. */
const DEFAULT_PER_SECOND = 4;
const MAX_PER_SECOND = 60;
/** How long after a join the ticker runs whether or not the room has members, ms: who joins is none yet. */
const GRACE_MS = 3_000;
/** How often a ticker that is paused looks whether somebody is there, ms. */
const IDLE_MS = 1_000;
/** Events on their way into the log at once; beyond it a turn is left out. */
const MAX_IN_FLIGHT = 32;
/** Behind by more than this, ms, the ticker does not catch up: the process slept. */
const MAX_BEHIND_MS = 250;
const KEPT_EVENTS = 5_000;
const SYMBOLS = ["YAMA", "BIKO", "TANI", "MINE", "KAZE"] as const;

/** What the ticker needs of the server. */
export interface TickerParts {
  /** Gives `TICKER_ROOM`. Not called before somebody joins it. */
  readonly room: () => Pick<ServerRoom, "state" | "members">;
  readonly clock?: Clock;
}

/** A ticker and the namespace it lives in. */
export interface Ticker {
  readonly namespace: Namespace;
  /** Whether it publishes, or would if it were not paused. */
  readonly isRunning: boolean;
  /** Stops it for good. */
  close(): void;
}

/**
 * A stock ticker for demonstrations: while somebody is in `demo:ticker`, it publishes `price {symbol, price, at}` there, at a
 * rate that anyone may set (`set_rate {perSecond}`, 0 to 60, 0 pauses; told as `rate_changed`). However many look, there is
 * one ticker, on whichever node leads the room. `at` is when it was published, ms since 1970 with fractions; `compare_clocks` is answered with the same clock.
 */
export function createTicker({ room, clock = systemClock }: TickerParts): Ticker {
  const prices = new Map<string, number>(SYMBOLS.map((symbol, index) => [symbol, 80 + 120 * index]));
  let perSecond = DEFAULT_PER_SECOND;
  let timer: Timer | null = null;
  let isRunning = false;
  let isClosed = false;
  let joinedAt = 0;
  /** When the next event is due, by the monotonic clock. */
  let dueAt = 0;
  let inFlight = 0;
  let turn = 0;
  /** The room while it is open here, and what this node has of its lead. */
  let opened: OpenRoom | null = null;
  let lead: Lead | null = null;
  let letGo: (() => void) | null = null;

  const now = (): number => (clock === systemClock ? performance.timeOrigin + performance.now() : clock.now());

  const stop = (): void => {
    timer?.cancel();
    timer = null;
    isRunning = false;
    perSecond = DEFAULT_PER_SECOND;
    letGo?.();
    letGo = lead = null;
  };

  /** Wants the lead: of the nodes where somebody has joined, one publishes. */
  const compete = (): void => {
    letGo ??=
      opened?.lead((mine) => {
        lead = mine;
      }) ?? null;
  };

  const plan = (): void => {
    timer?.cancel();
    const waitMs = perSecond === 0 ? IDLE_MS : Math.max(0, dueAt - clock.monotonic());
    timer = clock.setTimer(() => {
      timer = null;
      // The server is closing, or the room cannot be opened: whoever joins starts it again.
      step().catch(stop);
    }, waitMs);
  };

  const step = async (): Promise<void> => {
    const { count } = await room().members();
    if (isClosed || !isRunning) return;
    if (count === 0 && clock.monotonic() - joinedAt > GRACE_MS) {
      opened?.state("rate").remove("perSecond");
      return stop();
    }
    if (perSecond > 0 && clock.monotonic() >= dueAt) {
      if (opened !== null && lead?.holds() === true) publish(opened, lead);
      dueAt += 1_000 / perSecond;
      if (clock.monotonic() - dueAt > MAX_BEHIND_MS) dueAt = clock.monotonic();
    }
    if (timer === null) plan();
  };

  const publish = (into: OpenRoom, { fence }: Lead): void => {
    if (inFlight >= MAX_IN_FLIGHT) return;
    const symbol = SYMBOLS[turn++ % SYMBOLS.length] ?? SYMBOLS[0];
    const price = Math.max(1, (prices.get(symbol) ?? 100) * (1 + (Math.random() - 0.5) / 100));
    prices.set(symbol, price);
    inFlight += 1;
    const payload = { symbol, price: Math.round(price * 100) / 100, at: Math.round(now() * 100) / 100 };
    into
      // Whoever slept between the look at the lead and now is refused by the log.
      .append({ type: "price", payload, fence })
      .catch(() => {}) // the next one may do; a demonstration owes nobody this price
      .finally(() => {
        inFlight -= 1;
      });
  };

  const tellRate = async (): Promise<void> => {
    await (await room().state("rate")).set("perSecond", perSecond);
  };

  const start = async (): Promise<void> => {
    joinedAt = clock.monotonic();
    if (isRunning || isClosed) return;
    isRunning = true;
    dueAt = clock.monotonic();
    compete();
    plan();
    // Another node may run it already, at a rate of its own.
    const rate = opened?.value("rate", "perSecond");
    if (typeof rate === "number") follow(rate);
    else await tellRate();
  };

  const changeRate = async (rate: number, view: RoomView): Promise<void> => {
    if (view.members().count === 0) throw new YamabikoError("not_joined", "Nobody looks at the ticker.");
    follow(rate);
    await tellRate();
  };

  /** The rate is another one, set here or on another node. */
  const follow = (rate: number): void => {
    perSecond = rate;
    dueAt = clock.monotonic();
    if (isRunning) plan();
  };

  const namespace = defineNamespace({
    name: "demo",
    messages: {
      set_rate: message({
        payload: z.object({ perSecond: z.number().min(0).max(MAX_PER_SECOND) }),
        right: "read",
        joined: false,
        handle: async (context, { perSecond: rate }) => {
          await changeRate(rate, context.room);
          return { perSecond: rate };
        },
      }),
      compare_clocks: message({ right: "read", joined: false, handle: () => ({ now: Math.round(now() * 100) / 100 }) }),
    },
    events: { price: z.object({ symbol: z.string(), price: z.number(), at: z.number() }) },
    state: {
      rate: { event: "rate_changed", inherited: true, change: (_key: string, value: Json) => ({ perSecond: value }) },
    },
    retention: { maxEvents: KEPT_EVENTS },
    access: ({ roomId }) => roomId === TICKER_ROOM,
    open: (room) => {
      opened = room;
      return {
        stateChanged({ family, value }) {
          if (family === "rate" && typeof value === "number" && value !== perSecond) follow(value);
        },
        close() {
          stop();
          opened = null;
        },
      };
    },
    onJoin: async () => {
      await start();
      return undefined;
    },
  });

  return {
    namespace,
    get isRunning() {
      return isRunning;
    },
    close() {
      isClosed = true;
      stop();
    },
  };
}

/** The games of the demonstration: the arena, and the open field in every other room. */
export function arenaGames(): Namespace {
  return game({ arena, "arena-*": arena, "*": openField });
}

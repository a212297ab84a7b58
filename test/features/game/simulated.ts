import { gameCodec } from "../../../src/client/game/codec.ts";
import { type JoinedGame, type JoinGameOptions, joinGame } from "../../../src/client/game/index.ts";
import { GameRoom } from "../../../src/features/game/game-room.ts";
import { nullObserver } from "../../../src/observe/observer.ts";
import type { AnyGame } from "../../../src/protocol/game/game.ts";
import type { Clock, Envelope, Json, Timer } from "../../../src/protocol/index.ts";
import type { Format, Sink } from "../../../src/room/sink.ts";
import { Ticks } from "../../../src/room/ticks.ts";
import type { Lead, OpenRoom, ReaderContext, TickSource } from "../../../src/session/namespace.ts";

/** A clock that runs its timers at once, one after the other, when the test moves it. */
export class SteppedClock implements Clock {
  #now = 0;
  #timers: { dueAt: number; run: () => void }[] = [];

  now = (): number => 1_700_000_000_000 + this.#now;
  monotonic = (): number => this.#now;

  setTimer(run: () => void, delayMs: number): Timer {
    const timer = { dueAt: this.#now + Math.max(0, delayMs), run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      let next: { dueAt: number; run: () => void } | null = null;
      for (const timer of this.#timers)
        if (timer.dueAt <= until && timer.dueAt < (next?.dueAt ?? Infinity)) next = timer;
      if (next === null) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.dueAt);
      next.run();
    }
    this.#now = until;
  }
}

/** A random number generator that gives the same every time. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const FRAMES: Format = {
  id: "frames",
  event: () => Buffer.alloc(0),
  envelope: (envelope) => Buffer.from(JSON.stringify(envelope)),
  bytes: (payload) => Buffer.from(payload),
};

/** A game's room without a server: its readers' sinks are the ends of simulated links. */
export class SimulatedGame {
  readonly clock = new SteppedClock();
  readonly room: GameRoom;
  readonly failures: unknown[] = [];
  readonly members = new Set<string>();
  readonly players = new Set<SimulatedPlayer>();
  ticks!: Ticks<ReaderContext>;
  /** What the next leader would find. */
  kept: string | null = null;
  readonly #state = new Map<string, Map<string, Json>>();

  /** A game that goes on from now on. */
  static async start(game: AnyGame): Promise<SimulatedGame> {
    const started = new SimulatedGame(game);
    started.room.use();
    started.clock.advance(0);
    // What is kept of an earlier world is read first.
    await new Promise((resolve) => setImmediate(resolve));
    return started;
  }

  private constructor(game: AnyGame) {
    const { clock } = this;
    const open = {
      roomId: "game:arena",
      nodeId: "node",
      clock,
      isMember: (userId: string) => this.members.has(userId),
      ticks: (source: TickSource) => {
        const fanout = { flush: () => {} };
        this.ticks = new Ticks(
          { roomId: "game:arena", fanout: fanout as never, observer: nullObserver, clock },
          source,
        );
        return this.ticks;
      },
      state: (family: string) => ({
        set: (key: string, value: Json) => this.#set(family, key, value),
        remove: (key: string) => this.#set(family, key, null),
      }),
      tell: () => {},
      snapshot: async () => null,
      putSnapshot: async (_seq: number, data: string) => {
        this.kept = data;
      },
      failure: (_what: string, error: unknown) => this.failures.push(error),
      lead: (run: (lead: Lead) => void) => {
        const controller = new AbortController();
        clock.setTimer(() => run({ fence: 1, signal: controller.signal, holds: () => !controller.signal.aborted }), 0);
        return () => controller.abort();
      },
    };
    this.room = new GameRoom(game, open as unknown as OpenRoom);
  }

  get state(): Record<string, Record<string, Json>> {
    return Object.fromEntries(Array.from(this.#state, ([family, values]) => [family, Object.fromEntries(values)]));
  }

  #set(family: string, key: string, value: Json): boolean {
    const values = this.#state.get(family) ?? new Map<string, Json>();
    this.#state.set(family, values);
    if (value === null) values.delete(key);
    else values.set(key, value);
    const told =
      family === "players"
        ? { type: "game_player", payload: { userId: key, player: value } }
        : { type: "game_thing", payload: { key, value } };
    for (const player of this.players) player.told(told);
    return true;
  }
}

export interface LinkOptions {
  /** One way, ms. */
  readonly delayMs: number;
  /** Up to this much more, ms; order is kept, as in a stream. */
  readonly jitterMs: number;
  readonly random: () => number;
}

/** One direction of a stream: everything arrives, in order, after a while. Cut off, nothing does. */
class Link {
  readonly #clock: Clock;
  readonly #options: LinkOptions;
  #lastAt = 0;
  #isCut = false;

  constructor(clock: Clock, options: LinkOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  send(arrive: () => void): void {
    const { delayMs, jitterMs, random } = this.#options;
    const now = this.#clock.monotonic();
    this.#lastAt = Math.max(this.#lastAt, now + delayMs + jitterMs * random());
    this.#clock.setTimer(() => {
      if (!this.#isCut) arrive();
    }, this.#lastAt - now);
  }

  cut(): void {
    this.#isCut = true;
  }
}

let connections = 0;

/** Somebody who plays over a simulated link. */
export class SimulatedPlayer {
  readonly game: JoinedGame;
  readonly id: string;
  readonly #host: SimulatedGame;
  readonly #link: LinkOptions;
  readonly #listeners = new Map<string, ((payload: never, envelope: never) => void)[]>();
  readonly #room: { status: string };
  #down: Link | null = null;
  #up: Link | null = null;
  #sink: Sink | null = null;
  #connectionId = "";
  /** How many frames of ticks it was given. */
  frames = 0;

  constructor(host: SimulatedGame, definition: AnyGame, id: string, link: LinkOptions, options: JoinGameOptions = {}) {
    this.id = id;
    this.#host = host;
    this.#link = link;
    const room = {
      status: "joining",
      on: (name: string, run: (payload: never, envelope: never) => void) => {
        this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), run]);
      },
      volatile: (type: string, payload: Record<string, Json>) => this.#send(type, payload),
    };
    this.#room = room;
    const client = { user: { id, name: id }, join: () => room };
    this.game = joinGame(client as never, "game:arena", definition as never, { clock: host.clock, ...options });
    this.connect();
  }

  connect(): void {
    const host = this.#host;
    this.#down = new Link(host.clock, this.#link);
    this.#up = new Link(host.clock, this.#link);
    this.#connectionId = `connection-${++connections}`;
    host.members.add(this.id);
    const down = this.#down;
    const codec = gameCodec();
    this.#sink = {
      format: FRAMES,
      writable: true,
      pendingBytes: 0,
      deliver: (bytes) => {
        this.frames++;
        const copy = Uint8Array.from(bytes).buffer;
        down.send(() => this.#receive(codec.decode(copy) as Envelope));
      },
      close: () => {},
    };
    const reader = {
      user: { id: this.id, name: this.id, guest: false, claims: {} },
      connectionId: this.#connectionId,
      options: { format: "binary" },
      resumed: false,
    };
    this.told({ type: "joined", payload: { state: structuredClone(host.state), you: {} } });
    host.players.add(this);
    host.ticks.add(reader, this.#sink);
    host.room.reading(reader);
  }

  /** The connection is gone, with everything that was on its way. */
  drop(): void {
    this.#down?.cut();
    this.#up?.cut();
    this.#host.players.delete(this);
    this.#host.ticks.drop(this.#sink!);
    this.#room.status = "joining";
  }

  /** Something other than a tick, on the same stream. */
  told(envelope: Envelope): void {
    const copy = structuredClone(envelope);
    this.#down?.send(() => {
      if (copy.type === "joined") this.#room.status = "joined";
      this.#receive(copy);
    });
  }

  #receive(envelope: Envelope): void {
    for (const run of this.#listeners.get(envelope.type) ?? []) run(envelope.payload as never, envelope as never);
  }

  #send(type: string, payload: Record<string, Json>): boolean {
    if (this.#room.status !== "joined") return false;
    const connectionId = this.#connectionId;
    const copy = structuredClone(payload) as { seq: number; input: Json; tick?: number; at: number };
    const down = this.#down!;
    this.#up!.send(() => {
      const { room } = this.#host;
      if (copy.tick !== undefined) room.confirm(connectionId, copy.tick < 0 ? null : copy.tick);
      if (type === "game_sync") down.send(() => this.#receive({ type, payload: { at: copy.at } }));
      else room.input(this.id, connectionId, copy.seq, copy.input);
    });
    return true;
  }
}

import type { Clock } from "../../protocol/clock.ts";
import { systemClock } from "../../protocol/clock.ts";
import type { Fields, NoFields, ValuesOf } from "../../protocol/game/field.ts";
import { openFrame } from "../../protocol/game/frame.ts";
import type { AnyGame, Game } from "../../protocol/game/game.ts";
import { ACK_MASK, type Snapshot } from "../../protocol/game/snapshot.ts";
import { SnapshotDecoder } from "../../protocol/game/snapshot-codec.ts";
import { toInput, type Values } from "../../protocol/game/world-model.ts";
import type { Client } from "../client.ts";
import type { AckPayload } from "../message.ts";
import type { JoinedRoom, JoinOptions, Room } from "../room.ts";
import { TICK_TYPE } from "./codec.ts";
import { History } from "./history.ts";
import { Playback } from "./playback.ts";
import { Prediction } from "./prediction.ts";
import { Recent } from "./recent.ts";

/** How often the round trip is measured, ms. */
const SYNC_MS = 1_000;
/** Beyond this much not played, e.g. because the page was hidden, nothing is made up for, ms. */
const MAX_BEHIND_MS = 250;

/** What everybody knows of a player besides its fields. */
export type Profile = {
  readonly slot: number;
  readonly name: string;
  readonly bot?: boolean;
  readonly [member: string]: unknown;
};

/** A player as it is to be drawn now. */
export type DrawnPlayer<P extends Fields = NoFields> = {
  readonly id: string;
  readonly slot: number;
  readonly isMe: boolean;
  readonly profile: Profile;
} & Readonly<ValuesOf<P>>;

/** The world as it is to be drawn now. */
export interface GameView<P extends Fields = NoFields, W extends Fields = NoFields> {
  /** The own player, as predicted; null while it is not in the world, and for those who watch. */
  readonly me: DrawnPlayer<P> | null;
  /** Everybody, the own player too. */
  readonly players: readonly DrawnPlayer<P>[];
  /** The fields of the world. */
  readonly world: Readonly<ValuesOf<W>>;
}

/** How well it goes. */
export interface GameStats {
  /** The shortest round trip of the last ten, ms; null before the first. */
  readonly rttMs: number | null;
  /** How unevenly ticks arrive, ms: 95 % come within it. */
  readonly jitterMs: number;
  /** How late others are shown, ms. */
  readonly delayMs: number;
  readonly bytesPerSecond: number;
  readonly ticksPerSecond: number;
  /** How far corrections of the own player reach, in its units: 95 % are smaller. */
  readonly predictionError: number;
  /** Inputs the server has not answered. */
  readonly pendingInputs: number;
  /** The newest tick that came. */
  readonly tick: number;
}

/** What a frame of ticks tells whoever wants to know. */
export interface TickReport {
  readonly tick: number;
  /** What the world is at that tick, as whole numbers of the wire. To be looked at, not kept. */
  readonly snapshot: Snapshot;
}

export interface JoinGameOptions {
  /** Only watch. Default: false. */
  readonly spectate?: boolean;
  /** How ticks come: `binary` needs `gameCodec`. Where a transport knows only text, JSON comes whatever is asked for. Default: `binary`. */
  readonly format?: "binary" | "json";
  /** Further members for `join_room`. */
  readonly join?: JoinOptions;
  /** Told after each tick that arrived. */
  readonly onTick?: (report: TickReport) => void;
  /** Default: the system's. */
  readonly clock?: Clock;
}

/** A game that is played, or watched. */
export interface JoinedGame<P extends Fields = NoFields, W extends Fields = NoFields, I extends Fields = NoFields> {
  readonly room: Room;
  /** Whether the world has come. */
  readonly isReady: boolean;
  /** By id: who plays, here or out of sight. */
  readonly profiles: ReadonlyMap<string, Profile>;
  /** What stands in the world and changes seldom, by key. */
  readonly things: ReadonlyMap<string, unknown>;
  readonly stats: GameStats;
  /** What the own player wants from now on, until it is said otherwise. */
  setInput(input: Partial<ValuesOf<I>>): void;
  /**
   * Plays what is due, and says how the world is to be drawn now. To be called for every frame of the screen: what is never
   * called does not play.
   */
  frame(): GameView<P, W>;
  /** Something that is not a matter of every tick (`GameDefinition.commands`); reliable. */
  command(type: string, payload?: Record<string, unknown>): Promise<AckPayload>;
  leave(): void;
}

/**
 * Joins a game and plays it: sends what the player wants, tick by tick, shows at once what will come of it, and everybody else a
 * moment ago. Needs `createClient(url, { codec: gameCodec() })`.
 */
export function joinGame<P extends Fields, W extends Fields, I extends Fields>(
  client: Pick<Client, "join" | "user">,
  roomId: string,
  game: Game<P, W, I>,
  options: JoinGameOptions = {},
): JoinedGame<P, W, I> {
  return new GameClient(client, roomId, game as unknown as AnyGame, options) as unknown as JoinedGame<P, W, I>;
}

interface StatePlayer {
  id: string;
  [field: string]: unknown;
}

class GameClient {
  readonly room: Room;
  readonly profiles = new Map<string, Profile>();
  readonly things = new Map<string, unknown>();
  readonly #client: Pick<Client, "user">;
  readonly #game: AnyGame;
  readonly #options: JoinGameOptions;
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #decoder: SnapshotDecoder;
  readonly #history: History;
  readonly #playback: Playback;
  readonly #prediction: Prediction;
  readonly #ids = new Map<number, string>();
  readonly #rtts = new Recent(10);
  #input: Readonly<Values>;
  /** Begins anywhere, so that what was said before a reload is not taken for an answer to what is said now. */
  #seq = Math.floor(Math.random() * 1e6);
  /** Until when inputs were played, by the clock. */
  #playedTo = 0;
  #fadedAt = 0;
  #syncedAt = Number.NEGATIVE_INFINITY;
  #isLost = false;
  #bytes = new Rate();
  #ticks = new Rate();

  constructor(client: Pick<Client, "join" | "user">, roomId: string, game: AnyGame, options: JoinGameOptions) {
    this.#client = client;
    this.#game = game;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#tickMs = 1_000 / game.tick;
    this.#decoder = new SnapshotDecoder(game.layout);
    this.#history = new History(game.layout, this.#tickMs);
    this.#playback = new Playback(this.#tickMs);
    this.#prediction = new Prediction(game);
    this.#input = toInput(game.layout, null);
    const { format = "binary", spectate = false } = options;
    const room = client.join(roomId, { ...options.join, format, spectate, signature: game.layout.signature });
    this.room = room as Room;
    this.room.on("joined", (joined) => this.#joined(joined));
    this.room.on("room_state", (payload) => this.#know((payload as JoinedRoom).state));
    this.room.on(TICK_TYPE, (frame) => this.#read(frame as Uint8Array));
    this.room.on("game_state", (payload, envelope) => this.#readState(payload as never, envelope));
    this.room.on("game_player", (payload) => {
      const { userId, player } = payload as { userId: string; player: Profile | null };
      this.#knowPlayer(userId, player);
    });
    this.room.on("game_thing", (payload) => {
      const { key, value } = payload as { key: string; value: unknown };
      if (value === null) this.things.delete(key);
      else this.things.set(key, value);
    });
    this.room.on("game_sync", (payload) => this.#rtts.add(this.#now - Number((payload as { at: number }).at)));
  }

  get isReady(): boolean {
    return this.#history.newest !== null;
  }

  get stats(): GameStats {
    const now = this.#now;
    return {
      rttMs: Number.isFinite(this.#rtts.min) ? this.#rtts.min : null,
      jitterMs: this.#playback.jitterMs,
      delayMs: this.#playback.delayMs,
      bytesPerSecond: this.#bytes.at(now),
      ticksPerSecond: this.#ticks.at(now),
      predictionError: this.#prediction.errorP95,
      pendingInputs: this.#prediction.pending,
      tick: this.#history.newest?.tick ?? -1,
    };
  }

  get #now(): number {
    return this.#clock.monotonic();
  }

  setInput(input: Values): void {
    this.#input = toInput(this.#game.layout, { ...this.#input, ...input });
  }

  frame(): GameView {
    const now = this.#now;
    this.#play(now);
    this.#prediction.fade(now - this.#fadedAt);
    this.#fadedAt = now;
    const players: DrawnPlayer[] = [];
    let me: DrawnPlayer | null = null;
    const position = this.#playback.positionAt(now);
    const own = this.#prediction.draw(Math.min(1, Math.max(0, 1 - (this.#playedTo - now) / this.#tickMs)));
    for (const [slot, values] of position === null ? NOBODY : this.#history.at(position)) {
      const id = this.#ids.get(slot);
      if (id === undefined || id === this.#prediction.me?.id) continue;
      players.push({ ...values, id, slot, isMe: false, profile: this.profiles.get(id)! });
    }
    const self = this.#prediction.me;
    if (own !== null && self !== undefined) {
      me = { ...own, id: self.id, slot: self.slot, isMe: true, profile: this.profiles.get(self.id)! };
      players.push(me);
    }
    return { me, players, world: this.#prediction.world };
  }

  command(type: string, payload: Record<string, unknown> = {}): Promise<AckPayload> {
    return this.room.emitWithAck(type, payload);
  }

  leave(): void {
    this.room.leave();
  }

  /** Inputs for the steps that are due. */
  #play(now: number): void {
    this.#sync(now);
    if (now - this.#playedTo > MAX_BEHIND_MS) this.#playedTo = now;
    while (this.#playedTo <= now) {
      this.#playedTo += this.#tickMs;
      if (this.#prediction.me === undefined || this.room.status !== "joined") continue;
      const seq = this.#seq + 1;
      // What cannot be sent now is not played either: it would only be taken back.
      const tick = this.#history.newest?.tick;
      if (!this.room.volatile("player_input", { seq, input: this.#input, tick })) continue;
      this.#seq = seq;
      this.#prediction.apply(seq, this.#input);
    }
  }

  #sync(now: number): void {
    if (now - this.#syncedAt < SYNC_MS) return;
    if (this.room.volatile("game_sync", { at: now, tick: this.#history.newest?.tick })) this.#syncedAt = now;
  }

  #joined({ state }: JoinedRoom): void {
    this.#history.clear();
    this.#playback.reset();
    this.#prediction.forget();
    this.#rtts.clear();
    this.#syncedAt = Number.NEGATIVE_INFINITY;
    this.#isLost = false;
    this.#know(state);
  }

  #know(state: JoinedRoom["state"]): void {
    this.profiles.clear();
    this.#ids.clear();
    this.things.clear();
    for (const [id, profile] of Object.entries(state?.players ?? {})) this.#knowPlayer(id, profile as Profile);
    for (const [key, value] of Object.entries(state?.things ?? {})) this.things.set(key, value);
  }

  #knowPlayer(id: string, profile: Profile | null): void {
    const before = this.profiles.get(id);
    if (before !== undefined && this.#ids.get(before.slot) === id) this.#ids.delete(before.slot);
    if (profile === null) this.profiles.delete(id);
    else {
      this.profiles.set(id, profile);
      this.#ids.set(profile.slot, id);
    }
  }

  #read(frame: Uint8Array): void {
    const { head, bits } = openFrame(frame);
    const { newest } = this.#history;
    // Time went back: the world is led by somebody who knew it as it was a while ago.
    if (newest !== null && head.base === null && head.tick <= newest.tick) this.#playback.reset();
    if (head.base !== null && head.base !== newest?.tick) {
      if (!this.#isLost) this.#isLost = this.room.volatile("game_sync", { at: this.#now, tick: -1 });
      return;
    }
    this.#isLost = false;
    const base = head.base === null ? null : newest;
    if (base === null) this.#history.clear();
    this.#took(
      this.#history.add((into) => this.#decoder.decode(bits, head.tick, base, into)),
      frame.length,
    );
  }

  #readState(
    {
      players,
      tick,
      acks = {},
      world = {},
    }: {
      players: StatePlayer[];
      tick: number;
      acks?: Record<string, number>;
      world?: Record<string, unknown>;
    },
    envelope: unknown,
  ): void {
    const { layout } = this.#game;
    const known = players.flatMap((player) => {
      const slot = this.profiles.get(player.id)?.slot;
      return slot === undefined ? [] : [{ player, slot }];
    });
    if (tick <= (this.#history.newest?.tick ?? -1)) {
      this.#history.clear();
      this.#playback.reset();
    }
    const snapshot = this.#history.add((into) => {
      into.clear(
        tick,
        known.reduce((most, { slot }) => Math.max(most, slot + 1), 0),
      );
      for (const { player, slot } of known) {
        into.present[slot] = 1;
        into.acks[slot] = (acks[player.id] ?? 0) & ACK_MASK;
        layout.player.forEach(({ name, field }, index) => {
          into.columns[index]![slot] = field.toWire(player[name]);
        });
      }
      layout.world.forEach(({ name, field }, index) => {
        into.world[index] = field.toWire(world[name]);
      });
    });
    this.#took(snapshot, JSON.stringify(envelope).length);
  }

  #took(snapshot: Snapshot, bytes: number): void {
    const now = this.#now;
    this.#bytes.add(bytes, now);
    this.#ticks.add(1, now);
    this.#playback.arrived(snapshot.tick, now);
    const id = this.#options.spectate === true ? null : (this.#client.user?.id ?? null);
    this.#prediction.reconcile(snapshot, id, (slot) => this.#ids.get(slot));
    this.#options.onTick?.({ tick: snapshot.tick, snapshot });
  }
}

const NOBODY: ReadonlyMap<number, Values> = new Map();

/** How much of something there is in a second. */
class Rate {
  #from = 0;
  #sum = 0;
  #perSecond = 0;

  add(count: number, nowMs: number): void {
    this.#turn(nowMs);
    this.#sum += count;
  }

  at(nowMs: number): number {
    this.#turn(nowMs);
    return this.#perSecond;
  }

  #turn(nowMs: number): void {
    const seconds = (nowMs - this.#from) / 1_000;
    if (seconds < 1) return;
    this.#perSecond = seconds > 3 ? 0 : this.#sum / seconds;
    this.#sum = 0;
    this.#from = nowMs;
  }
}

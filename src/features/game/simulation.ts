import type { AnyGame, GameHost, Newcomer, Player } from "../../protocol/game/game.ts";
import { ACK_MASK, type Snapshot, SnapshotRing } from "../../protocol/game/snapshot.ts";
import { stepWorld, toInput, type Values, WorldModel } from "../../protocol/game/world-model.ts";
import { type Json, type JsonObject, YamabikoError } from "../../protocol/index.ts";
import { InputQueue, type InputRefusal } from "./input-queue.ts";
import { Slots } from "./slots.ts";

/** How many snapshots are kept: bases of differences. */
export const RING = 64;
/** The most things of a world. */
const MAX_THINGS = 1_000;

/** What a simulation tells as it happens: what is seldom and not in the snapshots. */
export interface SimulationVoice {
  /** A player's slot and profile; null when it is gone. */
  player(id: string, value: PlayerEntry | null): void;
  /** A thing; null when it is gone. */
  thing(key: string, value: Json): void;
  /** The game's own code threw. */
  failure(what: string, error: unknown): void;
}

/** What everybody knows of a player besides its fields. */
export type PlayerEntry = JsonObject & { readonly slot: number; readonly name: string };

/** A world and whoever plays in it, step by step. No clock, no sockets: what goes in, comes out. */
export class Simulation {
  readonly model: WorldModel;
  readonly ring: SnapshotRing;
  readonly #game: AnyGame;
  readonly #voice: SimulationVoice;
  readonly #host: GameHost;
  readonly #slots: Slots;
  readonly #rest: Readonly<Values>;
  readonly #queues = new Map<Player, InputQueue>();
  readonly #bots = new Map<Player, Readonly<Values>>();
  readonly #entries = new Map<string, PlayerEntry>();
  readonly #things = new Map<string, Json>();

  constructor(game: AnyGame, voice: SimulationVoice, random: () => number = Math.random) {
    this.#game = game;
    this.#voice = voice;
    this.model = new WorldModel(game.layout);
    this.ring = new SnapshotRing(game.layout, RING);
    this.#slots = new Slots(game.maxPlayers);
    this.#rest = toInput(game.layout, null);
    this.#host = this.#makeHost(random);
  }

  get tick(): number {
    return this.model.tick;
  }

  /** How many play, bots included. */
  get players(): number {
    return this.model.players.length;
  }

  /** The users who play. */
  users(): string[] {
    return Array.from(this.#queues.keys(), ({ id }) => id);
  }

  has(id: string): boolean {
    return this.model.player(id) !== undefined;
  }

  /** Lets somebody in, or leaves it where it is. False when there is no place. */
  enter(newcomer: Newcomer): boolean {
    const known = this.model.player(newcomer.id);
    if (known !== undefined) return !this.#bots.has(known);
    const player = this.#add(newcomer, {});
    if (player === null) return false;
    this.#queues.set(player, new InputQueue(this.#rest, this.#game.tick));
    return true;
  }

  /** Takes somebody out. */
  leave(id: string): void {
    const player = this.model.player(id);
    if (player === undefined) return;
    this.#attempt("onLeave", () => this.#game.onLeave?.(player, this.model.world, this.#host));
    this.model.remove(player);
    this.#queues.delete(player);
    this.#bots.delete(player);
    this.#entries.delete(id);
    this.#slots.giveBack(player.slot, this.tick);
    this.#voice.player(id, null);
  }

  /**
   * What a user wants, as a stranger said it. Null when it was taken, else why not.
   * @param seq its number; null for the next one.
   */
  input(id: string, source: string, seq: number | null, raw: unknown, nowMs: number): InputRefusal | "absent" | null {
    const player = this.model.player(id);
    const queue = player === undefined ? undefined : this.#queues.get(player);
    if (queue === undefined) return "absent";
    return queue.push(source, seq, toInput(this.#game.layout, raw), nowMs);
  }

  /** Something that is not a matter of every tick. @throws {YamabikoError} what the game answers. */
  command(type: string, payload: JsonObject, from: Newcomer): void {
    const { commands } = this.#game;
    const command = commands !== undefined && Object.hasOwn(commands, type) ? commands[type] : undefined;
    if (command === undefined) throw new YamabikoError("unknown_type", `This game knows no "${type}".`);
    command.run(this.model.world, payload, from, this.#host);
  }

  /** One step. What it made is the newest of the ring. */
  step(): Snapshot {
    const inputs = new Map<Player, Readonly<Values>>();
    for (const [player, queue] of this.#queues) inputs.set(player, queue.take());
    for (const [player, input] of this.#bots) inputs.set(player, input);
    this.model.tick++;
    this.#attempt("step", () => stepWorld(this.#game, this.model, inputs));
    if (this.#game.rules !== undefined) {
      this.model.settle();
      this.#attempt("rules", () => this.#game.rules!(this.model.world, this.#host, 1 / this.#game.tick));
    }
    const snapshot = this.ring.claim(this.tick);
    this.model.write(snapshot, (player) => (this.#queues.get(player)?.ack ?? 0) & ACK_MASK);
    return snapshot;
  }

  /**
   * Goes on with a world that was led elsewhere: players keep their places and what they had.
   * @param snapshot the newest that is known; null when only the entries are.
   * @param tick from where time goes on.
   */
  takeOver(
    snapshot: Snapshot | null,
    tick: number,
    entries: ReadonlyMap<string, PlayerEntry>,
    things: ReadonlyMap<string, Json>,
  ): void {
    this.model.clear();
    this.#queues.clear();
    this.#bots.clear();
    this.#entries.clear();
    this.#things.clear();
    for (const [key, value] of things) this.#things.set(key, value);
    if (snapshot !== null) {
      const ids = new Map(Array.from(entries, ([id, { slot }]) => [slot, id]));
      this.model.read(snapshot, (slot) => ids.get(slot));
    }
    this.model.tick = Math.max(tick, this.model.tick);
    for (const [id, entry] of entries) {
      this.#slots.claim(entry.slot);
      this.#entries.set(id, entry);
      const player = this.model.player(id) ?? this.model.add(id, entry.slot);
      if (entry.bot === true) this.#bots.set(player, this.#rest);
      else this.#queues.set(player, new InputQueue(this.#rest, this.#game.tick));
    }
  }

  #add({ id, name }: Newcomer, more: JsonObject): Player | null {
    if (this.players >= this.#game.maxPlayers) return null;
    const slot = this.#slots.take(this.tick);
    if (slot === null) return null;
    const start = this.#attempt("onJoin", () => this.#game.onJoin?.({ id, name }, this.model.world, this.#host));
    const player = this.model.add(id, slot, start?.values ?? {});
    this.#tell(id, { ...start?.profile, ...more, name: start?.profile?.name ?? name, slot } as PlayerEntry);
    return player;
  }

  #tell(id: string, entry: PlayerEntry): void {
    this.#entries.set(id, entry);
    this.#voice.player(id, entry);
  }

  /** The game's own code: what it throws is reported, and the world goes on. */
  #attempt<T>(what: string, run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      this.#voice.failure(`the game's ${what}`, error);
      return undefined;
    }
  }

  #makeHost(random: () => number): GameHost {
    return {
      random,
      things: this.#things,
      profileOf: (id) => this.#entries.get(id) ?? {},
      setProfile: (id, members) => {
        const entry = this.#entries.get(id);
        if (entry === undefined) return;
        this.#tell(id, { ...entry, ...members, slot: entry.slot } as PlayerEntry);
      },
      putThing: (key, value) => {
        if (!this.#things.has(key) && this.#things.size >= MAX_THINGS) {
          throw new YamabikoError("unavailable", `A world holds at most ${MAX_THINGS} things.`);
        }
        this.#things.set(key, value);
        this.#voice.thing(key, value);
      },
      removeThing: (key) => {
        if (this.#things.delete(key)) this.#voice.thing(key, null);
      },
      addBot: (id, profile) => {
        if (this.has(id)) return false;
        const player = this.#add({ id, name: String(profile.name ?? id) }, { ...profile, bot: true });
        if (player !== null) this.#bots.set(player, this.#rest);
        return player !== null;
      },
      removeBot: (id) => {
        if (this.#host.isBot(id)) this.leave(id);
      },
      setInput: (bot, input) => {
        if (this.#bots.has(bot)) this.#bots.set(bot, toInput(this.#game.layout, input));
      },
      isBot: (id) => this.#entries.get(id)?.bot === true,
    };
  }
}

import type { Json, JsonObject } from "../envelope.ts";
import type { Fields, NoFields, ValuesOf } from "./field.ts";
import { type GameSchema, type Layout, layOut } from "./layout.ts";
import { MAX_SLOTS } from "./snapshot.ts";

/** One player of a world: its fields, to be read and written by the game, and who it is. */
export type Player<P extends Fields = NoFields> = { readonly id: string; readonly slot: number } & ValuesOf<P>;

/** A world at one tick: its fields, to be read and written by the game, and the players in it. */
export type World<P extends Fields = NoFields, W extends Fields = NoFields> = {
  readonly tick: number;
  readonly players: readonly Player<P>[];
} & ValuesOf<W>;

/** What each player wants at this tick. On the server every player has one; where a client predicts, only its own. */
export type Inputs<P extends Fields = NoFields, I extends Fields = NoFields> = ReadonlyMap<
  Player<P>,
  Readonly<ValuesOf<I>>
>;

/** What only the server can do in a game. */
export interface GameHost<P extends Fields = NoFields, I extends Fields = NoFields> {
  /** From 0 to below 1. Never in `step`: a client would throw other dice. */
  random(): number;
  /** What everybody knows of a player besides its fields: its name and what the game put there. Empty for nobody. */
  profileOf(id: string): JsonObject;
  /** Changes members of a player's profile: a colour, a team, a score. Told as it changes, not at every tick. */
  setProfile(id: string, members: JsonObject): void;
  /** Things in the world that change seldom (orbs, doors, a round's name), by key. */
  readonly things: ReadonlyMap<string, Json>;
  putThing(key: string, value: Json): void;
  removeThing(key: string): void;
  /** A player without a user; what it wants is said by `setInput`. False when there is no place, or it is there already. */
  addBot(id: string, profile: JsonObject): boolean;
  removeBot(id: string): void;
  setInput(bot: Player<P>, input: Partial<ValuesOf<I>>): void;
  isBot(id: string): boolean;
}

/** Who comes into a game. */
export interface Newcomer {
  /** The user of its token, or the name of a bot. */
  readonly id: string;
  readonly name: string;
}

/** Something a player does that is not a matter of every tick: reliable, in order, and answered. */
export interface GameCommand<P extends Fields = NoFields, W extends Fields = NoFields, I extends Fields = NoFields> {
  /** Runs where the world is. Its payload comes from a stranger. A thrown `YamabikoError` is the answer. */
  run(world: World<P, W>, payload: JsonObject, from: Newcomer, host: GameHost<P, I>): void;
}

/** The rules of a game, for both ends. */
export interface GameDefinition<P extends Fields, W extends Fields, I extends Fields> {
  /** Steps per second. Default: 60. */
  readonly tick?: number;
  readonly schema: GameSchema<P, W, I>;
  /**
   * One step of the world, on the server, and again on each client for its own player: moves those it has inputs for. The same
   * world and inputs must give the same result: no dice, no clock, no memory outside the world. `dt` is in seconds.
   */
  step(world: World<P, W>, inputs: Inputs<P, I>, dt: number): void;
  /** What only the server decides, after each step: collisions, scores, what appears. */
  rules?(world: World<P, W>, host: GameHost<P, I>, dt: number): void;
  /** Where a player starts, and with what profile. Default: everything at rest. */
  onJoin?(
    newcomer: Newcomer,
    world: World<P, W>,
    host: GameHost<P, I>,
  ): { values?: Partial<ValuesOf<P>>; profile?: JsonObject } | undefined;
  /** A player is about to be removed. */
  onLeave?(player: Player<P>, world: World<P, W>, host: GameHost<P, I>): void;
  /** Further messages players may send, by type. */
  readonly commands?: { readonly [type: string]: GameCommand<P, W, I> };
  /** Whom a player sees: those within `radius` by these two fields. Default: everybody sees everybody. */
  readonly view?: { readonly radius: number; readonly x: keyof P & string; readonly y: keyof P & string };
  /** At most this many at once, bots included; who comes later watches. Default: 256, at most 1,024. */
  readonly maxPlayers?: number;
  /** How often those are told who read JSON, per second. Default: 20. */
  readonly jsonHz?: number;
}

/** A game, ready for both ends. */
export interface Game<P extends Fields = NoFields, W extends Fields = NoFields, I extends Fields = NoFields>
  extends GameDefinition<P, W, I> {
  readonly tick: number;
  readonly maxPlayers: number;
  readonly jsonHz: number;
  readonly layout: Layout;
}

/** A game of any schema, as the machinery sees it. */
export type AnyGame = Omit<Game, "view"> & {
  readonly view?: { readonly radius: number; readonly x: string; readonly y: string };
};

/**
 * Defines a game: one file for the server (`game(definition)` of `yamabiko/features`) and for the page (`joinGame` of
 * `yamabiko/client/game`).
 *
 * @throws {TypeError} when the schema or a number cannot be.
 */
export function defineGame<P extends Fields, I extends Fields, W extends Fields = NoFields>(
  definition: GameDefinition<P, W, I>,
): Game<P, W, I> {
  const { tick = 60, maxPlayers = 256, jsonHz = 20, schema, view } = definition;
  if (!(tick >= 1 && tick <= 240)) throw new TypeError("`tick` is from 1 to 240 per second.");
  if (!(jsonHz > 0 && jsonHz <= tick)) throw new TypeError("`jsonHz` is from above 0 to `tick`.");
  if (!(Number.isInteger(maxPlayers) && maxPlayers >= 1 && maxPlayers <= MAX_SLOTS)) {
    throw new TypeError(`\`maxPlayers\` is from 1 to ${MAX_SLOTS}.`);
  }
  if (view !== undefined && !(view.radius > 0)) throw new TypeError("`view.radius` is above 0.");
  return { ...definition, tick, maxPlayers, jsonHz, layout: layOut(schema) };
}

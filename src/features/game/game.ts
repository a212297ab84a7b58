import { z } from "zod";
import type { AnyGame } from "../../protocol/game/game.ts";
import { type Json, type JsonObject, YamabikoError } from "../../protocol/index.ts";
import { type Context, defineNamespace, message, type Namespace } from "../../session/namespace.ts";
import { GameRoom, PLAYERS, THINGS } from "./game-room.ts";
import { openField } from "./open-field.ts";

export interface GameOptions {
  /** The namespace's name. Default: `game`. */
  readonly name?: string;
  /** How many games may go on at once on one node; joining another one is refused with `unavailable`. Default: 100. */
  readonly maxRunning?: number;
}

/** A game for every room, or games by the names of rooms: a name, or the beginning of names with `*` behind it. */
export type Games = AnyGame | { readonly [pattern: string]: AnyGame };

const playerInput = z.looseObject({
  seq: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  input: z.record(z.string(), z.unknown()).optional(),
  tick: z.number().int().min(-1).optional(),
});

const gameSync = z.object({ at: z.number(), tick: z.number().int().min(-1).optional() });

const joinOptions = z.object({
  format: z.enum(["binary", "json"]).default("json"),
  /** Numbers in a query. */
  spectate: z.union([z.boolean(), z.literal(0), z.literal(1)]).default(false),
  signature: z.string().max(64).optional(),
});

/**
 * The namespace `game`: worlds that go on by themselves, at a fixed rate, on one node each; what players want goes in, where
 * everybody is comes out (GAME-1 to GAME-13).
 *
 * @param games what is played. Default: an open field, on which everybody moves as they like.
 */
export function game(games: Games = openField, { name = "game", maxRunning = 100 }: GameOptions = {}): Namespace {
  const running = new Set<GameRoom>();
  return defineNamespace({
    name,
    joinOptions,
    state: {
      [PLAYERS]: {
        event: "game_player",
        inherited: true,
        change: (userId: string, player: Json) => ({ userId, player }),
      },
      [THINGS]: { event: "game_thing", inherited: true, change: (key: string, value: Json) => ({ key, value }) },
    },
    // Nothing of a game is logged; what a back end publishes there is news to those who are there.
    retention: { maxEvents: 100 },
    open(room) {
      const chosen = choose(games, room.roomId.slice(name.length + 1));
      if (chosen === null) throw new YamabikoError("unknown_type", "There is no such game.");
      const opened = new GameRoom(chosen, room);
      return opened;
    },
    onJoin({ feature, options, user, roomId }) {
      const played = choose(games, roomId.slice(name.length + 1))!;
      const { signature } = played.layout;
      if (options.signature !== undefined && options.signature !== signature) {
        throw new YamabikoError("conflict", "This is another version of the game.", { remedy: "Load the page again." });
      }
      const room = feature as GameRoom;
      for (const other of running) if (!other.isRunning) running.delete(other);
      if (!room.isRunning && running.size >= maxRunning) {
        throw new YamabikoError("unavailable", "As many games go on here as may.", { retryAfterMs: 5_000 });
      }
      // Before anything waits: whoever joins another game meanwhile is counted with this one.
      room.use();
      running.add(room);
      return { playerId: user.id, spectate: Boolean(options.spectate), ticksPerSecond: played.tick, signature };
    },
    messages: {
      player_input: message({
        payload: playerInput,
        handle(context, { seq, input, tick, ...rest }) {
          const room = roomOf(context);
          if (tick !== undefined) room.confirm(context.connectionId, tick);
          // Without `input` the payload is what the player wants.
          const wanted = (input ?? rest) as JsonObject;
          return { taken: room.input(context.user.id, context.connectionId, seq ?? null, wanted) };
        },
      }),
      game_sync: message({
        payload: gameSync,
        right: "read",
        handle(context, { at, tick }) {
          if (tick !== undefined) roomOf(context).confirm(context.connectionId, tick < 0 ? null : tick);
          context.reply("game_sync", { at });
        },
      }),
      "*": message({
        async handle(context, payload) {
          const { user, type } = context;
          await roomOf(context).command(type, payload as { [member: string]: Json }, { id: user.id, name: user.name });
        },
      }),
    },
  }) as unknown as Namespace;
}

function roomOf({ feature }: Context): GameRoom {
  return feature as GameRoom;
}

function choose(games: Games, roomName: string): AnyGame | null {
  if (isGame(games)) return games;
  for (const [pattern, each] of Object.entries(games)) {
    if (pattern === roomName || (pattern.endsWith("*") && roomName.startsWith(pattern.slice(0, -1)))) return each;
  }
  return null;
}

function isGame(games: Games): games is AnyGame {
  return "layout" in games && "step" in games;
}

/** `yamabiko/client/game`: plays a game of a server. */

export type { Fields, ValuesOf } from "../../protocol/game/field.ts";
export { gameCodec } from "./codec.ts";
export {
  type DrawnPlayer,
  type GameStats,
  type GameView,
  type JoinedGame,
  type JoinGameOptions,
  joinGame,
  type Profile,
  type TickReport,
} from "./join-game.ts";

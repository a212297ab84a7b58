/** `yamabiko/game`: what a game's own file needs, on the server and in the page alike. */

export { angle8, axis, bool, type Field, type Fields, q16, u8, u16, type ValuesOf } from "./field.ts";
export {
  defineGame,
  type Game,
  type GameCommand,
  type GameDefinition,
  type GameHost,
  type Inputs,
  type Newcomer,
  type Player,
  type World,
} from "./game.ts";
export type { GameSchema } from "./layout.ts";

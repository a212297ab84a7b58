export * from "../../protocol/game/index.ts";
export { type GameOptions, type Games, game } from "./game.ts";
export { openField } from "./open-field.ts";

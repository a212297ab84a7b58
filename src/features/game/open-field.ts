import { angle8, axis, q16 } from "../../protocol/game/field.ts";
import { defineGame } from "../../protocol/game/game.ts";

/** The side of the field. */
const SIZE = 2_000;
/** How far a player goes in a second. */
const SPEED = 300;

/** A field on which everybody moves as they like: the game of rooms for which none was defined. */
export const openField = defineGame({
  schema: {
    player: { x: q16(0, SIZE, 1 / 8), y: q16(0, SIZE, 1 / 8), rotation: angle8() },
    input: { dx: axis(), dy: axis(), rotation: angle8() },
  },
  onJoin: (_newcomer, _world, { random }) => ({ values: { x: SIZE * random(), y: SIZE * random() } }),
  step(_world, inputs, dt) {
    for (const [player, { dx, dy, rotation }] of inputs) {
      // A stick in a corner is no faster than one at the edge.
      const speed = SPEED / Math.max(1, Math.hypot(dx, dy));
      player.x = Math.min(SIZE, Math.max(0, player.x + dx * speed * dt));
      player.y = Math.min(SIZE, Math.max(0, player.y + dy * speed * dt));
      player.rotation = rotation;
    }
  },
});

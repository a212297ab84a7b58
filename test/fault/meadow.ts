import { axis, defineGame, q16, u16 } from "../../src/protocol/game/index.ts";

/**
 * A game whose world counts its own steps, and says by which process it made the last: whoever goes on with it from an older
 * state than the others heard of, or beside another node, counts wrong.
 */
export const meadow = defineGame({
  schema: {
    player: { x: q16(0, 1_000, 1 / 8) },
    world: { by: u16(), steps: u16() },
    input: { dx: axis() },
  },
  onJoin: () => ({ values: { x: 500 }, profile: { score: 7 } }),
  step(_world, inputs, dt) {
    for (const [player, { dx }] of inputs) player.x += dx * 300 * dt;
  },
  rules(world) {
    world.by = process.pid % 65_536;
    world.steps = (world.steps + 1) % 65_536;
  },
  commands: {
    shout: { run: (_world, { word }, from, host) => host.setProfile(from.id, { said: String(word) }) },
  },
});

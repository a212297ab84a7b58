import { expect, it } from "vitest";
import { axis, defineGame, q16 } from "../../../src/features/index.ts";
import type { AnyGame } from "../../../src/protocol/game/game.ts";
import type { ReaderContext } from "../../../src/session/namespace.ts";
import { SimulatedGame } from "./simulated.ts";

const field = defineGame({
  schema: { player: { x: q16(0, 100, 1) }, input: { dx: axis() } },
  step: () => {},
}) as unknown as AnyGame;

const ann: ReaderContext = {
  user: { id: "ann", name: "Ann", guest: false, claims: {} },
  connectionId: "c1",
  options: { format: "json" },
  resumed: false,
};

/** A short poll: what it is not given at once it is not given at all. */
function createPoll() {
  const buffers: Buffer[] = [];
  const format = {
    id: "text",
    event: () => Buffer.alloc(0),
    envelope: (envelope: object) => Buffer.from(JSON.stringify(envelope)),
  };
  return {
    format,
    buffers,
    writable: true,
    waitsMs: 0,
    deliver: (bytes: Buffer) => void buffers.push(bytes),
    close() {},
  };
}

it("a poll of a game that is over, or has not begun again yet, is told nothing of it", async () => {
  const game = await SimulatedGame.start(field);
  game.members.add("ann");
  game.room.reading(ann);
  game.clock.advance(500);
  const during = createPoll();
  game.ticks.add({ ...ann, connectionId: "c2" }, during);
  expect(during.buffers).toHaveLength(1);
  game.ticks.drop(during);

  game.members.delete("ann");
  game.clock.advance(20_000);
  expect(game.room.isRunning).toBe(false);
  const after = createPoll();
  game.ticks.add({ ...ann, connectionId: "c3" }, after);
  expect(after.buffers).toEqual([]);
  expect(game.failures).toEqual([]);
});

it("GAME-13 a game that is over leaves no world to go on with", async () => {
  const game = await SimulatedGame.start(field);
  game.members.add("ann");
  game.room.reading(ann);
  game.clock.advance(500);
  expect(JSON.parse(game.kept!)).toMatchObject({ players: { ann: { slot: 0 } } });
  game.members.delete("ann");
  game.clock.advance(20_000);
  expect(game.room.isRunning).toBe(false);
  expect(game.kept).toBe("null");
  expect(game.failures).toEqual([]);
});

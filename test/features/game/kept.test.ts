import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { until } from "../../harness.ts";
import { TwoNodes } from "./two-nodes.ts";

describe("a game whose players are all on the node that leads it", () => {
  let nodes: TwoNodes;
  beforeEach(async () => {
    nodes = await TwoNodes.start();
  });
  afterEach(() => nodes.close());

  type Player = Awaited<ReturnType<TwoNodes["play"]>>;

  /** Two play on the first node; ann goes a bit, both score. @param known the nodes they know. */
  async function play(known = [0, 1]) {
    const ann = await nodes.play("ann", known);
    const bob = await nodes.play("bob", known);
    ann.game.setInput({ dx: 1 });
    await until(() => placeOf(bob, "ann") > 520);
    ann.game.setInput({ dx: 0 });
    for (const { game } of [ann, bob, ann]) await game.command("goal", {});
    await until(() => [ann, bob].every(({ game }) => game.frame().world.score === 3));
    return { ann, bob };
  }

  const placeOf = ({ game }: Player, id: string): number =>
    game.frame().players.find((player) => player.id === id)?.x ?? Number.NaN;

  const keptAt = async (): Promise<number> => {
    const kept = await nodes.log.snapshot("game:arena");
    return kept === null ? 0 : (JSON.parse(kept.data) as { at: number }).at;
  };

  /** Both are told ticks again, later ones than before, of the world as it was. */
  async function goesOn({ ann, bob }: { ann: Player; bob: Player }, ticks: readonly number[]): Promise<void> {
    await until(
      () => [ann, bob].every(({ game }, at) => game.room.status === "joined" && newest(ann, bob)[at]! > ticks[at]!),
      20_000,
    );
    await until(() => placeOf(bob, "ann") > 520);
    for (const { game } of [ann, bob]) {
      expect(game.frame().world.score).toBe(3);
      expect(game.things.get("flag")).toEqual({ by: "ann" });
      expect(game.profiles.get("ann")).toMatchObject({ goals: 2 });
      expect(game.profiles.get("bob")).toMatchObject({ goals: 1 });
    }
    // And it is led: what is wanted has its effect.
    await bob.game.command("goal", {});
    await until(() => ann.game.frame().world.score === 4);
  }

  const newest = (...players: Player[]): number[] => players.map(({ ticks }) => ticks.at(-1)!);

  it("GAME-13 goes on at the other node when that one dies: score, things, players and their places", async () => {
    const { ann, bob } = await play();
    const since = Date.now();
    await until(async () => (await keptAt()) > since);
    const before = newest(ann, bob);
    await nodes.kill(0);
    await goesOn({ ann, bob }, before);
  });

  it("GAME-13 goes on at the other node when that one ends in order, with the last that happened", async () => {
    const { ann, bob } = await play();
    const before = newest(ann, bob);
    await nodes.end(0);
    await goesOn({ ann, bob }, before);
  });

  it("GAME-13 goes on at the node they know when that one is started again", async () => {
    const { ann, bob } = await play([0]);
    const before = newest(ann, bob);
    await nodes.restart(0);
    await goesOn({ ann, bob }, before);
  });
});

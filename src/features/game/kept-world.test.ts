import { beforeEach, describe, expect, it } from "vitest";
import type { AnyGame } from "../../protocol/game/game.ts";
import { axis, defineGame, q16, u16 } from "../../protocol/game/index.ts";
import { Snapshot } from "../../protocol/game/snapshot.ts";
import { SnapshotEncoder } from "../../protocol/game/snapshot-codec.ts";
import { YamabikoError } from "../../protocol/index.ts";
import type { OpenRoom } from "../../session/namespace.ts";
import { createFakeClock } from "../../testing/fake-clock.ts";
import { KeptWorld } from "./kept-world.ts";
import { noteHead } from "./note.ts";
import type { PlayerEntry } from "./simulation.ts";

const field = (world = {}): AnyGame =>
  defineGame({
    schema: { player: { x: q16(0, 100, 1) }, world: { score: u16(), ...world }, input: { dx: axis() } },
    step: () => {},
  }) as unknown as AnyGame;

const game = field();
const ENTRIES = new Map<string, PlayerEntry>([["ann", { slot: 0, name: "Ann" }]]);
const THINGS = new Map([["orb", { x: 1 }]]);

/** A whole tick with one player and a score. */
function noteOf(fence: number, tick: number, score: number): Uint8Array {
  const snapshot = new Snapshot(game.layout);
  snapshot.clear(tick, 1);
  snapshot.present[0] = 1;
  snapshot.world[0] = score;
  return new SnapshotEncoder(game.layout).encode(snapshot, null, snapshot.present, noteHead(fence, tick));
}

describe("a kept world", () => {
  let clock: ReturnType<typeof createFakeClock>;
  let failures: string[];
  let puts: { seq: number; data: string; fence: number }[];
  let refusals: YamabikoError[];
  let room: OpenRoom;
  beforeEach(() => {
    clock = createFakeClock();
    [failures, puts, refusals] = [[], [], []];
    const answer = () => {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
    };
    room = {
      clock,
      failure: (what: string) => failures.push(what),
      async snapshot() {
        answer();
        return puts.at(-1) ?? null;
      },
      async putSnapshot(seq: number, data: string, fence: number) {
        answer();
        puts.push({ seq, data, fence });
      },
    } as unknown as OpenRoom;
  });

  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const read = (of: AnyGame = game) => new KeptWorld(of, room).read(() => true);

  it("is what the next leader reads, and how long ago it was", async () => {
    new KeptWorld(game, room).keep(7, noteOf(7, 120, 3), ENTRIES, THINGS);
    await clock.advance(1_500);
    const world = (await read())!;
    expect(world).toMatchObject({ fence: 7, ageMs: 1_500, entries: ENTRIES, things: THINGS });
    expect(world.snapshot).toMatchObject({ tick: 120, slots: 1 });
    expect(world.snapshot!.world[0]).toBe(3);
    expect(puts).toMatchObject([{ seq: 0, fence: 7 }]);
    expect(failures).toEqual([]);
  });

  it("counts for a minute, for the same version of the game, and while it is not over", async () => {
    const kept = new KeptWorld(game, room);
    expect(await read()).toBeNull();
    kept.keep(7, noteOf(7, 1, 0), ENTRIES, THINGS);
    await clock.advance(60_000);
    expect(await read()).not.toBeNull();
    expect(await read(field({ round: u16() }))).toBeNull();
    await clock.advance(1);
    expect(await read()).toBeNull();
    kept.keep(7, noteOf(7, 2, 0), ENTRIES, THINGS);
    expect(await read()).not.toBeNull();
    kept.drop(7);
    expect(await read()).toBeNull();
    expect(failures).toEqual([]);
  });

  it("that cannot be read is reported, and left aside", async () => {
    for (const data of ["{", "{}", JSON.stringify({ signature: game.layout.signature, at: clock.now(), note: "" })]) {
      puts.push({ seq: 0, data, fence: 1 });
      expect(await read()).toBeNull();
    }
    expect(failures.every((what) => what === "opening a game's world")).toBe(true);
    expect(failures).toHaveLength(2);
  });

  it("GAME-13 is kept every second, a large one less often, and one beyond 1 MiB not at all", async () => {
    const kept = new KeptWorld(game, room);
    const keep = async (things: ReadonlyMap<string, string>) => {
      kept.keep(7, noteOf(7, 1, 0), ENTRIES, things);
      expect(kept.isDue).toBe(false);
      await settled();
    };
    expect(kept.isDue).toBe(true);
    await keep(new Map());
    await clock.advance(999);
    expect(kept.isDue).toBe(false);
    await clock.advance(1);
    expect(kept.isDue).toBe(true);
    await keep(new Map([["orb", "x".repeat(256 * 1024)]]));
    await clock.advance(3_999);
    expect(kept.isDue).toBe(false);
    await clock.advance(100);
    expect(kept.isDue).toBe(true);
    expect(puts).toHaveLength(2);
    await keep(new Map([["orb", "x".repeat(1024 * 1024)]]));
    expect(puts).toHaveLength(2);
    expect(failures).toEqual(["keeping a game's world"]);
  });

  it("waits for a log that is away, as long as it is wanted", async () => {
    const kept = new KeptWorld(game, room);
    kept.keep(7, noteOf(7, 1, 0), ENTRIES, THINGS);
    const away = () => new YamabikoError("unavailable", "It is away.");
    refusals.push(away(), away());
    const world = read();
    for (let time = 0; time < 3; time++) {
      await settled();
      await clock.advance(200);
    }
    expect(await world).toMatchObject({ fence: 7 });
    expect(failures).toEqual(["reading a game's world", "reading a game's world"]);
    refusals.push(away());
    let isWanted = true;
    const unwanted = kept.read(() => isWanted);
    await settled();
    isWanted = false;
    await clock.advance(200);
    expect(await unwanted).toBeNull();
  });

  it("is not kept by who does not lead any more, which is no failure", async () => {
    const kept = new KeptWorld(game, room);
    refusals.push(new YamabikoError("conflict", "Another leads the room now."));
    kept.keep(7, noteOf(7, 1, 0), ENTRIES, THINGS);
    await settled();
    expect(failures).toEqual([]);
    refusals.push(new YamabikoError("unavailable", "It is away."));
    kept.keep(7, noteOf(7, 2, 0), ENTRIES, THINGS);
    await settled();
    expect(failures).toEqual(["keeping a game's world"]);
    expect(puts).toEqual([]);
  });
});

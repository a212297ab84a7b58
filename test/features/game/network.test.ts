import { describe, expect, it } from "vitest";
import type { AnyGame } from "../../../src/protocol/game/game.ts";
import { angle8, axis, defineGame, q16, u8 } from "../../../src/protocol/game/index.ts";
import type { Snapshot } from "../../../src/protocol/game/snapshot.ts";
import { SimulatedGame, SimulatedPlayer, seeded } from "./simulated.ts";

/** How long the world is simulated, s. The long form is ten minutes: `TEST_GAME=full`. */
const SECONDS = process.env.TEST_GAME === "full" ? 600 : 20;

const runners = defineGame({
  schema: {
    player: { x: q16(0, 2000, 1 / 16), y: q16(0, 2000, 1 / 16), vx: q16(-400, 400, 1 / 8), rotation: angle8() },
    world: { round: u8() },
    input: { dx: axis(), dy: axis() },
  },
  onJoin: (_newcomer, world) => ({ values: { x: 100 + 40 * world.players.length, y: 1_000 } }),
  step(_world, inputs, dt) {
    for (const [player, { dx, dy }] of inputs) {
      // Speed that carries over: a mistake made once would stay.
      player.vx += (dx * 400 - player.vx) * 0.2;
      player.x = Math.min(2_000, Math.max(0, player.x + player.vx * dt));
      player.y = Math.min(2_000, Math.max(0, player.y + dy * 300 * dt));
      if (dx !== 0 || dy !== 0) player.rotation = Math.atan2(dy, dx);
    }
  },
  rules(world, host) {
    if (world.tick % 60 === 0) world.round = (world.round + 1) % 256;
    const first = world.players[0];
    if (first !== undefined && world.tick % 200 === 0) host.setProfile(first.id, { score: world.tick });
  },
});

const AnyRunners = runners as unknown as AnyGame;

/** What a snapshot says, in a form that can be compared and kept. */
function said(snapshot: Snapshot): string {
  const rows: unknown[] = [];
  for (let slot = 0; slot < snapshot.slots; slot++) {
    if (snapshot.present[slot] !== 1) continue;
    rows.push([slot, snapshot.acks[slot], ...snapshot.columns.map((column) => column[slot])]);
  }
  return JSON.stringify([snapshot.tick, rows, Array.from(snapshot.world)]);
}

/** Keeps what the server's world was at each tick. */
function recordServer(host: SimulatedGame): Map<number, string> {
  const record = new Map<number, string>();
  const { publish } = host.ticks;
  host.ticks.publish = function (tick) {
    record.set(tick, said(host.room.newest!));
    publish.call(this, tick);
  };
  return record;
}

describe("a game over a simulated network", () => {
  it("GAME-4 gives every client the server's world at every tick it gets, through 200 ms, jitter and drops", async () => {
    const random = seeded(7);
    const host = await SimulatedGame.start(AnyRunners);
    const record = recordServer(host);
    let compared = 0;
    const wrong: string[] = [];
    const players = Array.from({ length: 4 }, (_, index) => {
      const link = { delayMs: 100, jitterMs: 50, random };
      return new SimulatedPlayer(host, AnyRunners, `runner-${index}`, link, {
        onTick({ tick, snapshot }) {
          compared++;
          if (record.get(tick) !== said(snapshot)) wrong.push(`${index}@${tick}`);
        },
      });
    });
    const frames = SECONDS * 60;
    for (let frame = 0; frame < frames; frame++) {
      host.clock.advance(1_000 / 60);
      for (const player of players) {
        player.game.frame();
        if (random() < 0.05) player.game.setInput({ dx: random() * 2 - 1, dy: random() * 2 - 1 } as never);
        // Each connection is lost every ten seconds or so, for up to two seconds.
        if (random() < 1 / 600) {
          player.drop();
          host.clock.setTimer(() => player.connect(), 2_000 * random());
        }
      }
      for (const tick of record.keys()) {
        if (record.size < 1_000) break;
        record.delete(tick);
      }
    }
    expect(host.failures).toEqual([]);
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThan(frames * players.length * 0.6);
  });

  it("GAME-5 GAME-6 predicts exactly what the server will say, while nothing is late", async () => {
    const random = seeded(3);
    const host = await SimulatedGame.start(AnyRunners);
    const player = new SimulatedPlayer(host, AnyRunners, "ann", { delayMs: 100, jitterMs: 0, random });
    for (let frame = 0; frame < 600; frame++) {
      host.clock.advance(1_000 / 60);
      if (frame % 20 === 0) player.game.setInput({ dx: random() * 2 - 1, dy: random() * 2 - 1 } as never);
      player.game.frame();
    }
    expect(player.game.stats.predictionError).toBe(0);
    expect(player.game.stats.pendingInputs).toBeGreaterThan(10);
    expect(player.game.stats.rttMs).toBeCloseTo(200, 0);

    // What was predicted is what is, once everything has arrived.
    player.game.setInput({ dx: 0, dy: 0 } as never);
    for (let frame = 0; frame < 120; frame++) {
      host.clock.advance(1_000 / 60);
      player.game.frame();
    }
    const { me } = player.game.frame();
    const { x, y } = me as unknown as { x: number; y: number };
    const columnOf = (field: string): Int32Array =>
      host.room.newest!.columns[AnyRunners.layout.player.findIndex(({ name }) => name === field)]!;
    expect(x).toBeCloseTo(columnOf("x")[0]! / 16, 1);
    expect(y).toBeCloseTo(columnOf("y")[0]! / 16, 1);
  });

  it("moves others evenly, however unevenly ticks come", async () => {
    const random = seeded(11);
    const host = await SimulatedGame.start(AnyRunners);
    const runner = new SimulatedPlayer(host, AnyRunners, "runner", { delayMs: 20, jitterMs: 0, random });
    const watcher = new SimulatedPlayer(host, AnyRunners, "watcher", { delayMs: 60, jitterMs: 40, random });
    runner.game.setInput({ dx: 0, dy: 0.5 } as never);
    const steps: number[] = [];
    let before = Number.NaN;
    for (let frame = 0; frame < 260; frame++) {
      host.clock.advance(1_000 / 60);
      runner.game.frame();
      const seen = watcher.game.frame().players.find(({ id }) => id === "runner") as { y?: number } | undefined;
      if (frame > 120 && seen?.y !== undefined) {
        if (!Number.isNaN(before)) steps.push(seen.y - before);
        before = seen.y;
      }
    }
    const even = 300 * (64 / 127) * (1 / 60);
    expect(steps.length).toBeGreaterThan(100);
    // Nobody stands still, and nobody jumps.
    for (const step of steps) expect(Math.abs(step - even)).toBeLessThan(even * 0.5);
  });

  it("GAME-10 keeps a player's place for those who come back in time, and no longer", async () => {
    const random = seeded(5);
    const host = await SimulatedGame.start(AnyRunners);
    const link = { delayMs: 10, jitterMs: 0, random };
    new SimulatedPlayer(host, AnyRunners, "other", link);
    const player = new SimulatedPlayer(host, AnyRunners, "ann", link);
    const run = (ms: number): void => {
      for (let at = 0; at < ms; at += 1_000 / 60) {
        host.clock.advance(1_000 / 60);
        player.game.frame();
      }
    };
    run(500);
    player.game.setInput({ dx: 0, dy: 1 } as never);
    run(1_000);
    const place = player.game.frame().me as unknown as { y: number };
    expect(place.y).toBeGreaterThan(1_100);
    player.drop();
    player.game.setInput({ dx: 0, dy: 0 } as never);
    run(3_000);
    player.connect();
    run(500);
    const again = player.game.frame().me as unknown as { y: number };
    // The last input went on for half a second at most.
    expect(again.y).toBeGreaterThanOrEqual(place.y - 20);
    expect(again.y).toBeLessThanOrEqual(place.y + 200);
    // The membership ended, after its own time or by leaving.
    player.drop();
    host.members.delete("ann");
    run(1_500);
    expect(host.state.players).not.toHaveProperty("ann");
    expect(host.state.players).toHaveProperty("other");
  });
});

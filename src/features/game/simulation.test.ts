import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { axis, bool, q16 } from "../../protocol/game/field.ts";
import { type AnyGame, defineGame } from "../../protocol/game/game.ts";
import { Snapshot } from "../../protocol/game/snapshot.ts";
import type { Json } from "../../protocol/index.ts";
import { Interest } from "./interest.ts";
import { type PlayerEntry, Simulation } from "./simulation.ts";
import { Slots } from "./slots.ts";

const SPEED = 300;

const field = defineGame({
  schema: {
    player: { x: q16(0, 1_000, 1 / 8), y: q16(0, 1_000, 1 / 8) },
    input: { dx: axis(), dy: axis(), jump: bool() },
  },
  maxPlayers: 3,
  onJoin: ({ id }) => {
    if (id === "thrower") throw new Error("no");
    return { values: { x: 500, y: 500 }, profile: { score: 0 } };
  },
  step(_world, inputs, dt) {
    for (const [player, { dx, dy }] of inputs) {
      player.x += dx * SPEED * dt;
      player.y += dy * SPEED * dt;
    }
  },
  rules(world, host) {
    for (const { id } of world.players) if (host.isBot(id)) host.setInput(world.players[0]!, { dx: 1 });
  },
  commands: {
    add_bot: { run: (_world, _payload, _from, host) => void host.addBot("bot-1", { name: "Bot" }) },
    fill: {
      run(_world, _payload, _from, host) {
        for (let index = 0; index < 2_000; index++) host.putThing(`thing-${index}`, index);
      },
    },
  },
});
const game = field as unknown as AnyGame;

function begin() {
  const players = new Map<string, PlayerEntry | null>();
  const things = new Map<string, Json>();
  const failures: string[] = [];
  const simulation = new Simulation(game, {
    player: (id, entry) => void players.set(id, entry),
    thing: (key, value) => void things.set(key, value),
    failure: (what) => void failures.push(what),
  });
  return { simulation, players, things, failures };
}

function place(simulation: Simulation, id: string): { x: number; y: number } {
  return simulation.model.player(id) as unknown as { x: number; y: number };
}

describe("a world", () => {
  it("knows no command that the game did not define, whatever objects are born with", () => {
    const { simulation } = begin();
    for (const type of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
      const run = () => simulation.command(type, {}, { id: "a", name: "A" });
      expect(run, type).toThrow(expect.objectContaining({ code: "unknown_type" }));
    }
  });

  it("[case 32] GAME-6 moves nobody further than its rules, whatever is said, and nobody but who said it", () => {
    const hostile = fc.oneof(
      fc.anything(),
      fc.dictionary(fc.constantFrom("dx", "dy", "jump", "x", "y", "id", "__proto__"), fc.anything()),
      fc.record({ dx: fc.double(), dy: fc.double() }),
      fc.constantFrom(
        { dx: Number.NaN },
        { dx: 1e308, dy: -1e308 },
        { x: 0, y: 0 },
        { dx: "1" },
        { id: "victim", dx: 1 },
      ),
    );
    const seq = fc.option(fc.oneof(fc.integer(), fc.nat({ max: 100 }), fc.maxSafeInteger()));
    fc.assert(
      fc.property(fc.array(fc.tuple(seq, hostile), { maxLength: 60 }), (said) => {
        const { simulation, failures } = begin();
        simulation.enter({ id: "villain", name: "V" });
        simulation.enter({ id: "victim", name: "W" });
        for (const [number, raw] of said) {
          const before = { ...place(simulation, "villain") };
          simulation.input("villain", "connection", number, raw, 0);
          simulation.step();
          const after = place(simulation, "villain");
          for (const name of ["x", "y"] as const) {
            expect(Math.abs(after[name] - before[name])).toBeLessThanOrEqual(SPEED / 60 + 1 / 8);
            expect(after[name]).toBeGreaterThanOrEqual(0);
            expect(after[name]).toBeLessThanOrEqual(1_000);
          }
          expect(place(simulation, "victim")).toMatchObject({ x: 500, y: 500 });
        }
        expect(failures).toEqual([]);
        expect(Object.getPrototypeOf({})).toBe(Object.prototype);
      }),
      { numRuns: 100 },
    );
  });

  it("GAME-7 gives one who floods it one step per tick", () => {
    const { simulation } = begin();
    simulation.enter({ id: "ann", name: "Ann" });
    for (let seq = 0; seq < 10_000; seq++) simulation.input("ann", "c", seq % 200, { dx: 1 }, 0);
    simulation.step();
    expect(place(simulation, "ann").x).toBe(505);
  });

  it("has as many players as it may, and says who they are", () => {
    const { simulation, players } = begin();
    for (const id of ["a", "b", "c"]) expect(simulation.enter({ id, name: id.toUpperCase() })).toBe(true);
    expect(simulation.enter({ id: "d", name: "D" })).toBe(false);
    expect(simulation.input("d", "c", 1, {}, 0)).toBe("absent");
    expect(players.get("b")).toEqual({ slot: 1, name: "B", score: 0 });
    simulation.leave("b");
    expect(players.get("b")).toBeNull();
    expect(simulation.enter({ id: "d", name: "D" })).toBe(true);
  });

  it("goes on when the game's own code throws, and says so", () => {
    const { simulation, failures } = begin();
    expect(simulation.enter({ id: "thrower", name: "T" })).toBe(true);
    expect(failures).toEqual(["the game's onJoin"]);
    simulation.step();
    expect(simulation.ring.newest?.tick).toBe(1);
    expect(() => simulation.command("unknown", {}, { id: "x", name: "X" })).toThrow(/knows no/);
    expect(() => simulation.command("fill", {}, { id: "x", name: "X" })).toThrow(/at most 1000 things/);
  });

  it("has bots, who do what the rules say", () => {
    const { simulation, players } = begin();
    simulation.command("add_bot", {}, { id: "x", name: "X" });
    expect(players.get("bot-1")).toMatchObject({ bot: true, name: "Bot" });
    simulation.step();
    simulation.step();
    expect(place(simulation, "bot-1").x).toBeGreaterThan(0);
    expect(simulation.users()).toEqual([]);
    // No user can be a bot.
    expect(simulation.enter({ id: "bot-1", name: "me" })).toBe(false);
    expect(simulation.input("bot-1", "c", 1, { dx: -1 }, 0)).toBe("absent");
  });

  it("GAME-11 goes on elsewhere with everybody where they were", () => {
    const first = begin();
    for (const id of ["a", "b"]) first.simulation.enter({ id, name: id });
    first.simulation.command("add_bot", {}, { id: "x", name: "X" });
    first.simulation.input("a", "c", 1, { dx: 1 }, 0);
    for (let tick = 0; tick < 20; tick++) first.simulation.step();
    const second = begin();
    second.simulation.takeOver(
      first.simulation.ring.newest,
      first.simulation.tick + 10,
      first.players as Map<string, PlayerEntry>,
      new Map(),
    );
    expect(place(second.simulation, "a")).toMatchObject({ x: place(first.simulation, "a").x, y: 500 });
    const snapshot = second.simulation.step();
    expect(snapshot.tick).toBe(31);
    expect(second.simulation.users()).toEqual(["a", "b"]);
    expect(second.simulation.enter({ id: "late", name: "L" })).toBe(false);
  });
});

describe("slots", () => {
  it("are the lowest that have rested", () => {
    const slots = new Slots(3);
    expect([slots.take(0), slots.take(0)]).toEqual([0, 1]);
    slots.giveBack(0, 10);
    expect(slots.take(11)).toBe(2);
    expect(slots.take(12)).toBe(0);
    expect(slots.take(12)).toBeNull();
    slots.giveBack(1, 20);
    slots.giveBack(0, 20);
    expect(slots.take(1_000)).toBe(0);
    const other = new Slots(8);
    other.claim(3);
    expect([other.take(0), other.take(0), other.take(0), other.take(0)]).toEqual([0, 1, 2, 4]);
  });
});

describe("interest", () => {
  it("GAME-12 is in those within the radius, and in oneself", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 8_000 }), fc.nat({ max: 8_000 })), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 20, max: 900 }),
        (places, radius) => {
          const interest = new Interest({ layout: game.layout, view: { radius, x: "x", y: "y" } });
          const snapshot = new Snapshot(game.layout);
          snapshot.clear(1, places.length);
          places.forEach(([x, y], slot) => {
            snapshot.present[slot] = 1;
            snapshot.columns[0]![slot] = x;
            snapshot.columns[1]![slot] = y;
          });
          interest.look(snapshot);
          const [x0, y0] = places[0]!;
          const near = places.map(([x, y]) => ((x - x0) / 8) ** 2 + ((y - y0) / 8) ** 2 <= radius ** 2);
          expect(Array.from(interest.around(0), (seen) => seen === 1)).toEqual(near);
        },
      ),
    );
  });
});

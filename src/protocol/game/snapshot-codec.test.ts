import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { angle8, axis, bool, type Field, q16, u8, u16 } from "./field.ts";
import { isTickFrame, openFrame, roomOfFrame, tickHead } from "./frame.ts";
import { layOut } from "./layout.ts";
import { ACK_MASK, Snapshot, SnapshotRing } from "./snapshot.ts";
import { SnapshotDecoder, SnapshotEncoder } from "./snapshot-codec.ts";

const FIELDS: Record<string, Field> = {
  x: q16(0, 2000, 1 / 8),
  y: q16(-500, 500, 0.02),
  rotation: angle8(),
  lives: u8(),
  energy: u16(),
  boost: bool(),
  lean: axis(),
};

interface Row {
  slot: number;
  wires: number[];
  ack: number;
}

const names = fc.subarray(Object.keys(FIELDS), { minLength: 1 });
const worldNames = fc.subarray(["energy", "boost", "lives"]);

/** Two worlds of one layout, the second made of the first by any change, and any mask for each. */
const scene = fc
  .tuple(names, worldNames, fc.nat({ max: 200 }), fc.integer({ min: 1, max: 63 }))
  .chain(([player, world, slots, ticks]) => {
    const pick = (keys: string[]): Record<string, Field> => Object.fromEntries(keys.map((key) => [key, FIELDS[key]!]));
    const layout = layOut({ player: pick(player), world: pick(world), input: {} });
    const wires = fc.tuple(...layout.player.map(({ field }) => fc.nat({ max: 2 ** field.bits - 1 })));
    const row = fc.record({ slot: fc.nat({ max: slots }), wires, ack: fc.nat({ max: ACK_MASK }) });
    const rows = fc.uniqueArray(row, { selector: ({ slot }) => slot, maxLength: 60 });
    const worldWires = fc.tuple(...layout.world.map(({ field }) => fc.nat({ max: 2 ** field.bits - 1 })));
    return fc.record({
      layout: fc.constant(layout),
      ticks: fc.constant(ticks),
      before: rows,
      after: rows,
      /** How the second world takes over players of the first: unmoved, moved a little, or not. */
      kept: fc.array(fc.constantFrom("still", "moved", "other"), { minLength: 1, maxLength: 20 }),
      worlds: fc.tuple(worldWires, worldWires),
      hidden: fc.array(fc.nat({ max: slots }), { maxLength: 10 }),
    });
  });

function snapshotOf(layout: ReturnType<typeof layOut>, tick: number, rows: readonly Row[], world: number[]): Snapshot {
  const snapshot = new Snapshot(layout);
  snapshot.clear(
    tick,
    rows.reduce((most, { slot }) => Math.max(most, slot + 1), 0),
  );
  for (const { slot, wires, ack } of rows) {
    snapshot.present[slot] = 1;
    snapshot.acks[slot] = ack;
    wires.forEach((wire, index) => {
      snapshot.columns[index]![slot] = wire;
    });
  }
  snapshot.world.set(world);
  return snapshot;
}

/** What a snapshot says, of the slots of a mask. */
function meaning(snapshot: Snapshot, mask: Uint8Array) {
  const players = [];
  for (let slot = 0; slot < snapshot.slots; slot++) {
    if (mask[slot] !== 1) continue;
    players.push([slot, snapshot.acks[slot], ...snapshot.columns.map((column) => column[slot])]);
  }
  return { tick: snapshot.tick, players, world: Array.from(snapshot.world) };
}

function without(mask: Uint8Array, hidden: readonly number[]): Uint8Array {
  const less = mask.slice();
  for (const slot of hidden) less[slot] = 0;
  return less;
}

describe("the snapshot codec", () => {
  it("GAME-3 gives back any world from any base, whole or in part", () => {
    fc.assert(
      fc.property(scene, ({ layout, ticks, before, after, kept, worlds, hidden }) => {
        const base = snapshotOf(layout, 1_000, before, worlds[0]);
        const rows = new Map<number, Row>(after.map((row) => [row.slot, row]));
        before.forEach((row, index) => {
          const how = kept[index % kept.length];
          if (how === "other") return;
          const wires = row.wires.map((wire, at) =>
            how === "still" ? wire : (wire + (index % 5) - 2) & (2 ** layout.player[at]!.field.bits - 1),
          );
          rows.set(row.slot, { slot: row.slot, wires, ack: (row.ack + (index % 2) * ticks) & ACK_MASK });
        });
        const now = snapshotOf(layout, 1_000 + ticks, Array.from(rows.values()), worlds[1]);
        const baseMask = without(base.present, hidden);
        const mask = without(now.present, hidden.slice(2));

        const encoder = new SnapshotEncoder(layout);
        const decoder = new SnapshotDecoder(layout);
        const known = new Snapshot(layout);
        const first = openFrame(
          encoder.encode(base, null, baseMask, tickHead({ roomId: "game:a", tick: base.tick, base: null })),
        );
        decoder.decode(first.bits, first.head.tick, null, known);
        expect(meaning(known, known.present)).toEqual(meaning(base, baseMask));

        const head = tickHead({ roomId: "game:a", tick: now.tick, base: base.tick });
        const second = openFrame(encoder.encode(now, { snapshot: base, mask: baseMask }, mask, head));
        expect(second.head).toEqual({ roomId: "game:a", tick: now.tick, base: base.tick });
        const got = new Snapshot(layout);
        decoder.decode(second.bits, second.head.tick, known, got);
        expect(meaning(got, got.present)).toEqual(meaning(now, mask));
      }),
      { numRuns: 300 },
    );
  });

  it("refuses a frame that was cut short, wherever it is cut", () => {
    const layout = layOut({ player: { x: FIELDS.x! }, input: {} });
    const rows = Array.from({ length: 9 }, (_, slot) => ({ slot, wires: [slot * 100], ack: 0 }));
    const now = snapshotOf(layout, 5, rows, []);
    const frame = new SnapshotEncoder(layout).encode(
      now,
      null,
      now.present,
      tickHead({ roomId: "game:a", tick: 5, base: null }),
    );
    for (let length = 8; length < frame.length; length++) {
      expect(() => {
        const { bits, head } = openFrame(frame.subarray(0, length));
        new SnapshotDecoder(layout).decode(bits, head.tick, null, new Snapshot(layout));
      }).toThrow(RangeError);
    }
  });

  it("GAME-2 names its room and its ticks in front, in any script and at any age", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
        fc.nat({ max: 2 ** 48 }),
        fc.option(fc.integer({ min: 1, max: 63 })),
        (roomId, tick, back) => {
          fc.pre(new TextEncoder().encode(roomId).length <= 255);
          const base = back === null ? null : tick + 63 - back;
          const frame = tickHead({ roomId, tick: tick + 63, base });
          expect(isTickFrame(frame)).toBe(true);
          expect(roomOfFrame(frame)).toBe(roomId);
          expect(openFrame(frame).head).toEqual({ roomId, tick: tick + 63, base });
        },
      ),
    );
  });

  it("takes at most 3.5 bytes for each of 100 players that move, and 7 to begin with", () => {
    const layout = layOut({
      player: { x: q16(0, 2000, 1 / 8), y: q16(0, 2000, 1 / 8), rotation: angle8() },
      input: {},
    });
    const at = (tick: number): Snapshot => {
      const rows = Array.from({ length: 100 }, (_, slot) => {
        const angle = slot + tick / (40 + slot);
        const wires = [8_000 + 4_000 * Math.cos(angle), 8_000 + 4_000 * Math.sin(angle), (angle * 40) & 0xff];
        return { slot, wires: wires.map(Math.round), ack: tick & ACK_MASK };
      });
      return snapshotOf(layout, tick, rows, []);
    };
    const encoder = new SnapshotEncoder(layout);
    const head = tickHead({ roomId: "game:arena", tick: 100_000, base: 99_999 });
    const [before, now] = [at(99_999), at(100_000)];
    expect(encoder.encode(now, { snapshot: before, mask: before.present }, now.present, head).length).toBeLessThan(350);
    expect(encoder.encode(now, null, now.present, head).length).toBeLessThan(700);
  });
});

describe("fields", () => {
  it("GAME-6 make of anything a value they can say, and of that the same again", () => {
    const anything = fc.oneof(
      fc.double(),
      fc.integer(),
      fc.anything(),
      fc.constantFrom(Number.NaN, Infinity, -Infinity, 1e300),
    );
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(FIELDS)), anything, (field, value) => {
        const wire = field.toWire(value);
        expect(Number.isInteger(wire) && wire >= 0 && wire < 2 ** field.bits).toBe(true);
        const said = field.fromWire(wire);
        expect(typeof said === "boolean" || Number.isFinite(said)).toBe(true);
        expect(field.toWire(said)).toBe(wire);
      }),
    );
  });

  it("keep to their bounds", () => {
    const field = q16(-10, 10, 0.5);
    expect(field.fromWire(field.toWire(Infinity))).toBe(10);
    expect(field.fromWire(field.toWire(-1e9))).toBe(-10);
    expect(field.fromWire(field.toWire("9"))).toBe(0);
    expect(q16(5, 9, 1).fromWire(q16(5, 9, 1).toWire(undefined))).toBe(5);
    expect(() => q16(0, 100_000, 1)).toThrow(TypeError);
    expect(() => q16(0, 10, 0)).toThrow(TypeError);
  });

  it("blend angles the shorter way around", () => {
    expect(angle8().blend(0.1, 2 * Math.PI - 0.1, 0.5)).toBeCloseTo(0, 5);
    expect(angle8().blend(1, 2, 0.25)).toBeCloseTo(1.25, 5);
  });
});

describe("a ring of snapshots", () => {
  it("keeps the newest and forgets the rest", () => {
    const layout = layOut({ player: { x: FIELDS.x! }, input: {} });
    const ring = new SnapshotRing(layout, 64);
    for (let tick = 0; tick < 100; tick++) ring.claim(tick).clear(tick, 3);
    expect(ring.newest?.tick).toBe(99);
    expect(ring.at(36)?.tick).toBe(36);
    expect(ring.at(35)).toBeNull();
    ring.clear();
    expect(ring.at(99)).toBeNull();
  });

  it("has names of its own that no field may take", () => {
    expect(() => layOut({ player: { slot: u8() }, input: {} })).toThrow(TypeError);
    expect(() => layOut({ player: {}, input: {} })).toThrow(TypeError);
  });
});

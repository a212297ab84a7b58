import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Coverage } from "./coverage.ts";
import type { ClockRange } from "./update.ts";

const range = fc.record({
  client: fc.constantFrom(1, 2),
  clock: fc.nat(300),
  length: fc.integer({ min: 1, max: 6 }),
});

describe("what a document has", () => {
  it("is the same whether it came in large updates or in small ones", () => {
    fc.assert(
      fc.property(fc.array(fc.array(range, { maxLength: 40 }), { maxLength: 6 }), (updates) => {
        const [large, small] = [new Coverage(), new Coverage()];
        const known = new Set<string>();
        for (const deletes of updates) {
          large.add({ inserts: [], deletes });
          for (const one of deletes) {
            small.add({ inserts: [], deletes: [one] });
            for (let at = 0; at < one.length; at++) known.add(`${one.client} ${one.clock + at}`);
          }
        }
        expect(large.pieces).toBe(small.pieces);
        for (const client of [1, 2]) {
          for (let clock = 0; clock < 310; clock++) {
            const contents = { inserts: [], deletes: [{ client, clock, length: 1 }] };
            expect(large.covers(contents)).toBe(known.has(`${client} ${clock}`));
          }
        }
      }),
    );
  });

  it("takes in a large update in any order without moving everything for each of its parts", () => {
    // The most expensive order: one by one this would take minutes.
    const deletes: ClockRange[] = [];
    for (let clock = 300_000; clock > 0; clock--) deletes.push({ client: 1, clock: clock * 2, length: 1 });
    const coverage = new Coverage();
    coverage.add({ inserts: [], deletes });
    expect(coverage.pieces).toBe(300_000);
    expect(coverage.covers({ inserts: [], deletes })).toBe(true);
  });
});

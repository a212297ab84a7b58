import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LogEvent } from "../log/log.ts";
import { Tail } from "./tail.ts";
import { LINES, lineFormat, range } from "./world.test-support.ts";

const OTHER = lineFormat("other");

function event(seq: number, bytes = 10): LogEvent {
  return {
    roomId: "chat:room",
    seq,
    type: "said",
    sender: null,
    messageId: null,
    timestamp: 0,
    data: JSON.stringify("x".repeat(bytes - 2)),
    amends: null,
  };
}

describe("the newest events of a room", () => {
  it("are kept up to a count", () => {
    const tail = new Tail(4, 3, 1_000);
    expect(tail.first).toBe(5);
    for (const seq of range(5, 10)) tail.push(event(seq));
    expect(tail.first).toBe(8);
    expect(tail.event(7)).toBeUndefined();
    expect(tail.event(11)).toBeUndefined();
    expect(tail.slice(8, 10, 10, 1_000).map(({ seq }) => seq)).toEqual([8, 9, 10]);
  });

  it("are kept up to a size, the newest one however large it is", () => {
    const tail = new Tail(0, 100, 50);
    for (const seq of range(1, 9)) tail.push(event(seq));
    expect([tail.first, tail.bytes]).toEqual([5, 50]);
    tail.push(event(10, 200));
    expect([tail.first, tail.bytes]).toEqual([10, 200]);
    tail.push(event(11));
    expect([tail.first, tail.bytes]).toEqual([11, 10]);
  });

  it("are encoded once per format, and count with what was encoded", () => {
    const tail = new Tail(0, 100, 10_000);
    tail.push(event(1));
    const bytes = tail.encoded(1, LINES);
    expect(tail.encoded(1, LINES)).toBe(bytes);
    const other = tail.encoded(1, OTHER);
    expect(other).not.toBe(bytes);
    expect(tail.bytes).toBe(10 + bytes.length + other.length);
    tail.reset(1);
    expect(tail.bytes).toBe(0);
  });

  it("are encoded anew when their payload is replaced", () => {
    const tail = new Tail(0, 100, 10_000);
    tail.push(event(1));
    tail.push(event(2));
    tail.encoded(1, LINES);
    tail.replace(1, '"new"');
    tail.replace(7, '"nobody"');
    expect(tail.bytes).toBe(5 + 10);
    expect(JSON.parse(tail.encoded(1, LINES).toString())).toMatchObject({ seq: 1, payload: "new" });
  });

  it("make room when a payload is replaced by a larger one", () => {
    const tail = new Tail(0, 100, 50);
    for (const seq of range(1, 5)) tail.push(event(seq));
    tail.replace(3, event(3, 30).data);
    expect([tail.first, tail.bytes]).toEqual([3, 50]);
  });

  it("are given in pages of a count and, beyond the first, of a size", () => {
    const tail = new Tail(0, 100, 10_000);
    for (const seq of range(1, 9)) tail.push(event(seq));
    const seqs = (limit: number, bytes: number) => tail.slice(3, 9, limit, bytes).map(({ seq }) => seq);
    expect(seqs(2, 1_000)).toEqual([3, 4]);
    expect(seqs(100, 35)).toEqual([3, 4, 5]);
    expect(seqs(100, 1)).toEqual([3]);
  });

  it("stay within their bounds, and stay what they are, whatever is done to them", () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant("push"), bytes: fc.integer({ min: 2, max: 300 }) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("encode"), back: fc.nat(12), bytes: fc.nat(3) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant("replace"),
          back: fc.nat(12),
          bytes: fc.integer({ min: 2, max: 300 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset"), bytes: fc.constant(0) }) },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120, size: "max" }),
        fc.integer({ min: 1, max: 8 }),
        (steps, maxEvents) => {
          const maxBytes = 900;
          const tail = new Tail(0, maxEvents, maxBytes);
          const expected = new Map<number, string>();
          let head = 0;
          for (const { kind, bytes, ...more } of steps) {
            const seq = head - ("back" in more ? more.back : 0);
            const { data } = event(0, Math.max(2, bytes));
            if (kind === "push") {
              head++;
              tail.push({ ...event(head), data });
              expected.set(head, data);
            } else if (kind === "reset") tail.reset(head);
            else if (kind === "replace") {
              tail.replace(seq, data);
              if (seq > 0) expected.set(seq, data);
            } else if (seq >= tail.first) {
              const isFresh = bytes % 2 === 0;
              tail.encoded(seq, bytes < 2 ? LINES : OTHER, isFresh);
              if (isFresh) tail.fit();
            }
            const kept = range(tail.first, head);
            expect(kept.length).toBeLessThanOrEqual(maxEvents);
            if (kept.length > 1) expect(tail.bytes).toBeLessThanOrEqual(maxBytes);
            if (kept.length === 0) expect(tail.bytes).toBe(0);
            expect(tail.event(tail.first - 1)).toBeUndefined();
            expect(tail.event(head + 1)).toBeUndefined();
            for (const at of kept) expect(tail.event(at)).toMatchObject({ seq: at, data: expected.get(at) });
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

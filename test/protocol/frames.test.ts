import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frameBytes, frameText, headerBytes, OPCODE, writeHeader } from "../../src/transport/frame.ts";

/** Reads a server's frame as RFC 6455 section 5.2 says. */
function parse(frame: Buffer): { first: number; payload: Buffer } {
  const short = frame[1]!;
  const at = short === 126 ? 4 : short === 127 ? 10 : 2;
  const length = short === 126 ? frame.readUInt16BE(2) : short === 127 ? Number(frame.readBigUInt64BE(2)) : short;
  expect(frame.length).toBe(at + length);
  return { first: frame[0]!, payload: frame.subarray(at) };
}

describe("frames on the way out", () => {
  it("CON-2: every length has the shortest header there is, never masked", () => {
    for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 1_000_000]) {
      const frame = frameBytes(Buffer.alloc(length, 7), OPCODE.binary);
      const { first, payload } = parse(frame);
      expect([first, payload.length]).toEqual([0x82, length]);
      expect(frame.length - length).toBe(length < 126 ? 2 : length < 65_536 ? 4 : 10);
      expect(headerBytes(length)).toBe(frame.length - length);
    }
  });

  it("CON-2: lengths beyond 32 bits are written whole", () => {
    for (const length of [2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER]) {
      const header = Buffer.alloc(10);
      expect(writeHeader(header, OPCODE.text, length)).toBe(10);
      expect(Number(header.readBigUInt64BE(2))).toBe(length);
    }
  });

  it("CON-2: any text comes back as it was", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 500 }), fc.integer({ min: 1, max: 300 }), (part, times) => {
        const text = part.repeat(times);
        const { first, payload } = parse(frameText(text));
        expect(first).toBe(0x81);
        expect(payload.toString("utf8")).toBe(text);
      }),
    );
  });
});

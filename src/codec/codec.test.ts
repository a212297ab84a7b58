import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveLimits, YamabikoError } from "../protocol/index.ts";
import { checkJsonValue } from "./check.ts";
import type { Codec, EncodableEvent } from "./codec.ts";
import { eventEnvelope, isoTime, JsonPayload, jsonCodec } from "./json.ts";
import { msgpackCodec } from "./msgpack.ts";
import { scanMessagePack } from "./msgpack-scan.ts";

const bounds = resolveLimits();
const codecs: [string, Codec][] = [
  ["JSON", jsonCodec],
  ["MessagePack", msgpackCodec],
];

/** JSON values as they come out of JSON.parse, without what ENV-5 forbids. */
const json = fc
  .jsonValue({ maxDepth: 6, stringUnit: "binary" })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
  .filter((value) => !/__proto__|\\ud[89a-f]/i.test(JSON.stringify(value)));
const event: fc.Arbitrary<EncodableEvent> = fc.record({
  roomId: fc.constantFrom("chat:room", "chat:チャット", "feed:a/b:c"),
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  type: fc.stringMatching(/^[A-Za-z0-9_.:-]{1,64}$/),
  messageId: fc.option(fc.string({ minLength: 1, maxLength: 128, unit: "binary" })),
  timestamp: fc.date({ min: new Date(0), max: new Date("2999-01-01"), noInvalidDate: true }).map(Number),
  data: json.map((value) => JSON.stringify(value)),
});
const refusal = (decode: () => unknown): string => {
  try {
    decode();
    return "accepted";
  } catch (error) {
    if (!(error instanceof YamabikoError)) throw error;
    return error.code;
  }
};

describe.each(codecs)("the codec for %s", (_name, codec) => {
  it("ENV-5: gives back every JSON value as it was", () => {
    fc.assert(
      fc.property(json, (payload) => {
        const envelope = { type: "any", payload, messageId: "m", roomId: "chat:room", seq: 1 };
        expect(codec.decode(codec.encode(envelope), bounds)).toEqual(envelope);
      }),
    );
  });

  it("ENV-2: encodes an event as it encodes the same envelope", () => {
    fc.assert(
      fc.property(event, (one) => {
        expect(Buffer.from(codec.encodeEvent(one))).toEqual(Buffer.from(codec.encode(eventEnvelope(one))));
      }),
    );
  });

  it("ENV-2: encodes a payload that is JSON text already as it encodes its value", () => {
    fc.assert(
      fc.property(json, fc.boolean(), (payload, isBare) => {
        const others = isBare ? {} : { timestamp: "now", messageId: "m", roomId: "chat:a", seq: 5 };
        const whole = codec.encode({ type: 'a"b', payload, ...others });
        expect(codec.encode({ type: 'a"b', payload: new JsonPayload(JSON.stringify(payload)), ...others })).toEqual(
          whole,
        );
      }),
    );
  });

  it("ERR-2: decodes any bytes to a JSON value or refuses them with invalid_message", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const outcome = refusal(() => checkJsonValue(codec.decode(bytes, bounds), bounds));
        expect(["accepted", "invalid_message"]).toContain(outcome);
      }),
      { numRuns: 2_000 },
    );
  });

  it("ENV-5: bounds hold to the element and to the level", () => {
    const few = { depth: 3, elements: 6 };
    const bytes = (value: unknown) => codec.encode(value as never);
    expect(refusal(() => codec.decode(bytes([[[1, 2]]]), few))).toBe("accepted");
    expect(refusal(() => codec.decode(bytes([[[[]]]]), few))).toBe("invalid_message");
    expect(refusal(() => codec.decode(bytes([1, 2, 3, 4, 5]), few))).toBe("accepted");
    expect(refusal(() => codec.decode(bytes([1, 2, 3, 4, 5, 6]), few))).toBe("invalid_message");
    expect(refusal(() => codec.decode(bytes({ a: 1, b: { c: 2 } }), few))).toBe("accepted");
  });
});

describe("scanning MessagePack", () => {
  it("ENV-5: passes everything the encoder makes of a JSON value, and the decoder then gives it back", () => {
    fc.assert(
      fc.property(json, (value) => {
        const bytes = encode(value);
        scanMessagePack(bytes, bounds);
        expect(msgpackCodec.decode(bytes, bounds)).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it("ENV-5: refuses every cut of a message, and every message with more behind it", () => {
    fc.assert(
      fc.property(json, fc.nat(), (value, cut) => {
        const bytes = encode(value);
        expect(refusal(() => scanMessagePack(bytes.subarray(0, cut % bytes.length), bounds))).toBe("invalid_message");
        expect(refusal(() => scanMessagePack(Buffer.concat([bytes, Buffer.from([0xc0])]), bounds))).toBe(
          "invalid_message",
        );
      }),
    );
  });

  it("ENV-5: a scan that passes is followed by a decoding that passes, with a value JSON has", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (bytes) => {
        if (refusal(() => scanMessagePack(bytes, bounds)) !== "accepted") return;
        const value = msgpackCodec.decode(bytes, bounds);
        checkJsonValue(value, bounds);
      }),
      { numRuns: 5_000 },
    );
  });

  it("[case 22] ENV-5: a bomb of claimed lengths is refused before anything is made of it", () => {
    for (const head of [0xdd, 0xdf, 0xdb, 0xdc, 0xde]) {
      const bomb = Buffer.alloc(100_000, Buffer.from([head, 0x00, 0x00, 0x27, 0x10]));
      const started = performance.now();
      expect(refusal(() => msgpackCodec.decode(bomb, bounds))).toBe("invalid_message");
      expect(performance.now() - started).toBeLessThan(200);
    }
  });
});

describe("checking JSON values", () => {
  it("ENV-5: what is no JSON value is refused, wherever it stands", () => {
    const values = [Number.NaN, Number.POSITIVE_INFINITY, undefined, 1n, Symbol("x"), () => 1, "\ud800", "a\udc00"];
    for (const value of values) {
      for (const whole of [value, [value], { a: [{ b: value }] }]) {
        expect(refusal(() => checkJsonValue(whole, bounds))).toBe("invalid_message");
      }
    }
    const polluted = JSON.parse('{"a":{"__proto__":1}}') as unknown;
    expect(refusal(() => checkJsonValue(polluted, bounds))).toBe("invalid_message");
  });

  it("ENV-2: times are ISO 8601 in UTC with milliseconds, also when they alternate", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4e12 }), { maxLength: 20 }), (times) => {
        for (const time of times) expect(isoTime(time)).toBe(new Date(time).toISOString());
      }),
    );
  });
});

import { constants, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as ws from "ws";
import { type FrameBounds, type FrameFault, FrameReader } from "./frame-reader.ts";

const BOUNDS: FrameBounds = { messageBytes: 1_000, deflated: false };
const DEFLATED: FrameBounds = { messageBytes: 1_000, deflated: true };
const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;
const FIN = 0x80;
const RSV1 = 0x40;

/** What a reader said, in order. */
type Said = ["text" | "binary" | "ping", string] | ["closed", number | null] | ["broke", FrameFault];

/** What our reader makes of chunks. */
function ours(chunks: readonly Buffer[], bounds = BOUNDS): Said[] {
  const said: Said[] = [];
  const reader = new FrameReader(
    {
      received: (bytes, isBinary) => void said.push([isBinary ? "binary" : "text", bytes.toString("latin1")]),
      ponged: () => {},
      pinged: (payload) => void said.push(["ping", payload.toString("latin1")]),
      closed: (code) => void said.push(["closed", code]),
      broke: (fault) => void said.push(["broke", fault]),
    },
    bounds,
  );
  for (const chunk of chunks) reader.read(Buffer.from(chunk));
  return said;
}

interface Frame {
  readonly first: number;
  readonly payload: Buffer;
  readonly mask?: number | null;
  /** Bits of the header that are no honest length. */
  readonly length?: { readonly short: number; readonly long?: bigint };
}

function frame({ first, payload, mask = 0x37fa213d, length }: Frame): Buffer {
  const honest = payload.length < 126 ? payload.length : payload.length < 65_536 ? 126 : 127;
  const short = length?.short ?? honest;
  const header = Buffer.alloc(2 + (short === 126 ? 2 : short === 127 ? 8 : 0));
  header[0] = first;
  header[1] = short | (mask === null ? 0 : 0x80);
  if (short === 126) header.writeUInt16BE(Number((length?.long ?? BigInt(payload.length)) & 0xffffn), 2);
  if (short === 127) header.writeBigUInt64BE(length?.long ?? BigInt(payload.length), 2);
  if (mask === null) return Buffer.concat([header, payload]);
  const key = Buffer.alloc(4);
  key.writeUInt32BE(mask >>> 0);
  return Buffer.concat([header, key, payload.map((byte, index) => byte ^ key[index & 3]!)]);
}

const text = (value: string, first = FIN | TEXT): Buffer => frame({ first, payload: Buffer.from(value) });
const deflate = (value: string | Buffer): Buffer => {
  const whole = deflateRawSync(value, { finishFlush: constants.Z_SYNC_FLUSH });
  return whole.subarray(0, whole.length - 4);
};
const closing = (code: number, reason: string | Buffer = ""): Buffer =>
  frame({ first: FIN | CLOSE, payload: Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]) });

describe("FrameReader", () => {
  it("CON-2: reads messages of every length, wherever the chunks end", () => {
    const bounds = { messageBytes: 70_000, deflated: false };
    for (const length of [0, 1, 2, 3, 4, 5, 125, 126, 127, 65_535, 65_536, 70_000]) {
      const message = "aé"[length % 2]!.repeat(Math.ceil(length / 2)).slice(0, length);
      const payload = Buffer.from(message).subarray(0, length);
      const whole = frame({ first: FIN | BINARY, payload });
      const both = Buffer.concat([whole, text("next")]);
      const expected: Said[] = [
        ["binary", payload.toString("latin1")],
        ["text", "next"],
      ];
      for (const cut of [1, 2, 3, 5, 7, whole.length - 1, whole.length, whole.length + 1]) {
        expect(ours([both.subarray(0, cut), both.subarray(cut)], bounds)).toEqual(expected);
      }
      if (length < 200)
        expect(
          ours(
            Array.from(both, (byte) => Buffer.from([byte])),
            bounds,
          ),
        ).toEqual(expected);
    }
  });

  it("CON-2: joins fragments, and lets control frames between them", () => {
    const chunks = [
      text("a", TEXT),
      frame({ first: FIN | PING, payload: Buffer.from("p") }),
      text("", 0),
      frame({ first: FIN | PONG, payload: Buffer.from("nobody asked") }),
      text("b", FIN),
      text("c"),
    ];
    const expected: Said[] = [
      ["ping", "p"],
      ["text", "ab"],
      ["text", "c"],
    ];
    expect(ours(chunks)).toEqual(expected);
    expect(ours([Buffer.concat(chunks)])).toEqual(expected);
  });

  it("CON-2: a character may be cut by a frame, and not by the end of a message", () => {
    const [head, tail] = [Buffer.from("é").subarray(0, 1), Buffer.from("é").subarray(1)];
    expect(ours([frame({ first: TEXT, payload: head }), frame({ first: FIN, payload: tail })])).toEqual([
      [
        "text",
        "é"
          .split("")
          .map(() => Buffer.from("é").toString("latin1"))
          .join(""),
      ],
    ]);
    expect(ours([frame({ first: FIN | TEXT, payload: head })])).toEqual([["broke", "invalid_payload"]]);
  });

  it.each<[string, Buffer, FrameFault]>([
    ["no mask", frame({ first: FIN | TEXT, payload: Buffer.from("a"), mask: null }), "protocol_error"],
    ["a reserved bit", frame({ first: FIN | TEXT | 0x20, payload: Buffer.alloc(0) }), "protocol_error"],
    ["another reserved bit", frame({ first: FIN | TEXT | 0x10, payload: Buffer.alloc(0) }), "protocol_error"],
    ["compression nobody agreed on", frame({ first: FIN | TEXT | RSV1, payload: Buffer.alloc(0) }), "protocol_error"],
    ["an opcode nobody knows", frame({ first: FIN | 0x3, payload: Buffer.alloc(0) }), "protocol_error"],
    ["a control opcode nobody knows", frame({ first: FIN | 0xb, payload: Buffer.alloc(0) }), "protocol_error"],
    ["a continuation of nothing", text("a", FIN), "protocol_error"],
    ["a message within a message", Buffer.concat([text("a", TEXT), text("b")]), "protocol_error"],
    ["a ping in pieces", frame({ first: PING, payload: Buffer.alloc(0) }), "protocol_error"],
    ["a long ping", frame({ first: FIN | PING, payload: Buffer.alloc(126) }), "protocol_error"],
    ["a close of one byte", frame({ first: FIN | CLOSE, payload: Buffer.from([3]) }), "protocol_error"],
    ["a close code nobody may send", closing(1006), "protocol_error"],
    ["a close code out of range", closing(5000), "protocol_error"],
    ["a close reason that is no text", closing(1000, Buffer.from([0xff])), "invalid_payload"],
    ["text that is none", frame({ first: FIN | TEXT, payload: Buffer.from([0xc0, 0x80]) }), "invalid_payload"],
    [
      "half a surrogate pair",
      frame({ first: FIN | TEXT, payload: Buffer.from([0xed, 0xa0, 0x80]) }),
      "invalid_payload",
    ],
    ["a large message", frame({ first: FIN | TEXT, payload: Buffer.alloc(1_001, 97) }), "too_big"],
    [
      "a large message, announced",
      frame({ first: FIN | TEXT, payload: Buffer.alloc(0), length: { short: 127, long: 2n ** 63n } }),
      "too_big",
    ],
    [
      "a large message in small pieces",
      Buffer.concat([text("a".repeat(600), TEXT), frame({ first: 0, payload: Buffer.alloc(401, 97) })]),
      "too_big",
    ],
  ])("CON-2: ends at %s, and reads nothing after it", (_name, bytes, fault) => {
    expect(ours([bytes, text("after")])).toEqual([["broke", fault]]);
    expect(ours(Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual([["broke", fault]]);
  });

  it("CON-2: knows what a large message is before it has come", () => {
    const whole = frame({ first: FIN | TEXT, payload: Buffer.alloc(5_000, 97) });
    expect(ours([whole.subarray(0, 4)])).toEqual([["broke", "too_big"]]);
  });

  it("CON-2: a close frame is the last that is read", () => {
    expect(ours([Buffer.concat([text("a"), closing(1001, "bye"), text("b")]), text("c")])).toEqual([
      ["text", "a"],
      ["closed", 1001],
    ]);
    expect(ours([frame({ first: FIN | CLOSE, payload: Buffer.alloc(0) })])).toEqual([["closed", null]]);
  });

  it("CON-6: inflates what comes compressed, in one frame or in several, up to the limit of what comes out", () => {
    const message = "the same again ".repeat(60);
    const small = deflate(message);
    expect(ours([frame({ first: FIN | TEXT | RSV1, payload: small })], DEFLATED)).toEqual([["text", message]]);
    const pieces = [
      frame({ first: TEXT | RSV1, payload: small.subarray(0, 5) }),
      frame({ first: 0, payload: Buffer.alloc(0) }),
      frame({ first: FIN, payload: small.subarray(5) }),
      text("plain"),
    ];
    expect(ours(pieces, DEFLATED)).toEqual([
      ["text", message],
      ["text", "plain"],
    ]);
    const bomb = frame({ first: FIN | TEXT | RSV1, payload: deflate("a".repeat(1_001)) });
    expect(ours([bomb], DEFLATED)).toEqual([["broke", "too_big"]]);
    const noise = frame({ first: FIN | TEXT | RSV1, payload: Buffer.from("ffffffff", "hex") });
    expect(ours([noise], DEFLATED)).toEqual([["broke", "invalid_payload"]]);
    const notText = frame({ first: FIN | TEXT | RSV1, payload: deflate(Buffer.from([0xff])) });
    expect(ours([notText], DEFLATED)).toEqual([["broke", "invalid_payload"]]);
    const inside = [text("a", TEXT), frame({ first: FIN | RSV1, payload: small })];
    expect(ours(inside, DEFLATED)).toEqual([["broke", "protocol_error"]]);
  });

  it("CON-2: what is half read takes memory by what has come, whatever it came in", () => {
    const bounds = { messageBytes: 1_000_000, deflated: false };
    const nothing = { received() {}, pinged() {}, ponged() {}, closed() {}, broke() {} };
    const announced = frame({ first: FIN | TEXT, payload: Buffer.alloc(1_000_000, 97) }).subarray(0, 20);
    const crumb = frame({ first: 0, payload: Buffer.from("a") });
    const readers = Array.from({ length: 300 }, () => new FrameReader(nothing, bounds));
    const before = process.memoryUsage();
    for (const reader of readers.slice(0, 200)) reader.read(Buffer.from(announced));
    for (const reader of readers.slice(200)) {
      reader.read(text("a", TEXT));
      for (let index = 0; index < 1_000; index++) reader.read(Buffer.from(crumb));
    }
    const after = process.memoryUsage();
    // 200 times a million announced, and 100,000 crumbs of a fragment each.
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(40_000_000);
    for (const reader of readers) reader.stop();
  });
});

/** What `ws` makes of chunks. */
async function theirs(chunks: readonly Buffer[], { messageBytes, deflated }: FrameBounds): Promise<Said[]> {
  const said: Said[] = [];
  const extensions: Record<string, unknown> = {};
  if (deflated) {
    const negotiated = new PerMessageDeflate({
      isServer: true,
      clientNoContextTakeover: true,
      maxPayload: messageBytes,
    });
    negotiated.accept([{}]);
    extensions["permessage-deflate"] = negotiated;
  }
  const receiver = new Receiver({ isServer: true, maxPayload: messageBytes, extensions });
  receiver.on("message", (data: Buffer, isBinary: boolean) =>
    said.push([isBinary ? "binary" : "text", data.toString("latin1")]),
  );
  receiver.on("ping", (data: Buffer) => said.push(["ping", data.toString("latin1")]));
  receiver.on("conclude", (code: number) => said.push(["closed", code === 1005 ? null : code]));
  await new Promise<void>((resolve) => {
    receiver.on("error", (error: Error) => {
      const symbol = Object.getOwnPropertySymbols(error).find(({ description }) => description === "status-code");
      const code = (error as unknown as Record<symbol, number>)[symbol!];
      said.push(["broke", code === 1009 ? "too_big" : code === 1007 ? "invalid_payload" : "protocol_error"]);
      resolve();
    });
    receiver.on("finish", resolve);
    for (const chunk of chunks) if (!receiver.writableEnded) receiver.write(Buffer.from(chunk));
    if (!receiver.writableEnded) receiver.end();
  });
  return said;
}

/** Parts of `ws` that its published types leave out. */
const { Receiver, PerMessageDeflate } = ws as unknown as {
  Receiver: new (options: object) => NodeJS.WritableStream & { readonly writableEnded: boolean };
  PerMessageDeflate: new (options: object) => { accept(offers: object[]): void };
};

describe("FrameReader beside ws", () => {
  const first = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(FIN | TEXT, FIN | BINARY, TEXT, BINARY, 0, FIN, FIN | PING, FIN | PONG) },
    { weight: 2, arbitrary: fc.constantFrom(FIN | TEXT | RSV1, TEXT | RSV1, FIN | BINARY | RSV1, FIN | CLOSE) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
  );
  const payload = fc.oneof(
    { weight: 6, arbitrary: fc.string({ unit: "binary", maxLength: 60 }).map((value) => Buffer.from(value)) },
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value)) },
    { weight: 2, arbitrary: fc.string({ maxLength: 80 }).map(deflate) },
    { weight: 1, arbitrary: fc.string({ maxLength: 80 }).map((value) => deflateRawSync(value)) },
    { weight: 1, arbitrary: fc.integer({ min: 100, max: 1_500 }).map((length) => Buffer.alloc(length, 97)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(999, 1000, 1001, 1004, 1005, 1014, 1015, 3000, 4999, 5000), fc.string({ maxLength: 9 }))
        .map(([code, reason]) => Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)])),
    },
  );
  const length = fc.option(
    fc.record({ short: fc.constantFrom(125, 126, 127), long: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
    { freq: 30, nil: undefined },
  );
  const mask = fc.oneof({ weight: 30, arbitrary: fc.integer() }, { weight: 1, arbitrary: fc.constant(null) });
  const frames = fc.array(
    fc.record({ first, payload, mask, length }).map((parts) => frame(parts as Frame)),
    { minLength: 1, maxLength: 12 },
  );
  const cuts = fc.array(fc.nat(400), { maxLength: 8 });

  it.each([
    ["without compression", BOUNDS],
    ["with compression", DEFLATED],
  ])("CON-2: any bytes, cut anywhere, come to the same %s", { timeout: 60_000 }, async (_name, bounds) => {
    await fc.assert(
      fc.asyncProperty(
        frames,
        cuts,
        fc.option(fc.tuple(fc.nat(), fc.nat(255)), { freq: 3 }),
        async (list, at, flip) => {
          const bytes = Buffer.concat(list);
          if (flip !== null && bytes.length > 0) bytes[flip[0] % bytes.length] = flip[1];
          const places = at.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
          const chunks = [...places, bytes.length].map((end, index) => bytes.subarray(places[index - 1] ?? 0, end));
          const expected = await theirs(chunks, bounds);
          const end = expected.at(-1);
          const got = ours(chunks, bounds);
          if (bounds.deflated && end?.[0] === "broke" && end[1] !== "protocol_error") {
            // It inflates each frame by itself and knows sooner that the message is none; what came until then is the same, and of the message nothing comes.
            expect(got.slice(0, expected.length - 1)).toEqual(expected.slice(0, -1));
            expect(got.slice(expected.length - 1).filter(([what]) => what === "text" || what === "binary")).toEqual([]);
          } else expect(got).toEqual(expected);
        },
      ),
      { numRuns: Number(process.env.TEST_FUZZ_RUNS ?? "1") * 3_000 },
    );
  });
});

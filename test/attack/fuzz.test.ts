import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLOSE_CODES, ERRORS, type Json, SUBPROTOCOLS } from "../../src/protocol/index.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { startServer, until } from "../harness.ts";
import { OPCODE, RawSocket, textFrame } from "./raw-socket.ts";
import { Witness } from "./witness.ts";

const RUNS = Number(process.env.TEST_FUZZ_RUNS ?? "1");
const CODES = new Set(Object.keys(ERRORS));
const CLOSES = new Set<number>(Object.values(CLOSE_CODES).map(({ code }) => code));
/** Every type the server knows, so that each meets every wrong payload. */
const TYPES = [
  ...["authenticate", "join_room", "leave_room", "ping", "pong", "ack", "error", "welcome", "batch"],
  ...["send_message", "edit_message", "delete_message", "add_reaction", "remove_reaction", "typing", "typing_start"],
  ...["typing_end", "read_messages", "load_history", "list_rooms", "joined_room", "room_state", "server_closing"],
];
const KEYS = ["roomId", "after", "limit", "content", "replyTo", "mentions", "seq", "emoji", "upTo", "before", "token"];
const ODD_KEYS = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "then", "length", ""];

const odd = fc.constantFrom<unknown>(
  ...[null, true, false, 0, -1, 1.5, 1e308, -0, 2 ** 53, "", " ", "room", "chat:fuzz", "__proto__", "\u0000", "\u202e"],
  ...[
    "😀",
    "x".repeat(5_000),
    [],
    {},
    [[]],
    [null],
    { seq: {} },
    ["room"],
    { roomId: "fuzz" },
    Number.MAX_SAFE_INTEGER,
  ],
);
const structure = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { depthSize: "small" },
    odd,
    fc.string({ unit: "binary" }),
    fc.double(),
    fc.array(tie("node"), { maxLength: 5 }),
    fc
      .array(fc.tuple(fc.constantFrom(...KEYS, ...ODD_KEYS), tie("node")), { maxLength: 5 })
      .map((entries) => Object.fromEntries(entries)),
  ),
})).node;
const payload = fc.oneof(
  structure,
  fc.record({ roomId: fc.constantFrom<unknown>("fuzz", "lobby", null, 5), value: structure }),
);
const envelope = fc.record(
  {
    type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom<unknown>(...TYPES) }, { weight: 1, arbitrary: odd }),
    payload,
    messageId: fc.oneof(fc.string({ maxLength: 140 }), odd),
    roomId: odd,
  },
  { requiredKeys: ["type"] },
);
/** JSON text of anything, also of what JSON.stringify would not write. */
const text = (value: unknown): string => JSON.stringify(value) ?? "null";

describe("fuzz: nothing a client sends ends the process or another connection", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  let witness: Witness;
  const faults: unknown[] = [];
  const onFault = (error: unknown): void => void faults.push(error);
  beforeAll(async () => {
    process.on("unhandledRejection", onFault);
    process.on("uncaughtException", onFault);
    const any = defineNamespace({
      name: "any",
      messages: { "*": { handle: (context, value) => context.event("any", value as { [key: string]: Json }) } },
    });
    server = await startServer({
      namespaces: [any],
      retention: { maxEvents: 200 },
      limits: { authenticateMs: 60_000 },
    });
    witness = await Witness.start(server);
  });
  afterAll(async () => {
    await witness.stop();
    await server.close();
    process.off("unhandledRejection", onFault);
    process.off("uncaughtException", onFault);
  });

  /** What every run must leave behind: a living server, an untouched witness, no fault, nothing held. */
  const unharmed = async () => {
    await witness.check();
    expect(faults).toEqual([]);
    expect(await server.metrics()).not.toMatch(/failures_total\{.*\} [1-9]/);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    await until(() => server.connections === 1);
  };

  /** Sends bytes, then waits until they were answered: by a pong that was asked for last, or by the end. */
  const outcome = async (socket: RawSocket, chunks: Iterable<Buffer>, isBinary = false) => {
    for (const chunk of chunks) socket.write(chunk);
    const last = { type: "ping", payload: "the last", messageId: "the last" };
    socket.write(isBinary ? RawSocket.frame(OPCODE.binary, Buffer.from(encode(last))) : textFrame(text(last)));
    await until(() => socket.isEnded || socket.closeCode !== null || socket.has("the last"));
    if (!isBinary) {
      for (const answer of socket.texts()) {
        const error = answer.type === "error" ? answer.payload : (answer.payload as { error?: unknown } | null)?.error;
        if (answer.type !== "error" && answer.type !== "ack") continue;
        if (error === undefined) continue;
        expect(CODES.has((error as { code: string }).code)).toBe(true);
        expect((error as { code: string }).code).not.toBe("internal");
      }
    }
    if (socket.closeCode !== null) expect(CLOSES.has(socket.closeCode)).toBe(true);
    const end = { closeCode: socket.closeCode, answers: socket.frames.length };
    socket.destroy();
    return end;
  };

  const open = (protocol = "") => RawSocket.open(server.url, { protocol });

  it("[case 19] [article 1] ERR-2: random text and mutated JSON get typed errors", { timeout: 60_000 }, async () => {
    const mutated = fc
      .tuple(envelope, fc.nat(), fc.constantFrom("", "}", '"', "[", "\\u", "1e999", ",", "\u0000", "{"), fc.nat(8))
      .map(([value, at, insert, remove]) => {
        const whole = text(value);
        const index = at % (whole.length + 1);
        return whole.slice(0, index) + insert + whole.slice(index + remove);
      });
    const message = fc.oneof(
      fc.string({ unit: "binary", maxLength: 200 }),
      mutated,
      envelope.map(text),
      structure.map(text),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 30 }), async (messages) => {
        const socket = await open();
        const { closeCode, answers } = await outcome(socket, messages.map(textFrame));
        // Only `authenticate` with a bad token ends a connection that speaks proper frames.
        expect([null, CLOSE_CODES.unauthenticated.code, CLOSE_CODES.forbidden.code]).toContain(closeCode);
        expect(answers).toBeGreaterThan(0);
      }),
      { numRuns: 60 * RUNS },
    );
    await unharmed();
  });

  it("[case 23] ERR-2: random and mutated MessagePack gets typed errors", { timeout: 60_000 }, async () => {
    const good = envelope.map((value) => Buffer.from(encode(JSON.parse(text(value)), { maxDepth: 200 })));
    const mutated = fc.tuple(good, fc.nat(), fc.nat(255), fc.nat(6)).map(([bytes, at, byte, remove]) => {
      const index = at % (bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, index), Buffer.from([byte]), bytes.subarray(index + remove)]);
    });
    const bomb = fc
      .tuple(fc.constantFrom(0xdd, 0xdf, 0xdb), fc.integer({ min: 1, max: 2_000 }))
      .map(([head, count]) =>
        Buffer.concat(Array.from({ length: count }, () => Buffer.from([head, 0, 0, 0x27, 0x10]))),
      );
    const random = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    const message = fc.oneof(good, mutated, random, bomb);
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 30 }), async (messages) => {
        const socket = await open(SUBPROTOCOLS.msgpack);
        const frames = messages.map((bytes) => RawSocket.frame(OPCODE.binary, bytes));
        const { closeCode } = await outcome(socket, frames, true);
        expect([null, CLOSE_CODES.unauthenticated.code, CLOSE_CODES.forbidden.code]).toContain(closeCode);
      }),
      { numRuns: 60 * RUNS },
    );
    await unharmed();
  });

  it("[case 19] ERR-2: every known type with every wrong payload, before and after joining", {
    timeout: 60_000,
  }, async () => {
    const values = [
      null,
      true,
      5,
      -1,
      "",
      "room",
      "fuzz",
      "a b",
      [],
      [1],
      {},
      { roomId: null },
      { roomId: 5 },
      { roomId: {} },
    ];
    const inRoom = KEYS.flatMap((key) =>
      [null, true, -1, 1.5, 0, 1, 2 ** 53, "", "x", "😀", [], {}, [{}], { toString: 1 }, "x".repeat(9_000)].map(
        (value) => ({
          roomId: "fuzz",
          [key]: value,
        }),
      ),
    );
    for (const isJoined of [false, true]) {
      for (const type of TYPES) {
        const socket = await open();
        const hello = isJoined ? [textFrame(text({ type: "join_room", payload: "fuzz" }))] : [];
        const messages = [...values, ...inRoom].map((value, index) =>
          textFrame(text({ type, payload: value, ...(index % 2 === 0 ? { messageId: `m${index}` } : {}) })),
        );
        const { closeCode } = await outcome(socket, [...hello, ...messages]);
        if (type !== "authenticate") expect([type, closeCode]).toEqual([type, null]);
      }
    }
    await unharmed();
  });

  it("[case 20] ERR-2: deep nesting, wide values and odd keys get invalid_message, in no time", {
    timeout: 60_000,
  }, async () => {
    const deep = [
      ...["[", '{"a":', '[{"a":', '{"type":', '{"__proto__":'].map((part) =>
        part.repeat(Math.floor(65_000 / part.length)),
      ),
      `${"[".repeat(30_000)}${"]".repeat(30_000)}`,
      `[${"1,".repeat(30_000)}1]`,
      `{${Array.from({ length: 6_000 }, (_, index) => `"${index}":0`).join(",")},"x":{}}`,
      `"${"\\ud800".repeat(10_000)}"`,
      `{"type":"join_room","payload":{"roomId":"${"\\u0061".repeat(9_000)}"}}`,
    ];
    const socket = await open();
    const started = performance.now();
    await outcome(socket, deep.map(textFrame));
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(socket.texts().filter(({ type }) => type === "error").length).toBe(deep.length);
    await unharmed();
  });

  it("[case 25] [article 1] CON-5: malformed frames close with the right code, split wherever they may be", {
    timeout: 60_000,
  }, async () => {
    const { frame } = RawSocket;
    const body = Buffer.from(text({ type: "ping", payload: {} }));
    const cases: [name: string, bytes: Buffer, code: number][] = [
      ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Buffer, number] => [
        `opcode ${opcode}`,
        frame(opcode, body),
        1002,
      ]),
      ...[1, 2, 3, 4, 5, 6, 7].map((rsv): [string, Buffer, number] => [
        `rsv ${rsv}`,
        frame(OPCODE.text, body, { rsv }),
        1002,
      ]),
      ["unmasked", frame(OPCODE.text, body, { masked: false }), 1002],
      ["unmasked ping", frame(OPCODE.ping, Buffer.alloc(0), { masked: false }), 1002],
      ["a long ping", frame(OPCODE.ping, Buffer.alloc(126)), 1002],
      ["a fragmented ping", frame(OPCODE.ping, Buffer.alloc(5), { fin: false }), 1002],
      ["a fragmented close", frame(OPCODE.close, Buffer.from([3, 232]), { fin: false }), 1002],
      ["a close of one byte", frame(OPCODE.close, Buffer.from([3])), 1002],
      ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2_000, 5_000, 65_535].map((code): [string, Buffer, number] => [
        `close code ${code}`,
        frame(OPCODE.close, Buffer.from([code >> 8, code & 255])),
        1002,
      ]),
      ["a close reason that is no UTF-8", frame(OPCODE.close, Buffer.from([3, 232, 0xff])), 1007],
      ["a continuation of nothing", frame(OPCODE.continuation, body), 1002],
      ["text within text", Buffer.concat([frame(OPCODE.text, body, { fin: false }), frame(OPCODE.text, body)]), 1002],
      ["invalid UTF-8", frame(OPCODE.text, Buffer.from([0x22, 0xff, 0x22])), 1007],
      [
        "invalid UTF-8 over two frames",
        Buffer.concat([
          frame(OPCODE.text, Buffer.from([0x22, 0xe2]), { fin: false }),
          frame(OPCODE.continuation, Buffer.from([0x22])),
        ]),
        1007,
      ],
      ["half a character at the end", frame(OPCODE.text, Buffer.from([0x22, 0xe2, 0x82])), 1007],
      ["a huge length", frame(OPCODE.text, body, { claimed: 2n ** 62n, lengthBytes: 8 }), 1009],
      ["a length with its highest bit set", frame(OPCODE.text, body, { claimed: 2n ** 63n, lengthBytes: 8 }), 1009],
      ["a length over the limit", frame(OPCODE.text, body, { claimed: 65_537n, lengthBytes: 8 }), 1009],
      [
        "fragments over the limit",
        Buffer.concat([
          frame(OPCODE.text, Buffer.alloc(40_000, 0x20), { fin: false }),
          frame(OPCODE.continuation, Buffer.alloc(40_000, 0x20)),
        ]),
        1009,
      ],
      ["binary to a JSON connection", frame(OPCODE.binary, body), 1003],
    ];
    const before = textFrame(text({ type: "ping", payload: "before" }));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...cases),
        fc.array(fc.nat(), { maxLength: 4 }),
        async ([name, bytes, code], cuts) => {
          const socket = await open();
          const whole = Buffer.concat([before, bytes]);
          const places = [...new Set(cuts.map((cut) => cut % whole.length)), 0, whole.length].sort(
            (one, other) => one - other,
          );
          for (let index = 1; index < places.length; index++) {
            socket.write(whole.subarray(places[index - 1], places[index]));
            await new Promise((resolve) => setImmediate(resolve));
          }
          await until(() => socket.closeCode !== null);
          expect([name, socket.closeCode]).toEqual([name, code]);
          expect(socket.texts().some(({ type }) => type === "pong")).toBe(true);
          socket.destroy();
        },
      ),
      { numRuns: 120 * RUNS, examples: cases.map((entry): [(typeof cases)[number], number[]] => [entry, []]) },
    );
    await unharmed();
  });

  it("ERR-2: random bytes after the handshake, and ends at any byte, free everything", {
    timeout: 60_000,
  }, async () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .record({ opcode: fc.nat(15), rsv: fc.constantFrom(0, 0, 0, 1, 4), fin: fc.boolean(), masked: fc.boolean() })
        .map(({ opcode, ...options }) => RawSocket.frame(opcode, Buffer.from("{}"), options)),
      envelope.map((value) => textFrame(text(value))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 8 }), fc.nat(), fc.boolean(), async (chunks, cut, isPolite) => {
        const socket = await open();
        const bytes = Buffer.concat(chunks);
        socket.write(bytes.subarray(0, cut % (bytes.length + 1)));
        if (isPolite) {
          socket.end();
          await until(() => socket.isEnded);
        } else await new Promise((resolve) => setImmediate(resolve));
        if (socket.closeCode !== null) expect([...CLOSES, 1005]).toContain(socket.closeCode);
        socket.destroy();
      }),
      { numRuns: 150 * RUNS },
    );
    await unharmed();
  });

  it("ERR-2: memory stays bounded under a flood of what is refused", { timeout: 60_000 }, async () => {
    const flood = async () => {
      const socket = await open();
      const bad = textFrame(`{"type":"no_such","payload":{"roomId":"fuzz","x":"${"x".repeat(2_000)}"}}`);
      for (let index = 0; index < 500 * RUNS; index++) {
        socket.write(index % 3 === 0 ? bad : index % 3 === 1 ? textFrame("[".repeat(2_000)) : textFrame("null"));
        if (index % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await outcome(socket, []);
    };
    await flood();
    const before = process.memoryUsage();
    for (let round = 0; round < 5; round++) await flood();
    const after = process.memoryUsage();
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(100 * 1024 * 1024);
    await unharmed();
  });
});

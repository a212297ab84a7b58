import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatCursor, parseCursor } from "./cursor.ts";
import { messageIdOf, toEnvelope } from "./envelope.ts";
import { ERRORS, type ErrorCode, toYamabikoError, YamabikoError } from "./errors.ts";
import { LIMITS, type LimitName, limitVariable, resolveLimits } from "./limits.ts";
import { MAX_ROOM_ID_BYTES, parseRoomId } from "./room-id.ts";

const codeOf = (run: () => unknown): string | null => {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof YamabikoError)) throw error;
    return error.code;
  }
};

describe("room ids", () => {
  const segment = fc.stringMatching(/^[a-zA-Z0-9é日本_~@+=,!'|-]{1,8}$/);
  const name = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join("/").normalize("NFC"));
  const namespace = fc.stringMatching(/^[a-z][a-z0-9-]{0,31}$/);

  it("ENV-4: a good one is itself; without a colon it is in chat; reading it again changes nothing", () => {
    fc.assert(
      fc.property(namespace, name, (space, rest) => {
        const full = parseRoomId(`${space}:${rest}`);
        expect(full).toEqual({ roomId: `${space}:${rest}`, namespace: space, name: rest });
        expect(parseRoomId(full.roomId)).toEqual(full);
        expect(parseRoomId(rest)).toEqual({ roomId: `chat:${rest}`, namespace: "chat", name: rest });
      }),
    );
  });

  it("[case 26] ENV-4: whatever comes, the answer is a canonical address or invalid_message", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), fc.anything()), (value) => {
        let address: ReturnType<typeof parseRoomId>;
        try {
          address = parseRoomId(value);
        } catch (error) {
          expect(error).toMatchObject({ code: "invalid_message" });
          return;
        }
        expect([value, `chat:${String(value)}`]).toContain(address.roomId);
        expect(Buffer.byteLength(address.roomId)).toBeLessThanOrEqual(MAX_ROOM_ID_BYTES);
        expect(address.name).toBe(address.name.normalize("NFC"));
        expect(address.name).not.toMatch(/[\s\p{C}*?#{}[\]\\"<>^`;$%&()]/u);
      }),
      { numRuns: 2_000 },
    );
  });

  it("ENV-4: `.` and `..` are no segments; more or fewer dots, or dots in a name, are", () => {
    for (const bad of [".", "..", "a/.", "a/..", "./a", "../a", "a/./b", "a/../b", "//..", "a/..//"]) {
      expect([bad, codeOf(() => parseRoomId(bad))]).toEqual([bad, "invalid_message"]);
    }
    for (const good of ["...", "a/...", ".a", "a.", "..a", "a..b", "a//b", "/", "a/"]) {
      expect([good, codeOf(() => parseRoomId(good))]).toEqual([good, null]);
    }
  });

  it("ENV-4: 255 bytes of UTF-8 in the full form pass, 256 do not", () => {
    for (const letter of ["a", "é", "日", "𝒶"]) {
      const bytes = Buffer.byteLength(letter);
      const room = MAX_ROOM_ID_BYTES - "feed:".length;
      const fits = `feed:${letter.repeat(Math.floor(room / bytes))}`;
      const full = fits + "a".repeat(MAX_ROOM_ID_BYTES - Buffer.byteLength(fits));
      expect(parseRoomId(full).roomId).toBe(full);
      expect(codeOf(() => parseRoomId(`${full}a`))).toBe("invalid_message");
    }
    expect(parseRoomId("a".repeat(250)).roomId).toHaveLength(255);
    expect(codeOf(() => parseRoomId("a".repeat(251)))).toBe("invalid_message");
  });

  it("ENV-4: NFC only, nothing folded, and no namespace but a-z, 0-9 and -", () => {
    expect(codeOf(() => parseRoomId("cafe\u0301"))).toBe("invalid_message");
    expect(parseRoomId("caf\u00e9").name).toBe("café");
    expect(parseRoomId("Room").roomId).not.toBe(parseRoomId("room").roomId);
    for (const bad of [
      ":a",
      "A:a",
      "1a:a",
      "-a:a",
      "a_b:a",
      `${"a".repeat(33)}:a`,
      "é:a",
      "a:",
      "",
      " ",
      "a b",
      "a\u0000",
    ]) {
      expect([bad, codeOf(() => parseRoomId(bad))]).toEqual([bad, "invalid_message"]);
    }
  });
});

describe("cursors", () => {
  it("ACK-7: what is written is read again", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/), fc.maxSafeNat(), (epoch, seq) => {
        expect(parseCursor(formatCursor(epoch, seq))).toEqual({ epoch, seq });
        expect(parseCursor(seq)).toEqual({ epoch: null, seq });
      }),
    );
  });

  it("JOIN-1: anything else is invalid_message", () => {
    const bad = [
      "",
      ":",
      "e:",
      ":1",
      "e:-1",
      "e:1.5",
      "e:01",
      "e:1e3",
      "e: 1",
      "e:1 ",
      "e:1:2",
      "é:1",
      "5",
      -1,
      0.5,
      2 ** 53,
    ];
    for (const value of [
      ...bad,
      "e:9007199254740992",
      Number.NaN,
      null,
      undefined,
      {},
      [],
      true,
      `${"e".repeat(65)}:1`,
    ]) {
      expect([value, codeOf(() => parseCursor(value))]).toEqual([value, "invalid_message"]);
    }
  });
});

describe("envelopes", () => {
  it("ENV-1: anything becomes an envelope with a good type, or is invalid_message", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.anything(), fc.record({ type: fc.anything(), payload: fc.anything(), messageId: fc.anything() })),
        (value) => {
          const code = codeOf(() => {
            const envelope = toEnvelope(value);
            expect(envelope.type).toMatch(/^[A-Za-z0-9_.:-]{1,64}$/);
            expect(messageIdOf(value)).toBe(envelope.messageId);
          });
          expect([null, "invalid_message"]).toContain(code);
        },
      ),
    );
  });

  it("ENV-1: a payload that is there stays, also null; one that is not is the rest", () => {
    expect(toEnvelope({ type: "a", payload: null, text: "x" }).payload).toBeNull();
    expect(toEnvelope({ type: "a", text: "x", roomId: "r", seq: 5, timestamp: "t" }).payload).toEqual({
      text: "x",
      roomId: "r",
    });
    expect(toEnvelope({ type: "a" }).payload).toEqual({});
  });
});

describe("errors", () => {
  it("ERR-1: every code goes over the wire and back as it was", () => {
    for (const [code, { retryable, status }] of Object.entries(ERRORS)) {
      const error = new YamabikoError(code as ErrorCode, "words", { retryAfterMs: 7, remedy: "do" });
      const wire = { code, message: "words", retryable, retryAfterMs: 7, remedy: "do" };
      expect(error.toWire()).toEqual(wire);
      expect(YamabikoError.fromWire(error.toWire()).toWire()).toEqual(wire);
      expect(status).toBeGreaterThanOrEqual(400);
    }
    for (const wire of [undefined, {}, { code: "new_code" as never }, { code: "toString" as never }]) {
      expect(YamabikoError.fromWire(wire).code).toBe("internal");
    }
  });

  it("ERR-3: what is not typed becomes internal and says nothing of itself", () => {
    for (const thrown of [new Error("secret"), "secret", null, undefined, { message: "secret" }]) {
      const typed = toYamabikoError(thrown);
      expect(JSON.stringify(typed.toWire())).not.toContain("secret");
      expect([typed.code, typed.cause]).toEqual(["internal", thrown]);
    }
    const own = new YamabikoError("conflict", "words");
    expect(toYamabikoError(own)).toBe(own);
  });
});

describe("limits", () => {
  it("LIM-1: variables are the names in upper case, all different", () => {
    const names = Object.keys(LIMITS) as LimitName[];
    expect(limitVariable("connectionsPerIp")).toBe("YAMABIKO_LIMIT_CONNECTIONS_PER_IP");
    expect(new Set(names.map(limitVariable)).size).toBe(names.length);
  });

  it("LIM-1: development switches off what is per address and per second, unless it is set", () => {
    const limits = resolveLimits({ messagesPerSecond: 3 }, true);
    expect(limits).toMatchObject({ messagesPerSecond: 3, connectionsPerIp: 0, handshakesPerSecond: 0, depth: 32 });
  });
});

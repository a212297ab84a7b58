import { encode } from "@msgpack/msgpack";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CLOSE_CODES, type Json, SUBPROTOCOLS } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { RawClient, startServer } from "../harness.ts";

const any = defineNamespace({
  name: "any",
  messages: { "*": { handle: (context, payload) => context.event(context.type, payload as { [key: string]: Json }) } },
});

describe("the envelope", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  const begin = async (options: ServerOptions = {}) => {
    server = await startServer({ namespaces: [any], ...options });
  };
  afterEach(() => server.close());

  const joined = async (roomId: string, protocols: string[] = []) => {
    const client = await RawClient.open(server, "ada", { protocols });
    await client.join(roomId);
    return client;
  };
  const refusal = async (client: RawClient) =>
    ((await client.next("error")).payload as { code: string; message: string }).code;

  describe("its members", () => {
    beforeEach(() => begin());

    it("ENV-1: an absent payload is the remaining unknown members; unknown ones are ignored beside a payload", async () => {
      const ada = await joined("any:room");
      ada.sendValue({ type: "note", roomId: "any:room", text: "hi", timestamp: "yesterday", seq: 99 });
      ada.sendValue({ type: "note", payload: { roomId: "any:room", text: "hi" }, more: "ignored", sender: "eve" });
      ada.sendValue({
        type: "note",
        payload: { roomId: "any:room" },
        timestamp: { not: "a time" },
        roomId: "any:other",
      });
      const [first, second, third] = [await ada.next("note"), await ada.next("note"), await ada.next("note")];
      expect([first.payload, second.payload, third.payload]).toEqual([{ text: "hi" }, { text: "hi" }, {}]);
      expect(first.seq).toBe(1);
      expect(Date.parse(first.timestamp!)).toBeGreaterThan(0);
    });

    it("ENV-1: what is not one object, or has a wrong type or messageId, is invalid_message", async () => {
      const ada = await joined("any:room");
      const payload = { roomId: "any:room" };
      const wrong: unknown[] = [null, true, 5, "text", [], [{ type: "note", payload }], {}, { payload }];
      for (const type of [null, 5, "", " ", "a b", "ä", "a/b", "x".repeat(65), ["note"], { note: 1 }, "a\u0000"]) {
        wrong.push({ type, payload });
      }
      for (const messageId of [null, 5, "", "x".repeat(129), ["x"], {}])
        wrong.push({ type: "note", payload, messageId });
      for (const value of wrong) {
        ada.sendValue(value);
        expect([value, await refusal(ada)]).toEqual([value, "invalid_message"]);
      }
      for (const type of ["x".repeat(64), "A-Z_a:z.09", "toString", "constructor"]) {
        expect(await ada.ask(type, payload, "y".repeat(120) + type.slice(0, 8))).toMatchObject({ success: true });
      }
      expect((await server.room("any:room").view()).head).toBe(4);
    });

    it("ENV-2: an event has type, payload, timestamp, roomId, seq and its sender's messageId, and no more", async () => {
      const ada = await joined("any:room");
      await ada.ask("note", { roomId: "any:room", text: "hi" }, "mine");
      const event = await ada.next("note");
      expect(event).toEqual({
        type: "note",
        payload: { text: "hi" },
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        messageId: "mine",
        roomId: "any:room",
        seq: 1,
      });
      ada.send("note", { roomId: "any:room" });
      expect(await ada.next("note")).not.toHaveProperty("messageId");
    });

    it("ENV-2: signals and state have a roomId and no seq; everything has type, payload and timestamp", async () => {
      const ada = await joined("room");
      await server.room("room").signal("wave", { hand: "left" });
      const wave = await ada.next("wave");
      expect(wave).toMatchObject({ roomId: "chat:room", payload: { hand: "left" } });
      ada.send("typing", "room");
      const typing = await ada.next("user_typing");
      expect(typing).toMatchObject({ roomId: "chat:room" });
      for (const envelope of [wave, typing]) expect(envelope).not.toHaveProperty("seq");
      await ada.ask("ping", {});
      for (const envelope of ada.received) {
        expect(Object.keys(envelope)).toEqual(expect.arrayContaining(["type", "payload", "timestamp"]));
        expect(new Date(envelope.timestamp!).toISOString()).toBe(envelope.timestamp);
      }
    });

    it("ENV-3: a payload that is just a string is a roomId for the types that address only a room", async () => {
      const ada = await RawClient.open(server, "ada");
      ada.send("join_room", "room");
      expect((await ada.next("joined_room")).roomId).toBe("chat:room");
      for (const type of ["typing", "typing_start", "typing_end", "read_messages", "leave_room"]) {
        expect([type, (await ada.ask(type, "room")).success]).toEqual([type, true]);
      }
      await ada.join("room");
      expect(await ada.ask("send_message", "room")).toMatchObject({ error: { code: "invalid_message" } });
    });

    it("ENV-3: without a room and without a default room a message is invalid_message", async () => {
      const ada = await joined("room");
      expect(await ada.ask("send_message", { content: "x" })).toMatchObject({ error: { code: "invalid_message" } });
    });
  });

  it("ENV-3: a message without a room goes to the default room, which everybody has joined", async () => {
    await begin({ defaultRoom: "lobby" });
    const ada = await RawClient.open(server, "ada");
    expect((await ada.next("joined_room")).roomId).toBe("chat:lobby");
    expect(await ada.ask("send_message", { content: "hello" })).toMatchObject({ success: true, seq: 1 });
    expect(await ada.next("new_message")).toMatchObject({ roomId: "chat:lobby" });
    ada.sendValue({ type: "send_message", content: "flat" });
    expect((await ada.next("new_message")).payload).toMatchObject({ content: "flat" });
  });

  it("ENV-4: without a colon the namespace is chat, and answers have the full form; nothing is folded or trimmed", async () => {
    await begin();
    const ada = await RawClient.open(server, "ada");
    for (const [roomId, full] of [
      ["room", "chat:room"],
      ["chat:room", "chat:room"],
      ["any:Room", "any:Room"],
      ["チャット/日本語", "chat:チャット/日本語"],
      ["any:a:b", "any:a:b"],
      ["x".repeat(250), `chat:${"x".repeat(250)}`],
    ]) {
      expect((await ada.join(roomId!)).payload).toMatchObject({ roomId: full });
    }
    await ada.ask("note", { roomId: "any:Room" });
    expect((await server.room("any:room").view()).head).toBe(0);
    for (const roomId of [
      "x".repeat(251),
      "e\u0301",
      "a/../b",
      "./a",
      "any:",
      " room",
      "room\n",
      "a*",
      "\u202eroom",
      "Any:x",
    ]) {
      const { payload } = await ada.join(roomId);
      expect([roomId, payload]).toEqual([roomId, expect.objectContaining({ code: "invalid_message" })]);
    }
  });

  describe.each([["JSON"], ["MessagePack"]])("values in %s", (codec) => {
    const protocols = codec === "JSON" ? [] : [SUBPROTOCOLS.msgpack];
    beforeEach(() => begin());

    /** `levels` containers inside each other, the envelope and the payload included. */
    const nested = (levels: number): string => {
      const inner = levels - 2;
      return `{"type":"note","payload":{"roomId":"any:room","value":${"[".repeat(inner)}${"]".repeat(inner)}}}`;
    };
    /** An envelope of exactly `count` values. */
    const wide = (count: number) => ({
      type: "note",
      payload: { roomId: "any:room", value: Array<number>(count - 5).fill(1) },
    });
    const send = (client: RawClient, text: string) =>
      client.socket.send(codec === "JSON" ? text : encode(JSON.parse(text), { maxDepth: 10_000 }));

    it("ENV-5: depth 32 and 10,000 elements pass, one more is invalid_message", async () => {
      const ada = await joined("any:room", protocols);
      send(ada, nested(32));
      await ada.next("note");
      send(ada, JSON.stringify(wide(10_000)));
      await ada.next("note");
      send(ada, nested(33));
      expect(await refusal(ada)).toBe("invalid_message");
      send(ada, nested(1_000));
      expect(await refusal(ada)).toBe("invalid_message");
      send(ada, JSON.stringify(wide(10_001)));
      expect(await refusal(ada)).toBe("invalid_message");
      expect((await server.room("any:room").view()).head).toBe(2);
    });

    it("[case 21] ENV-5: the key __proto__ is invalid_message wherever it stands; other odd keys are keys", async () => {
      const ada = await joined("any:room", protocols);
      const texts = [
        '{"__proto__":{"type":"note"},"type":"note","payload":{"roomId":"any:room"}}',
        '{"type":"note","payload":{"roomId":"any:room","__proto__":{"polluted":true}}}',
        '{"type":"note","payload":{"roomId":"any:room","a":[{"b":{"__proto__":1}}]}}',
      ];
      for (const text of texts) {
        send(ada, text);
        expect(await refusal(ada)).toBe("invalid_message");
      }
      const odd = {
        constructor: { prototype: { polluted: true } },
        toString: 1,
        hasOwnProperty: 2,
        "": 3,
        valueOf: null,
      };
      ada.send("note", { roomId: "any:room", ...odd });
      expect((await ada.next("note")).payload).toEqual(odd);
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    });
  });

  it("[case 24] ENV-5: unpaired surrogates are invalid_message in JSON, in values, keys and ids", async () => {
    await begin();
    const ada = await joined("any:room");
    for (const half of ["\\ud800", "\\udc00", "\\ud800\\ud800", "x\\udfffy"]) {
      for (const text of [
        `{"type":"note","payload":{"roomId":"any:room","text":"${half}"}}`,
        `{"type":"note","payload":{"roomId":"any:room","${half}":1}}`,
        `{"type":"note","payload":{"roomId":"any:room"},"messageId":"${half}"}`,
        `{"type":"note","payload":{"roomId":"any:${half}"}}`,
      ]) {
        ada.socket.send(text);
        const { payload } = await ada.next(({ type }) => type === "error" || type === "ack");
        expect([text, JSON.stringify(payload)]).toEqual([text, expect.stringContaining("invalid_message")]);
      }
    }
    ada.socket.send('{"type":"note","payload":{"roomId":"any:room","text":"\\ud83d\\ude00"}}');
    expect((await ada.next("note")).payload).toEqual({ text: "😀" });
  });

  it("[case 23] ENV-5: what MessagePack has and JSON has not is invalid_message", async () => {
    await begin();
    const ada = await joined("any:room", [SUBPROTOCOLS.msgpack]);
    const around = (value: number[]) =>
      Buffer.concat([
        Buffer.from([0x82, ...encode("type"), ...encode("note"), ...encode("payload"), 0x82]),
        Buffer.from([...encode("roomId"), ...encode("any:room"), ...encode("value"), ...value]),
      ]);
    const float = (number: number) => [0xcb, ...new Uint8Array(new Float64Array([number]).buffer).reverse()];
    for (const value of [
      [0xc4, 1, 0], // bin
      [0xd4, 1, 0], // fixext
      [0xd6, 0xff, 0, 0, 0, 0], // a timestamp
      [0xc1], // never used
      float(Number.NaN),
      float(Number.POSITIVE_INFINITY),
      [0xca, 0x7f, 0x80, 0, 0], // infinity in 32 bits
      [0xcf, 0x00, 0x20, 0, 0, 0, 0, 0, 0], // 2^53
      [0xd3, 0xff, 0xdf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // below -(2^53 - 1)
      [0x81, 1, 1], // a key that is a number
      [0x81, 0xc0, 1], // a key that is nil
      [0x81, 0xc4, 1, 0x61, 1], // a key that is bin
      [0xa1, 0xff], // invalid UTF-8
      [0xa3, 0xed, 0xa0, 0x80], // half a surrogate pair
      [0xdd, 0xff, 0xff, 0xff, 0xff], // more elements than bytes
      [0xdb, 0xff, 0xff, 0xff, 0xff], // a string longer than the message
      [0x91], // ends too early
      [0x01, 0x01], // goes on after its end
    ]) {
      ada.socket.send(around(value));
      expect([value, await refusal(ada)]).toEqual([value, "invalid_message"]);
    }
    for (const [value, number] of [
      [[0xcf, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Number.MAX_SAFE_INTEGER],
      [[0xd3, 0xff, 0xe0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01], Number.MIN_SAFE_INTEGER],
      [float(1.5), 1.5],
    ] as const) {
      ada.socket.send(around([...value]));
      expect((await ada.next("note")).payload).toEqual({ value: number });
    }
  });

  it("[case 33] ENV-6: a message of the limit passes, one byte more closes with 1009, however it is fragmented", async () => {
    await begin();
    const limit = 64 * 1024;
    const exactly = (bytes: number) => {
      const head = '{"type":"note","payload":{"roomId":"any:room","x":"';
      return `${head}${"x".repeat(bytes - head.length - 3)}"}}`;
    };
    const ada = await joined("any:room");
    ada.socket.send(exactly(limit));
    await ada.next("note");
    ada.socket.send(exactly(limit + 1));
    expect((await ada.closed).code).toBe(CLOSE_CODES.too_big.code);

    const ben = await joined("any:room");
    const text = exactly(limit + 1);
    for (let at = 0; at < text.length; at += 10_000) {
      ben.socket.send(text.slice(at, at + 10_000), { fin: at + 10_000 >= text.length });
    }
    expect((await ben.closed).code).toBe(CLOSE_CODES.too_big.code);
    expect((await server.room("any:room").view()).head).toBe(1);
  });

  it("ENV-6: over HTTP the answer is 413", async () => {
    await begin();
    const body = JSON.stringify({ user: "ada", padding: "x".repeat(70_000) });
    const response = await fetch(`${server.url}/api/dev/token`, { method: "POST", body });
    expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([
      413,
      "payload_too_large",
    ]);
  });

  it("[case 24] ENV-6: invalid UTF-8 in a text frame closes with 1007; in an HTTP body it is invalid_message", async () => {
    await begin();
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
      const ada = await joined("any:room");
      const text = Buffer.concat([Buffer.from('{"type":"note","payload":"'), Buffer.from(bytes), Buffer.from('"}')]);
      ada.socket.send(text, { binary: false });
      expect((await ada.closed).code).toBe(CLOSE_CODES.invalid_payload.code);
    }
    const body = Buffer.concat([Buffer.from('{"user":"a'), Buffer.from([0xff]), Buffer.from('"}')]);
    const response = await fetch(`${server.url}/api/dev/token`, { method: "POST", body });
    expect(response.status).toBe(400);
  });

  it("ENV-7: nobody who has not asked for batching gets a batch, however fast messages come", async () => {
    await begin();
    const ada = await joined("any:room");
    for (let index = 0; index < 300; index++) ada.send("note", { roomId: "any:room", index });
    await ada.next(({ seq }) => seq === 300);
    expect(ada.received.some(({ type }) => type === "batch")).toBe(false);
    expect(ada.events().map(({ seq }) => seq)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  });
});

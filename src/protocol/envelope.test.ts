import { describe, expect, it } from "vitest";
import { messageIdOf, toEnvelope, traceparentOf } from "./envelope.ts";

describe("messageId (ENV-1)", () => {
  it.each(["m", " ", "a b", "~", "\u0080", "ü", "🏔".repeat(64), "山彦", '"', "x".repeat(128)])(
    "ENV-1 takes %j",
    (messageId) => {
      expect(toEnvelope({ type: "x", messageId })).toMatchObject({ messageId });
      expect(messageIdOf({ messageId })).toBe(messageId);
    },
  );

  it("ENV-1 refuses control characters, wherever they are", () => {
    const codes = [...Array.from({ length: 0x20 }, (_, code) => code), 0x7f];
    for (const control of codes.map((code) => String.fromCharCode(code))) {
      for (const messageId of [control, `${control}m`, `m${control}`, `m${control}m`]) {
        expect(() => toEnvelope({ type: "x", messageId })).toThrow(
          expect.objectContaining({ code: "invalid_message" }),
        );
        expect(messageIdOf({ messageId })).toBeUndefined();
      }
    }
  });

  it.each(["", "x".repeat(129), 5, null, {}, ["m"]])("ENV-1 refuses %j", (messageId) => {
    expect(() => toEnvelope({ type: "x", messageId })).toThrow(expect.objectContaining({ code: "invalid_message" }));
    expect(messageIdOf({ messageId })).toBeUndefined();
  });
});

describe("traceparent (ENV-8)", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  it("ENV-8 stands beside the type, and is no part of the payload, also where there is none", () => {
    expect(traceparentOf({ type: "x", payload: {}, traceparent })).toBe(traceparent);
    expect(toEnvelope({ type: "x", text: "hi", traceparent })).toEqual({ type: "x", payload: { text: "hi" } });
  });

  it.each([{}, { traceparent: 5 }, { traceparent: null }, null, "text", undefined])(
    "ENV-8 %j says nothing",
    (value) => {
      expect(traceparentOf(value)).toBeNull();
    },
  );
});

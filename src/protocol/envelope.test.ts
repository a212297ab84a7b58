import { describe, expect, it } from "vitest";
import { messageIdOf, toEnvelope } from "./envelope.ts";

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

import { describe, expect, it } from "vitest";
import { createPayloadSchemas } from "./schemas.ts";

const schemas = createPayloadSchemas({ maxLength: 10, historyLimit: 200 });
const takes = (content: string) => schemas.send_message.safeParse({ content }).success;

describe("send_message", () => {
  it.each(["a", "a".repeat(10), "🎉".repeat(10), "  a  ", "👍"])("CHAT-1 takes %j", (content) => {
    expect(takes(content)).toBe(true);
  });

  it.each(["", " ", "\t\r\n\u00a0\u3000", "\u200b\u200d\ufeff", "\u0000", "\u3164", "a".repeat(11), "🎉".repeat(11)])(
    "CHAT-1 refuses %j",
    (content) => {
      expect(takes(content)).toBe(false);
    },
  );

  it("CHAT-1 keeps the content as it was sent and drops what does not belong there", () => {
    expect(schemas.send_message.parse({ content: " a ", userId: "somebody else" })).toEqual({ content: " a " });
  });

  it.each([
    { replyTo: 0 },
    { replyTo: 1.5 },
    { replyTo: "1" },
    { replyTo: 2 ** 53 },
    { mentions: "bo" },
    { mentions: [1] },
    { mentions: [""] },
    { mentions: ["x".repeat(256)] },
    { mentions: Array(51).fill("bo") },
  ])("CHAT-1 refuses %j", (more) => {
    expect(schemas.send_message.safeParse({ content: "a", ...more }).success).toBe(false);
  });
});

describe("load_history", () => {
  it.each([{}, { before: 1 }, { after: 0 }, { limit: 200 }])("takes %j", (payload) => {
    expect(schemas.load_history.safeParse(payload).success).toBe(true);
  });

  it.each([{ before: 0 }, { after: -1 }, { limit: 0 }, { limit: 201 }, { before: 5, after: 1 }])(
    "refuses %j",
    (payload) => {
      expect(schemas.load_history.safeParse(payload).success).toBe(false);
    },
  );
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { InboxItem } from "./inbox.ts";
import { cut, pushMessageOf, topicOf } from "./push-message.ts";

const item: InboxItem & { collapseKey: string | null; expiresAt: number | null } = {
  id: "e:1",
  seq: 1,
  type: "greeting",
  title: "Hello",
  body: "It is me.",
  url: "/x",
  category: null,
  timestamp: "2024-01-01T00:00:00.000Z",
  read: false,
  seen: false,
  archived: false,
  collapseKey: null,
  expiresAt: null,
};

describe("a push message", () => {
  it("INB-14 is at most 3 KB, whatever the notification says", () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 200, unit: "grapheme" }),
        fc.string({ maxLength: 4_000, unit: "binary", size: "max" }),
        fc.string({ maxLength: 2_000, unit: "grapheme", size: "max" }),
        (title, body, url) => {
          const message = pushMessageOf({ ...item, title, body, url }, 0);
          expect(Buffer.byteLength(message!.payload)).toBeLessThanOrEqual(3_072);
          expect(() => JSON.parse(message!.payload)).not.toThrow();
        },
      ),
      { numRuns: 200 },
    );
  });

  it("INB-14 is cut between what people see as characters", () => {
    const family = "👨‍👩‍👧‍👦";
    const { payload } = pushMessageOf({ ...item, body: family.repeat(500) }, 0)!;
    const { body } = JSON.parse(payload) as { body: string };
    expect(body.endsWith("…")).toBe(true);
    expect(body.slice(0, -1).replaceAll(family, "")).toBe("");
    expect(Buffer.byteLength(payload)).toBeGreaterThan(3_000);
    expect(cut("e\u0301e\u0301", 5)).toBe("…");
    expect(cut("ab", 2)).toBe("ab");
    expect(cut("a b c d", 6)).toBe("a b…");
    expect(cut("abc", 2)).toBe("");
  });

  it("INB-14 lasts as long as the notification, and no longer than push services take", () => {
    expect(pushMessageOf({ ...item, expiresAt: 10_000 }, 4_500)!.ttlSeconds).toBe(5);
    expect(pushMessageOf({ ...item, expiresAt: 10_000 }, 9_500)).toBeNull();
    expect(pushMessageOf({ ...item, expiresAt: 1e13 }, 0)!.ttlSeconds).toBe(2_419_200);
  });

  it("INB-14 a collapse key is a topic of 32 characters that a URL may have", () => {
    expect(topicOf("カート".repeat(50))).toMatch(/^[A-Za-z0-9_-]{32}$/);
    expect(topicOf("a")).not.toBe(topicOf("b"));
  });
});

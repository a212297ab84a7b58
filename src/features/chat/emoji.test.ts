import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isEmoji } from "./emoji.ts";

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

describe("isEmoji (CHAT-2)", () => {
  it.each([
    ["a pictograph", "🎉"],
    ["with a presentation selector", "❤️"],
    ["without one", "❤"],
    ["a skin tone", "👍🏽"],
    ["a family", "👨‍👩‍👧‍👦"],
    ["the longest one", "👩🏽‍❤️‍💋‍👨🏿"],
    ["a flag", "🇯🇵"],
    ["the flag of a nation in a state", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"],
    ["a keycap", "1️⃣"],
    ["a keycap without selector", "#⃣"],
    ["a rainbow flag", "🏳️‍🌈"],
  ])("CHAT-2 takes %s", (_name, emoji) => {
    expect(isEmoji(emoji)).toBe(true);
    expect([...graphemes.segment(emoji)]).toHaveLength(1);
  });

  it.each([
    ["nothing", ""],
    ["a letter", "a"],
    ["a digit", "1"],
    ["a word", "__proto__"],
    ["two emoji", "👍👍"],
    ["an emoji and a letter", "👍a"],
    ["an emoji under combining marks", "👍\u0308\u0308\u0308"],
    ["half a flag", "🇯"],
    ["three letters of a flag", "🇯🇵🇯"],
    ["a skin tone alone", "🏽"],
    ["a joiner at the end", "👨\u200d"],
    ["an unpaired surrogate", "\ud83d"],
    ["a line end after it", "👍\n"],
    ["too many bytes", Array(8).fill("👨").join("\u200d")],
  ])("CHAT-2 refuses %s", (_name, text) => {
    expect(isEmoji(text)).toBe(false);
  });

  it("CHAT-2 takes nothing that is more than one grapheme", () => {
    const piece = fc.constantFrom("👍", "🏽", "\u200d", "\ufe0f", "🇯", "🇵", "1", "\u20e3", "❤", "\u0301", "a", "🏴");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const text = pieces.join("");
        if (isEmoji(text)) expect([...graphemes.segment(text)]).toHaveLength(1);
      }),
      { numRuns: 2_000 },
    );
  });
});

import { ChangeSet, Text } from "@codemirror/state";
import { expect, it, vi } from "vitest";
import { createRandom, randomEdit } from "../../../../test/features/documents/typist.ts";
import { applyChange } from "./replacing.ts";

/** Changes every second character of a text, `count` of them. */
function manyParts(length: number, count: number): ChangeSet {
  const specs = Array.from({ length: count }, (_, index) => ({
    from: index * 2,
    to: index * 2 + (index % 3 === 0 ? 1 : 0),
    insert: index % 5 === 0 ? "\n山" : "x",
  }));
  return ChangeSet.of(specs, length);
}

it("changes of few and of many parts give the text that CodeMirror gives", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = createRandom(seed);
    let text = Text.of(["start 👍 text", "and a second line"]);
    for (let edit = 0; edit < 20; edit++) {
      const change = randomEdit(text, random);
      const changed = applyChange(text, change);
      expect(changed.eq(change.apply(text))).toBe(true);
      text = changed;
    }
    const change = manyParts(text.length, random(Math.floor(text.length / 2)));
    expect(applyChange(text, change).toString()).toBe(change.apply(text).toString());
  }
});

it("a change of many parts does not copy a long line once for each of them", () => {
  const text = Text.of(["a".repeat(100_000)]);
  const replace = vi.spyOn(text, "replace");
  const change = manyParts(text.length, 5_000);
  expect(applyChange(text, change).length).toBe(change.newLength);
  expect(replace).not.toHaveBeenCalled();
});

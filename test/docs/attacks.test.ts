import { describe, expect, it } from "vitest";
import { tableIn, textOf } from "./tables.ts";
import { testFiles, titlesIn } from "./titles.ts";

const PAGE = textOf("docs/reference/attacks.md");

describe("docs/reference/attacks.md", () => {
  const titles = [...testFiles("src"), ...testFiles("test")].flatMap(titlesIn);
  const cited = (what: string): Set<string> =>
    new Set(
      titles.flatMap((title) => [...title.matchAll(new RegExp(`\\[${what} (\\d+)\\]`, "g"))].map(([, id]) => id!)),
    );

  it.each([
    ["cases", "case", 60],
    ["article", "article", 6],
  ])("has every one of its %s, and each is shown by a test or does not apply", (table, what, count) => {
    const rows = tableIn(PAGE, table);
    expect(rows.map(([id]) => id)).toEqual(Array.from({ length: count }, (_, index) => String(index + 1)));
    const shown = cited(what);
    const open = rows.filter(([id, , answer]) => !shown.has(id!) && !answer!.startsWith("does not apply: "));
    expect(open.map(([id]) => id)).toEqual([]);
    expect([...shown].filter((id) => !rows.some(([row]) => row === id))).toEqual([]);
  });
});

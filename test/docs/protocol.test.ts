import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { expected, inRepository, markdownTable, tableIn, textOf } from "./tables.ts";
import { testFiles, titlesIn } from "./titles.ts";

const PROTOCOL = textOf("PROTOCOL.md");

describe("PROTOCOL.md says what the code says", () => {
  it.each([
    ["errors", expected.errors()],
    ["close-codes", expected.closeCodes()],
    ["limits", expected.limits()],
  ])("the table of %s", (name, rows) => {
    expect(tableIn(PROTOCOL, name)).toEqual(rows);
  });

  it("a table that says something else is noticed", () => {
    const changed = PROTOCOL.replace("| `conflict`             | 409  | no ", "| `conflict`             | 409  | yes");
    expect(changed).not.toBe(PROTOCOL);
    expect(tableIn(changed, "errors")).not.toEqual(expected.errors());
  });

  it("the reader of tables reads what the writer of tables writes", () => {
    const rows = [
      ["a", "1"],
      ["long one", "2"],
    ];
    const text = `<!-- x:begin (why) -->\n${markdownTable(["name", "n"], rows)}\n<!-- x:end -->`;
    expect(tableIn(text, "x")).toEqual(rows);
  });
});

/** The rules PROTOCOL.md defines. */
function rulesIn(text: string): string[] {
  return [...text.matchAll(/^- \*\*([A-Z]+-\d+)\*\*/gm)].map(([, id]) => id!);
}

/** Whether one of `texts` names the rule, alone or in a list such as `RES-1, RES-4`. */
function isCited(rule: string, texts: readonly string[]): boolean {
  const pattern = new RegExp(`\\b${rule}\\b`);
  return texts.some((text) => pattern.test(text));
}

describe("the rules of PROTOCOL.md", () => {
  const rules = rulesIn(PROTOCOL);

  it("have an ID each", () => {
    expect(rules.length).toBeGreaterThan(40);
    expect(new Set(rules).size).toBe(rules.length);
  });

  it("are each cited by the title of a test", () => {
    const contracts = readdirSync(inRepository("src/testing"), { encoding: "utf8" }).map((name) =>
      readFileSync(inRepository(`src/testing/${name}`), "utf8"),
    );
    const titles = [...testFiles("src"), ...testFiles("test"), ...contracts].flatMap(titlesIn);
    const missing = rules.filter((rule) => !isCited(rule, titles));
    expect(missing, `rules without a test: ${missing.join(", ")}`).toEqual([]);
  });

  it("that are cited exist", () => {
    const families = [...new Set(rules.map((rule) => rule.split("-")[0]!))];
    const pattern = new RegExp(`\\b(?:${families.join("|")})-\\d+\\b`, "g");
    const titles = [...testFiles("src"), ...testFiles("test")].flatMap(titlesIn);
    const cited = new Set(titles.flatMap((title) => title.match(pattern) ?? []));
    expect([...cited].filter((rule) => !rules.includes(rule))).toEqual([]);
  });

  it("an uncited rule is noticed, and a longer number is not taken for a shorter one", () => {
    expect(rulesIn("- **ACK-1** One.\n- **ACK-12** Twelve. See **ACK-3**.")).toEqual(["ACK-1", "ACK-12"]);
    expect(isCited("ACK-1", ["ACK-12 is another rule"])).toBe(false);
    expect(isCited("ACK-1", ["RES-2, ACK-1 both"])).toBe(true);
    expect(titlesIn('it("ACK-1 x", () => {}); it.each([[1, "a"]])("ACK-2 %s", f); // ACK-3')).toEqual([
      "ACK-1 x",
      "ACK-2 %s",
    ]);
  });
});

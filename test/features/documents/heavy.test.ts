import { ChangeSet } from "@codemirror/state";
import { expect, it } from "vitest";
import type { Json } from "../../../src/protocol/index.ts";
import { createDocumentWorld } from "./world.ts";

/** Inserts a letter at 3,000 places. */
function insertEverywhere(length: number): ChangeSet {
  const specs = Array.from({ length: 3_000 }, (_, index) => ({ from: index * 10, insert: "x" }));
  return ChangeSet.of(specs, length);
}

it("DOC-5 a change that would take very long to rebase is refused as stale, and taken when it was made anew", async () => {
  const world = createDocumentWorld();
  const { submit, document } = await world.start();
  const json = (change: ChangeSet) => change.toJSON() as Json;
  await submit("eve", 0, [json(ChangeSet.of({ from: 0, insert: "a".repeat(30_000) }, 0))]);
  for (let version = 1; version <= 40; version++) {
    await submit("eve", version, [json(insertEverywhere(document.ot.state.text.length))]);
  }
  const { text } = document.ot.state;
  const many = (length: number): Json[] =>
    Array.from({ length: 5 }, (_, index) => json(ChangeSet.of({ from: 0, insert: "!" }, length + index)));
  await expect(submit("taro", 1, many(30_000))).rejects.toMatchObject({ code: "conflict", version: 41 });
  expect(document.ot.state.text.eq(text)).toBe(true);
  expect(await submit("taro", 41, many(text.length))).toMatchObject({ version: 46 });
  expect(document.ot.text).toBe(`!!!!!${text.toString()}`);
  await world.close();
});

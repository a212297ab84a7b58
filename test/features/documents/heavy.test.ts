import { ChangeSet } from "@codemirror/state";
import { expect, it } from "vitest";
import { OtDocument } from "../../../src/features/documents/ot/ot-document.ts";
import type { Json } from "../../../src/protocol/index.ts";
import type { OpenRoom, StoredEvent } from "../../../src/session/namespace.ts";
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
  // What it holds of the text and of the changes is known, so that it is let go of when nobody is there.
  expect(document.bytes).toBeGreaterThan(text.length * 2 + 40 * 3_000 * 32);
  expect(document.ot.text).toBe(`!!!!!${text.toString()}`);
  await world.close();
});

it("a document whose log was made anew while it was read is read again", async () => {
  const change = (seq: number, insert: string): StoredEvent => ({
    seq,
    type: "remote_change",
    sender: "u",
    timestamp: 0,
    data: JSON.stringify({
      userId: "u",
      clientId: "c",
      version: seq - 1,
      changes: [[[0, insert], ...(seq > 1 ? [seq - 1] : [])]],
    }),
    toEnvelope: () => ({ type: "remote_change", payload: {} }),
  });
  const logs = { old: [change(1, "a"), change(2, "b")], new: [change(1, "x"), change(2, "y")] };
  let isMadeAnew = false;
  const room = {
    roomId: "document:readme",
    epoch: "old" as keyof typeof logs,
    head: 2,
    snapshot: async () => null,
    read: async (after: number, limit: number) => {
      const page = logs[room.epoch].slice(after, after + limit);
      if (isMadeAnew && room.epoch === "old") {
        room.epoch = "new";
        document.jumped();
      }
      return page;
    },
    readBack: async () => [],
    failure: () => {},
  };
  const document = await OtDocument.open(room as unknown as OpenRoom, { maxLength: 1_000 });
  expect(document.text).toBe("ba");
  isMadeAnew = true;
  document.jumped();
  await document.ready();
  expect(document.text).toBe("yx");
});

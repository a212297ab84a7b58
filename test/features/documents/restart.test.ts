import { ChangeSet } from "@codemirror/state";
import { beforeAll, expect, it } from "vitest";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";
import { createDocumentWorld, createRecordedLog, SimulatedEditor, settle } from "./world.ts";

const TEXT = "first line\nsecond line\nthird line";

// Pages load it when they need it; here nobody waits for a network.
beforeAll(async () => void (await import("../../../src/client/documents/merging.ts")));

/** Somebody who wrote `TEXT` and then went away, and somebody who goes on. */
async function part() {
  const clock = createFakeClock();
  const { log, events } = createRecordedLog(createMemoryLog({ clock }));
  const world = createDocumentWorld({ clock, log });
  const node = await world.start();
  const [away, other] = [
    new SimulatedEditor("away", node, events, clock),
    new SimulatedEditor("other", node, events, clock),
  ];
  await away.connect();
  await other.connect();
  replace(away, "", TEXT);
  await work(away, other);
  return { world, node, away, other };
}

function replace({ document }: SimulatedEditor, wanted: string, insert: string): void {
  const from = document.text.indexOf(wanted);
  document.edit(ChangeSet.of({ from, to: from + wanted.length, insert }, document.doc.length, "\n"));
}

async function work(...editors: SimulatedEditor[]): Promise<void> {
  for (let round = 0; round < 4; round++) {
    for (const editor of editors) editor.push();
    await settle(2);
    for (const editor of editors) editor.pull(Number.POSITIVE_INFINITY);
    await settle(2);
  }
}

it("DOC-2 what was typed away is merged into a new start, and what finds no place is given back", async () => {
  const { world, node, away, other } = await part();
  away.disconnect();
  replace(away, "first", "my first");
  replace(away, "second", "sec RECOVERED ond");
  const { length } = away.document.doc;
  away.document.edit(ChangeSet.of({ from: length, insert: " of mine" }, length));
  replace(other, "second line", "nothing");
  replace(other, "third", "3rd");
  await work(other);
  await away.connect(node, true);
  await work(away, other);
  expect(away.document.text).toBe("my first line\nnothing\n3rd line of mine");
  expect(other.document.text).toBe(away.document.text);
  expect(away.document.recovered).toEqual([expect.stringContaining("RECOVERED")]);
  expect(away.document.status).toBe("recovered");
  await world.close();
});

it.each(["unheard", "lost"] as const)("DOC-4 what was on its way at a new start is there once: %s", async (fate) => {
  const { world, node, away, other } = await part();
  replace(away, "first", "my first");
  away.push(fate);
  await settle();
  replace(away, "third", "my third");
  away.disconnect();
  replace(other, "second", "2nd");
  await work(other);
  await away.connect(node, true);
  // What is typed while it is not known whether it is in the new text.
  replace(away, "line\n", "LINE\n");
  expect(away.document.status).toBe("saving");
  replace(other, "2nd", "2ND");
  await work(other, away);
  await work(other, away);
  expect(away.document.text).toBe("my first LINE\n2ND line\nmy third line");
  expect(other.document.text).toBe(away.document.text);
  expect(away.document.recovered).toEqual([]);
  expect(away.document.status).toBe("saved");
  await world.close();
});

it("DOC-4 an answer that came before the event, and then a new start instead of the event", async () => {
  const { world, node, away, other } = await part();
  replace(away, "first", "my first");
  away.push();
  await settle();
  replace(away, "third", "my third");
  away.disconnect();
  await away.connect(node, true);
  await settle();
  await work(away, other);
  expect(away.document.text).toBe("my first line\nsecond line\nmy third line");
  expect(other.document.text).toBe(away.document.text);
  await world.close();
});

it("DOC-1 another log takes nothing away from the page: its text is given back", async () => {
  const { world, away } = await part();
  away.disconnect();
  const again = createDocumentWorld();
  const node = await again.start();
  away.epoch = node.room.epoch;
  expect(away.document.text).toBe(TEXT);
  await away.connect(node, true);
  await settle();
  expect(away.document.text).toBe("");
  expect(away.document.recovered).toEqual([TEXT]);
  await again.close();
  await world.close();
});

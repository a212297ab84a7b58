import { ChangeSet } from "@codemirror/state";
import { expect, it } from "vitest";
import { UndoStack } from "../../../src/client/documents/undo-stack.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";
import { createRandom } from "./typist.ts";
import { createDocumentWorld, createRecordedLog, SimulatedEditor, settle } from "./world.ts";

async function pair() {
  const clock = createFakeClock();
  const { log, events } = createRecordedLog(createMemoryLog({ clock }));
  const world = createDocumentWorld({ clock, log });
  const node = await world.start();
  const [me, other] = [
    new SimulatedEditor("me", node, events, clock),
    new SimulatedEditor("other", node, events, clock),
  ];
  await me.connect();
  await other.connect();
  const undo = new UndoStack(me.document, { groupMs: 0, clock });
  return { world, me, other, undo, clock };
}

async function work(...editors: SimulatedEditor[]): Promise<void> {
  for (let round = 0; round < 4; round++) {
    for (const editor of editors) editor.push();
    await settle(2);
    for (const editor of editors) editor.pull(Number.POSITIVE_INFINITY);
    await settle(2);
  }
}

function insert({ document }: SimulatedEditor, from: number, text: string): void {
  document.edit(ChangeSet.of({ from, insert: text }, document.doc.length, "\n"));
}

it("DOC-3 undo takes back what is one's own and leaves what others wrote; redo brings it back", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = createRandom(seed);
    const { world, me, other, undo } = await pair();
    let mine = 0;
    for (let round = 0; round < 40; round++) {
      // Mine are small letters, the other's great ones.
      if (random(2) === 0) {
        insert(me, random(me.document.doc.length + 1), "abc"[random(3)]!.repeat(1 + random(3)));
        mine++;
      } else insert(other, random(other.document.doc.length + 1), "XYZ"[random(3)]!);
      if (random(3) === 0) await work(me, other);
    }
    await work(me, other);
    const whole = me.document.text;
    const others = whole.replace(/[a-z]/g, "");
    for (let step = 0; step < mine; step++) {
      expect(undo.undo()).toBe(true);
      if (random(4) === 0) await work(me, other);
    }
    expect(undo.undo()).toBe(false);
    await work(me, other);
    expect(me.document.text, `seed ${seed}`).toBe(others);
    for (let step = 0; step < mine; step++) expect(undo.redo()).toBe(true);
    await work(me, other);
    expect(me.document.text, `seed ${seed}`).toBe(whole);
    expect(other.document.text, `seed ${seed}`).toBe(whole);
    await world.close();
  }
});

it("DOC-3 edits close to each other are one step, and a new edit forgets what was undone", async () => {
  const { world, me, clock } = await pair();
  const undo = new UndoStack(me.document, { clock });
  insert(me, 0, "one");
  insert(me, 3, " two");
  await clock.advance(1_000);
  insert(me, 7, " three");
  expect(undo.undo()).toBe(true);
  expect(me.document.text).toBe("one two");
  expect(undo.undo()).toBe(true);
  expect(me.document.text).toBe("");
  expect(undo.redo()).toBe(true);
  insert(me, 7, "!");
  expect(undo.redo()).toBe(false);
  expect(me.document.text).toBe("one two!");
  await world.close();
});

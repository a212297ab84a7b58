import { ChangeSet, Text } from "@codemirror/state";
import { expect, it } from "vitest";
import { UndoStack } from "../../../src/client/documents/undo-stack.ts";
import { placeIn } from "../../../src/features/documents/ot/caret.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";
import { createRandom, randomEdit } from "./typist.ts";
import { createDocumentWorld, createQueuedLog, createRecordedLog, SimulatedEditor, settle } from "./world.ts";

const EDITORS = 5;
const EDITS = Number(process.env.TEST_DOCUMENT_EDITS ?? 2_000);
const SEEDS = Number(process.env.TEST_DOCUMENT_SEEDS ?? 20);
/** What a seed may take on a machine that is busy with other things, ms. */
const LONGEST_MS = 30_000;
const FIRST_SEED = Number(process.env.TEST_DOCUMENT_FIRST_SEED ?? 1);

/** Five people write 2,000 edits each over a network that drops, repeats and delays, on two nodes over one log. */
async function converge(
  seed: number,
  { edits: most = EDITS, marks = false } = {},
): Promise<{ edits: number; events: number; sends: number }> {
  const random = createRandom(seed);
  const clock = createFakeClock();
  const { log: recorded, events } = createRecordedLog(createMemoryLog({ clock }));
  const world = createDocumentWorld({ clock, log: recorded });
  const logs = [createQueuedLog(recorded), createQueuedLog(recorded)];
  const nodes = [await world.start(logs[0]), await world.start(logs[1])];
  const editors = Array.from({ length: EDITORS }, (_, index) => {
    return new SimulatedEditor(`u${index}`, nodes[index % 2]!, events, clock);
  });
  for (const editor of editors) await editor.connect();
  const undo = editors.map(({ document }) => new UndoStack(document, { groupMs: 0, clock }));
  let edits = 0;
  while (edits < EDITORS * most) {
    const index = random(EDITORS);
    const editor = editors[index]!;
    const dice = random(100);
    if (dice < 35) {
      const kind = random(100);
      if (marks) {
        // A character of its own, that nobody else types and nobody takes away.
        const { length } = editor.document.doc;
        const from = placeIn(editor.document.doc, random(length + 1));
        editor.edit(ChangeSet.of({ from, insert: String.fromCodePoint(0xf0000 + edits) }, length));
      } else if (kind < 6) undo[index]!.undo();
      else if (kind < 9) undo[index]!.redo();
      else editor.edit(randomEdit(editor.document.doc, random));
      edits++;
    } else if (dice < 55) editor.pull(1 + random(20));
    else if (dice < 74)
      editor.push((["arrives", "arrives", "arrives", "lost", "unheard", "twice"] as const)[random(6)]);
    else if (dice < 76) editor.disconnect();
    else if (dice < 82) {
      if (!editor.isConnected) void editor.connect(nodes[random(2)]!);
    } else {
      logs[random(2)]!.flush(1 + random(4));
      await settle(1);
    }
    if (random(500) === 0) await clock.advance(300);
  }
  // Everybody comes back, and everything arrives.
  for (let round = 0; round < 200; round++) {
    await clock.advance(300);
    for (const [index, editor] of editors.entries()) {
      if (!editor.isConnected || editor.unanswered > 0) {
        editor.disconnect();
        void editor.connect(nodes[index % 2]!);
      }
      editor.pull(Number.POSITIVE_INFINITY);
      editor.push();
    }
    for (let turn = 0; turn < 4; turn++) {
      for (const log of logs) log.flush();
      await settle(1);
    }
    if (editors.every(({ document, seq }) => document.status === "saved" && seq === events.length)) break;
  }

  const log = await world.events();
  let replayed = Text.empty;
  let version = 0;
  const messages = new Set<string>();
  for (const event of log) {
    const payload = JSON.parse(event.data) as { version: number; changes: unknown[] };
    expect(payload.version, `seed ${seed}: versions have no gap`).toBe(version);
    for (const change of payload.changes) replayed = ChangeSet.fromJSON(change).apply(replayed);
    version += payload.changes.length;
    expect(messages.has(event.messageId!), `seed ${seed}: ${event.messageId} is in the log twice`).toBe(false);
    messages.add(event.messageId!);
  }
  const text = replayed.toString();
  expect(text, `seed ${seed}: half a character`).not.toMatch(/\p{Surrogate}/u);
  for (const { document, userId } of editors) {
    expect(document.error, `seed ${seed}: ${userId}`).toBe(null);
    expect(document.status, `seed ${seed}: ${userId}`).toBe("saved");
    expect(document.version, `seed ${seed}: ${userId}`).toBe(version);
    expect(document.text === text, `seed ${seed}: the text of ${userId}`).toBe(true);
    expect(document.recovered).toEqual([]);
  }
  for (const { document, room } of nodes) {
    await room.refresh();
    expect(document.ot.state.version, `seed ${seed}: a node`).toBe(version);
    expect(document.ot.text === text, `seed ${seed}: the text of a node`).toBe(true);
  }
  if (marks) {
    const typed = Array.from({ length: edits }, (_, index) => 0xf0000 + index);
    expect(Array.from(text, (mark) => mark.codePointAt(0)!).toSorted((a, b) => a - b)).toEqual(typed);
  }
  await world.close();
  return { edits, events: log.length, sends: editors.reduce((sum, { sends }) => sum + sends, 0) };
}

it(`DOC-1 all replicas, the server's text and a replay of the log are equal: ${SEEDS} seeds`, {
  timeout: SEEDS * LONGEST_MS,
}, async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const startedAt = performance.now();
    const { edits, events, sends } = await converge(seed);
    if (process.env.TEST_LOG === "1") {
      console.log(
        `seed ${seed}: ${edits} edits, ${sends} messages, ${events} events, ${Math.round(performance.now() - startedAt)} ms`,
      );
    }
  }
});

it("DOC-1 every edit is there exactly once", { timeout: 120_000 }, async () => {
  for (let seed = 1; seed <= 5; seed++) await converge(seed, { edits: 200, marks: true });
});

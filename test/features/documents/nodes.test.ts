import { Text } from "@codemirror/state";
import { describe, expect, it } from "vitest";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";
import { createRandom, randomEdit } from "./typist.ts";
import { createDocumentWorld, createQueuedLog, type DocumentNode, ROOM_ID, settle } from "./world.ts";

/** Lets two nodes' appends through, one by one from either side. */
async function drain(logs: ReturnType<typeof createQueuedLog>[], random: (below: number) => number): Promise<void> {
  for (let step = 0; step < 60; step++) {
    logs[random(logs.length)]!.flush(1 + random(3));
    await settle(1);
  }
  for (let step = 0; step < 20; step++) {
    for (const log of logs) log.flush();
    await settle(1);
  }
}

async function versionsOf(world: ReturnType<typeof createDocumentWorld>): Promise<[from: number, to: number][]> {
  return (await world.events()).map(({ data }) => {
    const { version, changes } = JSON.parse(data) as { version: number; changes: unknown[] };
    return [version, version + changes.length];
  });
}

describe("two nodes over one log", () => {
  it("DOC-1 appends that stand upon each other all fail when another node was faster, and all are made anew", async () => {
    const base = createMemoryLog();
    const world = createDocumentWorld({ log: base });
    const logs = [createQueuedLog(base), createQueuedLog(base)];
    const [a, b] = [await world.start(logs[0]), await world.start(logs[1])];
    // Three in one turn on one node; before they are in the log, exactly one of the other node is.
    const sent = ["1", "2", "3"].map((text, index) => a.submit("a", 0, [[[0, text]]], `a${index}`));
    const other = b.submit("b", 0, [[[0, "x"]]], "b0");
    await settle(1);
    logs[1]!.flush();
    await settle(1);
    logs[0]!.flush(1);
    await settle(1);
    // The first met the other's event. The second is where the log's head now is, and yet must not get in.
    logs[0]!.flush(1);
    await settle(1);
    expect((await world.events()).map(({ messageId }) => messageId)).toEqual(["b0"]);
    await drain(logs, createRandom(1));
    await Promise.all([...sent, other]);
    expect(await versionsOf(world)).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
    expect(a.document.ot.text).toBe("x123");
    await b.room.refresh();
    expect(b.document.ot.text).toBe("x123");
    await world.close();
  });

  it("DOC-1 versions have no gap however they race", async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = createRandom(seed);
      const base = createMemoryLog();
      const world = createDocumentWorld({ log: base });
      const logs = [createQueuedLog(base), createQueuedLog(base)];
      const nodes = [await world.start(logs[0]), await world.start(logs[1])];
      const results: Promise<unknown>[] = [];
      for (let round = 0; round < 12; round++) {
        const burst = 1 + random(4);
        for (let index = 0; index < burst; index++) {
          const node = nodes[random(2)]!;
          const { state } = node.document.ot;
          results.push(node.submit(`u${random(3)}`, state.version, [randomEdit(state.text, random).toJSON()]));
        }
        logs[random(2)]!.flush(random(3));
        await settle(1);
      }
      await drain(logs, random);
      await Promise.all(results);
      let version = 0;
      for (const [from, to] of await versionsOf(world)) {
        expect(from).toBe(version);
        version = to;
      }
      expect(version).toBe(results.length);
      for (const { room } of nodes) await room.refresh();
      expect(nodes[0]!.document.ot.text).toBe(nodes[1]!.document.ot.text);
      await world.close();
    }
  });

  it("DOC-4 the same message on both nodes at once is one change", async () => {
    const base = createMemoryLog();
    const world = createDocumentWorld({ log: base });
    const logs = [createQueuedLog(base), createQueuedLog(base)];
    const nodes = [await world.start(logs[0]), await world.start(logs[1])];
    const both = nodes.map((node) => node.submit("a", 0, [[[0, "once"]]], "m"));
    const after = nodes[1]!.submit("b", 0, [[[0, "!"]]], "n");
    await drain(logs, createRandom(3));
    const [first, second] = await Promise.all(both);
    await after;
    expect([first!.duplicate, second!.duplicate].sort()).toEqual([false, true]);
    expect(first).toMatchObject({ seq: second!.seq, version: 1 });
    await nodes[0]!.room.refresh();
    expect(nodes[0]!.document.ot.text).toBe("once!");
    await world.close();
  });
});

async function type(node: DocumentNode, count: number, random: (below: number) => number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { version, text } = node.document.ot.state;
    await node.submit("typist", version, [randomEdit(text, random).toJSON()]);
  }
}

it("DOC-5 a change from too long ago is refused with the newest version, one a little newer is not", async () => {
  const world = createDocumentWorld();
  const node = await world.start();
  await node.submit("a", 0, [[[0, "start"]]]);
  for (let version = 1; version <= 220; version++) await node.submit("a", version, [[4 + version, [0, "x"]]]);
  await expect(node.submit("b", 20, [[24, [0, "y"]]])).rejects.toMatchObject({ code: "conflict", version: 221 });
  const error = await node.submit("b", 20, [[24, [0, "y"]]]).catch((thrown: { toWire(): object }) => thrown.toWire());
  expect(error).toMatchObject({ code: "conflict", retryable: false, details: { reason: "stale", version: 221 } });
  await expect(node.submit("b", 21, [[25, [0, "y"]]])).resolves.toMatchObject({ version: 222 });
  // Many changes from a while ago would take as long as one from long ago.
  const many = Array.from({ length: 50 }, (_, index) => [[0, "z"], 25 + 21 + index] as never);
  await expect(node.submit("b", 42, many)).rejects.toMatchObject({ code: "conflict" });
  await expect(node.submit("b", 223, [[0]])).rejects.toMatchObject({ code: "invalid_message" });
  await world.close();
});

it("DOC-2 a node that starts later has the snapshot and the rest, and takes changes of a little earlier", async () => {
  const random = createRandom(7);
  const world = createDocumentWorld();
  const first = await world.start();
  await type(first, 450, random);
  const snapshot = await first.room.snapshot();
  expect(snapshot!.seq).toBeGreaterThanOrEqual(200);
  expect(JSON.parse(snapshot!.data)).toMatchObject({ kind: "ot", version: snapshot!.seq });
  const second = await world.start();
  expect(second.document.ot.text).toBe(first.document.ot.text);
  expect(second.document.ot.state.version).toBe(450);
  const { length } = Text.of((await second.document.past.at(260)).split("\n"));
  await expect(second.submit("b", 260, [[length, [0, "late"]]])).resolves.toMatchObject({ version: 451 });
  await world.close();
});

it("DOC-9 after retention the newest text, a late reader and every version that is kept are as before", async () => {
  const random = createRandom(11);
  const clock = createFakeClock();
  const world = createDocumentWorld({ clock, options: { historyEvents: 1_000 } });
  const node = await world.start();
  const texts: string[] = [""];
  for (let version = 1; version <= 2_400; version++) {
    await type(node, 1, random);
    texts.push(node.document.ot.text);
  }
  await clock.advance(5_000);
  const [oldest] = await world.events();
  expect(oldest!.seq).toBeGreaterThan(1_000);
  const late = await world.start();
  expect(late.document.ot.text).toBe(texts.at(-1));
  for (let version = oldest!.seq - 1; version <= 2_400; version += 13) {
    expect(await late.document.past.at(version)).toBe(texts[version]);
    expect(await node.document.past.at(2_400 - (version % 900))).toBe(texts[2_400 - (version % 900)]);
  }
  await expect(late.document.past.at(3)).rejects.toMatchObject({ code: "history_lost" });
  await world.close();
});

it("DOC-9 nothing that no snapshot holds is removed, however little is to be kept", async () => {
  const clock = createFakeClock();
  const world = createDocumentWorld({ clock });
  const node = await world.start();
  await type(node, 30, createRandom(2));
  await clock.advance(10_000);
  expect(await world.log.trim(ROOM_ID, { maxEvents: 1, upTo: node.document.trimmable })).toBe(0);
  await world.close();
});

it("DOC-1 after a jump of the log the document is read again", async () => {
  const world = createDocumentWorld();
  const node = await world.start();
  await node.submit("a", 0, [[[0, "text"]]]);
  node.document.jumped();
  await expect(node.submit("a", 1, [[4, [0, "!"]]])).resolves.toMatchObject({ version: 2 });
  expect(node.document.ot.text).toBe("text!");
  await world.close();
});

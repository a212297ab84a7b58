import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { HistoryPage } from "../../../src/features/index.ts";
import type { JsonObject } from "../../../src/protocol/index.ts";
import { createFixture, type Fixture, ROOM, say } from "./fixture.ts";

let at: Fixture;
beforeEach(async () => {
  at = await createFixture();
});

async function load(asked: JsonObject = {}): Promise<HistoryPage & { seqs: number[] }> {
  const ack = (await at.bob.send("load_history", { roomId: ROOM, ...asked })) as unknown as HistoryPage;
  return { ...ack, seqs: ack.messages.map((envelope) => envelope.seq) };
}

const fill = (count: number) => {
  for (let index = 0; index < count; index += 1) at.room.publish("new_message", { content: "x" }, "ann");
};
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("load_history", () => {
  it("CHAT-2 gives envelopes as they stand now, oldest first", async () => {
    await at.ann.send("send_message", { roomId: ROOM, content: "a" }, "m-1");
    await say(at.ann, "b");
    await at.ann.send("edit_message", { roomId: ROOM, seq: 1, content: "a2" });
    await at.bob.send("add_reaction", { roomId: ROOM, seq: 2, emoji: "👍" });
    await at.ann.send("delete_message", { roomId: ROOM, seq: 2 });
    const { messages, more } = await load();
    expect(more).toBe(false);
    expect(messages).toEqual([
      {
        type: "new_message",
        payload: expect.objectContaining({ content: "a2", editedAt: at.clock.now() }),
        timestamp: new Date(at.clock.now()).toISOString(),
        messageId: "m-1",
        roomId: ROOM,
        seq: 1,
      },
      expect.objectContaining({ seq: 2, payload: expect.objectContaining({ content: null, deleted: true }) }),
    ]);
  });

  it("an empty room has an empty page", async () => {
    expect(await load()).toMatchObject({ messages: [], more: false, nextBefore: 1, nextAfter: 0 });
  });

  it("gives the newest 50 by default, then older ones", async () => {
    fill(120);
    const newest = await load();
    expect(newest).toMatchObject({ seqs: range(71, 120), more: true, nextBefore: 71, nextAfter: 120 });
    const older = await load({ before: newest.nextBefore });
    expect(older).toMatchObject({ seqs: range(21, 70), more: true });
    expect(await load({ before: older.nextBefore })).toMatchObject({ seqs: range(1, 20), more: false });
  });

  it("gives newer ones after a seq", async () => {
    fill(120);
    const first = await load({ after: 10, limit: 100 });
    expect(first).toMatchObject({ seqs: range(11, 110), more: true, nextBefore: 11, nextAfter: 110 });
    expect(await load({ after: 110, limit: 100 })).toMatchObject({ seqs: range(111, 120), more: false });
    expect(await load({ after: 120 })).toMatchObject({ seqs: [], more: false, nextAfter: 120 });
    expect(await load({ after: 999 })).toMatchObject({ seqs: [], more: false });
  });

  it("`more` is honest when the limit is met exactly", async () => {
    fill(10);
    expect(await load({ limit: 10 })).toMatchObject({ seqs: range(1, 10), more: false });
    expect(await load({ after: 0, limit: 10 })).toMatchObject({ seqs: range(1, 10), more: false });
    at.room.trim(4);
    expect(await load({ limit: 6 })).toMatchObject({ seqs: range(5, 10), more: false });
  });

  it("reads on over other events, but not for ever", async () => {
    fill(3);
    for (let count = 0; count < 1_500; count += 1) at.room.publish("reaction_changed", { seq: 1 });
    at.room.cost.reads = 0;
    const first = await load();
    expect(first).toMatchObject({ seqs: [], more: true, nextBefore: 504 });
    expect(at.room.cost.reads).toBe(5);
    expect(await load({ before: first.nextBefore })).toMatchObject({ seqs: [1, 2, 3], more: false });

    const newer = await load({ after: 2 });
    expect(newer).toMatchObject({ seqs: [3], more: true, nextAfter: 1_002 });
    expect(await load({ after: newer.nextAfter })).toMatchObject({ seqs: [], more: false, nextAfter: 1_503 });
  });

  it("bounds a page by its size", async () => {
    for (let count = 0; count < 100; count += 1) at.room.publish("new_message", { content: "x".repeat(10_000) });
    const { seqs, more, nextBefore } = await load({ limit: 200 });
    expect(seqs).toEqual(range(75, 100));
    expect({ more, nextBefore }).toEqual({ more: true, nextBefore: 75 });
  });

  it("refuses what it does not take", async () => {
    const refused: JsonObject[] = [{ limit: 0 }, { limit: 201 }, { before: 0 }, { after: -1 }, { before: 9, after: 1 }];
    for (const asked of refused) {
      await expect(load(asked)).rejects.toMatchObject({ code: "invalid_message" });
    }
    at = await createFixture({ historyLimit: 10 });
    await expect(load({ limit: 11 })).rejects.toMatchObject({ code: "invalid_message" });
    fill(20);
    expect(await load()).toMatchObject({ seqs: range(11, 20) });
  });

  it("CHAT-6 paging by `nextBefore` and `nextAfter` gives every message once, in either direction, however the log reads", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.boolean(), { maxLength: 80 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(20),
        async (isMessage, limit, readEvents, trimmed) => {
          at = await createFixture({}, { readEvents });
          for (const is of isMessage) at.room.publish(is ? "new_message" : "reaction_changed", { content: "x" });
          at.room.trim(trimmed);
          const all = at.room.events.filter(({ type }) => type === "new_message").map(({ seq }) => seq);

          const older: number[] = [];
          let page = await load({ limit });
          for (; ; page = await load({ limit, before: page.nextBefore })) {
            expect(page.seqs.length).toBeLessThanOrEqual(limit);
            older.unshift(...page.seqs);
            if (!page.more) break;
          }
          expect(older).toEqual(all);

          const newer: number[] = [];
          for (page = await load({ limit, after: 0 }); ; page = await load({ limit, after: page.nextAfter })) {
            newer.push(...page.seqs);
            if (!page.more) break;
          }
          expect(newer).toEqual(all);
        },
      ),
      { numRuns: 60 },
    );
  });
});

import { describe, expect, it } from "vitest";
import { DEDUPLICATION_MS } from "../log/log.ts";
import type { LogSubject } from "./log-subject.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** The part of the log's contract about what is written: order, messageIds, conditions, amendments. */
export function appendContract(on: LogSubject): void {
  describe("append", () => {
    it("numbers a room's events 1, 2, 3 … from head 0", async () => {
      const head = (await on.log.heads([on.room])).get(on.room)!;
      expect(head).toMatchObject({ first: 1, head: 0 });
      for (const seq of [1, 2, 3]) {
        expect(await on.say("x")).toMatchObject({ epoch: head.epoch, seq, duplicate: false });
      }
      expect((await on.log.heads([on.room])).get(on.room)).toEqual({ epoch: head.epoch, first: 1, head: 3 });
    });

    it("leaves no gap under concurrency and keeps the order of the calls", async () => {
      const results = await Promise.all(
        Array.from({ length: 1_000 }, (_, index) => on.say(index, null, index % 2 === 0 ? on.room : on.other)),
      );
      expect(results.map((result) => result.seq)).toEqual(
        Array.from({ length: 1_000 }, (_, index) => Math.floor(index / 2) + 1),
      );
      const page = await on.log.read(on.room, 0, 1_000);
      expect(page.events.map((event) => event.data)).toEqual(Array.from({ length: 500 }, (_, index) => `${index * 2}`));
    });

    it("leaves no gap when some appends of a turn are in conflict or repeated", async () => {
      const results = await Promise.allSettled([
        on.say("a", "m-1"),
        on.log.append(on.room, on.user, null, { type: "said", data: '"b"' }, { expect: 7 }),
        on.say("c", "m-1"),
        on.say("d", "m-2"),
      ]);
      expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
      expect((await on.log.read(on.room, 0, 10)).events.map((event) => [event.seq, event.data])).toEqual([
        [1, '"a"'],
        [2, '"d"'],
      ]);
    });

    it("resolves a room's appends in the order of their seqs", async () => {
      const order: number[] = [];
      const appends: Promise<unknown>[] = [];
      for (let turn = 0; turn < 5; turn++) {
        for (let index = 0; index < 40; index++) appends.push(on.say(index).then((result) => order.push(result.seq)));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(appends);
      expect(order).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    });

    it("keeps every member of an event, and the payload as the same text", async () => {
      const data = '{ "text" : "Grüße 🏔 \\u0000 山彦",  "n":1.0 }';
      const { timestamp } = await on.log.append(on.room, "user:Ω", "m-ü", { type: "new_message", data });
      await on.log.append(on.room, null, null, { type: "notice", data: "null" });
      expect((await on.log.read(on.room, 0, 10)).events).toEqual([
        {
          roomId: on.room,
          seq: 1,
          type: "new_message",
          sender: "user:Ω",
          messageId: "m-ü",
          timestamp,
          data,
          amends: null,
        },
        expect.objectContaining({ roomId: on.room, seq: 2, sender: null, messageId: null, data: "null", amends: null }),
      ]);
    });

    it("keeps strings as they are: nothing is trimmed, folded or composed", async () => {
      const words = ["a", "A", " a", "é", "e\u0301", "%", "_", "'", '"', "\\", "\n", "0", "00", "0.0"];
      for (const [index, word] of words.entries()) {
        expect(await on.log.append(on.room, word, word, { type: "x", data: '""' })).toMatchObject({ seq: index + 1 });
        expect(await on.log.setMark(on.room, "read", word, index)).toMatchObject({ moved: true });
      }
      const { events } = await on.log.read(on.room, 0, 100);
      expect(events.map((event) => [event.sender, event.messageId])).toEqual(words.map((word) => [word, word]));
      expect(await on.log.marks(on.room, "read")).toEqual(new Map(words.map((word, index) => [word, index])));
    });

    it("keeps large payloads", async () => {
      const text = "ü".repeat(100_000);
      await on.say(text);
      expect((await on.event(1)).data).toBe(JSON.stringify(text));
    });

    it("gives timestamps that never fall", async () => {
      await on.fill(300);
      const { events } = await on.log.read(on.room, 0, 300);
      for (let index = 1; index < events.length; index++) {
        expect(events[index]!.timestamp).toBeGreaterThanOrEqual(events[index - 1]!.timestamp);
      }
    });

    if (on.traits.clock) {
      it("gives timestamps that do not fall when the clock goes back", async () => {
        const before = await on.say("a");
        on.harness.advance!(-60_000);
        expect((await on.say("b")).timestamp).toBe(before.timestamp);
        if (on.traits.durable) await on.reopen();
        expect((await on.say("c")).timestamp).toBe(before.timestamp);
        await on.log.trim(on.room, { maxEvents: 0 });
        if (on.traits.durable) await on.reopen();
        expect((await on.say("d")).timestamp).toBe(before.timestamp);
      });
    }
  });

  describe("messageIds", () => {
    it("enter once: a repetition gets the first result", async () => {
      const first = await on.say("a", "m-1");
      await on.say("b");
      expect(await on.say("other words", "m-1")).toEqual({ ...first, duplicate: true });
      expect((await on.log.heads([on.room])).get(on.room)!.head).toBe(2);
      expect((await on.event(1)).data).toBe('"a"');
    });

    it("enter once within a turn", async () => {
      const results = await Promise.all([on.say("a", "m-1"), on.say("b", "m-1"), on.say("c")]);
      expect(results.map(({ seq, duplicate }) => [seq, duplicate])).toEqual([
        [1, false],
        [1, true],
        [2, false],
      ]);
    });

    it("are those of one room and one sender", async () => {
      const senders = [on.user, `${on.user}2`, "", "0", null];
      for (const [index, sender] of senders.entries()) {
        const result = await on.log.append(on.room, sender, "m-1", { type: "said", data: "1" });
        expect(result).toMatchObject({ seq: index + 1, duplicate: false });
      }
      expect(await on.say("x", "m-1", on.other)).toMatchObject({ seq: 1, duplicate: false });
      expect(await on.log.append(on.room, null, "m-1", { type: "said", data: "1" })).toMatchObject({
        seq: 5,
        duplicate: true,
      });
    });

    it("are not checked against `expect` or `amend` when repeated", async () => {
      await on.say("a");
      const amend = [{ seq: 1, expectData: '"a"', data: '"A"' }];
      const first = await on.log.append(on.room, on.user, "m", { type: "edited", data: "1" }, { expect: 1, amend });
      await on.say("b");
      const again = await on.log.append(on.room, on.user, "m", { type: "edited", data: "1" }, { expect: 1, amend });
      expect(again).toEqual({ ...first, duplicate: true });
      expect((await on.log.heads([on.room])).get(on.room)!.head).toBe(3);
    });

    it("are known after their event was trimmed", async () => {
      const first = await on.say("a", "m-1");
      await on.fill(3);
      expect(await on.log.trim(on.room, { maxEvents: 0 })).toBe(4);
      expect(await on.say("a", "m-1")).toEqual({ ...first, duplicate: true });
      expect((await on.log.heads([on.room])).get(on.room)).toMatchObject({ first: 5, head: 4 });
    });

    if (on.traits.durable) {
      it("are known after a restart, also when trimmed", async () => {
        const first = await on.say("a", "m-1");
        const second = await on.say("b", "m-2");
        await on.log.trim(on.room, { maxEvents: 1 });
        await on.reopen();
        expect(await on.say("a", "m-1")).toEqual({ ...first, duplicate: true });
        expect(await on.say("b", "m-2")).toEqual({ ...second, duplicate: true });
      });
    }

    if (on.traits.clock) {
      it("are known for 24 h", async () => {
        const first = await on.say("a", "m-1");
        await on.log.trim(on.room, { maxEvents: 0 });
        on.harness.advance!(DEDUPLICATION_MS - 1);
        await on.log.trim(on.room, { maxEvents: 0 });
        expect(await on.say("a", "m-1")).toEqual({ ...first, duplicate: true });
      });

      it("are forgotten when they are older and their event is trimmed", async () => {
        await on.say("a", "m-1");
        await on.log.trim(on.room, { maxEvents: 0 });
        on.harness.advance!(DEDUPLICATION_MS + DAY_MS);
        await on.log.trim(on.room, { maxEvents: 0 });
        expect(await on.say("a", "m-1")).toMatchObject({ seq: 2, duplicate: false });
      });
    }
  });

  describe("find", () => {
    it("tells the first result of a messageId", async () => {
      await on.say("a");
      const first = await on.say("b", "m-1");
      expect(await on.log.find(on.room, on.user, "m-1")).toEqual({ ...first, duplicate: true });
      await on.say("c", "m-1");
      expect(await on.log.find(on.room, on.user, "m-1")).toEqual({ ...first, duplicate: true });
    });

    it("is null for what was never appended", async () => {
      expect(await on.log.find(on.room, on.user, "m-1")).toBeNull();
      await on.say("a", "m-1");
      expect(await on.log.find(on.room, on.user, "m-2")).toBeNull();
      expect(await on.log.find(on.room, `${on.user}2`, "m-1")).toBeNull();
      expect(await on.log.find(on.room, null, "m-1")).toBeNull();
      expect(await on.log.find(on.other, on.user, "m-1")).toBeNull();
      await expect(
        on.log.append(on.room, on.user, "m-3", { type: "said", data: "1" }, { expect: 9 }),
      ).rejects.toMatchObject({ code: "conflict" });
      expect(await on.log.find(on.room, on.user, "m-3")).toBeNull();
    });

    it("knows the server's own messageIds from those of users", async () => {
      const senders = [null, "", "0", on.user];
      for (const sender of senders) await on.log.append(on.room, sender, "m-1", { type: "said", data: "1" });
      for (const [index, sender] of senders.entries()) {
        expect(await on.log.find(on.room, sender, "m-1")).toMatchObject({ seq: index + 1 });
      }
    });

    it("still knows it when its event was trimmed", async () => {
      const first = await on.say("a", "m-1");
      await on.log.trim(on.room, { maxEvents: 0 });
      if (on.traits.durable) await on.reopen();
      expect(await on.log.find(on.room, on.user, "m-1")).toEqual({ ...first, duplicate: true });
    });
  });

  describe("expect", () => {
    it("appends when the head is that seq", async () => {
      const append = (expected: number) =>
        on.log.append(on.room, on.user, null, { type: "said", data: "1" }, { expect: expected });
      expect(await append(0)).toMatchObject({ seq: 1 });
      expect(await append(1)).toMatchObject({ seq: 2 });
    });

    it("is a conflict otherwise, and nothing changes", async () => {
      await on.say("a");
      for (const expected of [0, 2]) {
        const amend = [{ seq: 1, expectData: '"a"', data: '"b"' }];
        const append = on.log.append(on.room, on.user, "m", { type: "x", data: "1" }, { expect: expected, amend });
        await expect(append).rejects.toMatchObject({ name: "YamabikoError", code: "conflict", retryable: false });
      }
      expect((await on.log.heads([on.room])).get(on.room)!.head).toBe(1);
      expect((await on.event(1)).data).toBe('"a"');
      expect(await on.say("b", "m")).toMatchObject({ seq: 2, duplicate: false });
    });

    it("lets one of many through", async () => {
      const appends = Array.from({ length: 20 }, (_, index) =>
        on.log.append(on.room, `${on.user}-${index}`, null, { type: "x", data: "1" }, { expect: 0 }),
      );
      const results = await Promise.allSettled(appends);
      expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
      expect((await on.log.heads([on.room])).get(on.room)!.head).toBe(1);
    });
  });

  describe("amend", () => {
    const edited = { type: "message_edited", data: "{}" };

    it("replaces the earlier payload in the same commit and says so on the event", async () => {
      const { timestamp } = await on.say("secret", "m-1");
      await on.fill(2);
      const amend = [{ seq: 1, expectData: '"secret"', data: '"new"' }];
      expect(await on.log.append(on.room, on.user, null, edited, { amend })).toMatchObject({ seq: 4 });
      expect(await on.event(1)).toMatchObject({ seq: 1, type: "said", messageId: "m-1", timestamp, data: '"new"' });
      expect((await on.log.readBack(on.room, 2, 1)).events[0]!.data).toBe('"new"');
      expect(await on.event(4)).toMatchObject({ type: "message_edited", amends: 1 });
    });

    it("is a conflict when the payload is another, and nothing changes", async () => {
      await on.say("a");
      const amend = [{ seq: 1, expectData: '"b"', data: '"c"' }];
      await expect(on.log.append(on.room, on.user, "m", edited, { amend })).rejects.toMatchObject({ code: "conflict" });
      expect((await on.log.heads([on.room])).get(on.room)!.head).toBe(1);
      expect((await on.event(1)).data).toBe('"a"');
    });

    it("is a conflict when there is no such event or it is trimmed", async () => {
      await on.say("a", "m-1");
      await on.say("b");
      await on.log.trim(on.room, { maxEvents: 1 });
      for (const seq of [0, 1, 3]) {
        for (const expectData of ['"a"', ""]) {
          const append = on.log.append(on.room, on.user, null, edited, { amend: [{ seq, expectData, data: "1" }] });
          await expect(append).rejects.toMatchObject({ code: "conflict" });
        }
      }
    });

    it("replaces several payloads in one commit; the event says which came first", async () => {
      await on.fill(4);
      const amend = [
        { seq: 3, expectData: "3", data: '"drei"' },
        { seq: 1, expectData: "1", data: '"eins"' },
      ];
      expect(await on.log.append(on.room, on.user, null, edited, { amend })).toMatchObject({ seq: 5 });
      const { events } = await on.log.read(on.room, 0, 10);
      expect(events.map((event) => event.data)).toEqual(['"eins"', "2", '"drei"', "4", "{}"]);
      expect(events.map((event) => event.amends)).toEqual([null, null, null, null, 3]);
    });

    it("replaces all or nothing", async () => {
      await on.fill(3);
      const [first, second] = [1, 2].map((seq) => ({ seq, expectData: `${seq}`, data: '"new"' }));
      for (const amend of [
        [first!, { seq: 2, expectData: "3", data: '"new"' }],
        [{ seq: 2, expectData: "3", data: '"new"' }, first!],
        [first!, second!, { seq: 9, expectData: "9", data: "9" }],
      ]) {
        const append = on.log.append(on.room, on.user, "m", edited, { amend });
        await expect(append).rejects.toMatchObject({ code: "conflict" });
      }
      expect(await on.log.read(on.room, 0, 10)).toMatchObject({
        head: 3,
        events: [{ data: "1" }, { data: "2" }, { data: "3" }],
      });
      expect(await on.log.find(on.room, on.user, "m")).toBeNull();
    });

    it("is a conflict when it names one event twice", async () => {
      await on.say("a");
      for (const expectData of ['"a"', '"b"']) {
        const amend = [
          { seq: 1, expectData: '"a"', data: '"b"' },
          { seq: 1, expectData, data: '"c"' },
        ];
        const append = on.log.append(on.room, on.user, null, edited, { amend });
        await expect(append).rejects.toMatchObject({ code: "conflict" });
      }
      expect((await on.event(1)).data).toBe('"a"');
    });

    it("of nothing is none", async () => {
      await on.say("a");
      await on.log.append(on.room, on.user, null, edited, { amend: [] });
      expect((await on.event(2)).amends).toBeNull();
    });

    it("takes turns: each sees what the one before wrote", async () => {
      await on.say(0);
      const results = await Promise.allSettled(
        [0, 0, 1].map((from) =>
          on.log.append(on.room, on.user, null, edited, {
            amend: [{ seq: 1, expectData: `${from}`, data: `${from + 1}` }],
          }),
        ),
      );
      expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
      expect((await on.event(1)).data).toBe("2");
    });

    if (on.traits.durable) {
      it("is durable", async () => {
        await on.say("a");
        await on.log.append(on.room, on.user, null, edited, { amend: [{ seq: 1, expectData: '"a"', data: '"b"' }] });
        await on.reopen();
        expect((await on.event(1)).data).toBe('"b"');
        expect((await on.event(2)).amends).toBe(1);
      });
    }

    if (on.traits.inspectable) {
      it("and trim leave nothing of the payload in the storage", async () => {
        const secrets = ["amended-secret".repeat(10), "long-amended-secret".repeat(5_000), "trimmed-secret".repeat(10)];
        await on.say(secrets[2], "m-1");
        await on.say(secrets[0]);
        await on.say(secrets[1]);
        await on.fill(10);
        for (const index of [0, 1]) {
          const amend = [{ seq: index + 2, expectData: JSON.stringify(secrets[index]), data: "null" }];
          await on.log.append(on.room, on.user, null, edited, { amend });
        }
        await on.log.trim(on.room, { maxEvents: 14 });
        await on.log.close();
        const stored = await on.harness.stored!();
        expect(stored.includes(on.room)).toBe(true);
        for (const words of ["amended-secret", "trimmed-secret"]) expect(stored.includes(words)).toBe(false);
      });
    }
  });
}

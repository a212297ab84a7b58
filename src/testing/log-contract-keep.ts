import { describe, expect, it } from "vitest";
import type { LogSubject } from "./log-subject.ts";

/** The part of the log's contract about what is kept and read: pages, heads, retention, snapshots, marks. */
export function keepContract(on: LogSubject): void {
  describe("read", () => {
    it("gives what follows, in order, at most `limit`", async () => {
      await on.fill(10);
      expect(await on.seqs(0, 4)).toEqual([1, 2, 3, 4]);
      expect(await on.seqs(7, 100)).toEqual([8, 9, 10]);
      expect(await on.seqs(3, 0)).toEqual([]);
      expect(await on.seqs(7, Infinity, Infinity)).toEqual([8, 9, 10]);
      expect(await on.seqsBack(4, Infinity, Infinity)).toEqual([1, 2, 3]);
    });

    it("tells where the log stands, also when nothing follows", async () => {
      const { epoch } = await on.say("a");
      for (const after of [1, 2, 1_000]) {
        expect(await on.log.read(on.room, after, 10)).toEqual({ epoch, first: 1, head: 1, events: [] });
      }
    });

    it("gives an empty page of a room never seen", async () => {
      const page = await on.log.read(on.room, 0, 10);
      expect(page).toMatchObject({ first: 1, head: 0, events: [] });
      expect((await on.log.heads([on.room])).get(on.room)!.epoch).toBe(page.epoch);
      expect(await on.log.readBack(on.other, Infinity, 10)).toMatchObject({ first: 1, head: 0, events: [] });
    });

    it("gives at most `maxBytes` of payload in UTF-8, but at least one event", async () => {
      await on.fill(5, () => "ü".repeat(49)); // 100 bytes each
      expect(await on.seqs(0, 10, 300)).toEqual([1, 2, 3]);
      expect(await on.seqs(0, 10, 299)).toEqual([1, 2]);
      expect(await on.seqs(1, 10, 1)).toEqual([2]);
      expect(await on.seqsBack(Infinity, 10, 300)).toEqual([3, 4, 5]);
      expect(await on.seqsBack(4, 10, 1)).toEqual([3]);
    });

    it("is bounded by 256 KiB unless told", async () => {
      await on.fill(4, () => "x".repeat(100_000));
      expect(await on.seqs(0, 10)).toEqual([1, 2]);
      expect(await on.seqsBack(Infinity, 10)).toEqual([3, 4]);
    });

    it("begins at `first` when retention removed what follows", async () => {
      await on.fill(10);
      await on.log.trim(on.room, { maxEvents: 4 });
      const page = await on.log.read(on.room, 2, 2);
      expect(page).toMatchObject({ first: 7, head: 10 });
      expect(page.events.map((event) => event.seq)).toEqual([7, 8]);
    });

    it("backward gives the newest before, in rising order", async () => {
      await on.fill(10);
      expect(await on.seqsBack(Infinity, 3)).toEqual([8, 9, 10]);
      expect(await on.seqsBack(11, 3)).toEqual([8, 9, 10]);
      expect(await on.seqsBack(8, 3)).toEqual([5, 6, 7]);
      expect(await on.seqsBack(3, 10)).toEqual([1, 2]);
      expect(await on.seqsBack(1, 10)).toEqual([]);
      expect(await on.seqsBack(0, 10)).toEqual([]);
      await on.log.trim(on.room, { maxEvents: 3 });
      expect(await on.seqsBack(Infinity, 10)).toEqual([8, 9, 10]);
      expect(await on.seqsBack(8, 10)).toEqual([]);
    });

    it("sees every append that was resolved", async () => {
      for (let seq = 1; seq <= 20; seq++) {
        await on.say(seq);
        expect((await on.log.read(on.room, seq - 1, 10)).events.map((event) => event.data)).toEqual([`${seq}`]);
      }
    });
  });

  describe("amendments", () => {
    /** Appends an event of a type that amends the events at `seqs`. */
    async function amend(type: string, ...seqs: number[]): Promise<void> {
      const amendments = await Promise.all(
        seqs.map(async (seq) => {
          const { data } = await on.event(seq);
          return { seq, expectData: data, data: `${data} ` };
        }),
      );
      await on.log.append(on.room, on.user, null, { type, data: JSON.stringify(type) }, { amend: amendments });
    }

    async function seqsOf(seq: number, type: string, limit: number): Promise<number[]> {
      return (await on.log.amendments(on.room, seq, type, limit)).map((event) => event.seq);
    }

    it("are the events of a type that amended this one, newest first, at most `limit`", async () => {
      await on.fill(2);
      await amend("edited", 1); // 3
      await amend("liked", 1);
      await amend("edited", 2); // 5
      await amend("edited", 1);
      await amend("liked", 1);
      expect(await seqsOf(1, "edited", 10)).toEqual([6, 3]);
      expect(await seqsOf(1, "edited", 1)).toEqual([6]);
      expect(await seqsOf(1, "liked", Infinity)).toEqual([7, 4]);
      expect(await seqsOf(2, "edited", 10)).toEqual([5]);
      expect(await seqsOf(1, "edited", 0)).toEqual([]);
      expect(await on.log.amendments(on.room, 1, "edited", 1)).toEqual([await on.event(6)]);
      if (on.traits.durable) {
        await on.reopen();
        expect(await seqsOf(1, "edited", 10)).toEqual([6, 3]);
      }
    });

    it("are those that name it first", async () => {
      await on.fill(2);
      await amend("edited", 2, 1);
      expect(await seqsOf(2, "edited", 10)).toEqual([3]);
      expect(await seqsOf(1, "edited", 10)).toEqual([]);
    });

    it("show their payload as it is now", async () => {
      await on.fill(1);
      await amend("edited", 1);
      await amend("edited", 1, 2);
      expect((await on.log.amendments(on.room, 1, "edited", 10)).map((event) => event.data)).toEqual([
        '"edited"',
        '"edited" ',
      ]);
    });

    it("are none where nothing was amended, or it is another room", async () => {
      await on.fill(1);
      await amend("edited", 1);
      expect(await seqsOf(2, "edited", 10)).toEqual([]);
      expect(await seqsOf(1, "", 10)).toEqual([]);
      expect(await on.log.amendments(on.other, 1, "edited", 10)).toEqual([]);
    });

    it("are not those that were trimmed", async () => {
      await on.fill(1);
      await on.log.append(
        on.room,
        on.user,
        "m-1",
        { type: "edited", data: "1" },
        { amend: [{ seq: 1, expectData: "1", data: "2" }] },
      );
      await amend("edited", 1);
      await on.log.trim(on.room, { maxEvents: 1 });
      expect(await seqsOf(1, "edited", 10)).toEqual([3]);
      expect(await seqsOf(1, "", 10)).toEqual([]);
      await on.log.trim(on.room, { maxEvents: 0 });
      expect(await seqsOf(1, "edited", 10)).toEqual([]);
    });
  });

  describe("heads", () => {
    it("answers for many rooms at once", async () => {
      const { epoch } = await on.say("a");
      const heads = await on.log.heads([on.room, on.other, on.room]);
      expect([...heads.keys()].sort()).toEqual([on.room, on.other].sort());
      expect(heads.get(on.room)).toEqual({ epoch, first: 1, head: 1 });
      expect(heads.get(on.other)).toMatchObject({ first: 1, head: 0 });
      expect(await on.log.heads([])).toEqual(new Map());
    });

    it("makes an epoch once, and another for each room", async () => {
      const asked = await Promise.all([on.log.heads([on.room, on.other]), on.log.heads([on.room])]);
      const epoch = asked[0].get(on.room)!.epoch;
      expect(epoch).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
      expect(asked[1].get(on.room)!.epoch).toBe(epoch);
      expect(asked[0].get(on.other)!.epoch).not.toBe(epoch);
      expect((await on.say("a")).epoch).toBe(epoch);
    });

    if (on.traits.durable) {
      it("stay over a restart, with the epoch", async () => {
        await on.fill(5);
        await on.log.trim(on.room, { maxEvents: 2 });
        const before = await on.log.heads([on.room, on.other]);
        await on.reopen();
        expect(await on.log.heads([on.room, on.other])).toEqual(before);
        expect(await on.seqs(0, 10)).toEqual([4, 5]);
        expect(await on.say("x")).toMatchObject({ seq: 6 });
      });
    }
  });

  describe("trim", () => {
    it("keeps the newest `maxEvents`; the head stays", async () => {
      await on.fill(10);
      expect(await on.log.trim(on.room, { maxEvents: 20 })).toBe(0);
      expect(await on.log.trim(on.room, { maxEvents: 3 })).toBe(7);
      expect(await on.log.trim(on.room, { maxEvents: 3 })).toBe(0);
      expect((await on.log.heads([on.room])).get(on.room)).toMatchObject({ first: 8, head: 10 });
      expect(await on.seqs(0, 10)).toEqual([8, 9, 10]);
    });

    it("removes nothing after `upTo`, whatever else is asked for", async () => {
      await on.fill(10, () => "x".repeat(100));
      expect(await on.log.trim(on.room, { maxEvents: 3, upTo: 0 })).toBe(0);
      expect(await on.log.trim(on.room, { maxEvents: 3, upTo: 2 })).toBe(2);
      expect(await on.log.trim(on.room, { maxEvents: 3, upTo: 1 })).toBe(0);
      expect(await on.log.trim(on.room, { maxBytes: 1, upTo: 4 })).toBe(2);
      expect(await on.log.trim(on.room, { upTo: 9 })).toBe(0);
      expect(await on.seqs(0, 100)).toEqual([5, 6, 7, 8, 9, 10]);
      expect(await on.log.trim(on.room, { maxEvents: 3, upTo: 1_000 })).toBe(3);
      expect(await on.seqs(0, 100)).toEqual([8, 9, 10]);
    });

    it("removes everything with `maxEvents: 0`, and the numbers go on", async () => {
      await on.fill(3);
      expect(await on.log.trim(on.room, { maxEvents: 0 })).toBe(3);
      expect(await on.log.read(on.room, 0, 10)).toMatchObject({ first: 4, head: 3, events: [] });
      if (on.traits.durable) await on.reopen();
      expect(await on.say("x")).toMatchObject({ seq: 4 });
      expect(await on.log.read(on.room, 0, 10)).toMatchObject({ first: 4, head: 4, events: [{ seq: 4 }] });
    });

    it("removes the oldest until the payload is within `maxBytes`, never the newest", async () => {
      await on.fill(10, () => "ü".repeat(49)); // 100 bytes each
      expect(await on.log.trim(on.room, { maxBytes: 1_000 })).toBe(0);
      expect(await on.log.trim(on.room, { maxBytes: 999 })).toBe(1);
      expect(await on.log.trim(on.room, { maxBytes: 350 })).toBe(6);
      expect(await on.seqs(0, 10)).toEqual([8, 9, 10]);
      await on.fill(2, () => "ü".repeat(49));
      expect(await on.log.trim(on.room, { maxBytes: 400 })).toBe(1);
      if (on.traits.durable) await on.reopen();
      expect(await on.log.trim(on.room, { maxBytes: 400 })).toBe(0);
      expect(await on.log.trim(on.room, { maxBytes: 0 })).toBe(3);
      expect(await on.seqs(0, 10)).toEqual([12]);
    });

    it("counts amended payloads as they are now", async () => {
      await on.fill(4, () => "x".repeat(98)); // 100 bytes each
      const amend = (seq: number, from: string, to: string) =>
        on.log.append(
          on.room,
          on.user,
          null,
          { type: "edited", data: "" },
          { amend: [{ seq, expectData: from, data: to }] },
        );
      const payload = JSON.stringify("x".repeat(98));
      await on.log.trim(on.room, { maxBytes: 300 });
      await amend(2, payload, "x".repeat(10));
      await amend(3, payload, "x".repeat(110));
      expect(await on.log.trim(on.room, { maxBytes: 220 })).toBe(0);
      if (on.traits.durable) await on.reopen();
      expect(await on.log.trim(on.room, { maxBytes: 220 })).toBe(0);
      expect(await on.log.trim(on.room, { maxBytes: 219 })).toBe(1);
      expect(await on.log.trim(on.room, { maxBytes: 210 })).toBe(0);
    });

    it("removes what any part of the policy removes, from one room only", async () => {
      await on.fill(10);
      await on.say("x", null, on.other);
      expect(await on.log.trim(on.room, { maxEvents: 5, maxBytes: 3 })).toBe(8);
      expect(await on.log.trim(on.room, {})).toBe(0);
      expect((await on.log.heads([on.other])).get(on.other)).toMatchObject({ first: 1, head: 1 });
    });

    it("removes very many at once, while appends go on", async () => {
      for (let turn = 0; turn < 12; turn++) await on.fill(1_000);
      const [removed, appended] = await Promise.all([on.log.trim(on.room, { maxEvents: 10 }), on.say("x")]);
      expect(appended.seq).toBe(12_001);
      expect([11_990, 11_991]).toContain(removed);
      await on.log.trim(on.room, { maxEvents: 10 });
      expect(await on.log.read(on.room, 0, 2)).toMatchObject({
        first: 11_992,
        head: 12_001,
        events: [{ seq: 11_992 }, {}],
      });
    });

    if (on.traits.clock) {
      it("removes what is older than `maxAgeMs`, the newest too", async () => {
        await on.fill(2);
        on.harness.advance!(1_000);
        await on.fill(2);
        on.harness.advance!(1_000);
        expect(await on.log.trim(on.room, { maxAgeMs: 2_000 })).toBe(0);
        expect(await on.log.trim(on.room, { maxAgeMs: 10, upTo: 0 })).toBe(0);
        expect(await on.log.trim(on.room, { maxAgeMs: 1_999 })).toBe(2);
        expect((await on.log.heads([on.room])).get(on.room)).toMatchObject({ first: 3, head: 4 });
        expect(await on.log.trim(on.room, { maxAgeMs: 10 })).toBe(2);
        expect((await on.log.heads([on.room])).get(on.room)).toMatchObject({ first: 5, head: 4 });
        expect(await on.say("x")).toMatchObject({ seq: 5 });
      });
    }
  });

  describe("snapshots", () => {
    it("give the newest at or below a seq", async () => {
      const { epoch } = await on.say("a");
      await on.fill(9);
      expect(await on.log.snapshot(on.room)).toBeNull();
      expect(await on.log.snapshot(on.other)).toBeNull();
      await on.log.putSnapshot(on.room, 3, "three ü");
      await on.log.putSnapshot(on.room, 7, "seven");
      expect(await on.log.snapshot(on.room)).toEqual({ epoch, seq: 7, data: "seven" });
      expect(await on.log.snapshot(on.room, 7)).toEqual({ epoch, seq: 7, data: "seven" });
      expect(await on.log.snapshot(on.room, 6)).toEqual({ epoch, seq: 3, data: "three ü" });
      expect(await on.log.snapshot(on.room, 2)).toBeNull();
      await on.log.putSnapshot(on.room, 7, "seven again");
      expect(await on.log.snapshot(on.room)).toEqual({ epoch, seq: 7, data: "seven again" });
    });

    it("are the newest two, and outlive the events", async () => {
      await on.fill(10);
      for (const seq of [2, 5, 9]) await on.log.putSnapshot(on.room, seq, `${seq}`);
      expect(await on.log.snapshot(on.room, 4)).toBeNull();
      expect(await on.log.snapshot(on.room, 8)).toMatchObject({ seq: 5 });
      await on.log.trim(on.room, { maxEvents: 0 });
      if (on.traits.durable) await on.reopen();
      expect(await on.log.snapshot(on.room)).toMatchObject({ seq: 9, data: "9" });
    });
  });

  describe("marks", () => {
    it("only move forward", async () => {
      expect(await on.log.setMark(on.room, "read", on.user, 0)).toEqual({ seq: 0, moved: true });
      expect(await on.log.setMark(on.room, "read", on.user, 0)).toEqual({ seq: 0, moved: false });
      expect(await on.log.setMark(on.room, "read", on.user, 5)).toEqual({ seq: 5, moved: true });
      expect(await on.log.setMark(on.room, "read", on.user, 3)).toEqual({ seq: 5, moved: false });
      const many = await Promise.all([9, 7, 8].map((seq) => on.log.setMark(on.room, "read", on.user, seq)));
      expect(Math.max(...many.map((mark) => mark.seq))).toBe(9);
      if (on.traits.durable) await on.reopen();
      expect(await on.log.marks(on.room, "read")).toEqual(new Map([[on.user, 9]]));
    });

    it("are by room, name and user; highest first", async () => {
      await on.log.setMark(on.room, "read", `${on.user}-a`, 1);
      await on.log.setMark(on.room, "read", `${on.user}-b`, 3);
      await on.log.setMark(on.room, "read", `${on.user}-c`, 2);
      await on.log.setMark(on.room, "seen", on.user, 4);
      await on.log.setMark(on.other, "read", on.user, 5);
      expect([...(await on.log.marks(on.room, "read"))]).toEqual([
        [`${on.user}-b`, 3],
        [`${on.user}-c`, 2],
        [`${on.user}-a`, 1],
      ]);
      expect((await on.log.marks(on.room, "read", 0)).size).toBe(0);
      expect([...(await on.log.marks(on.room, "read", 1)).keys()]).toEqual([`${on.user}-b`]);
      expect(await on.log.marks(on.room, "seen")).toEqual(new Map([[on.user, 4]]));
      expect(await on.log.marks(`${on.room}-unknown`, "read")).toEqual(new Map());
    });

    it("of a user: latest moved first", async () => {
      const rooms = [1, 2, 3].map((index) => `${on.room}-${index}`);
      for (const [index, room] of rooms.entries()) await on.log.setMark(room, "read", on.user, 10 + index);
      await on.log.setMark(rooms[1]!, "read", `${on.user}-other`, 99);
      await on.log.setMark(rooms[0]!, "read", on.user, 20);
      await on.log.setMark(rooms[2]!, "read", on.user, 1);
      await on.log.setMark(rooms[2]!, "seen", on.user, 1);
      const latest = [
        [rooms[0], 20],
        [rooms[2], 12],
        [rooms[1], 11],
      ];
      expect([...(await on.log.marksOf(on.user, "read"))]).toEqual(latest);
      expect([...(await on.log.marksOf(on.user, "read", 2))]).toEqual(latest.slice(0, 2));
      expect(await on.log.marksOf(`${on.user}-nobody`, "read")).toEqual(new Map());
      if (on.traits.durable) await on.reopen();
      await on.log.setMark(rooms[1]!, "read", on.user, 12);
      expect([...(await on.log.marksOf(on.user, "read")).keys()]).toEqual([rooms[1], rooms[0], rooms[2]]);
    });
  });
}

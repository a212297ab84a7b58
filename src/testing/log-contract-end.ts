import { describe, expect, it } from "vitest";
import type { Log } from "../log/log.ts";
import { YamabikoError } from "../protocol/index.ts";
import type { LogSubject } from "./log-subject.ts";

/** The part of the log's contract about failing, closing and coming back. */
export function endContract(on: LogSubject): void {
  describe("close", () => {
    it("finishes what was accepted", async () => {
      const appends = Array.from({ length: 100 }, (_, index) => on.say(index));
      const others = [on.log.setMark(on.room, "read", on.user, 1), on.log.putSnapshot(on.room, 1, "x")];
      const pages = on.log.read(on.room, 0, 10);
      const trim = on.log.trim(on.other, { maxEvents: 1 });
      await on.log.close();
      expect((await Promise.all(appends)).map((result) => result.seq)).toEqual(appends.map((_, index) => index + 1));
      await Promise.all([...others, pages, trim]);
    });

    it("finishes a large trim", async () => {
      for (let turn = 0; turn < 6; turn++) await on.fill(1_000);
      const trim = on.log.trim(on.room, { maxEvents: 10 });
      await on.log.close();
      expect(await trim).toBe(5_990);
    });

    it("refuses later calls with `unavailable`, and may be called again", async () => {
      await on.say("x");
      const closing = on.log.close();
      const log = on.log;
      const calls: { [method in Exclude<keyof Log, "close" | "seen">]: () => Promise<unknown> } = {
        append: () => log.append(on.room, on.user, null, { type: "x", data: "1" }),
        read: () => log.read(on.room, 0, 1),
        readBack: () => log.readBack(on.room, 1, 1),
        find: () => log.find(on.room, on.user, "m"),
        amendments: () => log.amendments(on.room, 1, "x", 1),
        heads: () => log.heads([on.room]),
        trim: () => log.trim(on.room, { maxEvents: 1 }),
        putSnapshot: () => log.putSnapshot(on.room, 1, "x"),
        snapshot: () => log.snapshot(on.room),
        setMark: () => log.setMark(on.room, "read", on.user, 1),
        marks: () => log.marks(on.room, "read"),
        marksOf: () => log.marksOf(on.user, "read"),
        dropMarks: () => log.dropMarks(on.user, "read"),
        rooms: () => log.rooms(null, 10),
        lease: () => log.lease(on.room, "node", 1_000),
        endLease: () => log.endLease(on.room, "node", 1),
      };
      for (const state of ["closing", "closed"]) {
        for (const [method, call] of Object.entries(calls)) {
          const error = await call().then(
            () => undefined,
            (reason: unknown) => reason,
          );
          expect(error, `${method} when ${state}`).toBeInstanceOf(YamabikoError);
          expect(error).toMatchObject({ code: "unavailable", retryable: true });
        }
        await closing;
      }
      await log.close();
    });

    if (on.traits.durable) {
      it("loses nothing: all that was resolved is there afterwards", async () => {
        const first = await on.say("a", "m-1");
        await on.fill(500);
        await on.reopen();
        const page = await on.log.read(on.room, 0, 1_000);
        expect(page).toMatchObject({ epoch: first.epoch, first: 1, head: 501 });
        expect(page.events.map((event) => event.data)).toEqual([
          '"a"',
          ...Array.from({ length: 500 }, (_, i) => `${i + 1}`),
        ]);
      });
    }
  });

  if (on.traits.breakable) {
    describe("a failure", () => {
      it("is `unavailable`, for every append called before it was reported; nothing changed", async () => {
        await on.say("before", "m-0");
        const repair = await on.harness.breakAppends!();
        const outcomes: Promise<string>[] = [];
        let reported = false;
        const call = () => {
          const messageId = `m-${outcomes.length + 1}`;
          outcomes.push(
            on.say(1, messageId).then(
              () => "appended",
              (error: YamabikoError) => {
                reported = true;
                return error.code;
              },
            ),
          );
        };
        while (!reported) {
          call();
          await new Promise((resolve) => setImmediate(resolve));
        }
        // The last one may have been called after the report.
        const [first, ...others] = await Promise.all(outcomes);
        expect(first).toBe("unavailable");
        expect(others.slice(0, -1).filter((outcome) => outcome !== "unavailable")).toEqual([]);
        await repair();
        expect((await on.log.heads([on.room])).get(on.room)!.head).toBe(1);
      });

      it("is over when it is over: the same messageIds in order get the next seqs", async () => {
        await on.say("before", "m-0");
        const repair = await on.harness.breakAppends!();
        const failed = await Promise.allSettled([1, 2, 3].map((index) => on.say(index, `m-${index}`)));
        expect(failed.map((result) => result.status)).toEqual(["rejected", "rejected", "rejected"]);
        await repair();
        const results = await Promise.all([0, 1, 2, 3].map((index) => on.say(index, `m-${index}`)));
        expect(results.map(({ seq, duplicate }) => [seq, duplicate])).toEqual([
          [1, true],
          [2, false],
          [3, false],
          [4, false],
        ]);
        expect(await on.seqs(0, 10)).toEqual([1, 2, 3, 4]);
      });
    });
  }
}

import { describe, expect, it } from "vitest";
import type { LogSubject } from "./log-subject.ts";

/** The part of the log's contract by which a person's data are found and removed: the rooms there are, and the marks of a user. */
export function eraseContract(on: LogSubject): void {
  /** All rooms, by pages of this size. */
  async function rooms(limit: number): Promise<string[]> {
    const found: string[] = [];
    let after: string | null = null;
    do {
      const page = await on.log.rooms(after, limit);
      found.push(...page.roomIds);
      after = page.next;
    } while (after !== null);
    return found;
  }

  describe("rooms", () => {
    it("are all given, page by page, those too that are made meanwhile or not", async () => {
      const made = Array.from({ length: 12 }, (_, index) => `${on.room}-${index}`);
      for (const roomId of made) await on.say("x", null, roomId);
      if (on.traits.durable) await on.reopen();
      for (const limit of [5, 1_000]) expect(await rooms(limit)).toEqual(expect.arrayContaining(made));
      await on.log.trim(made[0]!, { maxEvents: 0 });
      expect(await rooms(100)).toContain(made[0]);
      expect(await rooms(100)).not.toContain(on.other);
    });
  });

  describe("dropMarks", () => {
    it("removes the marks of a user and a name in all rooms, and no others", async () => {
      await on.log.setMark(on.room, "read", on.user, 3);
      await on.log.setMark(on.other, "read", on.user, 4);
      await on.log.setMark(on.room, "seen", on.user, 5);
      await on.log.setMark(on.room, "read", `${on.user}-other`, 6);
      expect(await on.log.dropMarks(on.user, "read")).toBe(2);
      expect(await on.log.dropMarks(on.user, "read")).toBe(0);
      if (on.traits.durable) await on.reopen();
      expect(await on.log.marks(on.room, "read")).toEqual(new Map([[`${on.user}-other`, 6]]));
      expect(await on.log.marks(on.other, "read")).toEqual(new Map());
      expect(await on.log.marksOf(on.user, "read")).toEqual(new Map());
      expect(await on.log.marksOf(on.user, "seen")).toEqual(new Map([[on.room, 5]]));
      expect(await on.log.setMark(on.room, "read", on.user, 1)).toEqual({ seq: 1, moved: true });
    });
  });
}

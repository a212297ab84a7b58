import { describe, expect, it } from "vitest";
import { InputQueue } from "./input-queue.ts";

const REST = { dx: 0 };
const want = (dx: number) => ({ dx });

describe("the inputs of a player", () => {
  it("GAME-7 have their effect one by one, in order, and the last one goes on for half a second", () => {
    const queue = new InputQueue(REST, 60);
    expect(queue.take()).toEqual(REST);
    for (const seq of [10, 11, 12]) expect(queue.push("a", seq, want(seq), 0)).toBeNull();
    expect([queue.take(), queue.take(), queue.take()]).toEqual([want(10), want(11), want(12)]);
    expect(queue.ack).toBe(12);
    for (let tick = 0; tick < 30; tick++) expect(queue.take()).toEqual(want(12));
    expect(queue.take()).toEqual(REST);
    expect(queue.ack).toBe(12);
  });

  it("GAME-7 that come again, or from far ahead, change nothing", () => {
    const queue = new InputQueue(REST, 60);
    queue.push("a", 5, want(1), 0);
    expect(queue.push("a", 5, want(9), 0)).toBe("stale");
    expect(queue.push("a", 4, want(9), 0)).toBe("stale");
    expect(queue.push("a", 5 + 257, want(9), 0)).toBe("ahead");
    expect(queue.push("a", 6, want(2), 0)).toBeNull();
    expect([queue.take(), queue.take(), queue.take()]).toEqual([want(1), want(2), want(2)]);
  });

  it("GAME-7 wait at most six, however many come", () => {
    const queue = new InputQueue(REST, 60);
    for (let seq = 1; seq <= 1_000; seq++) queue.push("a", seq, want(seq), 0);
    expect(queue.waiting).toBe(6);
    expect(queue.take()).toEqual(want(995));
  });

  it("GAME-7 without a number are the next ones", () => {
    const queue = new InputQueue(REST, 60);
    queue.push("a", null, want(1), 0);
    queue.push("a", null, want(2), 0);
    expect([queue.take(), queue.take()]).toEqual([want(1), want(2)]);
  });

  it("GAME-7 come from the newest connection; the one before it is heard again only when that is silent", () => {
    const queue = new InputQueue(REST, 60);
    queue.push("old", 900, want(1), 0);
    expect(queue.push("new", 3, want(2), 10)).toBeNull();
    expect(queue.take()).toEqual(want(2));
    expect(queue.push("old", 901, want(3), 20)).toBe("elsewhere");
    expect(queue.push("old", 902, want(3), 2_000)).toBeNull();
    expect(queue.take()).toEqual(want(3));
  });

  it("that always wait wait less by and by", () => {
    const queue = new InputQueue(REST, 60);
    let seq = 0;
    for (; seq < 6; seq++) queue.push("a", seq, want(seq), 0);
    for (let tick = 0; tick < 600; tick++) {
      queue.take();
      queue.push("a", seq++, want(seq), 0);
    }
    expect(queue.waiting).toBeLessThanOrEqual(3);
  });
});

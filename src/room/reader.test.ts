import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Cursor } from "../protocol/index.ts";
import type { Page } from "./page.ts";
import { pull } from "./reader.ts";
import type { Room } from "./room.ts";
import { type Node, ROOM, range, World } from "./world.test-support.ts";

describe("a pulled reader", () => {
  let world: World;
  let node: Node;
  let room: Room;
  /** Timers of the node that have nothing to do with the reader. */
  let timers: number;

  beforeEach(async () => {
    world = new World();
    node = world.node();
    await world.say(3);
    room = await node.open();
    timers = world.clock.pendingTimers;
  });
  afterEach(() => world.close());

  /** Pulls, and tells whether an answer has come. */
  const start = (seq: number, waitMs = 1_000, more: { signal?: AbortSignal; epoch?: string | null } = {}) => {
    const cursor: Cursor = { epoch: more.epoch === undefined ? room.epoch : more.epoch, seq };
    const answer: { page: Page | null; readonly whole: Promise<Page> } = {
      page: null,
      whole: pull(room, cursor, { limit: 100, maxBytes: 10_000, waitMs, signal: more.signal }, world.clock),
    };
    void answer.whole.then((page) => {
      answer.page = page;
    });
    return answer;
  };
  const seqs = (page: Page | null) => page?.events.map((event) => event.seq);
  const expectNothingLeft = () => {
    expect(world.clock.pendingTimers).toBe(timers);
    expect(room.isIdle).toBe(true);
  };

  it("gets at once what is there", async () => {
    expect(seqs(await start(1).whole)).toEqual([2, 3]);
    expect(await start(1, 1_000, { epoch: null }).whole).toMatchObject({ epoch: room.epoch, start: 1, head: 3 });
    expectNothingLeft();
  });

  it("is answered at once when it does not want to wait", async () => {
    expect(await start(3, 0).whole).toMatchObject({ start: 3, events: [], lost: null });
    expectNothingLeft();
  });

  it("waits for what is new, and keeps the room in memory meanwhile", async () => {
    const answer = start(3);
    await world.settle();
    expect(answer.page).toBeNull();
    expect(room.isIdle).toBe(false);
    await node.say("new");
    await world.settle();
    expect(seqs(answer.page)).toEqual([4]);
    expectNothingLeft();
  });

  it("goes on waiting when nothing is there for it after all", async () => {
    await node.say("not flushed yet");
    const answer = start(4);
    await world.settle();
    expect(answer.page).toBeNull();
    await node.say("new");
    await world.settle();
    expect(seqs(answer.page)).toEqual([5]);
    expectNothingLeft();
  });

  it("gets an empty page when the time is over", async () => {
    const answer = start(3, 500);
    await world.clock.advance(499);
    expect(answer.page).toBeNull();
    await world.clock.advance(1);
    expect(answer.page).toMatchObject({ start: 3, events: [], lost: null });
    expectNothingLeft();
  });

  it("gets an empty page when its caller goes", async () => {
    const caller = new AbortController();
    const answers = range(1, 20).map(() => start(3, 1_000, { signal: caller.signal }));
    await world.settle();
    caller.abort();
    await world.settle();
    for (const { page } of answers) expect(page).toMatchObject({ start: 3, events: [] });
    expect((await start(3, 1_000, { signal: caller.signal }).whole).events).toEqual([]);
    expectNothingLeft();
  });

  it("leaves nothing with its caller's signal when it was answered", async () => {
    const caller = new AbortController();
    const { signal } = caller;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...call: Parameters<typeof add>) => {
      listeners++;
      add(...call);
    };
    signal.removeEventListener = (...call: Parameters<typeof remove>) => {
      listeners--;
      remove(...call);
    };
    const answer = start(3, 1_000, { signal });
    await world.settle();
    expect(listeners).toBe(1);
    await node.say("new");
    await world.settle();
    expect(seqs(answer.page)).toEqual([4]);
    expect(listeners).toBe(0);
    caller.abort();
    expectNothingLeft();
  });

  it("is told what retention took", async () => {
    await world.log.trim(ROOM, { maxEvents: 1 });
    await room.refresh();
    expect(await start(0).whole).toMatchObject({ start: 2, lost: { reason: "retention", from: 1, to: 2 } });
    expectNothingLeft();
  });

  it("wakes when the log was made anew, and is told", async () => {
    const answer = start(3, 60_000);
    await world.settle();
    world.remake();
    await world.say(1);
    await room.refresh();
    await world.settle();
    expect(answer.page).toMatchObject({ epoch: room.epoch, start: 0, lost: { reason: "epoch", from: null, to: null } });
    expectNothingLeft();
  });

  it("that came with a bare seq belongs to the log it waits for", async () => {
    const answer = start(3, 60_000, { epoch: null });
    await world.settle();
    world.remake();
    await world.say(5);
    await room.refresh();
    await world.settle();
    expect(answer.page).toMatchObject({ start: 0, lost: { reason: "epoch" } });
  });

  it("loses nothing when its cursor is ahead of what this node has heard", async () => {
    await world.say(2);
    const answer = start(5, 0);
    const behind = start(4, 0);
    await world.settle();
    expect(answer.page).toMatchObject({ start: 5, events: [], lost: null });
    expect(seqs(behind.page)).toEqual([5]);
    expect((await start(6, 0).whole).lost).toEqual({ reason: "epoch", from: null, to: null });
    expectNothingLeft();
  });

  it("rejects when the log cannot be read", async () => {
    node.gate.failReads(1);
    await expect(pull(room, { epoch: room.epoch, seq: 0 }, { limit: 1, maxBytes: 1, waitMs: 10 }, world.clock))
      .rejects //
      .toMatchObject({ code: "unavailable" });
    expectNothingLeft();
  });

  it("is let go when the room ends", async () => {
    const answer = start(3, 60_000);
    await world.settle();
    node.rooms.close();
    await world.settle();
    expect(answer.page).toMatchObject({ start: 3, events: [] });
    expect(world.clock.pendingTimers).toBe(0);
  });
});

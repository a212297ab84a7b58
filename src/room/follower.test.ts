import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Node, ROOM, range, World } from "./world.test-support.ts";

/** A room that remembers only 4 events, so that readers behind read the log. */
const SHORT = { limits: { tailEvents: 4 } };

describe("a log that is ahead of the room", () => {
  let world: World;
  let node: Node;

  beforeEach(async () => {
    world = new World();
    node = world.node(SHORT);
    await world.say(10);
    await node.open();
  });
  afterEach(() => world.close());

  const lostTo = (types: readonly string[]) => types.filter((type) => type === "history_lost");

  it("gives a reader that catches up each event once, when no notice has come yet", async () => {
    node.gate.hold();
    const joining = node.join(2);
    node.gate.release();
    await joining;
    await world.say(3);
    const { sink } = await node.join(5);
    await world.settle();
    expect(sink.types).toEqual([]);
    expect(sink.seqs).toEqual(range(6, 13));
  });

  it("does not give out what it read beyond the head before the head is there", async () => {
    const room = await node.open();
    await world.say(3);
    const page = await room.page({ epoch: room.epoch, seq: 2 }, 100, 100_000);
    expect(page.events.at(-1)!.seq).toBeLessThanOrEqual(page.head);
    expect(page.lost).toBeNull();
    expect(page.events.map(({ seq }) => seq)).toEqual(range(3, page.head));
  });

  it("gives each event once while a hole is being filled", async () => {
    const live = await node.join();
    const slow = await node.join(0);
    slow.sink.writable = false;
    await world.settle();
    await world.say(8);
    node.gate.hold();
    node.ring(18, (await node.open()).epoch);
    await world.settle();
    slow.sink.writable = true;
    slow.subscription.pump();
    await world.say(2);
    await world.settle();
    expect(live.sink.seqs).toEqual([]);
    node.gate.release();
    await world.settle();
    node.ring(20, (await node.open()).epoch);
    await world.settle();
    expect(live.sink.seqs).toEqual(range(11, 20));
    expect(slow.sink.seqs).toEqual(range(1, 20));
    expect(lostTo([...live.sink.types, ...slow.sink.types])).toEqual([]);
  });

  it("gives each event once when appends of this node end while a hole is being filled", async () => {
    const { sink } = await node.join();
    await world.say(3);
    node.gate.hold();
    node.ring(13, (await node.open()).epoch);
    await world.settle();
    await node.say("mine");
    await node.say("mine too");
    node.gate.release();
    await world.settle();
    expect(sink.seqs).toEqual(range(11, 15));
  });

  it("gives an event once whose append's reply was lost, to readers here and elsewhere", async () => {
    const other = world.node();
    const here = await node.join();
    const there = await other.join();
    node.log.loseReplies(1);
    await expect(node.say("lost", undefined, "m1")).rejects.toMatchObject({ code: "unavailable" });
    const late = await node.join(0);
    expect(await node.say("lost", undefined, "m1")).toMatchObject({ duplicate: true, seq: 11 });
    await world.settle();
    for (const { sink } of [here, there]) expect(sink.seqs).toEqual([11]);
    expect(late.sink.seqs).toEqual(range(1, 11));
    expect(lostTo([...here.sink.types, ...late.sink.types])).toEqual([]);
  });

  it("is heard of by the repetition of an append whose reply was lost", async () => {
    const { sink } = await node.join();
    node.log.loseReplies(1);
    await expect(node.say("lost", undefined, "m1")).rejects.toMatchObject({ code: "unavailable" });
    await world.settle();
    expect(sink.seqs).toEqual([]);
    await node.say("lost", undefined, "m1");
    await world.settle();
    expect(sink.seqs).toEqual([11]);
  });

  it("does not take a cursor it has not heard of for one that is lost", async () => {
    await world.say(2);
    const room = await node.open();
    expect(await room.locate({ epoch: room.epoch, seq: 12 }, 0)).toMatchObject({ start: 12, recovered: true });
    expect(await room.locate({ epoch: room.epoch, seq: 13 }, 0)).toMatchObject({
      start: 12,
      recovered: false,
      lost: { reason: "epoch", from: null, to: null },
    });
  });

  it("does not take a cursor for lost that rang while a hole before it was being filled", async () => {
    const { epoch } = await node.open();
    // Whichever answer comes first, and however many turns of promises between.
    for (const turns of range(0, 8)) {
      const room = await node.open();
      await world.say(1);
      const heard = room.head + 1;
      node.gate.hold();
      node.ring(heard, epoch);
      await world.settle();
      await world.say(1);
      const locating = room.locate({ epoch, seq: heard + 1 }, 0);
      await world.settle();
      const { heads } = node.log;
      node.log.heads = async (...question) => {
        const answer = await heads(...question);
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        return answer;
      };
      const second = room.locate({ epoch, seq: heard + 1 }, 0);
      node.gate.release();
      for (const place of await Promise.all([locating, second])) expect(place).toMatchObject({ lost: null });
      node.log.heads = heads;
      await world.settle();
    }
  });

  it("refuses to say where a cursor is rather than call it lost, when it cannot be read", async () => {
    await world.say(2);
    const room = await node.open();
    node.log.read = () => Promise.reject(new Error("no answer"));
    await expect(room.locate({ epoch: room.epoch, seq: 12 }, 0)).rejects.toThrow("no answer");
  });

  it("is read again for a hole that could not be read", async () => {
    const { sink } = await node.join();
    await world.say(2);
    node.gate.failReads(2);
    node.ring(12, (await node.open()).epoch);
    await world.settle();
    expect([sink.seqs, node.failures]).toEqual([[], ["filling a hole from the log"]]);
    await world.clock.advance(500);
    expect(node.failures).toHaveLength(2);
    await world.clock.advance(500);
    await world.settle();
    expect(sink.seqs).toEqual([11, 12]);
  });

  it("is read again for a reader whose page could not be read", async () => {
    node.gate.hold();
    const joining = node.join(0);
    node.gate.release();
    node.log.read = () => Promise.reject(new Error("no answer"));
    const { sink } = await joining;
    await world.settle();
    expect([sink.seqs, node.failures]).toEqual([[], ["reading the log for a reader"]]);
    node.log.read = node.gate.read;
    await world.clock.advance(500);
    expect(sink.seqs).toEqual(range(1, 10));
  });

  it("is no longer read once the room has ended", async () => {
    const slow = await node.join(0, Object.assign((await node.join()).sink, { writable: false }));
    await world.say(2);
    slow.sink.writable = true;
    node.gate.failReads(Infinity);
    slow.subscription.pump();
    node.ring(12, (await node.open()).epoch);
    await world.settle();
    node.rooms.close();
    await world.advance(2_000);
    expect(world.clock.pendingTimers).toBe(0);
    expect(node.failures).toHaveLength(2);
  });

  it("is not read again when the room ended before the answer came", async () => {
    const { epoch } = await node.open();
    let refuse = (_: Error): void => {};
    node.log.read = () =>
      new Promise((_, reject) => {
        refuse = reject;
      });
    node.ring(11, epoch);
    await world.settle();
    node.rooms.close();
    refuse(new Error("too late"));
    await world.settle();
    expect(world.clock.pendingTimers).toBe(0);
  });

  it("is believed more than a notice that speaks of too much", async () => {
    const { sink } = await node.join();
    const { epoch } = await node.open();
    node.ring(99, epoch);
    await world.settle();
    expect(node.gate.reads).toBe(1);
    await world.say(1);
    node.ring(11, epoch);
    await world.settle();
    expect(sink.seqs).toEqual([11]);
  });

  it("is read again when a notice came while a mistaken one was looked into", async () => {
    const { sink } = await node.join();
    const { epoch } = await node.open();
    node.gate.hold();
    node.ring(99, epoch);
    await world.settle();
    await world.say(1);
    node.ring(100, epoch);
    node.gate.release();
    await world.settle();
    expect(sink.seqs).toEqual([11]);
  });

  it("is read once for all who stand at the same place", async () => {
    const room = await node.open();
    node.gate.hold();
    const pages = range(1, 5).map(() => room.page({ epoch: room.epoch, seq: 2 }, 100, 100_000));
    node.gate.release();
    await Promise.all(pages);
    expect(node.gate.reads).toBe(1);
  });

  it("is not read for one who stands at the same place of another log", async () => {
    const room = await node.open();
    const old = room.epoch;
    world.remake();
    await world.say(10);
    const bare = room.page({ epoch: null, seq: 2 }, 100, 100_000);
    const before = room.page({ epoch: old, seq: 2 }, 100, 100_000);
    expect((await bare).lost).toBeNull();
    expect((await before).lost?.reason).toBe("epoch");
  });
});

describe("retention that is faster than the node", () => {
  let world: World;
  let node: Node;

  beforeEach(async () => {
    world = new World();
    node = world.node(SHORT);
    await world.say(10);
  });
  afterEach(() => world.close());

  const loss = (from: number, to: number, epoch: string) => ({
    type: "history_lost",
    payload: { roomId: ROOM, reason: "retention", from, to, cursor: `${epoch}:${to}` },
  });

  it("is told once with what is missing, and reading goes on", async () => {
    const live = await node.join();
    const slow = await node.join(7);
    slow.sink.writable = false;
    await world.say(30);
    await world.log.trim(ROOM, { maxEvents: 10 });
    const room = await node.open();
    node.ring(40, room.epoch);
    await world.settle();
    expect(live.sink.take()).toMatchObject([loss(11, 30, room.epoch), ...range(31, 40).map((seq) => ({ seq }))]);
    slow.sink.take();
    slow.sink.writable = true;
    slow.subscription.pump();
    await world.settle();
    expect(slow.sink.take()).toMatchObject([loss(11, 30, room.epoch), ...range(31, 40).map((seq) => ({ seq }))]);
    await node.say("and on");
    await world.settle();
    expect([live.sink.seqs, slow.sink.seqs]).toEqual([[41], [41]]);
  });

  it("is told when all is gone, and what rings meanwhile is not missed", async () => {
    const { sink } = await node.join();
    const room = await node.open();
    await world.say(5);
    await world.log.trim(ROOM, { maxEvents: 0 });
    node.gate.hold();
    node.ring(15, room.epoch);
    await world.settle();
    await world.say(1);
    node.ring(16, room.epoch);
    node.gate.release();
    await world.settle();
    expect(sink.messages).toMatchObject([loss(11, 15, room.epoch), { seq: 16 }]);
  });

  it("is found when heads are compared", async () => {
    const { sink } = await node.join();
    await world.say(5);
    await world.log.trim(ROOM, { maxEvents: 2 });
    await node.rooms.audit();
    await world.settle();
    expect(sink.messages).toMatchObject([loss(11, 13, (await node.open()).epoch), { seq: 14 }, { seq: 15 }]);
  });

  it("is told to who comes with a cursor, and not to who has all that is left", async () => {
    await world.log.trim(ROOM, { maxEvents: 4 });
    const room = await node.open();
    const late = await node.join(3);
    const just = await node.join(6);
    await world.settle();
    expect(late.sink.messages).toMatchObject([loss(4, 6, room.epoch), ...range(7, 10).map((seq) => ({ seq }))]);
    expect(just.sink.messages).toMatchObject(range(7, 10).map((seq) => ({ seq })));
  });
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RoomKind } from "./room.ts";
import { FakeSink, KIND, LINES, lineFormat, type Node, range, World } from "./world.test-support.ts";

const OTHER = lineFormat("other");

let world: World;
let node: Node;

beforeEach(() => {
  world = new World();
  node = world.node();
});
afterEach(() => world.close());

/** A user joins, as a session's membership does. */
async function come(id: string): Promise<void> {
  const room = await node.open();
  room.members.join({ id, name: id });
  room.markArrival();
  await world.settle();
}

/** The users whom a reader was told of. */
function joined(sink: FakeSink): string[] {
  return sink.messages.flatMap(({ type, payload }) =>
    type === "user_joined" ? [(payload as { userId: string }).userId] : [],
  );
}

describe("a flush", () => {
  it("hands one buffer to all readers of a format", async () => {
    const joins = [LINES, LINES, OTHER, LINES, OTHER].map((format) => node.join(null, new FakeSink(format)));
    const sinks = (await Promise.all(joins)).map(({ sink }) => sink);
    await node.say("a");
    await node.say("b");
    const room = await node.open();
    room.signal("wave", {});
    await room.setState("topic", "a", 1);
    await world.settle();
    const [first, , other] = sinks as [FakeSink, FakeSink, FakeSink];
    for (const { format, buffers } of sinks) {
      expect(buffers).toHaveLength(1);
      expect(buffers[0]).toBe((format === LINES ? first : other).buffers[0]);
    }
    expect(first.buffers[0]).not.toBe(other.buffers[0]);
  });

  it("encodes an event once per format, however many read it and whenever", async () => {
    const encoded: number[] = [];
    const counting = lineFormat("counting", ({ seq }) => {
      encoded.push(seq);
      return false;
    });
    await node.join(null, new FakeSink(counting));
    for (const _ of range(1, 5)) await node.say("x");
    await world.settle();
    for (const after of [0, 2, 4]) await node.join(after, new FakeSink(counting));
    await world.settle();
    expect(encoded).toEqual(range(1, 5));
  });

  it("gives events, then state, then signals, each in order", async () => {
    const { sink } = await node.join();
    const room = await node.open();
    room.signal("wave", 1);
    await room.setState("topic", "b", 1);
    await node.say("one");
    room.signal("wave", 2);
    await room.setState("topic", "a", 1);
    await node.say("two");
    node.rooms.fanout.flush();
    const told = sink.messages.map(({ type, payload, seq }) => seq ?? [type, payload]);
    // What came before an event's append was done may have left before it.
    const of = (type: string) => told.filter((entry) => Array.isArray(entry) && entry[0] === type);
    expect(told.filter((entry) => typeof entry === "number")).toEqual([1, 2]);
    expect(of("wave")).toEqual([
      ["wave", 1],
      ["wave", 2],
    ]);
    expect(of("topic_changed").map((entry) => (entry as [string, { key: string }])[1].key)).toEqual(["b", "a"]);
  });

  it("brings a signal to everybody here and on other nodes, and to nobody twice", async () => {
    const there = await world.node().join();
    const here = await node.join();
    (await node.open()).signal("wave", { from: "ann" });
    await world.settle();
    for (const { sink } of [here, there])
      expect(sink.messages).toMatchObject([{ type: "wave", payload: { from: "ann" } }]);
  });

  it("MEM-1: tells of one who comes alone at once, and of all who come within a moment together", async () => {
    const { sink } = await node.join();
    for (const user of ["ann", "ben", "cleo", "dora"]) await come(user);
    expect(joined(sink)).toEqual(["ann"]);
    const before = sink.buffers.length;
    await world.advance(50);
    expect(joined(sink)).toEqual(["ann", "ben", "cleo", "dora"]);
    expect(sink.buffers).toHaveLength(before + 1);
    await world.advance(50);
    await come("eve");
    expect(joined(sink)).toEqual(["ann", "ben", "cleo", "dora", "eve"]);
  });

  it("MEM-1: whatever else there is to tell takes with it those who came, and who came among them misses nothing", async () => {
    const { sink } = await node.join();
    for (const user of ["ann", "ben"]) await come(user);
    const late = await node.join();
    await come("cleo");
    await node.say("hello");
    await world.settle();
    expect(joined(sink)).toEqual(["ann", "ben", "cleo"]);
    expect(joined(late.sink)).toEqual(["cleo"]);
    await node.say("and more");
    await world.settle();
    for (const reader of [sink, late.sink]) expect(reader.seqs).toEqual([1, 2]);
  });

  it("gives who comes after an edit the new words, though others were just given the old ones", async () => {
    await world.say(512);
    await node.join(0);
    await world.settle();
    const [, , third] = await world.events();
    await node.say("edited", { amend: [{ seq: 3, expectData: third!.data, data: '"new"' }] });
    const { sink } = await node.join(0);
    await world.settle();
    expect(sink.seqs).toEqual(range(1, 513));
    expect(sink.messages[2]).toMatchObject({ seq: 3, payload: "new" });
  });

  it("brings a signal to who has come and is still to be told of, and none from before", async () => {
    const { sink } = await node.join();
    await come("ann");
    const room = await node.open();
    room.signal("wave", 1);
    room.members.join({ id: "ben", name: "ben" });
    const late = await node.join();
    room.markArrival();
    await world.settle();
    room.members.join({ id: "cleo", name: "cleo" });
    const last = await node.join();
    room.markArrival();
    room.signal("wave", 2);
    await world.settle();
    await world.advance(50);
    room.signal("wave", 3);
    await world.settle();
    const waves = (of: FakeSink) => of.messages.flatMap(({ type, payload }) => (type === "wave" ? [payload] : []));
    expect(waves(sink)).toEqual([1, 2, 3]);
    expect(waves(last.sink)).toEqual([2, 3]);
    expect(waves(late.sink).slice(-2)).toEqual([2, 3]);
  });

  it("goes on for those who are left, in whatever order the others go", async () => {
    const readers = await Promise.all(range(1, 6).map(() => node.join()));
    const room = await node.open();
    let seq = 0;
    for (const index of [0, 5, 2, 1]) {
      readers[index]!.subscription.close();
      await node.say("x");
      await world.settle();
      seq++;
      for (const { sink, subscription } of readers) if (subscription.isLive) expect(sink.seqs.at(-1)).toBe(seq);
    }
    expect(room.readers).toBe(2);
    expect(readers.map(({ sink }) => sink.seqs.length)).toEqual([0, 3, 2, 4, 4, 1]);
  });

  it("leaves in memory no more than a room may keep, what was encoded counted", async () => {
    node = world.node({ limits: { tailBytes: 10_000 } });
    await node.join();
    await node.join(null, new FakeSink(OTHER));
    const room = await node.open();
    for (const _ of range(1, 9)) await node.say("x".repeat(1_000));
    await world.settle();
    expect(room.tailBytes).toBeGreaterThan(5_000);
    expect(room.tailBytes).toBeLessThanOrEqual(10_000);
    await node.join(6, new FakeSink(lineFormat("third")));
    expect(room.tailBytes).toBeLessThanOrEqual(10_000);
  });

  it("leaves a reader alone that takes no bytes, which goes on where it was when it does", async () => {
    const slow = await node.join();
    const fast = await node.join();
    slow.sink.writable = false;
    for (const _ of range(1, 700)) await node.say("x");
    await world.settle();
    expect([slow.sink.buffers.length, node.stalls]).toEqual([0, 1]);
    expect((await node.open()).behind).toBe(1);
    slow.sink.writable = true;
    slow.subscription.pump();
    await world.settle();
    for (const { sink } of [slow, fast]) expect(sink.seqs).toEqual(range(1, 700));
    expect((await node.open()).behind).toBe(0);
  });

  it("asks a reader that catches up again whether it takes more, every 512 events", async () => {
    await world.say(2_000);
    const sink = Object.assign(new FakeSink(), { room: 1 });
    const { subscription } = await node.join(0, sink);
    await world.settle();
    expect(sink.seqs).toEqual(range(1, 512));
    Object.assign(sink, { writable: true, room: 1 });
    subscription.pump();
    await world.settle();
    expect(sink.seqs).toEqual(range(1, 1_024));
  });

  it("gives nothing to a reader that has left, also not what was being read for it", async () => {
    await world.say(600);
    const live = await node.join();
    const slow = await node.join(0, Object.assign(new FakeSink(), { writable: false }));
    node.gate.hold();
    slow.sink.writable = true;
    slow.subscription.pump();
    await world.settle();
    expect(node.gate.held).toBe(1);
    slow.subscription.close();
    live.subscription.close();
    node.gate.release();
    await node.say("x");
    await world.settle();
    expect([live.sink.seqs, slow.sink.seqs]).toEqual([[], []]);
    expect((await node.open()).readers).toBe(0);
  });

  it("gives a reader that moved while the log was read for it only what follows its new place", async () => {
    await world.say(600);
    const { sink, subscription } = await node.join();
    const room = await node.open();
    room.seek(subscription, await room.locate({ epoch: room.epoch, seq: 0 }, 0));
    node.gate.hold();
    subscription.pump();
    await world.settle();
    room.seek(subscription, { epoch: room.epoch, start: 590, lost: null, recovered: true });
    subscription.pump();
    node.gate.release();
    await world.settle();
    expect(sink.seqs).toEqual(range(591, 600));
  });
});

describe("a burst in one turn", () => {
  /** What has reached the sinks, though no turn has ended and no flush was asked for. */
  const burst = async (count: number, bytes: number) => {
    const readers = [await node.join(), await node.join()];
    const room = await node.open();
    let written = 0;
    for (const { sink } of readers) {
      // As a connection does: what is delivered counts against it until it was written.
      const deliver = sink.deliver.bind(sink);
      sink.room = 64 * 1024;
      const connection = {
        flush: () => {
          written++;
          Object.assign(sink, { writable: true, room: 64 * 1024 });
        },
      };
      sink.deliver = (buffer) => {
        deliver(buffer);
        node.rooms.fanout.markSink(connection);
      };
    }
    const data = JSON.stringify("x".repeat(bytes));
    const publishing = range(1, count).map(() => room.publish("ann", null, { type: "said", data }));
    await Promise.all(publishing);
    return { readers, room, written: () => written };
  };

  it("of few and small events waits for the end of the turn", async () => {
    const { readers, written } = await burst(256, 100);
    expect([readers[0]!.sink.seqs, written()]).toEqual([[], 0]);
    await world.settle();
    expect(readers[0]!.sink.seqs).toEqual(range(1, 256));
  });

  it.each([
    ["of more than 256 events", 1_000, 10],
    ["of more than 128 KiB", 30, 20_000],
  ])("%s goes down to the connections at once, and readers that take it stay live", async (_, count, bytes) => {
    const { readers, written } = await burst(count, bytes);
    expect(written()).toBeGreaterThan(0);
    const early = readers[0]!.sink.seqs.length;
    expect(early).toBeGreaterThan(count / 2);
    await world.settle();
    for (const { sink } of readers) expect(sink.seqs).toEqual(range(1, count));
    expect(node.stalls).toBe(0);
    expect(node.gate.reads).toBe(0);
  });

  it("of signals is flushed at once, and none is kept where nobody reads", async () => {
    const room = await node.open();
    room.signal("wave", "x".repeat(1_000));
    const { sink } = await node.join();
    for (const _ of range(1, 140)) room.signal("wave", "x".repeat(1_000));
    expect(sink.types.length).toBeGreaterThan(100);
    await world.settle();
    expect(sink.types).toHaveLength(140);
  });

  it("of state is flushed at once", async () => {
    const { sink } = await node.join();
    const room = await node.open();
    for (const key of range(1, 140)) void room.setState("topic", `${key}`, "x".repeat(1_000));
    expect(sink.types.length).toBeGreaterThan(100);
  });

  it("larger than what is kept in memory reaches live readers all the same", async () => {
    world.close();
    node = world.node({ limits: { tailEvents: 5 } });
    const readers = [await node.join(), await node.join(null, new FakeSink(OTHER))];
    await Promise.all(range(1, 40).map(() => node.say("x")));
    await world.settle();
    await node.say("x");
    await world.settle();
    for (const { sink } of readers) expect(sink.seqs).toEqual(range(1, 41));
  });
});

describe("what cannot be told", () => {
  const broken: RoomKind = {
    ...KIND,
    state: {
      ...KIND.state,
      bad: {
        event: "bad_changed",
        change: () => {
          throw new Error("a namespace's mistake");
        },
      },
    },
  };

  it("of state is left out, and everybody gets everything else", async () => {
    node = world.node({ kind: broken });
    const readers = [await node.join(), await node.join(null, new FakeSink(OTHER))];
    const slow = await node.join();
    slow.sink.writable = false;
    const room = await node.open();
    await room.setState("topic", "a", 1);
    await room.setState("bad", "a", 1);
    await room.setState("topic", "b", 1);
    await node.say("x");
    await world.settle();
    slow.sink.writable = true;
    slow.subscription.pump();
    await node.say("x");
    await world.settle();
    for (const { sink } of [...readers, slow]) {
      expect(sink.seqs).toEqual([1, 2]);
      expect(sink.types).toEqual(["topic_changed", "topic_changed"]);
      expect(sink.closeCode).toBeNull();
    }
    expect(node.failures.length).toBeGreaterThan(0);
    expect((await node.open()).behind).toBe(0);
  });

  const picky = lineFormat("picky", ({ seq }) => seq === 3);

  it("in one format ends the connections of that format alone", async () => {
    const good = [await node.join(), await node.join(null, new FakeSink(OTHER))];
    const bad = await node.join(null, new FakeSink(picky));
    const room = await node.open();
    for (const _ of range(1, 4)) await node.say("x");
    room.signal("wave", 1);
    await world.settle();
    await node.say("x");
    await world.settle();
    for (const { sink } of good) {
      expect([sink.seqs, sink.types, sink.closeCode]).toEqual([range(1, 5), ["wave"], null]);
    }
    expect([bad.sink.closeCode, bad.sink.late, bad.sink.seqs.filter((seq) => seq > 2)]).toEqual([1011, 0, []]);
    expect(room.readers).toBe(2);
  });

  it.each([
    ["memory", 512],
    ["the log", 1],
  ])("in one format ends the connection of a reader that catches up from %s", async (_, tailEvents) => {
    node = world.node({ limits: { tailEvents } });
    await node.open();
    for (const _ of range(1, 4)) await node.say("x");
    const bad = await node.join(0, new FakeSink(picky));
    const good = await node.join(0);
    const past = await node.join(3, new FakeSink(picky));
    await world.settle();
    await node.say("x");
    await world.settle();
    expect([bad.sink.closeCode, bad.sink.late, bad.sink.seqs]).toEqual([1011, 0, []]);
    expect([good.sink.closeCode, good.sink.seqs]).toEqual([null, range(1, 5)]);
    expect([past.sink.closeCode, past.sink.seqs]).toEqual([null, [4, 5]]);
    expect((await node.open()).readers).toBe(2);
  });

  it("of state in one format ends the connections of that format, after their events", async () => {
    const mute = { ...lineFormat("mute"), envelope: () => Buffer.from(JSON.parse("{")) };
    const bad = await node.join(null, new FakeSink(mute));
    const good = await node.join();
    await node.say("x");
    await (await node.open()).setState("topic", "a", 1);
    await world.settle();
    expect([bad.sink.seqs, bad.sink.closeCode]).toEqual([[1], 1011]);
    expect([good.sink.seqs, good.sink.types, good.sink.closeCode]).toEqual([[1], ["topic_changed"], null]);
  });
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Room } from "./room.ts";
import { type FakeSink, type Node, ROOM, range, World } from "./world.test-support.ts";

describe("the state of a room", () => {
  let world: World;
  let node: Node;
  let room: Room;

  beforeEach(async () => {
    world = new World();
    node = world.node({ limits: { stateKeys: 3, stateBytes: 100 } });
    room = await node.open();
  });
  afterEach(() => world.close());

  it("refuses keys beyond the limit of a family, and takes them when there is room again", async () => {
    for (const key of ["a", "b", "c"]) expect(await room.setState("topic", key, 1)).toBe(true);
    expect(await room.setState("topic", "d", 1)).toBe(false);
    expect(await room.setState("topic", "c", 2)).toBe(true);
    expect(room.removeState("topic", "a")).toBe(true);
    expect(room.removeState("topic", "a")).toBe(false);
    expect(await room.setState("topic", "d", 1)).toBe(true);
    expect(room.stateSnapshot()).toEqual({ topic: { b: 1, c: 2, d: 1 } });
  });

  it("refuses bytes beyond the limit, of key and value, and takes them when there is room again", async () => {
    const { sink } = await node.join();
    expect(await room.setState("topic", "a", "x".repeat(90))).toBe(true);
    expect(await room.setState("topic", "b", "x".repeat(10))).toBe(false);
    expect(await room.setState("typing", "b".repeat(10), 1)).toBe(false);
    expect(await room.setState("topic", "a", "y")).toBe(true);
    expect(await room.setState("typing", "b", "x".repeat(90))).toBe(true);
    expect(await room.setState("topic", "c", "x".repeat(90))).toBe(false);
    await world.advance(5_000);
    expect(await room.setState("topic", "c", "x".repeat(90))).toBe(true);
    room.removeState("topic", "c");
    expect(room.state.bytes).toBe(4);
    await world.settle();
    expect(sink.messages.map(({ payload }) => (payload as { key: string }).key)).not.toContain("b".repeat(10));
  });

  it("is not refused for members, nor for marks", async () => {
    room.setState("topic", "a", "x".repeat(97));
    room.members.join({ id: "ann", name: "Ann".repeat(100) });
    expect(await room.setState("read", "ann", 1)).toBe(true);
    expect(room.state.bytes).toBe(100);
  });

  it("tells a change once to all readers, and the end of a lease like a removal", async () => {
    const readers = [await node.join(), await node.join()];
    await room.setState("typing", "ann", true);
    await room.setState("topic", "a", 1);
    await room.setState("topic", "a", 2);
    await world.advance(5_000);
    for (const { sink } of readers) {
      expect(sink.messages).toMatchObject([
        { type: "typing_changed", payload: { key: "ann", value: true }, roomId: ROOM },
        { type: "topic_changed", payload: { key: "a", value: 2 } },
        { type: "typing_changed", payload: { key: "ann", value: null } },
      ]);
      sink.take();
    }
    room.removeState("topic", "a");
    await world.settle();
    for (const { sink } of readers) expect(sink.messages).toMatchObject([{ payload: { key: "a", value: null } }]);
  });

  it("tells a reader that was slow only the newest value, and one that was very slow the whole", async () => {
    const { sink, subscription } = await node.join();
    const other = await node.join();
    await room.setState("topic", "known", 0);
    await world.settle();
    expect(sink.take()).toHaveLength(1);
    sink.writable = false;
    await room.setState("typing", "ann", true);
    for (const value of range(1, 300)) await room.setState("topic", "a", value);
    room.removeState("typing", "ann");
    await world.settle();
    sink.writable = true;
    subscription.pump();
    await world.settle();
    expect(sink.take()).toMatchObject([{ type: "topic_changed", payload: { key: "a", value: 300 } }]);
    sink.writable = false;
    for (const value of range(1, 2_000)) {
      await room.setState("topic", "b", value);
      if (value % 100 === 0) await world.settle();
    }
    sink.writable = true;
    subscription.pump();
    await world.settle();
    expect(sink.messages).toMatchObject([
      { type: "room_state", payload: { state: { topic: { known: 0, a: 300, b: 2_000 } } } },
      { type: "room_users", payload: { count: 0 } },
    ]);
    expect(other.sink.messages.at(-1)).toMatchObject({ type: "topic_changed", payload: { value: 2_000 } });
    expect(other.sink.types).not.toContain("room_state");
  });

  it("throws for a family the room does not have, and for a mark that is no seq", async () => {
    expect(() => room.setState("nothing", "a", 1)).toThrow(TypeError);
    await expect(room.setState("read", "a", "1")).rejects.toThrow(TypeError);
  });

  it("tells a crowd its count, at most once a second", async () => {
    for (const id of range(1, 100)) room.members.join({ id: `${id}`, name: "" });
    const { sink } = await node.join();
    for (const id of range(101, 150)) room.members.join({ id: `${id}`, name: "" });
    room.mark();
    await world.settle();
    expect(sink.types).toEqual([]);
    await world.advance(1_000);
    expect(sink.messages).toMatchObject([{ type: "room_users", payload: { roomId: ROOM, count: 150 } }]);
    await world.advance(3_000);
    expect(sink.types).toHaveLength(1);
  });
});

describe("a mark that is kept", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => world.close());

  it("only moves forward, and is told when it moves", async () => {
    const node = world.node();
    const { sink } = await node.join();
    const room = await node.open();
    expect(await room.setState("read", "ann", 5)).toBe(true);
    expect(await room.setState("read", "ann", 4)).toBe(false);
    await world.settle();
    expect(sink.messages).toMatchObject([{ type: "read_moved", payload: { key: "ann", value: 5 } }]);
    expect(room.state.get("read", "ann")).toBe(5);
  });

  it("is learnt when it is set, though it was not among those that were loaded", async () => {
    for (const id of range(1, 1_001)) await world.log.setMark(ROOM, "read", `user-${id}`, id);
    const node = world.node();
    const room = await node.open();
    expect([room.state.size("read"), room.state.get("read", "user-1")]).toEqual([1_000, null]);
    const { sink } = await node.join();
    expect(await room.setState("read", "user-1", 0)).toBe(false);
    expect(room.state.get("read", "user-1")).toBe(1);
    room.mark();
    await world.settle();
    expect(sink.types).toEqual([]);
    expect(await room.setState("read", "user-1", 2)).toBe(true);
    await world.settle();
    expect(sink.messages).toMatchObject([{ type: "read_moved", payload: { key: "user-1", value: 2 } }]);
  });
});

describe("an event that amends others", () => {
  let world: World;
  let here: Node;
  let there: Node;

  beforeEach(async () => {
    world = new World();
    here = world.node();
    there = world.node();
    for (const id of range(1, 6)) await here.say({ was: id });
    await here.open();
    await there.open();
    await world.settle();
  });
  afterEach(() => world.close());

  const amend = (node: Node, seqs: readonly number[]) =>
    node.say("amends", {
      amend: seqs.map((seq) => ({ seq, expectData: JSON.stringify({ was: seq }), data: JSON.stringify({ now: seq }) })),
    });
  const payloads = (sink: FakeSink) => sink.messages.map(({ payload }) => payload);
  const amended = [{ was: 1 }, { now: 2 }, { was: 3 }, { now: 4 }, { now: 5 }, { was: 6 }, "amends"];

  it("on this node: nobody who reads afterwards sees what was there before", async () => {
    const before = await here.join(0);
    await amend(here, [2, 4, 5]);
    const after = await here.join(0);
    await world.settle();
    expect(payloads(after.sink)).toEqual(amended);
    expect(before.sink.seqs).toEqual(range(1, 7));
  });

  it("on another node: nobody who reads afterwards sees what was there before", async () => {
    const live = await here.join();
    // Encoded before, so that old bytes could be found.
    await here.join(0);
    await amend(there, [4, 2, 5]);
    await world.settle();
    const after = await here.join(0);
    await world.settle();
    expect(payloads(after.sink)).toEqual(amended);
    expect(payloads(live.sink)).toEqual(["amends"]);
  });

  it("on another node: live readers get once what was not flushed yet", async () => {
    const readers = [await here.join(), await here.join(5)];
    await here.say("unflushed");
    await here.say("unflushed");
    await amend(there, [2, 4, 5]);
    await world.settle();
    // The hole alone; what readers needed was still in memory.
    expect(here.gate.reads).toBe(1);
    await here.say("after");
    await world.settle();
    expect(readers[0]!.sink.seqs).toEqual(range(7, 10));
    expect(readers[1]!.sink.seqs).toEqual(range(6, 10));
  });

  it("whose append's reply was lost: nobody who reads after it sees what was there before", async () => {
    here.log.loseReplies(1);
    await expect(amend(here, [2, 4, 5])).rejects.toMatchObject({ code: "unavailable" });
    await here.say("after");
    await world.settle();
    const { sink } = await here.join(0);
    await world.settle();
    expect(payloads(sink)).toEqual([...amended, "after"]);
  });

  it("is refused when one of them is not as expected, and changes nothing", async () => {
    const { sink } = await here.join(0);
    await amend(here, [2]);
    await expect(amend(here, [4, 2])).rejects.toMatchObject({ code: "conflict" });
    const late = await here.join(3);
    await world.settle();
    expect(payloads(late.sink)[0]).toEqual({ was: 4 });
    expect(sink.seqs).toEqual(range(1, 7));
  });
});

describe("leading a room", () => {
  it("goes to another node at once when the one that led ends, as soon as its log knows", async () => {
    const world = new World();
    const [a, b] = [world.node(), world.node()];
    await world.settle();
    const led: string[] = [];
    const rooms = [await a.open(), await b.open()];
    rooms[0]!.lead(() => led.push("a"));
    await world.settle();
    rooms[1]!.lead(() => led.push("b"));
    await world.settle();
    expect(led).toEqual(["a"]);
    a.rooms.close();
    await world.settle();
    expect(led).toEqual(["a", "b"]);
    world.close();
  });
});

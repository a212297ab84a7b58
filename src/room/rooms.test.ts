import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Bus } from "../bus/bus.ts";
import type { RoomKind } from "./room.ts";
import { KIND, type Node, type NodeOptions, ROOM, range, World } from "./world.test-support.ts";

/** A bus that loses everything, whatever it says of itself. */
const deaf =
  (lossless: boolean) =>
  (inner: Bus): Bus => ({
    lossless,
    publish: () => {},
    subscribe: () => () => {},
    close: () => inner.close(),
  });

describe("the rooms of a node", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => world.close());

  describe("opened", () => {
    it("are opened once for all who ask at the same time", async () => {
      const node = world.node();
      const [first, second] = await Promise.all([node.open(), node.open()]);
      expect(first).toBe(second);
      expect(node.rooms.open(ROOM, KIND)).toBe(first);
    });

    it("do not miss a notice that rings while the log is asked, though nothing else ever tells of it", async () => {
      const node = world.node();
      expect(node.bus.lossless).toBe(true);
      await world.say(6);
      node.gate.hold();
      const opening = node.open();
      await world.clock.flush();
      const { epoch } = await world.append({ text: "the last" });
      // Of two nodes that ring, the one that appended first may be heard last.
      for (const seq of [7, 6]) node.bus.publish(ROOM, { kind: "event", from: "elsewhere", epoch, seq });
      await world.clock.flush();
      node.gate.release();
      const room = await opening;
      await world.settle();
      expect(room.head).toBe(7);
    });

    it("do not miss a notice that rings while their marks are read", async () => {
      const node = world.node();
      await world.say(1);
      const marks = node.log.marks;
      node.log.marks = async (...question) => {
        const { epoch, seq } = await world.append({});
        node.bus.publish(ROOM, { kind: "event", from: "elsewhere", epoch, seq });
        return marks(...question);
      };
      const room = await node.open();
      await world.settle();
      expect(room.head).toBe(2);
    });

    it("are not there when the log cannot be asked, and are opened by the next one who wants them", async () => {
      const node = world.node();
      node.gate.failReads(1);
      await expect(node.open()).rejects.toMatchObject({ code: "unavailable" });
      const { marks } = node.log;
      node.log.marks = () => Promise.reject(new Error("no marks"));
      await expect(node.open()).rejects.toThrow("no marks");
      expect(node.rooms.get(ROOM)).toBeUndefined();
      expect(world.hub.rooms.has(ROOM)).toBe(false);
      node.log.marks = marks;
      expect(await node.open()).toBe(node.rooms.get(ROOM));
    });
  });

  describe("that nobody needs", () => {
    const NONE = { limits: { idleRooms: 1 } } satisfies NodeOptions;
    const isKept = (node: Node) => node.rooms.get(ROOM) !== undefined;

    /** Opens the room, then more than may be idle, and sweeps. */
    const crowdOut = async (node: Node) => {
      for (const id of range(1, 3)) await node.open(`chat:other-${id}`);
      await world.advance(1_000);
    };

    it("are forgotten beyond the limit, the longest unused first", async () => {
      const node = world.node({ limits: { idleRooms: 2 } });
      for (const id of [1, 2, 3, 1]) await node.open(`chat:${id}`);
      await world.advance(1_000);
      expect([1, 2, 3].map((id) => node.rooms.get(`chat:${id}`) !== undefined)).toEqual([true, false, true]);
      expect(Array.from(world.hub.rooms.keys()).filter((channel) => !channel.startsWith("@"))).toHaveLength(2);
    });

    it("are kept while they have readers", async () => {
      const node = world.node(NONE);
      const { subscription } = await node.join();
      await crowdOut(node);
      expect(isKept(node)).toBe(true);
      subscription.close();
      await crowdOut(node);
      expect(isKept(node)).toBe(false);
    });

    it("are kept while they hold state that is not kept elsewhere", async () => {
      const node = world.node(NONE);
      const room = await node.open();
      await room.setState("topic", "a", 1);
      await crowdOut(node);
      expect(isKept(node)).toBe(true);
      room.removeState("topic", "a");
      await crowdOut(node);
      expect(isKept(node)).toBe(false);
    });

    it("are kept until the leases they hold are over", async () => {
      const node = world.node(NONE);
      await (await node.open()).setState("typing", "ann", true);
      await crowdOut(node);
      expect(isKept(node)).toBe(true);
      await world.advance(5_000);
      await crowdOut(node);
      expect(isKept(node)).toBe(false);
    });

    it("are kept while they have members, also through the grace", async () => {
      const node = world.node(NONE);
      const room = await node.open();
      room.members.join({ id: "ann", name: "Ann" });
      await crowdOut(node);
      room.members.leave("ann", "dropped");
      await crowdOut(node);
      expect(isKept(node)).toBe(true);
      await world.advance(10_000);
      await crowdOut(node);
      expect(isKept(node)).toBe(false);
    });

    it("are kept while somebody has pinned them, or something is under way", async () => {
      const node = world.node(NONE);
      const room = await node.open();
      const unpin = room.pin();
      await crowdOut(node);
      expect(isKept(node)).toBe(true);
      unpin();
      node.log.hangAppends();
      const publishing = node.say("hangs");
      await crowdOut(node);
      expect(isKept(node)).toBe(true);
      node.log.release();
      await publishing;
      await world.settle();
      await crowdOut(node);
      expect(isKept(node)).toBe(false);
    });

    it("come back with the marks that the log kept", async () => {
      const node = world.node(NONE);
      const room = await node.open();
      await room.setState("read", "ann", 5);
      await room.setState("read", "bob", 3);
      await crowdOut(node);
      expect(isKept(node)).toBe(false);
      expect((await node.open()).stateSnapshot()).toEqual({ read: { ann: 5, bob: 3 } });
    });

    it("give up the events they have in memory, and read them again", async () => {
      const node = world.node();
      const { sink, subscription } = await node.join();
      const room = await node.open();
      await node.say("x".repeat(1_000));
      await world.settle();
      const payloadBytes = JSON.stringify("x".repeat(1_000)).length;
      expect(room.tailBytes).toBe(payloadBytes + sink.buffers[0]!.length);
      await world.advance(2_000);
      expect(room.tailBytes).toBeGreaterThan(0);
      subscription.close();
      await world.advance(1_000);
      expect(room.tailBytes).toBe(0);
      expect((await node.join(0)).sink.seqs).toEqual([]);
      await world.settle();
      const again = await node.join(0);
      await node.say("more");
      await world.settle();
      expect(again.sink.seqs).toEqual([1, 2]);
    });
  });

  describe("on a bus that loses a notice", () => {
    it.each([
      ["4 s where the bus may", false, 4_000],
      ["a minute where it says it does not", true, 60_000],
    ])("find it when heads are compared, after %s", async (_, lossless, auditMs) => {
      const node = world.node({ bus: deaf(lossless) });
      const { sink } = await node.join();
      await world.advance(auditMs);
      await world.say(2);
      await world.advance(auditMs - 1_000);
      expect(sink.seqs).toEqual([]);
      await world.advance(1_000);
      expect(sink.seqs).toEqual([1, 2]);
    });

    it("find it at once when the bus says that it listens again, and within a second more when the log could not be asked", async () => {
      let resumed = (): void => {};
      const onResumed = (run: () => void): void => {
        resumed = run;
      };
      const node = world.node({ bus: (inner) => ({ ...deaf(false)(inner), onResumed }) });
      const { sink } = await node.join();
      await world.say(1);
      resumed();
      await world.settle();
      expect(sink.seqs).toEqual([1]);
      await world.say(1);
      node.gate.failReads(1);
      resumed();
      await world.settle();
      expect(sink.seqs).toEqual([1]);
      await world.advance(1_000);
      expect(sink.seqs).toEqual([1, 2]);
    });

    it("ask for all heads in one question, and again after it failed", async () => {
      const node = world.node({ bus: deaf(false) });
      for (const id of [1, 2, 3]) await node.open(`chat:${id}`);
      const asked: (readonly string[])[] = [];
      const { heads } = node.log;
      node.log.heads = (roomIds) => {
        asked.push(roomIds);
        return heads(roomIds);
      };
      node.gate.failReads(1);
      await world.advance(10_000);
      expect(asked).toEqual([range(1, 3), range(1, 3)].map((ids) => ids.map((id) => `chat:${id}`)));
      expect(node.failures).toEqual(["comparing heads"]);
    });
  });

  describe("whose retention is bounded", () => {
    const kept = (retention: RoomKind["retention"]) => world.node({ kind: { ...KIND, retention } });
    const seqs = async () => (await world.events()).map(({ seq }) => seq);

    it.each([
      ["events", { maxEvents: 1_000 }, 1_200, 201],
      ["bytes", { maxBytes: 1_100 }, 200, 101],
    ])("are trimmed at the first sweep when they are over already: %s", async (_, retention, count, first) => {
      await world.say(count);
      const room = await kept(retention).open();
      await world.advance(1_000);
      expect((await seqs())[0]).toBe(first);
      expect(room.first).toBe(first);
    });

    it("are trimmed by age though nobody appends", async () => {
      const room = await kept({ maxAgeMs: 10_000 }).open();
      await world.advance(3_000);
      await world.say(3);
      await world.advance(10_000);
      expect(await seqs()).toEqual([1, 2, 3]);
      await world.advance(4_000);
      expect(await seqs()).toEqual([]);
      expect(room.first).toBe(4);
    });

    it("are trimmed again after a tenth of what may be kept was appended, and not before", async () => {
      const node = kept({ maxEvents: 100 });
      await node.open();
      await world.advance(1_000);
      let trims = 0;
      const { trim } = node.log;
      node.log.trim = (...question) => {
        trims++;
        return trim(...question);
      };
      for (const _ of range(1, 9)) await node.say("x");
      await world.advance(3_000);
      expect(trims).toBe(0);
      await node.say("x");
      await world.advance(3_000);
      expect(trims).toBe(1);
    });

    it("are not trimmed without a bound, and say so when a trim fails", async () => {
      const free = world.node();
      free.log.trim = () => Promise.reject(new Error("nobody asked"));
      await free.open();
      const bounded = kept({ maxAgeMs: 1_000 });
      bounded.log.trim = () => Promise.reject(new Error("no trim"));
      await bounded.open();
      await world.advance(1_000);
      expect(free.failures).toEqual([]);
      expect(bounded.failures).toEqual(["trimming a log"]);
    });
  });

  it("leave nothing behind when they are closed", async () => {
    const node = world.node();
    await node.join();
    await node.open("chat:other");
    node.gate.hold();
    const opening = node.open("chat:late");
    node.rooms.close();
    node.gate.release();
    await opening;
    expect([world.clock.pendingTimers, world.hub.rooms.size]).toEqual([0, 0]);
    expect(node.rooms.get("chat:late")).toBeUndefined();
  });
});

import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Bus } from "../bus/bus.ts";
import type { JsonObject } from "../protocol/index.ts";
import { createLossyBus, type LossyBus } from "../testing/lossy-bus.ts";
import { GRACE_MS } from "./members.ts";
import type { Room } from "./room.ts";
import { FakeSink, type Node, ROOM, World } from "./world.test-support.ts";

/** Longer than a silent node is waited for, and a grace after it. */
const QUIET_MS = 40_000;

/** A node that can be cut off: what it says is not heard, nor does it hear. */
class Cable {
  isCut = false;

  readonly wrap = (inner: Bus): Bus => ({
    lossless: inner.lossless,
    publish: (channel, notice) => {
      if (!this.isCut) inner.publish(channel, notice);
    },
    subscribe: (channel, onNotice) =>
      inner.subscribe(channel, (notice) => {
        if (!this.isCut) onNotice(notice);
      }),
    close: () => inner.close(),
  });
}

describe("the state of a room on several nodes", () => {
  let world: World;
  let cables: Cable[];
  let a: Node;
  let b: Node;
  let roomA: Room;
  let roomB: Room;

  beforeEach(async () => {
    world = new World();
    cables = [new Cable(), new Cable(), new Cable()];
    a = world.node({ bus: cables[0]!.wrap });
    b = world.node({ bus: cables[1]!.wrap });
    await world.settle();
    [roomA, roomB] = await Promise.all([a.open(), b.open()]);
  });

  afterEach(() => world.close());

  const ann = { id: "ann", name: "Ann" };
  const users = (room: Room) => room.members.list().users.map(({ userId }) => userId);
  const topics = (room: Room) => room.stateSnapshot().topic ?? {};
  const turns = (room: Room) => room.stateSnapshot().turn ?? {};

  describe("of values", () => {
    it("is seen on all, and told to their readers (STA-1)", async () => {
      const { sink } = await b.join();
      roomA.setState("topic", "x", 1);
      await world.settle();
      expect(roomB.state.get("topic", "x")).toBe(1);
      expect(sink.take()).toMatchObject([{ type: "topic_changed", payload: { key: "x", value: 1 } }]);
    });

    it("STA-5: is the latest, whichever node it was set on", async () => {
      roomA.setState("topic", "x", "first");
      await world.settle();
      roomB.setState("topic", "x", "second");
      await world.settle();
      expect([topics(roomA), topics(roomB)]).toEqual([{ x: "second" }, { x: "second" }]);
      expect(roomA.state.fingerprint).toBe(roomB.state.fingerprint);
    });

    it("is removed on all, whichever node removes it, and nothing older comes back", async () => {
      const { sink } = await a.join();
      roomA.setState("topic", "x", "first");
      await world.settle();
      roomB.setState("topic", "x", "second");
      await world.settle();
      expect(roomA.removeState("topic", "x")).toBe(true);
      await world.advance(3_000);
      expect([topics(roomA), topics(roomB)]).toEqual([{}, {}]);
      const told = sink.take().map(({ payload }) => (payload as JsonObject).value);
      expect(told).toEqual(["first", "second", null]);
    });

    it("does not go with who set it here when somebody set it again elsewhere", async () => {
      roomA.setState("topic", "x", "first");
      await world.settle();
      roomB.setState("topic", "x", "second");
      await world.settle();
      expect(roomA.withdrawState("topic", "x")).toBe(false);
      await world.settle();
      expect([topics(roomA), topics(roomB)]).toEqual([{ x: "second" }, { x: "second" }]);
      expect(roomB.withdrawState("topic", "x")).toBe(true);
      await world.settle();
      expect([topics(roomA), topics(roomB)]).toEqual([{}, {}]);
    });

    it("keeps what is left of a lease (STA-2)", async () => {
      roomA.setState("typing", "ann", true);
      await world.advance(3_000);
      const c = world.node({ bus: cables[2]!.wrap });
      await world.settle();
      const roomC = await c.open();
      expect(roomC.state.get("typing", "ann")).toBe(true);
      await world.advance(1_000);
      expect(roomC.state.get("typing", "ann")).toBe(true);
      await world.advance(2_000);
      expect([roomA, roomB, roomC].map((room) => room.state.get("typing", "ann"))).toEqual([null, null, null]);
    });

    it("is there when a node opens the room", async () => {
      for (let key = 0; key < 1_000; key++) roomA.setState("topic", `key-${key}`, "x".repeat(200));
      const c = world.node({ bus: cables[2]!.wrap });
      await world.settle();
      expect(topics(await c.open())).toEqual(topics(roomA));
    });

    it("is the same after one of them let the room go and opened it again", async () => {
      roomA.setState("topic", "x", 1);
      await world.settle();
      const other = world.node({ bus: cables[2]!.wrap, limits: { idleRooms: 1 } });
      await world.settle();
      await other.open();
      await other.open("chat:another");
      await world.advance(1_000);
      expect(other.rooms.get(ROOM)).toBeUndefined();
      roomA.setState("topic", "x", 2);
      await world.settle();
      expect(topics(await other.open())).toEqual({ x: 2 });
    });

    it("follows marks that move on another node (CHAT-4)", async () => {
      const { sink } = await b.join();
      await roomA.setState("read", "ann", 3);
      await world.settle();
      expect(roomB.state.get("read", "ann")).toBe(3);
      expect(sink.take()).toMatchObject([{ type: "read_moved", payload: { key: "ann", value: 3 } }]);
      cables[1]!.isCut = true;
      await roomA.setState("read", "ann", 7);
      await world.advance(3_000);
      cables[1]!.isCut = false;
      await world.advance(70_000);
      expect(roomB.state.get("read", "ann")).toBe(7);
      expect(roomA.state.fingerprint).toBe(roomB.state.fingerprint);
    });
  });

  describe("of members", () => {
    it("is one list, and a user on two nodes is told once (MEM-1, MEM-2)", async () => {
      const { sink } = await b.join();
      roomA.members.join(ann);
      await world.settle();
      roomB.members.join(ann);
      await world.settle();
      roomA.members.leave("ann", "left");
      await world.settle();
      expect([users(roomA), users(roomB)]).toEqual([["ann"], ["ann"]]);
      expect(sink.types).toEqual(["user_joined"]);
      roomB.members.leave("ann", "left");
      roomB.mark();
      await world.settle();
      expect([users(roomA), users(roomB)]).toEqual([[], []]);
      expect(sink.messages).toMatchObject([{}, { type: "user_left", payload: { userId: "ann", reason: "left" } }]);
    });

    it("tells nothing of one who left and came back before that could be told (MEM-2)", async () => {
      const { sink } = await a.join();
      roomA.members.join(ann);
      await world.settle();
      expect(sink.take()).toMatchObject([{ type: "user_joined" }]);
      roomA.members.leave("ann", "left");
      roomA.members.join(ann);
      roomA.mark();
      await world.settle();
      expect(sink.take()).toEqual([]);
      roomA.members.leave("ann", "left");
      roomA.members.join(ann);
      roomA.members.leave("ann", "left");
      roomA.mark();
      await world.settle();
      expect(sink.take()).toMatchObject([{ type: "user_left", payload: { userId: "ann" } }]);
    });

    it("tells nothing of a reconnect to another node (MEM-2)", async () => {
      const { sink } = await a.join();
      roomA.members.join(ann);
      await world.settle();
      sink.take();
      roomA.members.leave("ann", "dropped");
      await world.advance(2_000);
      roomB.members.join(ann);
      await world.advance(GRACE_MS * 3);
      expect(users(roomA)).toEqual(["ann"]);
      expect(sink.types).toEqual([]);
    });

    it("lets one go at once who says so on another node than it dropped on (HTTP-3)", async () => {
      roomA.members.join(ann);
      await world.settle();
      roomA.members.leave("ann", "dropped");
      b.rooms.depart(ROOM, "ann");
      await world.settle();
      expect([users(roomA), users(roomB)]).toEqual([[], []]);
    });

    it("loses those of a node that ended after the grace, and none that came back elsewhere", async () => {
      const { sink } = await b.join();
      roomA.members.join(ann);
      roomA.members.join({ id: "bob", name: "Bob" });
      roomA.setState("topic", "x", 1);
      await world.settle();
      a.rooms.close();
      await world.settle();
      expect(topics(roomB)).toEqual({});
      roomB.members.join(ann);
      await world.advance(GRACE_MS - 2_000);
      expect(users(roomB).sort()).toEqual(["ann", "bob"]);
      await world.advance(4_000);
      expect(users(roomB)).toEqual(["ann"]);
      expect(sink.messages.filter(({ type }) => type === "user_left")).toMatchObject([{ payload: { userId: "bob" } }]);
      expect(sink.messages.filter(({ type }) => type === "user_joined")).toHaveLength(2);
    });

    it("STA-5: keeps what is inherited of a node that ended through the grace, for whoever goes on with it", async () => {
      const { sink } = await b.join();
      for (const key of ["kept", "taken", "removed"]) roomA.setState("turn", key, "of a");
      await world.settle();
      a.rooms.close();
      await world.settle();
      expect(turns(roomB)).toEqual({ kept: "of a", taken: "of a", removed: "of a" });
      roomB.setState("turn", "taken", "of b");
      roomB.removeState("turn", "removed");
      await world.advance(GRACE_MS - 2_000);
      expect(turns(roomB)).toEqual({ kept: "of a", taken: "of b" });
      await world.advance(4_000);
      expect(turns(roomB)).toEqual({ taken: "of b" });
      const told = sink.messages.filter(({ type }) => type === "turn_changed").map(({ payload }) => payload);
      expect(told.slice(3)).toEqual([
        { key: "taken", value: "of b" },
        { key: "removed", value: null },
        { key: "kept", value: null },
      ]);
    });

    it("STA-5: loses those of a node that let the room go while nobody heard it", async () => {
      const cable = new Cable();
      const c = world.node({ bus: (inner) => ({ ...cable.wrap(inner), lossless: false }), limits: { idleRooms: 1 } });
      await world.settle();
      const roomC = await c.open();
      await c.open("chat:another");
      roomC.members.join(ann);
      roomC.setState("topic", "x", 1);
      await world.settle();
      expect(users(roomB)).toEqual(["ann"]);
      cable.isCut = true;
      roomC.members.leave("ann", "left");
      roomC.withdrawState("topic", "x");
      await world.advance(2_000);
      expect(c.rooms.get(ROOM)).toBeUndefined();
      cable.isCut = false;
      await world.advance(70_000);
      expect(users(roomB)).toEqual([]);
      expect(topics(roomB)).toEqual({});
    });

    it("STA-5: loses those of a node that is silent, and has them again when it is back", async () => {
      roomA.members.join(ann);
      roomB.members.join({ id: "bob", name: "Bob" });
      await world.settle();
      cables[0]!.isCut = true;
      await world.advance(12_000);
      expect(users(roomB).sort()).toEqual(["ann", "bob"]);
      await world.advance(5_000);
      expect(users(roomB)).toEqual(["bob"]);
      expect(users(roomA)).toEqual(["ann"]);
      cables[0]!.isCut = false;
      await world.advance(5_000);
      expect([users(roomA).sort(), users(roomB).sort()]).toEqual([
        ["ann", "bob"],
        ["ann", "bob"],
      ]);
    });
  });

  it("costs nothing on the bus while one node alone has the room", async () => {
    const published: string[] = [];
    const alone = new World();
    const node = alone.node({
      bus: (inner) => ({
        ...inner,
        lossless: true,
        publish: (channel, notice) => void published.push(`${channel} ${notice.kind}`),
        subscribe: () => () => {},
        close: () => inner.close(),
      }),
    });
    const room = await node.open();
    for (let key = 0; key < 100; key++) room.setState("topic", `${key}`, key);
    room.members.join(ann);
    room.members.leave("ann", "left");
    await alone.settle();
    expect(published).toEqual(["@nodes alive"]);
    alone.close();
  });
});

describe("over a bus that loses, repeats and reorders", () => {
  const step = fc.record({
    node: fc.nat(2),
    kind: fc.constantFrom("set", "set", "remove", "withdraw", "type", "join", "drop", "leave", "mark", "cut", "wait"),
    key: fc.nat(5),
    ms: fc.integer({ min: 0, max: 4_000 }),
  });

  it("STA-5: all nodes agree with the truth after a quiet time, and readers were told no user came or went twice", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), fc.nat(), async (steps, seed) => {
        const world = new World();
        const cables = [new Cable(), new Cable(), new Cable()];
        const buses: LossyBus[] = [];
        const nodes = cables.map((cable, index) =>
          world.node({
            bus(inner) {
              const bus = createLossyBus(cable.wrap(inner), {
                seed: seed + index,
                clock: world.clock,
                maxDelayMs: 700,
              });
              buses.push(bus);
              return bus;
            },
          }),
        );
        const opening = Promise.all(nodes.map((node) => node.open()));
        await world.advance(1_000);
        const rooms = await opening;
        const sinks = nodes.map(() => new FakeSink());
        await Promise.all(nodes.map((node, index) => node.join(null, sinks[index])));
        const connections = nodes.map(() => new Map<string, number>());
        for (const { node, kind, key, ms } of steps) {
          const room = rooms[node]!;
          const mine = connections[node]!;
          const user = `user-${key}`;
          if (kind === "set") room.setState("topic", `${key}`, `${node}-${ms}`);
          else if (kind === "remove") room.removeState("topic", `${key}`);
          else if (kind === "withdraw") room.withdrawState("topic", `${key}`);
          else if (kind === "type") room.setState("typing", user, true);
          else if (kind === "mark") void room.setState("read", user, ms);
          else if (kind === "join") {
            room.members.join({ id: user, name: user });
            mine.set(user, (mine.get(user) ?? 0) + 1);
          } else if (kind === "drop" || kind === "leave") {
            room.members.leave(user, kind === "drop" ? "dropped" : "left");
            mine.set(user, Math.max(0, (mine.get(user) ?? 0) - 1));
          } else if (kind === "cut") cables[node]!.isCut = !cables[node]!.isCut;
          else await world.advance(ms);
          room.mark();
        }
        for (const cable of cables) cable.isCut = false;
        await world.advance(QUIET_MS / 2);
        for (const bus of buses) bus.faulty = false;
        await world.advance(QUIET_MS);

        const present = new Set(
          connections.flatMap((mine) => Array.from(mine).flatMap(([user, count]) => (count > 0 ? [user] : []))),
        );
        const marks = Object.fromEntries(await world.log.marks(ROOM, "read"));
        const [first] = rooms;
        for (const [index, room] of rooms.entries()) {
          const seen = room.members.list();
          expect(new Set(seen.users.map(({ userId }) => userId))).toEqual(present);
          expect(seen.count).toBe(present.size);
          expect(room.stateSnapshot()).toEqual(first!.stateSnapshot());
          expect(room.stateSnapshot().typing).toBeUndefined();
          expect(room.stateSnapshot().read ?? {}).toEqual(marks);
          expect(room.state.fingerprint).toBe(first!.state.fingerprint);
          const told = follow(sinks[index]!);
          expect(told.topics).toEqual(room.stateSnapshot().topic ?? {});
          expect(told.present).toEqual(present);
        }
        world.close();
      }),
      { numRuns: Number(process.env.YAMABIKO_GOSSIP_RUNS ?? 40) },
    );
  }, 120_000);

  /** What a reader knows who believes what it is told. */
  function follow(sink: FakeSink): { topics: JsonObject; present: Set<string> } {
    const topics: JsonObject = {};
    const present = new Set<string>();
    for (const { type, payload } of sink.messages) {
      const told = payload as { key: string; value: string | null; userId: string };
      if (type === "topic_changed") {
        if (told.value === null) delete topics[told.key];
        else topics[told.key] = told.value;
      } else if (type === "user_joined") {
        expect(present.has(told.userId)).toBe(false);
        present.add(told.userId);
      } else if (type === "user_left") {
        expect(present.has(told.userId)).toBe(true);
        present.delete(told.userId);
      }
    }
    return { topics, present };
  }
});

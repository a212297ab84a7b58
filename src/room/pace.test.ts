import { describe, expect, it } from "vitest";
import type { Companion } from "./companion.ts";
import type { Room } from "./room.ts";
import { FakeSink, KIND, ROOM, range, World } from "./world.test-support.ts";

/** Reads the room from its head, at most every `gatherMs`. */
function follow(room: Room, gatherMs: number): FakeSink {
  const sink = new FakeSink();
  const place = { epoch: room.epoch, start: room.head, lost: null, recovered: false };
  room.subscribe(sink, place, gatherMs).pump();
  return sink;
}

describe("a reader with a pace", () => {
  it("is given something at most that often, and the newest value of each key, while others get every change", async () => {
    const world = new World();
    const room = await world.node().open(ROOM);
    const [slow, slower, live] = [follow(room, 1_000), follow(room, 5_000), follow(room, 0)];
    await world.settle();
    for (const value of range(1, 100)) {
      room.setState("topic", "a", value);
      await world.settle();
      await world.clock.advance(100);
      await world.settle();
    }
    await world.advance(5_000);
    expect(live.buffers).toHaveLength(100);
    expect(slow.buffers.length).toBeGreaterThanOrEqual(10);
    expect(slow.buffers.length).toBeLessThanOrEqual(12);
    expect(slower.buffers.length).toBeLessThanOrEqual(4);
    for (const { messages } of [slow, slower, live]) expect(messages.at(-1)!.payload).toMatchObject({ value: 100 });
    for (const buffer of slow.buffers) expect(buffer.toString().trim().split("\n")).toHaveLength(1);
    world.close();
  });

  it("misses no event, and gets them early when many have gathered", async () => {
    const world = new World();
    const node = world.node();
    const room = await node.open(ROOM);
    const sink = follow(room, 10_000);
    await node.say({ first: true });
    await world.settle();
    for (const index of range(1, 300)) await node.say({ index });
    await world.settle();
    expect(sink.seqs.length).toBeGreaterThan(256);
    await world.advance(10_000);
    expect(sink.seqs).toEqual(range(1, 301));
    world.close();
  });

  it("gets the newest alone when its sink takes bytes again", async () => {
    const world = new World();
    const room = await world.node().open(ROOM);
    const sink = new FakeSink();
    const place = { epoch: room.epoch, start: room.head, lost: null, recovered: false };
    const subscription = room.subscribe(sink, place, 1_000);
    subscription.pump();
    await world.settle();
    sink.writable = false;
    for (const value of range(1, 50)) {
      room.setState("topic", "a", value);
      await world.advance(1_000);
    }
    expect(sink.buffers).toHaveLength(0);
    sink.writable = true;
    subscription.pump();
    await world.advance(1_000);
    expect(sink.messages.map(({ payload }) => (payload as { value: number }).value)).toEqual([50]);
    world.close();
  });
});

describe("what is kept beside a room", () => {
  const silent: Companion = {
    speaksForState: false,
    bytes: 0,
    isBusy: false,
    trimmable: undefined,
    stateChanged: () => {},
    advanced: () => {},
    jumped: () => {},
    heard: () => {},
    close: () => {},
  };

  it("keeps retention from what it still needs, however old that is", async () => {
    const world = new World();
    let trimmable = 2;
    const companion: Companion = {
      ...silent,
      get trimmable() {
        return trimmable;
      },
    };
    const node = world.node({ kind: { ...KIND, retention: { maxAgeMs: 10_000 }, open: () => companion } });
    await node.open(ROOM);
    await world.say(5);
    const kept = async () => (await world.events()).map(({ seq }) => seq);
    await world.advance(60_000);
    expect(await kept()).toEqual([3, 4, 5]);
    trimmable = 4;
    await world.advance(60_000);
    expect(await kept()).toEqual([5]);
    world.close();
  });

  it("hears of every event, also of those that came while it was made, and of notes meant for it", async () => {
    const world = new World();
    const seen: number[] = [];
    const notes: string[] = [];
    let open = (_: Companion): void => {};
    const companion: Companion = {
      ...silent,
      advanced: ({ seq }) => void seen.push(seq),
      heard: (name, data, from) => void notes.push(`${name} ${JSON.stringify(data)} ${from}`),
    };
    const kind = { ...KIND, open: () => new Promise<Companion>((resolve) => (open = resolve)) };
    const [node, other] = [world.node({ kind }), world.node()];
    const opening = node.open(ROOM);
    await world.settle();
    await other.say({ index: 1 });
    await world.settle();
    open(companion);
    const room = await opening;
    expect(seen).toEqual([1]);
    await other.say({ index: 2 });
    const there = await other.open(ROOM);
    there.tell("hello", { to: "all" }, null);
    there.tell("hello", { to: "you" }, node.id);
    there.tell("hello", { to: "nobody" }, "node-9");
    room.tell("hello", { to: "others" }, null);
    await world.settle();
    expect(seen).toEqual([1, 2]);
    expect(notes).toEqual(['hello {"to":"all"} node-1', 'hello {"to":"you"} node-1']);
    world.close();
  });

  it("hears that the head jumped, keeps the room while it is busy, and is closed with it", async () => {
    const world = new World();
    const told: string[] = [];
    let isBusy = true;
    const companion: Companion = {
      ...silent,
      get isBusy() {
        return isBusy;
      },
      jumped: () => void told.push("jumped"),
      close: () => void told.push("closed"),
    };
    const node = world.node({ kind: { ...KIND, open: () => companion }, limits: { idleRooms: 1 } });
    const room = await node.open(ROOM);
    world.remake();
    await room.refresh();
    expect(told).toEqual(["jumped"]);
    await node.rooms.open("chat:other", KIND);
    await world.advance(2_000);
    expect(node.rooms.get(ROOM)).toBe(room);
    isBusy = false;
    await world.advance(2_000);
    expect(node.rooms.get(ROOM)).toBeUndefined();
    expect(told).toEqual(["jumped", "closed"]);
    world.close();
  });

  it("costs nobody else what it throws", async () => {
    const world = new World();
    const fail = (): never => {
      throw new Error("no");
    };
    const node = world.node({ kind: { ...KIND, open: () => ({ ...silent, advanced: fail, stateChanged: fail }) } });
    const { sink } = await node.join();
    await node.say({ index: 1 });
    (await node.open()).setState("topic", "a", 1);
    await world.settle();
    expect(sink.messages).toHaveLength(2);
    expect(node.failures).toHaveLength(2);
    world.close();
  });
});

describe("who leads a room", () => {
  it("is one after the other, with a higher fence each time, until the room is closed", async () => {
    const world = new World();
    const room = await world.node().open(ROOM);
    const led: string[] = [];
    const lead = (name: string) =>
      room.lead(({ fence, signal }) => {
        led.push(`${name} ${fence}`);
        signal.addEventListener("abort", () => led.push(`${name} stops`));
      });
    const leave = lead("a");
    lead("b");
    await world.settle();
    leave();
    await world.settle();
    world.close();
    expect(led).toEqual(["a 1", "a stops", "b 2", "b stops"]);
  });
});

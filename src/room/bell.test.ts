import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Bus, Notice } from "../bus/bus.ts";
import { BEYOND_ALL } from "../log/log.ts";
import { type Node, ROOM, range, World } from "./world.test-support.ts";

type EventNotice = Notice & { kind: "event" };

describe("what a node tells others of a room's log", () => {
  let world: World;
  let published: EventNotice[];
  /** Whether notices reach the other nodes. */
  let isDeaf: boolean;
  const listening = (inner: Bus): Bus => ({
    lossless: inner.lossless,
    publish: (roomId, notice) => {
      if (notice.kind === "event") published.push(notice);
      if (notice.kind !== "event" || !isDeaf) inner.publish(roomId, notice);
    },
    subscribe: (roomId, onNotice) => inner.subscribe(roomId, onNotice),
    close: () => inner.close(),
  });
  const takesEvents = { takesEvents: true, bus: listening };
  /** Several events that are appended in one turn. */
  const sayAtOnce = (node: Node, texts: readonly string[]) => Promise.all(texts.map((text) => node.say({ text })));

  beforeEach(() => {
    world = new World();
    published = [];
    isDeaf = false;
  });
  afterEach(() => world.close());

  it("is one notice for all events of a turn, and they are not read from the log", async () => {
    const [here, there] = [world.node(takesEvents), world.node(takesEvents)];
    await here.open();
    const { sink } = await there.join();
    const reads = there.gate.reads;
    await sayAtOnce(here, ["a", "b", "c"]);
    await world.settle();
    expect(published).toEqual([
      expect.objectContaining({
        from: "node-0",
        seq: 3,
        events: [1, 2, 3].map((seq) => expect.objectContaining({ seq })),
      }),
    ]);
    expect(sink.seqs).toEqual([1, 2, 3]);
    expect(there.gate.reads).toBe(reads);
    const page = (await there.open()).page({ epoch: published[0]!.epoch, seq: 0 }, 10, 10_000);
    expect((await page).events).toEqual(await world.events());
  });

  it("makes the log know how far others have seen it", async () => {
    const [here, there] = [world.node(takesEvents), world.node(takesEvents)];
    await here.open();
    await there.join();
    const { epoch } = await here.say({ text: "a" });
    await world.settle();
    const [event] = await world.events();
    expect(there.gate.told).toEqual([[ROOM, epoch, 1, event!.timestamp]]);
  });

  it("carries no events while no other node has the room open", async () => {
    const here = world.node(takesEvents);
    world.node(takesEvents);
    await here.say({ text: "a" });
    await world.settle();
    expect(published).toEqual([{ kind: "event", from: "node-0", epoch: expect.any(String), seq: 1 }]);
  });

  it("carries no events where logs are read: there a notice is followed by reading", async () => {
    const [here, there] = [world.node({ bus: listening }), world.node({ bus: listening })];
    await here.open();
    const { sink } = await there.join();
    await here.say({ text: "a" });
    await world.settle();
    expect(published.at(-1)).not.toHaveProperty("events");
    expect(sink.seqs).toEqual([1]);
    // From one that carries them, it takes none.
    here.bus.publish(ROOM, {
      kind: "event",
      from: "elsewhere",
      epoch: published.at(-1)!.epoch,
      seq: 2,
      events: [{ seq: 2, type: "said", sender: null, messageId: null, timestamp: 1, data: '"not in the log"' }],
    });
    await world.settle();
    expect(sink.seqs).toEqual([1]);
  });

  it("is a bare number for more than 16 KiB, and the events are read", async () => {
    const [here, there] = [world.node(takesEvents), world.node(takesEvents)];
    await here.open();
    const { sink } = await there.join();
    const reads = there.gate.reads;
    await sayAtOnce(here, ["x".repeat(10_000), "y".repeat(10_000), "z"]);
    await world.settle();
    expect(published.at(-1)).not.toHaveProperty("events");
    expect(published.at(-1)!.seq).toBe(3);
    expect(there.gate.reads).toBeGreaterThan(reads);
    expect(sink.seqs).toEqual([1, 2, 3]);
  });

  it("fills what lies between from the log, however notices are lost, repeated and late", async () => {
    const [here, there] = [world.node(takesEvents), world.node(takesEvents)];
    await here.open();
    const { sink } = await there.join();
    isDeaf = true;
    for (const text of ["1", "2", "3", "4", "5"]) {
      await here.say({ text });
      await world.settle();
    }
    const room = there.rooms.get(ROOM)!;
    for (const at of [1, 1, 0, 4, 2, 3, 4]) room.hear(published[at]!);
    await world.settle();
    expect(sink.seqs).toEqual(range(1, 5));
    expect((await room.page({ epoch: room.epoch, seq: 0 }, 10, 10_000)).events).toEqual(await world.events());
  });

  it("of an edit is a bare number: what it replaced must be read", async () => {
    const [here, there] = [world.node(takesEvents), world.node(takesEvents)];
    await here.open();
    const { sink } = await there.join();
    await here.say({ text: "old" });
    await world.settle();
    const amend = [{ seq: 1, expectData: '{"text":"old"}', data: '{"text":"new"}' }];
    await here.say({ text: "edited" }, { amend });
    await world.settle();
    expect(published.at(-1)).not.toHaveProperty("events");
    expect(sink.seqs).toEqual([1, 2]);
    const room = await there.open();
    expect((await room.page({ epoch: room.epoch, seq: 0 }, 10, 10_000)).events).toEqual(await world.events());
  });

  it("of a repetition is a bare number: what is repeated may be other words", async () => {
    const [here, there] = [world.node(takesEvents), world.node(takesEvents)];
    await here.open();
    const { sink } = await there.join();
    here.log.loseReplies(1);
    await expect(here.say({ text: "first" }, undefined, "m1")).rejects.toMatchObject({ code: "unavailable" });
    await here.say({ text: "other words" }, undefined, "m1");
    await world.settle();
    expect(published.at(-1)).not.toHaveProperty("events");
    expect(sink.seqs).toEqual([1]);
    const room = await there.open();
    expect((await room.page({ epoch: room.epoch, seq: 0 }, 10, 10_000)).events).toEqual(await world.events());
  });

  describe("when the log gave a seq again, because it lost whom it gave it to first", () => {
    const other = (epoch: string, seq: number): EventNotice => ({
      kind: "event",
      from: "elsewhere",
      epoch,
      seq,
      events: [{ seq, type: "said", sender: "zoe", messageId: "lost", timestamp: 1, data: '"lost"' }],
    });

    it("says so to its log, so that the epoch ends", async () => {
      const [here, there] = [world.node(takesEvents), world.node(takesEvents)];
      await here.open();
      await there.join();
      const { epoch } = await here.say({ text: "a" });
      await world.settle();
      there.rooms.get(ROOM)!.hear(published.at(-1)!);
      expect(there.gate.told).toEqual([[ROOM, epoch, 1, expect.any(Number)]]);
      there.rooms.get(ROOM)!.hear(other(epoch, 1));
      expect(there.gate.told.at(-1)).toEqual([ROOM, epoch, BEYOND_ALL]);
    });

    it("finds it at an append of its own too", async () => {
      const [here, there] = [world.node(takesEvents), world.node(takesEvents)];
      await there.open();
      const room = await here.open();
      const saying = here.say({ text: "a" });
      room.hear(other(room.epoch, 1));
      const { epoch } = await saying;
      expect(here.gate.told).toEqual([
        [ROOM, epoch, 1, expect.any(Number)],
        [ROOM, epoch, BEYOND_ALL],
      ]);
    });
  });

  it("of another epoch is taken by nobody: the log is asked", async () => {
    const [here, there] = [world.node(takesEvents), world.node(takesEvents)];
    await here.open();
    const { sink } = await there.join();
    there.rooms.get(ROOM)!.hear({
      kind: "event",
      from: "node-0",
      epoch: "another",
      seq: 1,
      events: [{ seq: 1, type: "said", sender: null, messageId: null, timestamp: 1, data: "{}" }],
    });
    await world.settle();
    expect(sink.seqs).toEqual([]);
    expect(there.gate.told).toEqual([]);
  });
});

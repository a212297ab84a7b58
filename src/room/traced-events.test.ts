import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Bus } from "../bus/bus.ts";
import type { AppendSpan, EventTrace, Tracing } from "../observe/tracing.ts";
import { TracedEvents } from "./traced-events.ts";
import { FakeSink, type Node, range, World } from "./world.test-support.ts";

/** What was told, in order. */
class ToldTracing implements Tracing {
  readonly told: string[] = [];
  readonly #isSampled: boolean;
  readonly #name: string;
  #count = 0;

  constructor(name: string, isSampled = true) {
    this.#name = name;
    this.#isSampled = isSampled;
  }

  received(): never {
    throw new Error("rooms receive nothing");
  }

  appending(_roomId: string, type: string, cause: unknown): AppendSpan {
    const id = `${this.#name}${++this.#count}`;
    this.told.push(`${id} ${type} of ${cause}`);
    return {
      ...this.#following(id),
      traceparent: this.#isSampled ? id : null,
      appended: (duplicate) => void this.told.push(`${id} ${duplicate ? "was there" : "durable"}`),
      failed: () => void this.told.push(`${id} failed`),
    };
  }

  heard(_roomId: string, _type: string, traceparent: string): EventTrace {
    return this.#following(`${traceparent} at ${this.#name}`);
  }

  async flush(): Promise<void> {}

  #following(id: string): EventTrace {
    return { delivered: (readers) => void this.told.push(`${id} to ${readers}`) };
  }
}

describe("the way of a room's events", () => {
  let world: World;
  let tracing: ToldTracing;
  let node: Node;
  beforeEach(() => {
    world = new World();
    tracing = new ToldTracing("a");
    node = world.node({ tracing });
  });
  afterEach(() => world.close());

  it("is told of every event once per flush, whatever the number of readers and formats", async () => {
    for (const _ of range(1, 3)) await node.join();
    await Promise.all([node.say({ text: "x" }), node.say({ text: "y" })]);
    await world.settle();
    expect(tracing.told).toEqual([
      "a1 said of null",
      "a2 said of null",
      "a1 durable",
      "a2 durable",
      "a1 to 3",
      "a2 to 3",
    ]);
  });

  it("ends in the log where nobody reads, and where the log refuses or has it already", async () => {
    await node.say({ text: "x" }, undefined, "m");
    await node.join();
    await node.say({ text: "x" }, undefined, "m");
    await expect(node.say({ text: "y" }, { expect: 7 })).rejects.toMatchObject({ code: "conflict" });
    await world.settle();
    expect(tracing.told).toEqual([
      "a1 said of null",
      "a1 durable",
      "a2 said of null",
      "a2 was there",
      "a3 said of null",
      "a3 failed",
    ]);
  });

  it("is told again when readers who gather are given the event later", async () => {
    const room = await node.open();
    await node.join();
    const place = { epoch: room.epoch, start: room.head, lost: null, recovered: false };
    room.subscribe(new FakeSink(), place, 1_000).pump();
    await world.settle();
    await node.say({ text: "first" });
    await world.settle();
    await node.say({ text: "second" });
    await world.settle();
    const deliveries = () => tracing.told.filter((told) => told.includes(" to "));
    expect(deliveries()).toEqual(["a1 to 2", "a2 to 1"]);
    await world.advance(2_000);
    expect(deliveries()).toEqual(["a1 to 2", "a2 to 1", "a2 to 1"]);
  });

  it("says nothing of an event that nobody collects the spans of", async () => {
    tracing = new ToldTracing("b", false);
    const unsampled = world.node({ tracing });
    const { sink } = await unsampled.join();
    await unsampled.say({ text: "x" });
    await world.settle();
    expect(sink.seqs).toEqual([1]);
    expect(tracing.told).toEqual(["b1 said of null", "b1 durable"]);
  });

  it.each([
    ["carry events", true],
    ["are followed by reading the log", false],
  ])("goes on at the other nodes, where notices %s", async (_, takesEvents) => {
    const [one, other] = [new ToldTracing("one"), new ToldTracing("other")];
    const here = world.node({ tracing: one, takesEvents });
    const there = world.node({ tracing: other, takesEvents });
    const untraced = world.node({ takesEvents });
    await here.open();
    await there.join();
    const { sink } = await untraced.join();
    await Promise.all([here.say({ text: "x" }), here.say({ text: "y" })]);
    await world.settle();
    expect(one.told).toEqual(["one1 said of null", "one2 said of null", "one1 durable", "one2 durable"]);
    expect(other.told).toEqual(["one1 at other to 1", "one2 at other to 1"]);
    expect(sink.seqs).toEqual([1, 2]);
    expect(JSON.stringify(sink.messages)).not.toContain("one1");
  });

  it("is told to other nodes only where one has the room open, and for a bounded number of events a turn", async () => {
    const traces: number[] = [];
    const bus = (inner: Bus): Bus => ({
      lossless: inner.lossless,
      publish: (roomId, notice) => {
        if (notice.kind === "event") traces.push(notice.traces?.length ?? 0);
        inner.publish(roomId, notice);
      },
      subscribe: (roomId, onNotice) => inner.subscribe(roomId, onNotice),
      close: () => inner.close(),
    });
    const here = world.node({ tracing, bus });
    await here.say({ text: "alone" });
    await world.settle();
    await world.node().join();
    await world.settle();
    await Promise.all(range(1, 100).map((index) => here.say({ index })));
    await world.settle();
    expect(traces).toEqual([0, 32]);
  });

  it("is followed for a bounded number of events", () => {
    const events = new TracedEvents();
    const delivered: number[] = [];
    for (const seq of range(1, 5_000)) events.add(seq, { delivered: () => void delivered.push(seq) });
    events.handed(0, 5_000, 1);
    events.conclude(5_000);
    expect(delivered).toEqual(range(5_000 - 1_023, 5_000));
    events.handed(0, 5_000, 1);
    events.conclude(5_000);
    expect(delivered).toHaveLength(1_024);
  });
});

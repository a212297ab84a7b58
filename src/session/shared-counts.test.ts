import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Bus } from "../bus/bus.ts";
import { type Node, smallNotices, World } from "../room/world.test-support.ts";
import { createLossyBus, type LossyBus } from "../testing/lossy-bus.ts";
import { SharedCounts } from "./shared-counts.ts";

/** A bus whose notices come all at once, as they do between processes. */
class Batches {
  #held: (() => void)[] = [];

  readonly wrap = (inner: Bus): Bus => ({
    lossless: true,
    publish: (channel, notice) => inner.publish(channel, notice),
    subscribe: (channel, onNotice) =>
      inner.subscribe(channel, (notice) => void this.#held.push(() => onNotice(notice))),
    close: () => inner.close(),
  });

  deliver(): void {
    for (const hear of this.#held.splice(0)) hear();
  }
}

describe("counts that nodes share", () => {
  const ADDRESS = "192.0.2.1";
  let world: World;
  let batches: Batches;
  let a: Node;
  let b: Node;
  let countsOfA: SharedCounts;
  let countsOfB: SharedCounts;
  let here: Map<string, number>;

  beforeEach(async () => {
    world = new World();
    batches = new Batches();
    a = world.node({ bus: batches.wrap });
    const parts = { name: "addresses", limit: 10, clock: world.clock };
    countsOfA = new SharedCounts({ ...parts, here: () => [] });
    countsOfA.attach(a.rooms);
    here = new Map([[ADDRESS, 3]]);
    countsOfB = new SharedCounts({ ...parts, here: () => here });
    b = world.node();
    countsOfB.attach(b.rooms);
    await world.settle();
    batches.deliver();
    await world.settle();
  });

  afterEach(() => world.close());

  const change = (count: number): void => {
    here.set(ADDRESS, count);
    countsOfB.changed(ADDRESS, count);
  };

  it("are those it had when the processes met, and what changed since", async () => {
    batches.deliver();
    await world.settle();
    expect(countsOfA.elsewhere(ADDRESS)).toBe(3);
    change(2);
    change(1);
    await world.settle();
    batches.deliver();
    expect(countsOfA.elsewhere(ADDRESS)).toBe(1);
    expect(countsOfB.elsewhere(ADDRESS)).toBe(0);
  });

  it("are as they are now, though they change while the processes meet", async () => {
    change(0);
    await world.settle();
    batches.deliver();
    await world.settle();
    expect(countsOfA.elsewhere(ADDRESS)).toBe(0);
  });

  it("are none when the process ends while they meet", async () => {
    b.rooms.close();
    await world.settle();
    batches.deliver();
    await world.settle();
    expect(a.rooms.otherNodes).toEqual([]);
    expect(countsOfA.elsewhere(ADDRESS)).toBe(0);
  });
});

describe("counts that nodes share over a bus that loses, repeats and reorders", () => {
  it("are right in the end, whatever was lost", async () => {
    const world = new World();
    const lossy: LossyBus[] = [];
    const lose = (bus: Bus): Bus => {
      const wrapped = createLossyBus(bus, { seed: 7, clock: world.clock, loss: 0.5, maxDelayMs: 2_000 });
      lossy.push(wrapped);
      return wrapped;
    };
    const here = new Map<string, number>();
    const parts = { name: "users", limit: 50, clock: world.clock };
    const countsOfA = new SharedCounts({ ...parts, here: () => [] });
    countsOfA.attach(world.node({ bus: lose }).rooms);
    const countsOfB = new SharedCounts({ ...parts, here: () => here });
    countsOfB.attach(world.node({ bus: lose }).rooms);
    await world.settle();
    const change = (key: string, count: number): void => {
      here.set(key, count);
      countsOfB.changed(key, count);
    };
    for (let step = 0; step < 300; step++) {
      change(`user-${step % 20}`, (step * 7) % 40);
      await world.clock.advance(130);
    }
    for (const bus of lossy) bus.faulty = false;
    // A last change is what tells that something before it is missing.
    change("user-0", 9);
    await world.clock.advance(10_000);
    for (const [key, count] of here) {
      // Under a tenth of the limit is not worth telling.
      expect([key, countsOfA.elsewhere(key)]).toEqual([key, count < 5 ? 0 : count]);
    }
    world.close();
  });
});

describe("counts over a bus whose notices are small", () => {
  it("are shared, however many there are and however long their keys", async () => {
    const world = new World();
    try {
      const here = new Map(Array.from({ length: 700 }, (_, index) => [`利用者${index}`.padEnd(60, "x"), 3]));
      const parts = { name: "users", limit: 10, clock: world.clock };
      const [a, b] = [world.node({ bus: smallNotices }), world.node({ bus: smallNotices })];
      const counts = new SharedCounts({ ...parts, here: () => [] });
      counts.attach(a.rooms);
      new SharedCounts({ ...parts, here: () => here }).attach(b.rooms);
      await world.settle();
      expect(Array.from(here.keys(), (key) => counts.elsewhere(key))).toEqual(new Array(700).fill(3));
    } finally {
      await world.close();
    }
  });
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Bus } from "../bus/bus.ts";
import { type Node, World } from "../room/world.test-support.ts";
import { AddressCounts } from "./address-counts.ts";

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

describe("the connections of an address at other processes", () => {
  const ADDRESS = "192.0.2.1";
  let world: World;
  let batches: Batches;
  let a: Node;
  let b: Node;
  let countsOfA: AddressCounts;
  let countsOfB: AddressCounts;
  let here: Map<string, number>;

  beforeEach(async () => {
    world = new World();
    batches = new Batches();
    a = world.node({ bus: batches.wrap });
    countsOfA = new AddressCounts(() => []);
    countsOfA.attach(a.rooms);
    here = new Map([[ADDRESS, 3]]);
    countsOfB = new AddressCounts(() => here);
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

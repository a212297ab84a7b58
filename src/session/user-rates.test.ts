import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resolveLimits } from "../protocol/index.ts";
import { type Node, World } from "../room/world.test-support.ts";
import { UserRates } from "./user-rates.ts";

const LIMITS = resolveLimits({ userMessagesPerSecond: 20, userBytesPerSecond: 1_000 });

describe("the rates of a user", () => {
  let world: World;
  let rates: UserRates[];

  const ratesOf = ({ rooms }: Node): UserRates =>
    new UserRates(LIMITS, world.clock, rooms.words, () => rooms.otherNodes.length > 0);

  beforeEach(async () => {
    world = new World();
    rates = [ratesOf(world.node()), ratesOf(world.node())];
    await world.settle();
  });

  afterEach(() => world.close());

  /** Sends as fast as it may, at all nodes at once, and says how many messages came through. */
  const flood = async (seconds: number, bytes: number): Promise<number> => {
    let taken = 0;
    for (let tenth = 0; tenth < seconds * 10; tenth++) {
      for (const node of rates) {
        for (let index = 0; index < 50 && node.take("ada", bytes) === null; index++) taken++;
      }
      await world.clock.advance(100);
      if (tenth % 10 === 9) {
        for (const node of rates) node.sweep();
        await world.settle();
      }
    }
    return taken;
  };

  it("LIM-1 userMessagesPerSecond: are one over two nodes, but for the first burst", async () => {
    const first = await flood(10, 1);
    const later = await flood(60, 1);
    expect(first).toBeLessThan(2 * 40 + 20 * 12);
    expect(later).toBeGreaterThan(60 * 20 * 0.8);
    expect(later).toBeLessThan(60 * 20 * 1.2);
  });

  it("LIM-1 userBytesPerSecond: are one over two nodes, and no message is charged for what its bytes refused", async () => {
    await flood(10, 100);
    const later = await flood(60, 100);
    expect(later * 100).toBeGreaterThan(60 * 1_000 * 0.8);
    expect(later * 100).toBeLessThan(60 * 1_000 * 1.2);
    expect(rates[0]!.take("ben", 5_000)).toBeNull();
    expect(rates[0]!.take("ben", 1)).toMatchObject({ limit: "userBytesPerSecond" });
  });

  it("of others, and of one who sends little, are left alone", async () => {
    await flood(5, 1);
    for (let index = 0; index < 40; index++) expect(rates[1]!.take("ben", 1)).toBeNull();
    for (let second = 0; second < 20; second++) {
      for (const node of rates) expect(node.take("cy", 1)).toBeNull();
      for (const node of rates) node.sweep();
      await world.clock.advance(1_000);
    }
  });

  it("are forgotten when nobody uses them", async () => {
    for (let index = 0; index < 5_000; index++) rates[0]!.take(`user-${index}`, 1);
    expect(rates[0]!.count).toBe(5_000);
    await world.clock.advance(60_000);
    rates[0]!.sweep();
    expect(rates[0]!.count).toBe(0);
  });
});

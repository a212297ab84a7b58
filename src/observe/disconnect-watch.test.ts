import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import type { Closing } from "./closing.ts";
import {
  type AbnormalDisconnects,
  createDisconnectWatch,
  type DisconnectsSettled,
  type DisconnectWatch,
} from "./disconnect-watch.ts";
import { nullObserver, type Observer } from "./observer.ts";

describe("the watch over how connections end", () => {
  let clock: FakeClock;
  let watch: DisconnectWatch;
  let observer: Observer;
  let raised: AbnormalDisconnects[];
  let settled: DisconnectsSettled[];

  beforeEach(() => {
    clock = createFakeClock();
    raised = [];
    settled = [];
    watch = createDisconnectWatch({
      clock,
      node: "n",
      raised: (alert) => raised.push(alert),
      settled: (over) => settled.push(over),
    });
    observer = watch.observe(nullObserver);
    watch.start();
    open(100);
  });

  afterEach(() => watch.stop());

  function open(count: number): void {
    for (let index = 0; index < count; index++) observer.connectionOpened("websocket");
  }

  function end(count: number, more: Partial<Closing> = {}): void {
    for (let index = 0; index < count; index++) {
      observer.connectionClosed({
        transport: "websocket",
        reason: "aborted",
        isDraining: false,
        isBehind: false,
        ageMs: 1_000 * index,
        address: `192.0.2.${index}`,
        connectionId: `c${index}`,
        userId: null,
        ...more,
      });
    }
  }

  /** So many end in each of so many seconds, and come back. */
  async function go(seconds: number, each: number, more: Partial<Closing> = {}): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      end(each, more);
      open(each);
      await clock.advance(1_000);
    }
  }

  it.each(["unauthenticated", "aborted", "policy"] as const)(
    "tells of ends (%s) after which the process stood still for longer than it looks back",
    async (reason) => {
      end(10, { reason });
      clock.stall(15_000);
      await clock.advance(5_000);
      expect(raised).toMatchObject([{ count: 10, addresses: 10, ages: { lowestMs: 0, highestMs: 9_000 } }]);
    },
  );

  it("tells within 10 s that a fifth of the connections was cut, of which class, and why", async () => {
    end(20);
    await clock.advance(10_000);
    expect(raised).toHaveLength(1);
    expect(raised[0]).toMatchObject({
      class: "network",
      node: "n",
      count: 20,
      connections: 100,
      usual: 0,
      transports: { websocket: 20 },
      addresses: 20,
      ages: { lowestMs: 0, highestMs: 19_000 },
      likelyCause: { name: "cut_at_once" },
    });
    expect(raised[0]!.message).toContain("20 of 100 connections");
    expect(watch.raised).toBe(1);
  });

  it("waits for the rest of a cut, but no longer than three seconds", async () => {
    end(12);
    await clock.advance(1_000);
    end(8);
    await clock.advance(2_000);
    expect(raised.map(({ count }) => count)).toEqual([20]);
    watch.stop();
    raised.length = 0;
    watch = createDisconnectWatch({
      clock,
      node: "n",
      raised: (alert) => raised.push(alert),
      settled: () => {},
    });
    observer = watch.observe(nullObserver);
    watch.start();
    open(100);
    await go(4, 12);
    expect(raised).toHaveLength(1);
  });

  it("says nothing of a few, nor of a small part of many, nor of those who said goodbye", async () => {
    end(4);
    await clock.advance(20_000);
    open(904);
    end(40);
    await clock.advance(20_000);
    end(500, { reason: "going_away" });
    end(300, { reason: "aborted", isDraining: true });
    end(300, { transport: "poll" });
    await clock.advance(20_000);
    expect(raised).toEqual([]);
  });

  it("compares with what is usual: what always was so is no jump, three times as many is", async () => {
    open(100);
    // Begins with more than usual, because nothing is usual yet.
    await go(120, 3);
    const before = raised.length;
    expect(watch.raised).toBe(0);
    await go(60, 4);
    expect(raised).toHaveLength(before);
    await go(10, 12);
    expect(raised).toHaveLength(before + 1);
    expect(raised.at(-1)!.usual).toBeGreaterThanOrEqual(30);
  });

  it("tells each class apart, and each once until it is over", async () => {
    end(10);
    end(10, { reason: "heartbeat_timeout" });
    await clock.advance(3_000);
    expect(raised.map((alert) => alert.class).sort()).toEqual(["heartbeat", "network"]);
    await go(10, 3);
    expect(raised).toHaveLength(2);
    await clock.advance(45_000);
    expect(settled.map((over) => over.class).sort()).toEqual(["heartbeat", "network"]);
    expect(watch.raised).toBe(0);
    end(20);
    await clock.advance(5_000);
    expect(raised).toHaveLength(3);
  });

  it("takes what lasts for usual after a while", async () => {
    open(900);
    await go(400, 30);
    expect(raised).toHaveLength(1);
    expect(settled).toHaveLength(1);
  });

  it("says nothing any more when the server ends", async () => {
    watch.stop();
    end(100);
    await clock.advance(20_000);
    expect(raised).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});

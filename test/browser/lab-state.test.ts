import { describe, expect, it } from "vitest";
import { compareClocks } from "../../playground/src/lab/clock-offset.ts";
import { FeedCheck } from "../../playground/src/lab/feed-check.ts";
import { formatBytes, formatClock, formatMs, perMinute } from "../../playground/src/lab/format.ts";
import { BARS, LatencyHistogram } from "../../playground/src/lab/latency.ts";
import { Recent } from "../../playground/src/lab/recent.ts";
import { LAB_STRINGS } from "../../playground/src/lab/strings.ts";
import { frameBytes } from "../../playground/src/lab/traffic.ts";

describe("the latencies of the lab", () => {
  it("give quantiles that are right to a tenth", () => {
    const latency = new LatencyHistogram();
    for (let ms = 1; ms <= 1_000; ms++) latency.add(ms);
    for (const [part, exact] of [
      [0.5, 500],
      [0.9, 900],
      [0.99, 990],
    ] as const) {
      const found = latency.quantile(part) ?? 0;
      expect(Math.abs(found - exact) / exact).toBeLessThan(0.1);
    }
    expect(latency.count).toBe(1_000);
  });

  it("have bars that add up to the whole, whatever the latencies are", () => {
    const latency = new LatencyHistogram();
    for (const ms of [-3, 0, 0.05, 1, 1.1, 80, 1e9]) latency.add(ms);
    const bars = latency.bars();
    expect(bars).toHaveLength(BARS);
    expect(bars.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1);
    expect(bars[0]).toBeCloseTo(3 / 7);
    expect(bars.at(-1)).toBeCloseTo(1 / 7);
    latency.clear();
    expect(latency.quantile(0.5)).toBeNull();
    expect(latency.bars().every((share) => share === 0)).toBe(true);
  });

  it("of the last minute are the highest of each half second, and nothing where nothing came", () => {
    const recent = new Recent();
    const now = 1_000_000;
    for (const [ago, ms] of [
      [70_000, 9_999],
      [10_100, 5],
      [10_000, 50],
      [0, 7],
    ] as const) {
      recent.add(now - ago, ms);
    }
    const [at, ms] = recent.spark(now);
    expect(at).toHaveLength(120);
    expect([at[0], at.at(-1)]).toEqual([-59.5, 0]);
    expect(ms.filter((one) => one !== null)).toEqual([5, 50, 7]);
  });
});

describe("the count of a feed", () => {
  it("tells what is missed, what comes again or late, and what was published while it was away", () => {
    const feed = new FeedCheck();
    feed.join("e", 10, 12);
    expect([11, 12, 13].map((seq) => feed.see(seq))).toEqual([false, false, true]);
    expect(feed.count).toEqual({ received: 3, missed: 0, disordered: 0, caughtUp: 2 });
    feed.see(16);
    feed.see(14);
    feed.see(16);
    expect(feed.count).toEqual({ received: 4, missed: 2, disordered: 2, caughtUp: 2 });
  });

  it("does not begin anew with a reconnect: what a resume leaves out is missed", () => {
    const feed = new FeedCheck();
    feed.join("e", 0, 0);
    feed.see(1);
    feed.join("e", 5, 6);
    expect(feed.isCaughtUp).toBe(false);
    feed.see(6);
    expect(feed.count).toMatchObject({ received: 2, missed: 4, caughtUp: 1 });
    expect(feed.isCaughtUp).toBe(true);
  });

  it("misses nothing of a log that was made anew", () => {
    const feed = new FeedCheck();
    feed.join("e", 100, 100);
    feed.see(101);
    feed.join("f", 0, 0);
    feed.see(1);
    expect(feed.count).toMatchObject({ received: 2, missed: 0, disordered: 0 });
  });

  it("goes on from where the feed is after a reset", () => {
    const feed = new FeedCheck();
    feed.join("e", 0, 0);
    feed.see(1);
    feed.see(4);
    feed.clear();
    feed.see(5);
    expect(feed.count).toEqual({ received: 1, missed: 0, disordered: 0, caughtUp: 0 });
  });
});

describe("the figures of the lab", () => {
  it("count a WebSocket frame as RFC 6455 makes it", () => {
    expect([0, 125, 126, 65_535, 65_536].map((payload) => frameBytes(payload, false) - payload)).toEqual([
      2, 2, 4, 4, 10,
    ]);
    expect(frameBytes(125, true)).toBe(131);
  });

  it("believe the quickest of several round trips between two clocks", async () => {
    let now = 0;
    const trips = [40, 10, 4, 100, 30, 30, 30, 30];
    const ask = async (): Promise<number> => {
      const trip = trips.shift() ?? 30;
      now += trip;
      // The way there takes longer than the way back.
      return now - trip * 0.3 + 5_000;
    };
    const { aheadMs, uncertainMs } = await compareClocks(ask, () => now);
    expect(uncertainMs).toBe(2);
    expect(Math.abs(aheadMs - 5_000)).toBeLessThanOrEqual(uncertainMs);
  });

  it("are written as people read them", () => {
    const { en, ja } = LAB_STRINGS;
    expect([null, 0.84, 9.99, 42.4, 1_240].map((ms) => formatMs(ms, en))).toEqual([
      "–",
      "0.8 ms",
      "10 ms",
      "42 ms",
      "1.24 s",
    ]);
    expect(formatMs(1_240, ja)).toBe("1.24 秒");
    expect([12, 4_120, 230_000, 2_345_678].map(formatBytes)).toEqual(["12 B", "4.1 kB", "230 kB", "2.3 MB"]);
    expect([0, 42_900, 725_000].map(formatClock)).toEqual(["0:00", "0:42", "12:05"]);
    expect([perMinute(1, 1_000), perMinute(0, 60_000), perMinute(1, 20_000), perMinute(300, 60_000)]).toEqual([
      "–",
      "0",
      "3.0",
      "300",
    ]);
  });
});

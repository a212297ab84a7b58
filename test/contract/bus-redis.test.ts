import { afterAll, describe, expect, it, vi } from "vitest";
import type { Notice } from "../../src/bus/bus.ts";
import { createRedisBus } from "../../src/bus/redis.ts";
import { busContract } from "../../src/testing/bus-contract.ts";
import { RedisCluster, RedisServer } from "../support/redis-server.ts";

const server = await RedisServer.start({ appendfsync: "off" });
const cluster = await RedisCluster.start();
afterAll(() => Promise.all([server.stop(), cluster.stop()]));

for (const [name, url] of [
  ["redis", server.url],
  ["redis cluster", cluster.url],
] as const) {
  busContract(name, async () => ({ here: await createRedisBus({ url }), there: await createRedisBus({ url }) }));
}

describe("a Redis bus", () => {
  it("listens again after the connection was lost", { timeout: 30_000 }, async () => {
    const dropped = vi.fn();
    const nothing = () => {};
    const events = { up: nothing, down: nothing, answered: nothing, dropped, warning: nothing, waiting: nothing };
    const here = await createRedisBus({ url: server.url, events });
    const there = await createRedisBus({ url: server.url });
    const heard: Notice[] = [];
    there.subscribe("chat:a", (notice) => heard.push(notice));
    const ring = (seq: number) =>
      vi.waitFor(
        () => {
          here.publish("chat:a", { kind: "event", from: "here", epoch: "e", seq });
          expect(heard.at(-1)).toMatchObject({ seq });
        },
        { timeout: 10_000, interval: 5 },
      );
    await ring(1);
    const resumed = vi.fn();
    there.onResumed!(resumed);
    await server.kill();
    await vi.waitFor(() => {
      here.publish("chat:a", { kind: "event", from: "here", epoch: "e", seq: 2 });
      expect(dropped).toHaveBeenCalled();
    });
    there.subscribe("chat:b", (notice) => heard.push(notice));
    await server.start();
    await vi.waitFor(() => expect(resumed).toHaveBeenCalledOnce(), { timeout: 10_000 });
    // What is rung from then on is heard, in the rooms of before and those since.
    await ring(3);
    await Promise.all([here.close(), there.close()]);
  });

  it("lets what was published leave before it closes", async () => {
    const here = await createRedisBus({ url: server.url });
    const there = await createRedisBus({ url: server.url });
    const heard: Notice[] = [];
    there.subscribe("chat:last", (notice) => heard.push(notice));
    await vi.waitFor(() => {
      here.publish("chat:last", { kind: "event", from: "here", epoch: "e", seq: 1 });
      expect(heard.length).toBeGreaterThan(0);
    });
    here.publish("chat:last", { kind: "event", from: "here", epoch: "e", seq: 2 });
    await here.close();
    await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ seq: 2 }));
    await there.close();
  });

  it("hears only the rooms it serves", async () => {
    const bus = await createRedisBus({ url: server.url });
    const channels = async () => (await server.ask("pubsub", "shardchannels", "*")) as string[];
    const stop = bus.subscribe("chat:served", () => {});
    await vi.waitFor(async () => expect(await channels()).toEqual(["yamabiko:{chat:served}"]));
    stop();
    await vi.waitFor(async () => expect(await channels()).toEqual([]));
    await bus.close();
  });

  it("has another prefix for another application", async () => {
    const here = await createRedisBus({ url: server.url });
    const other = await createRedisBus({ url: `${server.url}?prefix=other` });
    const heard: Notice[] = [];
    other.subscribe("chat:a", (notice) => heard.push(notice));
    let arrived = 0;
    here.subscribe("chat:a", () => arrived++);
    await vi.waitFor(() => {
      here.publish("chat:a", { kind: "event", from: "here", epoch: "e", seq: 1 });
      expect(arrived).toBeGreaterThan(3);
    });
    expect(heard).toEqual([]);
    await Promise.all([here.close(), other.close()]);
  });
});

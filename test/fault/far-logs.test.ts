import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { AppendResult, Log } from "../../src/log/log.ts";
import { createPostgresLog } from "../../src/log/postgres.ts";
import { createRedisLog } from "../../src/log/redis.ts";
import type { YamabikoError } from "../../src/protocol/index.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { RedisServer } from "../support/redis-server.ts";
import { FaultProxy } from "./proxy.ts";

/** A program that holds a log, and the way to open one over a port that leads to it. */
interface Holder {
  readonly port: number;
  start(): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

const HOLDERS: Record<string, { start: () => Promise<Holder>; open: (port: number) => Promise<Log> }> = {
  "Redis that syncs always": {
    start: () => RedisServer.start({ appendfsync: "always" }),
    open: (port) => createRedisLog({ url: `redis://127.0.0.1:${port}`, silenceMs: 500 }),
  },
  PostgreSQL: {
    start: () => PostgresServer.start(),
    open: (port) =>
      createPostgresLog({
        // One connection, so that what happens to it happens to all that is asked.
        url: `postgres://postgres@127.0.0.1:${port}/postgres?max=1`,
        silenceMs: 1_000,
        connectMs: 2_000,
      }),
  },
};

const WAIT = { timeout: 20_000, interval: 10 };

describe.each(Object.entries(HOLDERS))("a log on %s", (_name, { start, open }) => {
  let holder: Holder;
  const opened: Log[] = [];
  const proxies: FaultProxy[] = [];

  beforeAll(async () => {
    holder = await start();
  }, 60_000);
  afterEach(async () => {
    // Their holder may be away; what they wait for ends with their connections.
    await Promise.all(opened.splice(0).map((log) => log.close()));
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  });
  afterAll(() => holder.stop());

  async function openLog(port = holder.port): Promise<Log> {
    const log = await open(port);
    opened.push(log);
    return log;
  }

  async function openByProxy(): Promise<{ log: Log; proxy: FaultProxy }> {
    const proxy = await FaultProxy.start(holder.port);
    proxies.push(proxy);
    return { log: await openLog(proxy.port), proxy };
  }

  const say = (log: Log, room: string, messageId: string | null, text = messageId ?? ""): Promise<AppendResult> =>
    log.append(room, "user", messageId, { type: "said", data: JSON.stringify(text) });
  const outcomeOf = (append: Promise<AppendResult>): Promise<AppendResult | string> =>
    append.catch((error: YamabikoError) => error.code);
  const newRoom = () => `chat:far-${randomUUID()}`;

  it("has everything it acknowledged when it was killed amid appends, and goes on", { timeout: 60_000 }, async () => {
    const log = await openLog();
    const room = newRoom();
    const acknowledged = new Map<string, AppendResult>();
    const sent: string[] = [];
    let isOver = false;
    // As a client does: in order, pipelined, and from the first refused one again.
    const sending = (async () => {
      while (!isOver) {
        const from = acknowledged.size;
        const ids = Array.from({ length: 20 }, (_, index) => `m-${from + index}`);
        for (const id of ids) if (!sent.includes(id)) sent.push(id);
        const outcomes = await Promise.all(ids.map((id) => outcomeOf(say(log, room, id))));
        for (const [index, outcome] of outcomes.entries()) {
          if (typeof outcome !== "string") acknowledged.set(ids[index]!, outcome);
          else expect(outcome).toBe("unavailable");
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    for (let round = 0; round < 2; round++) {
      const before = acknowledged.size;
      await vi.waitFor(() => expect(acknowledged.size).toBeGreaterThan(before + 60), WAIT);
      await holder.kill();
      await holder.start();
    }
    const before = acknowledged.size;
    await vi.waitFor(() => expect(acknowledged.size).toBeGreaterThan(before + 20), WAIT);
    isOver = true;
    await sending;
    const { epoch, events } = await log.read(room, 0, 100_000, Infinity);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    // In the order they were sent, each once.
    expect(events.map(({ messageId }) => messageId)).toEqual(sent.slice(0, events.length));
    expect(events.length).toBeGreaterThanOrEqual(acknowledged.size);
    for (const [id, result] of acknowledged) {
      expect(result.epoch).toBe(epoch);
      expect(events[result.seq - 1]!.messageId).toBe(id);
    }
  });

  it("appends once what it is asked again because the reply was lost after the write", async () => {
    const { log, proxy } = await openByProxy();
    const room = newRoom();
    await say(log, room, "m-1");
    proxy.swallow();
    expect(await outcomeOf(say(log, room, "m-2"))).toBe("unavailable");
    expect(proxy.swallowed).toBeGreaterThan(0);
    proxy.cut();
    const again = await vi.waitFor(() => say(log, room, "m-2"), WAIT);
    expect(again).toMatchObject({ seq: 2, duplicate: true });
    expect(await say(log, room, "m-3")).toMatchObject({ seq: 3, duplicate: false });
    expect((await log.read(room, 0, 10)).events.map(({ messageId }) => messageId)).toEqual(["m-1", "m-2", "m-3"]);
  });

  it("sends nothing twice by itself: what has no messageId is there once, whatever was said of it", async () => {
    const { log, proxy } = await openByProxy();
    const room = newRoom();
    await say(log, room, null, "first");
    proxy.swallow();
    expect(await outcomeOf(say(log, room, null, "second"))).toBe("unavailable");
    proxy.cut();
    await vi.waitFor(() => say(log, room, "m-3", "third"), WAIT);
    const texts = (await log.read(room, 0, 10)).events.map(({ data }) => data);
    expect(texts).toEqual(['"first"', '"second"', '"third"']);
  });

  it("refuses at once while there is no connection, and takes up again by itself", async () => {
    const { log, proxy } = await openByProxy();
    const room = newRoom();
    await say(log, room, "m-0");
    proxy.refusing = true;
    proxy.cut();
    await vi.waitFor(async () => expect(await outcomeOf(say(log, room, "x"))).toBe("unavailable"), WAIT);
    const refused = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => outcomeOf(say(log, room, `r-${index}`))),
    );
    expect(new Set(refused)).toEqual(new Set(["unavailable"]));
    for (const ask of [() => log.heads([room]), () => log.read(room, 0, 1), () => log.setMark(room, "read", "u", 1)]) {
      await expect(ask()).rejects.toMatchObject({ code: "unavailable", retryable: true });
    }
    proxy.refusing = false;
    await vi.waitFor(() => log.heads([room]), WAIT);
    const results = await Promise.all(["m-0", "m-1", "m-2"].map((id) => say(log, room, id)));
    expect(results.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it("gives up on one that is silent, in bounded time, and appends nothing twice when it wakes", async () => {
    const { log, proxy } = await openByProxy();
    const room = newRoom();
    await say(log, room, "m-0");
    proxy.freeze();
    const outcomes = await Promise.all([
      outcomeOf(say(log, room, "m-1")),
      outcomeOf(say(log, newRoom(), "m-1")),
      log.heads([room]).catch((error: YamabikoError) => error.code),
    ]);
    expect(outcomes).toEqual(["unavailable", "unavailable", "unavailable"]);
    await vi.waitFor(() => say(log, room, "m-1"), WAIT);
    expect((await log.read(room, 0, 10)).events.map(({ messageId }) => messageId)).toEqual(["m-0", "m-1"]);
  });

  it("ends while nobody answers", async () => {
    const { log, proxy } = await openByProxy();
    const room = newRoom();
    await say(log, room, "m-0");
    proxy.freeze();
    proxy.refusing = true;
    const append = outcomeOf(say(log, room, "m-1"));
    await log.close();
    expect(await append).toBe("unavailable");
  });

  it("keeps two who append to one room in one order", async () => {
    const [here, there] = [await openLog(), await openLog()];
    const room = newRoom();
    const appends = Array.from({ length: 200 }, (_, index) => say(index % 2 === 0 ? here : there, room, `m-${index}`));
    const results = await Promise.all(appends);
    expect(results.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(results.map((_, index) => index + 1));
    const evens = results.filter((_, index) => index % 2 === 0).map(({ seq }) => seq);
    expect(evens).toEqual([...evens].sort((a, b) => a - b));
    const conditional = await Promise.all(
      [here, there].map((log) => outcomeOf(log.append(room, null, null, { type: "x", data: "1" }, { expect: 200 }))),
    );
    expect(conditional.filter((outcome) => outcome === "conflict")).toHaveLength(1);
  });
});

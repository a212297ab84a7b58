import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { createRedisBus } from "../../src/bus/redis.ts";
import { type LinkEvents, nullLinkEvents } from "../../src/link/link.ts";
import type { Log } from "../../src/log/log.ts";
import { createRedisLog } from "../../src/log/redis.ts";
import { RedisCluster, RedisServer } from "../support/redis-server.ts";

const server = await RedisServer.start({ appendfsync: "off" });
afterAll(() => server.stop());

const WAIT = { timeout: 20_000, interval: 10 };

describe("a log on Redis", () => {
  const opened: Log[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
  });

  async function openLog(events: Partial<LinkEvents> = {}, url = server.url): Promise<Log> {
    const log = await createRedisLog({ url, events: { ...nullLinkEvents, ...events } });
    opened.push(log);
    return log;
  }

  const say = (log: Log, room: string, data = "1") => log.append(room, "user", null, { type: "said", data });
  const headOf = async (log: Log, room: string) => (await log.heads([room])).get(room)!;
  const newRoom = () => `chat:redis-${randomUUID()}`;

  it("warns of a Redis that forgets when it dies, and of one that throws keys away", async () => {
    const warning = vi.fn();
    await openLog({ warning });
    expect(warning).toHaveBeenCalledWith(
      expect.stringContaining("append-only file"),
      expect.stringContaining("appendonly yes"),
    );
    warning.mockClear();
    await server.ask("config", "set", "appendonly", "yes");
    await server.ask("config", "set", "maxmemory-policy", "allkeys-lru");
    await openLog({ warning });
    expect(warning.mock.calls.map(([message]) => message)).toEqual([expect.stringContaining("allkeys-lru")]);
    await server.ask("config", "set", "maxmemory-policy", "noeviction");
    await server.ask("config", "set", "appendonly", "no");
  });

  it("[case 51] has another epoch when Redis has lost everything", async () => {
    const [log, other] = [await openLog(), await openLog()];
    const room = newRoom();
    const { epoch } = await say(log, room);
    await say(log, room);
    await server.ask("flushall");
    const head = await headOf(other, room);
    expect(head).toMatchObject({ first: 1, head: 0 });
    expect(head.epoch).not.toBe(epoch);
    expect(await say(log, room)).toMatchObject({ epoch: head.epoch, seq: 1 });
  });

  it("has another epoch when Redis has lost the newest events and somebody has seen them", async () => {
    const [log, other] = [await openLog(), await openLog()];
    const [room, untouched] = [newRoom(), newRoom()];
    const { epoch } = await say(log, room);
    const kept = await say(log, untouched);
    await server.ask("save");
    await say(log, room);
    await headOf(other, room);
    await server.kill();
    await server.start();
    // It comes back from its last dump, with one event of two.
    const head = await vi.waitFor(() => headOf(other, room), WAIT);
    expect(head).toMatchObject({ first: 1, head: 1 });
    expect(head.epoch).not.toBe(epoch);
    await vi.waitFor(async () => expect(await say(log, room)).toMatchObject({ epoch: head.epoch, seq: 2 }), WAIT);
    expect((await headOf(log, untouched)).epoch).toBe(kept.epoch);
  });

  it("has another epoch when what was lost has been written over by one who had not seen it", async () => {
    const [ahead, other, behind] = [await openLog(), await openLog(), await openLog()];
    const [room, sameHead, untouched] = [newRoom(), newRoom(), newRoom()];
    for (const each of [room, sameHead, untouched]) await say(behind, each);
    await server.ask("save");
    const { epoch } = await say(ahead, room);
    for (const each of [room, sameHead]) await say(ahead, each);
    await other.read(room, 0, 10);
    const kept = await headOf(ahead, untouched);
    await server.kill();
    await server.start();
    // Who had not seen what was lost goes on in its place, and beyond it.
    await vi.waitFor(() => say(behind, room), WAIT);
    for (let count = 0; count < 3; count++) expect((await say(behind, room)).epoch).toBe(epoch);
    const rewritten = await say(behind, sameHead);
    const head = await vi.waitFor(() => headOf(ahead, room), WAIT);
    expect(head).toMatchObject({ first: 1, head: 5 });
    expect(head.epoch).not.toBe(epoch);
    expect(await headOf(ahead, sameHead)).toMatchObject({ head: 2 });
    expect((await headOf(ahead, sameHead)).epoch).not.toBe(rewritten.epoch);
    // Whoever comes later finds it ended already.
    expect(await vi.waitFor(() => other.read(room, 0, 10), WAIT)).toMatchObject({ epoch: head.epoch, head: 5 });
    expect((await say(behind, room)).epoch).toBe(head.epoch);
    await say(behind, untouched);
    expect((await headOf(ahead, untouched)).epoch).toBe(kept.epoch);
  });

  it("notices by appending, too", async () => {
    const log = await openLog();
    const room = newRoom();
    const { epoch } = await say(log, room);
    await say(log, room);
    const [key] = (await server.ask("keys", `yamabiko:{${room}}:room`)) as string[];
    await server.ask("hset", key!, "head", 1);
    const after = await say(log, room);
    expect(after.seq).toBe(2);
    expect(after.epoch).not.toBe(epoch);
    expect((await say(log, room)).epoch).toBe(after.epoch);
  });

  it("never skips an event that Redis threw away: the epoch ends with what is left", async () => {
    const log = await openLog();
    const room = newRoom();
    for (let count = 0; count < 5; count++) await say(log, room);
    const { epoch } = await headOf(log, room);
    await server.ask("hdel", `yamabiko:{${room}}:events`, 3);
    const page = await log.read(room, 0, 10);
    expect(page).toMatchObject({ first: 6, head: 5, events: [] });
    expect(page.epoch).not.toBe(epoch);
    expect(await say(log, room)).toMatchObject({ epoch: page.epoch, seq: 6 });
    expect((await log.read(room, 0, 10)).events.map(({ seq }) => seq)).toEqual([6]);
  });

  it("makes nothing of the rest of a room whose beginning is gone", async () => {
    const log = await openLog();
    const room = newRoom();
    await log.append(room, "user", "m-1", { type: "said", data: "1" });
    await server.ask("del", `yamabiko:{${room}}:room`);
    expect(await log.append(room, "user", "m-1", { type: "said", data: "2" })).toMatchObject({
      seq: 1,
      duplicate: false,
    });
    expect((await log.read(room, 0, 10)).events.map(({ data }) => data)).toEqual(["2"]);
  });

  it("gives no fence again that was given before everything was lost", async () => {
    const log = await openLog();
    const room = newRoom();
    const { fence } = await log.lease(room, "ann", 60_000);
    await server.ask("flushall");
    expect((await log.lease(room, "bob", 60_000)).fence).toBeGreaterThan(fence);
    await expect(log.append(room, null, null, { type: "x", data: "1" }, { fence })).rejects.toMatchObject({
      code: "conflict",
    });
  });

  it("[case 51] [case 57] refuses what a full Redis does not take, and nothing of it is there", async () => {
    const log = await openLog();
    const room = newRoom();
    await say(log, room);
    await server.ask("config", "set", "maxmemory", "1mb");
    await expect(say(log, room, JSON.stringify("x".repeat(100_000)))).rejects.toMatchObject({ code: "unavailable" });
    expect((await log.read(room, 0, 10)).head).toBe(1);
    await server.ask("config", "set", "maxmemory", 0);
    expect(await say(log, room)).toMatchObject({ seq: 2 });
  });

  it("[case 51] finds its way when the master becomes a replica, and back", async () => {
    const log = await openLog();
    const room = newRoom();
    await say(log, room);
    await server.ask("replicaof", "127.0.0.1", 1);
    await expect(say(log, room)).rejects.toMatchObject({ code: "unavailable" });
    await server.ask("replicaof", "no", "one");
    await vi.waitFor(async () => expect(await say(log, room)).toMatchObject({ seq: 2 }), WAIT);
  });

  it("goes on when Redis has forgotten the scripts", async () => {
    const log = await openLog();
    const room = newRoom();
    await say(log, room);
    await server.ask("script", "flush");
    const results = await Promise.all([say(log, room), say(log, newRoom()), say(log, room)]);
    expect(results.map(({ seq }) => seq)).toEqual([2, 1, 3]);
  });

  it("[case 45] is bounded while Redis is silent: more than may wait is refused, and all that was called in that turn", async () => {
    const log = await openLog();
    const room = newRoom();
    await say(log, room);
    server.signal("SIGSTOP");
    const large = JSON.stringify("x".repeat(1024 * 1024));
    const outcomes = Array.from({ length: 80 }, () =>
      say(log, room, large).catch((error: { code: string }) => error.code),
    );
    const small = say(log, room).catch((error: { code: string }) => error.code);
    expect(await Promise.race([small, outcomes[0]])).toBe("unavailable");
    expect(await outcomes.at(-1)).toBe("unavailable");
    server.signal("SIGCONT");
    await Promise.all(outcomes);
    await vi.waitFor(() => say(log, room), WAIT);
  });

  it("says what is wrong when it cannot be reached or does not let us in", async () => {
    await expect(createRedisLog({ url: "redis://127.0.0.1:1", connectMs: 300 })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("127.0.0.1:1"),
      remedy: expect.stringContaining("Start it"),
    });
    await server.ask("config", "set", "requirepass", "canary-password");
    try {
      const url = `redis://:wrong-canary@127.0.0.1:${server.port}`;
      const refusal = await createRedisLog({ url, connectMs: 5_000 }).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: "unavailable", remedy: expect.stringContaining("password") });
      expect((refusal as Error).message).not.toContain("canary");
      const log = await openLog({}, `redis://:canary-password@127.0.0.1:${server.port}`);
      expect(await say(log, newRoom())).toMatchObject({ seq: 1 });
    } finally {
      const url = `redis://:canary-password@127.0.0.1:${server.port}`;
      await resetPassword(url);
    }
  });

  it("serves the other rooms of a cluster while one node is away", { timeout: 60_000 }, async () => {
    const cluster = await RedisCluster.start();
    try {
      for (const node of cluster.nodes) await node.ask("config", "set", "cluster-require-full-coverage", "no");
      const log = await openLog({}, cluster.url);
      const rooms = Array.from({ length: 30 }, newRoom);
      for (const room of rooms) await say(log, room);
      await cluster.nodes[1]!.kill();
      const outcomes = await Promise.all(
        rooms.map((room) =>
          say(log, room).then(
            ({ seq }) => seq,
            (error: { code: string }) => error.code,
          ),
        ),
      );
      expect(new Set(outcomes)).toEqual(new Set([2, "unavailable"]));
      await cluster.nodes[1]!.start();
      await vi.waitFor(async () => {
        for (const room of rooms) await say(log, room);
      }, WAIT);
      for (const [index, room] of rooms.entries()) {
        if (outcomes[index] === 2) expect((await headOf(log, room)).head).toBeGreaterThanOrEqual(3);
      }
    } finally {
      await cluster.stop();
    }
  });
});

/** Takes the password away again, as somebody who knows it. */
async function resetPassword(url: string): Promise<void> {
  const { Redis } = await import("ioredis");
  const client = new Redis(url, { protocol: 2 });
  await client.config("SET", "requirepass", "");
  client.disconnect();
}

describe("a bus on Redis", () => {
  it("outlives a connection that is lost while it subscribes again", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    const links = new Set<Socket>();
    let [cuts, isCutting] = [0, false];
    const proxy = createServer((client) => {
      const redis = connect(server.port, "127.0.0.1");
      links.add(client);
      client.on("data", (bytes) => {
        const isSubscribing = String(bytes).includes("subscribe");
        if (isCutting && isSubscribing && ++cuts <= 3) client.destroy();
        else redis.write(bytes);
      });
      redis.on("data", (bytes) => client.write(bytes));
      for (const [one, other] of [[client, redis] as const, [redis, client] as const]) {
        one.on("error", () => {});
        one.on("close", () => other.destroy());
      }
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const { port } = proxy.address() as AddressInfo;
    const bus = await createRedisBus({ url: `redis://127.0.0.1:${port}` });
    const other = await createRedisBus({ url: server.url });
    try {
      const heard = vi.fn();
      bus.subscribe("chat:cut", heard);
      const notice = { kind: "event", from: "other", epoch: "e", seq: 1 } as const;
      const hear = () =>
        vi.waitFor(() => {
          other.publish("chat:cut", notice);
          expect(heard).toHaveBeenCalled();
        }, WAIT);
      await hear();
      isCutting = true;
      for (const link of links) link.destroy();
      await vi.waitFor(() => expect(cuts).toBeGreaterThan(3), WAIT);
      heard.mockClear();
      await hear();
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off("unhandledRejection", unhandled);
      await Promise.all([bus.close(), other.close()]);
      proxy.close();
    }
  });
});

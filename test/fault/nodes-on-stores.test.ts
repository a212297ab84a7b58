import { randomUUID } from "node:crypto";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import type { Bus } from "../../src/bus/bus.ts";
import { createPostgresBus } from "../../src/bus/postgres.ts";
import { createRedisBus } from "../../src/bus/redis.ts";
import { createPostgresLog } from "../../src/log/postgres.ts";
import { createRedisLog } from "../../src/log/redis.ts";
import { checkHistory } from "../../src/testing/checker.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createLossyBus } from "../../src/testing/lossy-bus.ts";
import { RawClient, startServer, until } from "../harness.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { RedisServer } from "../support/redis-server.ts";
import { FaultProxy } from "./proxy.ts";
import { History, RecordedClient, readLogSeam } from "./recorded-client.ts";

const SECRET = "thirty-two bytes of a test's key";
const redis = await RedisServer.start();
const database = await PostgresServer.start();
afterAll(() => Promise.all([redis.stop(), database.stop()]));

const STORES = [
  [
    "Redis",
    redis.url,
    (url: string) => createRedisLog({ url }),
    (url: string): Promise<Bus> => createRedisBus({ url }),
  ],
  [
    "PostgreSQL",
    database.url(),
    (url: string) => createPostgresLog({ url }),
    (url: string): Promise<Bus> => createPostgresBus({ url }),
  ],
] as const;

describe.each(STORES)("two nodes on one %s", (_name, url, openLog, openBus) => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function node(options: Parameters<typeof startServer>[0] = {}) {
    const server = await startServer({ log: url, auth: { secret: SECRET }, ...options });
    ends.push(() => server.close());
    return server;
  }

  async function join(history: History, room: string, user: string, wsUrl: string): Promise<RecordedClient> {
    const token = await signToken(SECRET, { user, expiresInMs: 3_600_000 });
    const client = new RecordedClient(history, user, wsUrl, { token });
    ends.push(() => client.close());
    await client.join(room).joined;
    return client;
  }

  /** Waits until all have everything, and judges what they were given by what is in the log. */
  async function judge(history: History, room: string, clients: readonly RecordedClient[]) {
    const log = await openLog(url);
    ends.push(() => log.close());
    const { head } = (await log.heads([room])).get(room)!;
    await Promise.all(clients.map((client) => client.reached(room, head)));
    await readLogSeam(history, log, room);
    const verdict = checkHistory(history.records);
    expect(verdict.examples).toEqual([]);
    expect(verdict.counts.delivered).toBe(head * clients.length);
    return verdict.counts;
  }

  it("talk with each other, and a client goes on at the other one", { timeout: 60_000 }, async () => {
    const history = new History();
    const room = `chat:stores-${randomUUID()}`;
    const [north, south] = [await node(), await node()];
    const proxy = await FaultProxy.start(Number(new URL(north.url).port));
    ends.push(() => proxy.close());
    const resident = await join(history, room, "resident", south.wsUrl);
    const wanderer = await join(history, room, "wanderer", proxy.wsUrl);
    for (let move = 0; move < 4; move++) {
      await until(() => wanderer.rooms.get(room)?.status === "joined");
      // Every other time the acks are lost too, so that the other node is asked for what this one has done.
      if (move % 2 === 0) proxy.swallow();
      const messages = Array.from({ length: 10 }, (_, index) => wanderer.send(room, `wanderer ${move} ${index}`));
      const others = Array.from({ length: 10 }, (_, index) => resident.send(room, `resident ${move} ${index}`));
      await Promise.all(others.map(({ ack }) => ack));
      proxy.targetPort = Number(new URL(move % 2 === 0 ? south.url : north.url).port);
      proxy.cut();
      await Promise.all(messages.map(({ ack }) => ack));
    }
    const counts = await judge(history, room, [resident, wanderer]);
    expect(counts).toMatchObject({ sent: 80, acked: 80, inLog: 80 });
  });

  it("[case 52] find lost notices when they compare heads", { timeout: 60_000 }, async () => {
    const history = new History();
    const room = `chat:stores-${randomUUID()}`;
    const clock = createFakeClock(Date.now());
    const bus = async () => createLossyBus(await openBus(url), { loss: 1, repetition: 0, delay: 0 });
    const north = await node({ bus: await bus(), clock });
    const south = await node({ bus: await bus(), clock });
    const writer = await join(history, room, "writer", north.wsUrl);
    const reader = await join(history, room, "reader", south.wsUrl);
    await Promise.all(Array.from({ length: 20 }, (_, index) => writer.send(room, `number ${index}`).ack));
    expect(reader.rooms.get(room)!.seq).toBe(0);
    // The time between two comparisons, and the answer of the log after it.
    await clock.advance(5_000);
    await until(() => reader.rooms.get(room)!.seq === 20);
    await judge(history, room, [writer, reader]);
  });

  it("show in a room's history what was acknowledged at the other one, before they hear of it", async () => {
    const room = `chat:stores-${randomUUID()}`;
    const bus = async () => createLossyBus(await openBus(url), { loss: 1, repetition: 0, delay: 0 });
    const north = await node({ bus: await bus() });
    const south = await node({ bus: await bus() });
    const token = await signToken(SECRET, { user: "reader", expiresInMs: 3_600_000 });
    const read = async (query: string) => {
      const answer = await fetch(`${south.url}/api/rooms/${room}/history?${query}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      return (await answer.json()) as { messages: { seq: number }[]; more: boolean; cursor: string; head: number };
    };
    expect(await read("")).toMatchObject({ messages: [], more: false, head: 0 });
    const writer = await join(new History(), room, "writer", north.wsUrl);
    await Promise.all(Array.from({ length: 3 }, (_, index) => writer.send(room, `number ${index}`).ack));
    expect(await read("limit=1")).toMatchObject({ messages: [{ seq: 3 }], more: true, head: 3 });
    expect(await read("after=0&limit=2")).toMatchObject({ messages: [{ seq: 1 }, { seq: 2 }], more: true, head: 3 });
    const { cursor } = await read("after=1");
    expect(cursor).toMatch(/:3$/);
    expect(await read(`after=${cursor}`)).toMatchObject({ messages: [], more: false, cursor, head: 3 });
  });
});

describe("a server on Redis", () => {
  it("[case 51] tells clients when Redis has lost its data, and /readyz when it is away", {
    timeout: 60_000,
  }, async () => {
    const own = await RedisServer.start({ appendfsync: "always" });
    const clock = createFakeClock(Date.now());
    const server = await startServer({ log: own.url, clock });
    const readyz = async () => {
      const response = await fetch(`${server.url}/readyz`);
      return (await response.json()) as { status: string; log: string; bus: string };
    };
    const metric = async (name: string) => (await server.metrics()).split("\n").find((line) => line.startsWith(name));
    try {
      expect(await readyz()).toEqual({ status: "ready", log: "up", bus: "up" });
      const client = await RawClient.open(server, "ann");
      const { payload } = await client.join("chat:lost");
      expect(await client.ask("send_message", { roomId: "chat:lost", content: "one" })).toMatchObject({
        success: true,
      });
      await own.ask("flushall");
      await clock.advance(5_000);
      const lost = await client.next("history_lost");
      expect(lost.payload).toMatchObject({ reason: "epoch" });
      expect((lost.payload as { cursor: string }).cursor.split(":")[0]).not.toBe((payload as { epoch: string }).epoch);
      expect(await client.ask("send_message", { roomId: "chat:lost", content: "two" })).toMatchObject({ seq: 1 });

      await own.kill();
      await until(async () => (await readyz()).status === "not ready");
      expect(await readyz()).toEqual({ status: "not ready", log: "down", bus: "down" });
      expect(await metric('yamabiko_link_up{link="log"}')).toMatch(/ 0$/);
      const third = { roomId: "chat:lost", content: "three" };
      expect(await client.ask("send_message", third, "m-3")).toMatchObject({
        success: false,
        error: { code: "unavailable", retryable: true },
      });
      await own.start();
      await until(async () => (await readyz()).status === "ready");
      expect(await client.ask("send_message", third, "m-3")).toMatchObject({ seq: 2 });
      expect(await metric('yamabiko_link_connections_total{link="log"}')).toMatch(/ 2$/);
      client.socket.terminate();
    } finally {
      await server.close();
      await own.stop();
    }
  });
});

import { afterEach, describe, expect, it } from "vitest";
import { type Envelope, SUBPROTOCOLS } from "../../src/protocol/index.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/index.ts";
import { RawClient, startServer, until } from "../harness.ts";

let server: Awaited<ReturnType<typeof startServer>>;
let clock: FakeClock;
const clients: RawClient[] = [];

async function start(options: object = {}): Promise<void> {
  clock = createFakeClock();
  server = await startServer({ clock, ...options });
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.close();
});

async function join(query: string, protocol: string = SUBPROTOCOLS.json, roomId = "feed:news"): Promise<RawClient> {
  const client = new RawClient(`${server.wsUrl}${query}`, [protocol]);
  clients.push(client);
  await client.opened();
  client.send("join_room", { roomId });
  await client.next("room_users");
  return client;
}

/** Lets what the joins left to be told be told, so that nothing is gathered any more. */
async function settle(): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    await clock.advance(250);
  }
}

const publish = (...numbers: number[]) =>
  Promise.all(numbers.map((n) => server.room("feed:news").publish("news", { n })));

const batches = (client: RawClient): Envelope[] => client.received.filter(({ type }) => type === "batch");

/** The numbers of the news a client got, batched or not. */
const news = (client: RawClient): unknown[] =>
  client.received
    .flatMap((envelope) => (envelope.type === "batch" ? (envelope.payload as Envelope[]) : [envelope]))
    .filter(({ type }) => type === "news")
    .map(({ payload, seq }) => {
      expect((payload as { n: number }).n).toBe(seq);
      return seq;
    });

describe("ENV-7: batches", () => {
  it.each([
    ["JSON", SUBPROTOCOLS.json],
    ["MessagePack", SUBPROTOCOLS.msgpack],
  ])("ENV-7: %s: only who asks gets them; both get everything once and in order", async (_, protocol) => {
    await start();
    const batched = await join("?batch=1", protocol);
    const plain = await join("", protocol);
    await settle();
    await publish(1);
    await until(() => news(plain).length === 1 && news(batched).length === 1);
    expect(batches(batched)).toEqual([]);
    await publish(2, 3);
    await publish(4);
    await until(() => news(plain).length === 4);
    expect(news(batched)).toEqual([1]);
    await clock.advance(50);
    await until(() => news(batched).length === 4);
    expect(news(batched)).toEqual([1, 2, 3, 4]);
    expect(news(plain)).toEqual([1, 2, 3, 4]);
    expect(batches(batched)).toHaveLength(1);
    expect(batches(plain)).toEqual([]);
  });

  it("ENV-7: what is gathered is lost to nobody who leaves, comes, or comes back meanwhile", async () => {
    await start();
    const stays = await join("?batch=1");
    const drops = await join("?batch=1");
    await settle();
    await publish(1);
    await until(() => news(stays).length === 1 && news(drops).length === 1);
    await publish(2, 3);
    drops.socket.terminate();
    const after = new RawClient(`${server.wsUrl}?batch=1`, [SUBPROTOCOLS.json]);
    clients.push(after);
    await after.opened();
    after.send("join_room", { roomId: "feed:news", after: 1 });
    await until(() => news(after).length === 2);
    await publish(4);
    await settle();
    await until(() => news(after).length === 3 && news(stays).length === 4);
    expect(news(after)).toEqual([2, 3, 4]);
    expect(news(stays)).toEqual([1, 2, 3, 4]);
  });

  it("ENV-7: signals and state are gathered with events", async () => {
    await start();
    const client = await join("?batch=1", SUBPROTOCOLS.json, "chat:lobby");
    const other = await join("", SUBPROTOCOLS.json, "chat:lobby");
    await settle();
    const before = client.received.length;
    other.send("send_message", { roomId: "lobby", content: "first" }, "m1");
    await until(() => client.received.length === before + 1);
    other.send("typing_start", { roomId: "lobby" }, "m2");
    await other.next("user_typing");
    await server.room("chat:lobby").signal("wave", { n: 1 });
    other.send("send_message", { roomId: "lobby", content: "second" }, "m3");
    await until(() => other.received.filter(({ type }) => type === "new_message").length === 2);
    expect(client.received).toHaveLength(before + 1);
    await clock.advance(50);
    const types = (): string[] => ((batches(client).at(-1)?.payload ?? []) as Envelope[]).map(({ type }) => type);
    await until(() => types().includes("new_message"));
    expect(types()).toContain("wave");
  });

  it("ENV-7: a large heap does not wait", async () => {
    await start();
    const client = await join("?batch=1");
    await settle();
    await publish(1);
    await until(() => news(client).length === 1);
    await publish(...Array.from({ length: 600 }, (_, index) => index + 2));
    await until(() => news(client).length > 500);
    await settle();
    await until(() => news(client).length === 601);
  });

  it("a namespace may gather for all its readers, in their own formats", async () => {
    await start({ namespaces: [defineNamespace({ name: "feed", messages: {}, batchMs: 200 })] });
    const plain = await join("");
    await settle();
    await publish(1);
    await until(() => news(plain).length === 1);
    await publish(2, 3);
    await new Promise(setImmediate);
    await clock.advance(199);
    await publish(4);
    await new Promise(setImmediate);
    expect(news(plain)).toEqual([1]);
    await clock.advance(1);
    await until(() => news(plain).length === 4);
    expect(news(plain)).toEqual([1, 2, 3, 4]);
    expect(batches(plain)).toEqual([]);
  });
});

import { describe, expect, it } from "vitest";
import { signToken } from "../../../src/auth/jwt.ts";
import { createMemoryBus } from "../../../src/bus/memory.ts";
import { dashboards } from "../../../src/features/index.ts";
import { RawClient } from "../../harness.ts";
import { ask, atEnd, codeOf, connect, joinState, START, start, startStill, updates } from "./world.ts";

const KEY = "key-of-a-back-end-0123456789abcdef";
const SECRET = "a secret of more than thirty-two bytes, for tests";

const post = (server: { url: string }, name: string, body: unknown, key = KEY) =>
  ask(server, `/api/dashboards/${name}`, { key, body });

describe("publishing to a dashboard", () => {
  it("DASH-7 takes values from a back end and answers what was taken", async () => {
    const { server, clock } = await startStill({ apiKeys: [KEY] });
    const client = await connect(server);
    await joinState(client, "shop");
    const given = { orders: 12, "revenue/min": 1_830.5, 在庫: null, "a b.c:d@e%f-g_1": -0.25 };
    expect(await post(server, "shop", given)).toMatchObject({
      status: 200,
      body: { name: "shop", t: START, values: given },
    });
    await clock.advance(100);
    await client.next("metrics_update");
    expect(updates(client)).toEqual([{ t: START, values: given }]);
  });

  it.each([
    ["nothing", {}],
    ["a text for a number", { a: "1" }],
    ["a truth for a number", { a: true }],
    ["a list for a number", { a: [1] }],
    ["an object for a number", { a: { value: 1 } }],
    ["a list", [1]],
    ["a number", 1],
    ["null", null],
    ["an infinite number", '{"a": 1e999}'],
    ["a name of nothing", { "": 1 }],
    ["a name that is too long", { ["a".repeat(65)]: 1 }],
    ["a name with a line break", { "a\nb": 1 }],
    ["a name with markup", { "<img src=x>": 1 }],
    ["a name with a quote", { 'a"b': 1 }],
    ["a name that begins with a blank", { " a": 1 }],
    ["a name that ends with a blank", { "a ": 1 }],
    ["a name that turns the text around", { "a\u202Eb": 1 }],
    ["a name in another normal form", { "e\u0301": 1 }],
    ["the name of the time", { t: 1 }],
    ["the name of a prototype", '{"__proto__": 1}'],
    ["half a name that is good", { good: 1, "bad\u0000": 1 }],
    ["no JSON", "{"],
    ["no UTF-8 name", '{"\\ud800": 1}'],
    ["too many series", Object.fromEntries(Array.from({ length: 257 }, (_, index) => [`s${index}`, 1]))],
  ])("DASH-7 refuses %s, and nothing of it was taken", async (_, body) => {
    const server = await start({ apiKeys: [KEY] });
    const refused = await post(server, "shop", body);
    expect([refused.status, codeOf(refused)]).toEqual([400, "invalid_message"]);
    expect((await server.dashboard("shop").read()).columns).toEqual(["t"]);
    expect((await post(server, "shop", { good: 1 })).status).toBe(200);
  });

  it.each(["a%2Fb", "a%7Cb", "a:b", "a%20b", "..", "%2e%2e", "x".repeat(65), "%00", "a%0Ab", "%F0%9F%92%A9"])(
    "DASH-7 refuses the name %s",
    async (name) => {
      const server = await start({ apiKeys: [KEY] });
      expect((await post(server, name, { a: 1 })).status).toBeGreaterThanOrEqual(400);
      expect((await server.dashboard("shop").read()).columns).toEqual(["t"]);
      await expect(server.dashboard("a/b").set({ a: 1 })).rejects.toMatchObject({ code: "invalid_message" });
    },
  );

  it("DASH-7 refuses a body that is too large, and more values than a second may bring", async () => {
    const { server, clock } = await startStill({
      apiKeys: [KEY],
      namespaces: [dashboards({ valuesPerSecond: 10 })],
    });
    const large = await post(server, "shop", `{"a": 1${" ".repeat(70_000)}}`);
    expect([large.status, codeOf(large)]).toEqual([413, "payload_too_large"]);
    const ten = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`s${index}`, 1]));
    expect((await post(server, "shop", ten)).status).toBe(200);
    expect((await post(server, "shop", ten)).status).toBe(200);
    const refused = await post(server, "shop", ten);
    expect([refused.status, codeOf(refused)]).toEqual([429, "rate_limited"]);
    expect(refused.headers.get("Retry-After")).toBe("1");
    expect((await post(server, "other", ten)).status).toBe(200);
    await clock.advance(1_000);
    expect((await post(server, "shop", ten)).status).toBe(200);
  });

  it("DASH-7 bounds the series of a dashboard and of a node; those without a value for a day make room", async () => {
    const { server, clock } = await startStill({ namespaces: [dashboards({ series: 3, seriesInAll: 16 })] });
    await clock.advance(1_000);
    const [one, two] = [server.dashboard("one"), server.dashboard("two")];
    await one.set({ a: 1, b: 1, c: 1 });
    await expect(one.set({ d: 1 })).rejects.toMatchObject({ code: "invalid_message" });
    await expect(two.set({ a: 1, b: 1 })).rejects.toMatchObject({ code: "invalid_message" });
    await two.set({ a: 1 });
    clock.shiftWallClock(25 * 3_600_000);
    await one.set({ a: 2, b: 2 });
    await one.set({ d: 2 });
    expect((await one.read()).columns).toEqual(["t", "a", "b", "d"]);
  }, 60_000);

  it("DASH-9 is gone with the process, and the longest unused dashboard that nobody reads makes room", async () => {
    const { server, clock } = await startStill({ namespaces: [dashboards({ dashboards: 3 })] });
    await clock.advance(1_000);
    const client = await connect(server);
    await joinState(client, "read");
    await server.dashboard("read").set({ a: 1 });
    await clock.advance(1_000);
    await server.dashboard("old").set({ a: 1 });
    await clock.advance(1_000);
    await server.dashboard("new").set({ a: 1 });
    const { body } = await ask(server, "/api/dashboards", { user: "ada" });
    expect((body.dashboards as { name: string }[]).map(({ name }) => name)).toEqual(["new", "read", "system"]);
    await joinState(client, "new");
    await expect(server.dashboard("another").set({ a: 1 })).rejects.toMatchObject({ code: "unavailable" });
    const again = await start();
    expect((await again.dashboard("read").read()).columns).toEqual(["t"]);
  });

  it("DASH-6 lets a back end publish by its key, and nobody by no key or another", async () => {
    const server = await start({ apiKeys: [KEY], dev: false, auth: { secret: SECRET } });
    const token = await signToken(SECRET, { user: "ada", expiresInMs: 60_000 });
    expect((await post(server, "shop", { a: 1 })).status).toBe(200);
    for (const key of ["", "another-key", token]) {
      const refused = await post(server, "shop", { a: 1 }, key);
      expect([refused.status, codeOf(refused)]).toEqual([401, "unauthenticated"]);
    }
    expect((await ask(server, "/api/dashboards/shop", { key: token })).status).toBe(200);
    expect((await ask(server, "/api/dashboards/shop")).status).toBe(401);
    expect((await ask(server, "/api/dashboards")).status).toBe(401);
  });

  it("DASH-6 lets users publish whose claim says so, and read what it does not leave out", async () => {
    const server = await start({ dev: false, auth: { secret: SECRET } });
    const enter = async (rooms?: Record<string, string[]>): Promise<RawClient> => {
      const client = new RawClient(server.wsUrl);
      await client.opened();
      atEnd(() => client.close());
      const token = await signToken(SECRET, { user: "ada", expiresInMs: 60_000, rooms });
      await client.ask("authenticate", { token });
      return client;
    };
    const publish = (client: RawClient, name: string, values: unknown = { a: 1 }) =>
      client.ask("publish_metrics", { roomId: `dashboard:${name}`, values });
    const anybody = await enter();
    expect((await publish(anybody, "shop")).error?.code).toBe("access_denied");
    await anybody.join("dashboard:shop");
    expect((await publish(anybody, "shop")).error?.code).toBe("access_denied");
    const writer = await enter({ "dashboard:*": ["read", "write"], "dashboard:secret": ["read"] });
    expect(await publish(writer, "shop")).toMatchObject({ success: true, values: { a: 1 } });
    await anybody.next("metrics_update");
    expect((await publish(writer, "shop", { a: "1" })).error?.code).toBe("invalid_message");
    expect((await publish(writer, "system")).error?.code).toBe("access_denied");
    expect((await publish(writer, "a/b")).error?.code).toBe("invalid_message");
    const reader = await enter({ "dashboard:shop": ["read"] });
    expect((await publish(reader, "shop")).error?.code).toBe("access_denied");
    expect((await reader.ask("join_room", { roomId: "dashboard:shop" })).success).toBe(true);
    expect((await reader.ask("join_room", { roomId: "dashboard:system" })).error?.code).toBe("access_denied");
  });

  it("DASH-8 lists and shows a user only what it may read", async () => {
    const server = await start({ dev: false, auth: { secret: SECRET }, apiKeys: [KEY] });
    await post(server, "shop", { a: 1 });
    await post(server, "secret", { a: 1 });
    const token = await signToken(SECRET, { user: "ada", expiresInMs: 60_000, rooms: { "dashboard:shop": ["read"] } });
    const { body } = await ask(server, "/api/dashboards", { key: token });
    expect((body.dashboards as { name: string }[]).map(({ name }) => name)).toEqual(["shop"]);
    expect(codeOf(await ask(server, "/api/dashboards/secret", { key: token }))).toBe("access_denied");
  });

  it("DASH-5 the server's own dashboard is published to by nobody else", async () => {
    const server = await start({ apiKeys: [KEY] });
    const refused = await post(server, "system", { cpu: 0 });
    expect([refused.status, codeOf(refused)]).toEqual([403, "access_denied"]);
    await expect(server.dashboard("system").set({ cpu: 0 })).rejects.toMatchObject({ code: "access_denied" });
  });

  it("DASH-5 where there may be several nodes a series says which it is of", async () => {
    const { server, clock } = await startStill({ bus: createMemoryBus() });
    await clock.advance(2_000);
    const { columns } = await server.dashboard("system").read();
    expect(columns).toHaveLength(13);
    const [node, ...others] = new Set(columns.slice(1).map((name) => name.split("@")[1]));
    expect(node).toMatch(/^[\w-]{8}$/);
    expect(others).toEqual([]);
  });
});

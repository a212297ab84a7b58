import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  type Json,
  LIMITS,
  type LimitName,
  type Limits,
  limitVariable,
  resolveLimits,
} from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { type AckPayload, devToken, RawClient, startServer, until, upgrade } from "../harness.ts";

describe("limits", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  let clock: FakeClock;
  const begin = async (limits: Partial<Limits>, options: ServerOptions = {}) => {
    clock = createFakeClock();
    server = await startServer({ limits, clock, ...options });
  };
  afterEach(() => server?.close());

  const enter = async (user = "ada", roomId = "room") => {
    const client = await RawClient.open(server, user);
    await client.join(roomId);
    return client;
  };
  const say = (client: RawClient, content = "x") => client.ask("send_message", { roomId: "room", content });
  const hits = async (name: LimitName) =>
    Number(new RegExp(`rate_limited_total\\{limit="${name}"\\} (\\d+)`).exec(await server.metrics())?.[1] ?? 0);
  const codeOf = (body: string) => (JSON.parse(body) as { error: { code: string } }).error.code;
  const acks = (client: RawClient) =>
    client.received.filter(({ type }) => type === "ack").map(({ payload }) => payload as AckPayload);
  const drop = async (client: RawClient) => {
    const before = server.connections;
    client.close();
    await until(() => server.connections === before - 1);
  };

  it("LIM-1: every limit has a default, an option and a variable; wrong values are refused", () => {
    const defaults = resolveLimits();
    for (const name of Object.keys(LIMITS) as LimitName[]) {
      expect(defaults[name]).toBe(LIMITS[name].default);
      expect(resolveLimits({ [name]: 7 })[name]).toBe(7);
      expect(limitVariable(name)).toMatch(/^YAMABIKO_LIMIT_[A-Z]+(_[A-Z]+)*$/);
      for (const wrong of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
        expect(() => resolveLimits({ [name]: wrong })).toThrow(RangeError);
      }
      if (LIMITS[name].off) expect(resolveLimits({ [name]: 0 })[name]).toBe(0);
      else expect(() => resolveLimits({ [name]: 0 })).toThrow(RangeError);
    }
  });

  it("LIM-1 messageBytes: one byte more closes with 1009, over HTTP 413; welcome tells it", async () => {
    await begin({ messageBytes: 500 });
    const ada = await enter();
    expect(ada.received[0]).toMatchObject({ payload: { limits: { messageBytes: 500 } } });
    ada.socket.send(" ".repeat(500));
    await ada.next("error");
    ada.socket.send(" ".repeat(501));
    expect((await ada.closed).code).toBe(1009);
    const response = await fetch(`${server.url}/api/dev/token`, { method: "POST", body: " ".repeat(501) });
    expect(response.status).toBe(413);
    await say(await enter());
  });

  it("LIM-1 depth, elements: one more is invalid_message, and the connection goes on", async () => {
    await begin({ depth: 4, elements: 10 });
    const ada = await enter();
    ada.socket.send("[[[[]]]]");
    expect((await ada.next("error")).payload).toMatchObject({ message: expect.not.stringContaining("deeper") });
    ada.socket.send("[[[[[]]]]]");
    expect((await ada.next("error")).payload).toMatchObject({ message: expect.stringContaining("deeper than 4") });
    ada.socket.send("[0,0,0,0,0,0,0,0,0]");
    expect((await ada.next("error")).payload).toMatchObject({ message: expect.not.stringContaining("elements") });
    ada.socket.send("[0,0,0,0,0,0,0,0,0,0]");
    expect((await ada.next("error")).payload).toMatchObject({ message: expect.stringContaining("more than 10") });
    expect(await say(ada)).toMatchObject({ success: true });
  });

  it("LIM-1 connections: the node is full, also for many at once; a place given back can be taken", async () => {
    await begin({ connections: 3 });
    const token = await devToken(server.url, "ada");
    const headers = { Authorization: `Bearer ${token}` };
    const clients = Array.from({ length: 12 }, () => new RawClient(server.wsUrl, [], { headers }));
    const opened = await Promise.all(
      clients.map((client) =>
        client.opened().then(
          () => client,
          () => null,
        ),
      ),
    );
    const inside = opened.filter((client) => client !== null);
    expect([inside.length, server.connections]).toEqual([3, 3]);
    const { status, body, headers: answered } = await upgrade(server.url);
    expect([status, codeOf(body), answered["retry-after"]]).toEqual([429, "too_many_connections", "1"]);
    expect(await hits("connections")).toBe(10);
    await drop(inside[0]!);
    const next = await RawClient.open(server);
    expect(next.closeCode).toBeNull();
  });

  it("[case 39] [article 3] LIM-1 connectionsPerIp: 429 before the 101, and every way out gives the place back", async () => {
    await begin({ connectionsPerIp: 2 });
    for (let round = 0; round < 5; round++) {
      const [one, two] = [await RawClient.open(server), await RawClient.open(server)];
      const { status, body } = await upgrade(server.url);
      expect([status, codeOf(body)]).toEqual([429, "too_many_connections"]);
      if (round === 0) for (const client of [one, two]) client.close();
      if (round === 1) for (const client of [one, two]) client.socket.terminate();
      if (round === 2) for (const client of [one, two]) client.send("authenticate", { token: "bad" });
      if (round === 3) for (const client of [one, two]) client.socket.send(Buffer.from("binary"));
      if (round === 4) for (const client of [one, two]) client.socket.send("x".repeat(70_000));
      await until(() => server.connections === 0);
      await until(async () => (await upgrade(server.url)).status === 101);
      await until(() => server.connections === 0);
    }
    expect(await hits("connectionsPerIp")).toBeGreaterThanOrEqual(5);
  });

  it("[case 48] LIM-1 connectionsPerUser: too_many_connections and 4429; the user's other connections are untouched", async () => {
    await begin({ connectionsPerUser: 2 });
    const [one, two] = [await enter(), await enter()];
    const third = await RawClient.open(server);
    third.send("authenticate", { token: await devToken(server.url, "ada") }, "auth");
    expect((await third.closed).code).toBe(4429);
    expect(third.received).toEqual([
      expect.objectContaining({
        type: "ack",
        messageId: "auth",
        payload: { success: false, error: expect.objectContaining({ code: "too_many_connections", retryable: true }) },
      }),
    ]);
    await enter("ben");
    expect([(await say(one)).success, (await say(two)).success]).toEqual([true, true]);
    await drop(one);
    expect(await say(await enter())).toMatchObject({ success: true });
  });

  it("LIM-1 handshakesPerSecond: rate_limited with Retry-After, and again after that", async () => {
    await begin({ handshakesPerSecond: 2 });
    for (let burst = 0; burst < 4; burst++) expect((await upgrade(server.url)).status).toBe(101);
    for (let more = 0; more < 3; more++) {
      const { status, body, headers } = await upgrade(server.url);
      expect([status, codeOf(body), headers["retry-after"]]).toEqual([429, "rate_limited", "1"]);
    }
    await clock.advance(500);
    expect((await upgrade(server.url)).status).toBe(101);
    expect((await upgrade(server.url)).status).toBe(429);
    expect(await hits("handshakesPerSecond")).toBe(4);
  });

  it.each(["messagesPerSecond", "userMessagesPerSecond"] as const)("LIM-1 %s: rate_limited, then on", async (name) => {
    await begin({ [name]: 5 });
    const ada = await enter();
    await clock.advance(10_000);
    for (let burst = 0; burst < 10; burst++) expect(await say(ada)).toMatchObject({ success: true });
    const { error } = await ada.ask("typing_end", "room");
    expect(error).toMatchObject({ code: "rate_limited", retryable: true, retryAfterMs: expect.any(Number) });
    expect(error!.retryAfterMs).toBeLessThanOrEqual(200);
    if (name === "userMessagesPerSecond") {
      const tab = await RawClient.open(server, "ada");
      expect(await tab.ask("list_rooms", {})).toMatchObject({ error: { code: "rate_limited" } });
    }
    const ben = await enter("ben");
    expect(await say(ben)).toMatchObject({ success: true });
    await clock.advance(error!.retryAfterMs!);
    expect(await ada.ask("list_rooms", {})).toMatchObject({ success: true });
    expect(await hits(name)).toBeGreaterThan(0);
  });

  it("LIM-1 messagesPerSecond: what is no envelope counts too; what cannot be read at all ends with 1008", async () => {
    await begin({ messagesPerSecond: 5 });
    const ada = await enter();
    await clock.advance(10_000);
    for (let index = 0; index < 40; index++) ada.sendValue({ no: "type" });
    await until(() => ada.received.filter(({ type }) => type === "error").length === 40);
    const codes = ada.received
      .filter(({ type }) => type === "error")
      .map(({ payload }) => (payload as { code: string }).code);
    expect([codes.indexOf("rate_limited"), new Set(codes.slice(10))]).toEqual([10, new Set(["rate_limited"])]);
    ada.socket.send("no json");
    expect((await ada.closed).code).toBe(1008);
  });

  it("LIM-1 bytesPerSecond: rate_limited, and no message is charged for what its bytes refused", async () => {
    await begin({ bytesPerSecond: 1_000, messagesPerSecond: 4 });
    const ada = await enter();
    await clock.advance(10_000);
    expect(await say(ada, "x".repeat(1_800))).toMatchObject({ success: true });
    for (let index = 0; index < 20; index++) {
      expect((await ada.ask("list_rooms", { padding: "x".repeat(900) })).error?.code).toBe("rate_limited");
    }
    expect([await hits("bytesPerSecond"), await hits("messagesPerSecond")]).toEqual([20, 0]);
    await clock.advance(1_000);
    for (let index = 0; index < 7; index++) expect(await ada.ask("ping", {})).toEqual({ success: true });
  });

  it("LIM-1 roomsPerConnection: too_many_rooms, until one is left; welcome tells it", async () => {
    await begin({ roomsPerConnection: 2 });
    const ada = await enter("ada", "a");
    expect(ada.received[0]).toMatchObject({ payload: { limits: { rooms: 2 } } });
    await ada.join("b");
    expect(await ada.ask("join_room", "c")).toMatchObject({ error: { code: "too_many_rooms", retryable: false } });
    await ada.ask("leave_room", "a");
    expect(await ada.ask("join_room", "c")).toMatchObject({ success: true });
    expect(await hits("roomsPerConnection")).toBe(1);
  });

  it("LIM-1 inFlight: a client with too much under way is read no further, and goes on when it is done", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = defineNamespace({ name: "slow", messages: { wait: { handle: async () => void (await gate) } } });
    await begin({ inFlight: 5 }, { namespaces: [slow] });
    const ada = await enter("ada", "slow:room");
    const padding = "x".repeat(30_000);
    for (let index = 0; index < 400; index++) ada.send("wait", { roomId: "slow:room", padding }, `m${index}`);
    await until(async () => (await hits("inFlight")) === 1);
    const received = async () => Number(/messages_received_total (\d+)/.exec(await server.metrics())?.[1]);
    await enter("ben");
    expect(await received()).toBeLessThan(50);
    release();
    await until(() => acks(ada).length === 400);
    expect(acks(ada).every(({ success }) => success)).toBe(true);
  });

  it("LIM-1 outboxBytes: one who asks and does not read is read no further, and loses nothing", async () => {
    await begin({ outboxBytes: 200_000 });
    const ada = await enter();
    const ben = await enter("ben");
    ada.socket.pause();
    const payload = "x".repeat(50_000);
    for (let index = 0; index < 400; index++) ada.send("ping", payload, `p${index}`);
    await until(async () => (await hits("outboxBytes")) > 0, 20_000);
    expect(await say(ben)).toMatchObject({ success: true });
    ada.socket.resume();
    await until(() => acks(ada).length === 400, 20_000);
    expect(ada.received.filter(({ type }) => type === "pong")).toHaveLength(400);
  });

  it("[case 37] LIM-1 authenticateMs: 1013 after it", async () => {
    await begin({ authenticateMs: 1_000 }, { guests: false });
    const client = await RawClient.open(server);
    await until(() => server.connections === 1);
    await clock.advance(900);
    expect(server.connections).toBe(1);
    await clock.advance(400);
    expect((await client.closed).code).toBe(1013);
  });

  it("[case 36] LIM-1 handshakeMs: one who does not finish its headers is answered 408 and let go", async () => {
    await begin({ handshakeMs: 200 });
    const { port, hostname } = new URL(server.url);
    const answer = await new Promise<string>((resolve) => {
      let got = "";
      const socket = connect(Number(port), hostname, () => socket.write("GET /ws HTTP/1.1\r\nHost: x\r\nX-Slow: "));
      socket.on("data", (bytes) => {
        got += String(bytes);
      });
      socket.on("close", () => resolve(got));
      socket.on("error", () => {});
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408/);
    await enter();
  });

  it("LIM-1 joinEvents: a larger limit is invalid_message", async () => {
    await begin({ joinEvents: 5 });
    const ada = await RawClient.open(server, "ada");
    expect(await ada.ask("join_room", { roomId: "room", limit: 6 })).toMatchObject({
      error: { code: "invalid_message" },
    });
    expect(await ada.ask("join_room", { roomId: "room", limit: 5 })).toMatchObject({ success: true });
  });

  it.each([{ tailEvents: 3 }, { tailBytes: 300 }])(
    "LIM-1 %o: the rest is read from the log, and nothing is missing",
    async (limits) => {
      await begin(limits);
      for (let index = 0; index < 20; index++) await server.room("room").publish("noted", { text: "x".repeat(80) });
      const tail = Number(/tail_bytes (\d+)/.exec(await server.metrics())?.[1]);
      expect(tail).toBeLessThan(400);
      const ada = await RawClient.open(server, "ada");
      await ada.join("room", { after: 0 });
      await ada.next(({ seq }) => seq === 20);
      expect(ada.events().map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
      expect(await server.metrics()).toMatch(/catch_up_reads_total\{source="log"\} [1-9]/);
    },
  );

  it("LIM-1 stateKeys: a new key is refused, a known one is not, and a removed one gives its place back", async () => {
    const board = defineNamespace({
      name: "board",
      messages: {
        set: {
          handle: async (context, payload) =>
            void (await context.state("value").set((payload as { key: string }).key, 1)),
        },
        remove: { handle: (context, payload) => void context.state("value").remove((payload as { key: string }).key) },
      },
      state: { value: { event: "changed", change: (key: string, value: Json) => ({ key, value }) } },
    });
    await begin({ stateKeys: 3 }, { namespaces: [board] });
    const [ada, ben] = [await enter("ada", "board:room"), await enter("ben", "board:room")];
    const ask = (client: RawClient, type: string, key: string) => client.ask(type, { roomId: "board:room", key });
    for (const key of ["a", "b", "c", "a"]) expect(await ask(ada, "set", key)).toEqual({ success: true });
    expect(await ask(ben, "set", "d")).toMatchObject({ error: { code: "unavailable" } });
    await ask(ada, "remove", "a");
    expect(await ask(await enter("cy", "board:room"), "set", "d")).toEqual({ success: true });
    ben.send("leave_room", "board:room");
    await ben.next("left_room");
    expect((await server.room("board:room").view()).value("value", "d")).toBe(1);
  });

  it("LIM-1 idleRooms: rooms nobody has joined are forgotten beyond it, those in use are not, and lose nothing", async () => {
    await begin({ idleRooms: 5 });
    const ada = await enter("ada", "kept");
    for (let index = 0; index < 50; index++) await server.room(`room-${index}`).publish("noted", { index });
    await clock.advance(2_000);
    // The one that somebody has joined, the server's own dashboard, and its own log of who may not come in.
    expect(Number(/yamabiko_rooms (\d+)/.exec(await server.metrics())?.[1])).toBeLessThanOrEqual(8);
    await server.room("kept").publish("noted", {});
    await ada.next(({ seq }) => seq === 1);
    await ada.join("room-0", { after: 0 });
    expect((await ada.next(({ seq }) => seq === 1)).payload).toEqual({ index: 0 });
  });

  it("LIM-1 idleBytes: of rooms nobody has joined those are forgotten first that are heavy, and long unused", async () => {
    let open = 0;
    const heavy = defineNamespace({
      name: "heavy",
      messages: {},
      open() {
        open++;
        return { bytes: 20_000, close: () => void open-- };
      },
    });
    await begin({ idleBytes: 50_000 }, { namespaces: [heavy] });
    const ada = await enter("ada", "heavy:kept");
    for (let index = 0; index < 10; index++) await server.room(`heavy:room-${index}`).publish("noted", { index });
    await clock.advance(2_000);
    // Two that nobody has joined, and the one of ada.
    expect(open).toBe(3);
    expect(await server.metrics()).toMatch(/yamabiko_feature_bytes \d{5}/);
    await server.room("heavy:kept").publish("noted", {});
    await ada.next(({ seq }) => seq === 1);
    await ada.join("heavy:room-0", { after: 0 });
    expect((await ada.next(({ seq }) => seq === 1)).payload).toEqual({ index: 0 });
  });

  it("LIM-1 tickets: unavailable beyond it, and a used or expired one gives its place back", async () => {
    await begin({ tickets: 3 });
    const token = await devToken(server.url, "ada");
    const ask = async () => {
      const headers = { Authorization: `Bearer ${token}` };
      const response = await fetch(`${server.url}/api/tickets`, { method: "POST", headers });
      return { status: response.status, body: (await response.json()) as { ticket: string; error: { code: string } } };
    };
    const first = await ask();
    for (let more = 0; more < 2; more++) expect((await ask()).status).toBe(200);
    const refused = await ask();
    expect([refused.status, refused.body.error.code]).toEqual([503, "unavailable"]);
    expect((await upgrade(server.url, { path: `/ws?ticket=${first.body.ticket}` })).status).toBe(101);
    expect([(await ask()).status, (await ask()).status]).toEqual([200, 503]);
    await clock.advance(31_000);
    expect((await ask()).status).toBe(200);
  });
});

import { afterEach, describe, expect, it, vi } from "vitest";
import type { Envelope } from "../../protocol/envelope.ts";
import type { ClientOptions } from "../options.ts";
import type { FakeRequest } from "./fake-fetch.test-support.ts";
import {
  ackAll,
  ackOf,
  createHttpFixture,
  eventOf,
  type HttpFixture,
  joinedOf,
  namesOf,
  readOf,
  sentOf,
  welcomeOf,
} from "./http-fixture.test-support.ts";

afterEach(() => vi.unstubAllGlobals());

const create = (options: ClientOptions = {}): Promise<HttpFixture> =>
  createHttpFixture({ ackTimeoutMs: 1e6, heartbeatMs: 1e9, token: "t", ...options });

/** The newest socket is refused, as by a proxy that knows no upgrades. */
async function blockSocket(f: HttpFixture): Promise<void> {
  f.network.socket.serverClose(1006);
  await f.clock.flush();
}

/** The newest socket opens, and the server says welcome. */
async function welcomeSocket(f: HttpFixture): Promise<Envelope[]> {
  f.network.socket.open();
  f.network.socket.receive(welcomeOf());
  f.network.socket.receive({ type: "pong", payload: {} });
  await f.clock.flush();
  return f.network.socket.take();
}

async function answerPosts(f: HttpFixture): Promise<void> {
  for (let n = 0; n < 3; n++) {
    for (const post of f.net.open("messages")) if (post.path === "messages") ackAll(post);
    await f.clock.flush();
  }
}

/** Connected by SSE because WebSockets are refused, with one room joined. */
async function bySse(options: ClientOptions = {}): Promise<{ f: HttpFixture; stream: FakeRequest }> {
  const f = await create(options);
  f.client.join("lobby");
  await blockSocket(f);
  const stream = await f.welcome({ heartbeatMs: 1e7 });
  for (const envelope of joinedOf(readOf(stream).messages[0]!, "k:0")) stream.say(envelope);
  await f.clock.flush();
  await answerPosts(f);
  return { f, stream };
}

const names = (f: HttpFixture): string[] => f.told.map(([name]) => name);
const transports = (f: HttpFixture): unknown[] => f.told.filter(([n]) => n === "transport").map(([, name]) => name);

describe("going down", () => {
  it("a WebSocket that works is all there is", async () => {
    const f = await create();
    await welcomeSocket(f);
    await f.clock.advance(120_000);
    expect([f.client.transport, transports(f), f.net.requests]).toEqual(["websocket", ["websocket"], []]);
  });

  it("a refused WebSocket is followed by SSE at once, and nobody is told of a failure", async () => {
    const { f } = await bySse();
    expect(f.client.transport).toBe("sse");
    expect(names(f)).toEqual(["status", "connected", "transport"]);
    expect(f.clock.monotonic()).toBeLessThan(100);
  });

  it("one that does not open is given 3 s", async () => {
    const f = await create();
    await f.clock.advance(2_999);
    expect([f.net.requests.length, f.network.socket.closedWith]).toEqual([0, null]);
    await f.clock.advance(1);
    expect(f.network.socket.closedWith).toBe(1005);
    await f.welcome();
    expect(f.client.transport).toBe("sse");
    expect(f.clock.monotonic()).toBeLessThan(5_000);
  });

  it("one that opens and lets nothing through is given 6 s more", async () => {
    const f = await create();
    const room = f.client.join("lobby");
    room.send("send_message", { n: 1 });
    f.network.socket.open();
    await f.clock.advance(6_000);
    const stream = await f.welcome();
    for (const envelope of joinedOf(readOf(stream).messages[0]!, "k:0")) stream.say(envelope);
    ackAll(f.net.one("messages"));
    await f.clock.flush();
    expect(namesOf(sentOf(f.net.one("messages")))).toEqual(["send_message 1"]);
    expect(names(f)).toEqual(["status", "connected", "transport"]);
  });

  it("a stream that is held back is followed by long polling, and that by short polling", async () => {
    const f = await create();
    f.client.join("lobby");
    await blockSocket(f);
    await f.settle();
    f.net.one("events").stream();
    await f.clock.advance(2_990);
    expect(f.net.open("events")).toEqual([]);
    await f.settle();
    const long = f.net.one("messages/wait");
    expect(readOf(long).messages).toHaveLength(1);
    await f.clock.advance(3_000);
    expect(long.aborted).toBe(true);
    await f.settle();
    f.net.one("messages/wait").answer({ messages: [welcomeOf()], cursor: "" });
    await f.clock.flush();
    expect(f.client.transport).toBe("polling");
  });

  it.each([404, 405, 200])("an answer %i that is not ours is followed by the next way at once", async (status) => {
    const f = await create();
    await blockSocket(f);
    await f.settle();
    f.net.one("events").answer("<html>", status);
    await f.settle();
    expect(f.net.one("messages/wait").over).toBe(false);
  });

  it("a server that is down is asked twice a round, and the rounds come more and more slowly", async () => {
    const f = await create();
    const at: number[] = [];
    for (let n = 0; n < 4; n++) {
      await blockSocket(f);
      await f.settle();
      at.push(f.clock.monotonic());
      f.net.one("events").fail();
      await f.clock.flush();
      expect(f.client.status).toBe("waiting");
      await f.clock.advance(1000 * 2 ** n);
    }
    expect(f.network.sockets).toHaveLength(5);
    expect(f.net.requests).toHaveLength(4);
    expect(at.map((ms) => Math.round(ms / 1000))).toEqual([0, 1, 3, 7]);
  });

  it.each([
    ["a full server", 503, { code: "unavailable", message: "no", retryable: true }, "waiting"],
    ["too many connections", 429, { code: "too_many_connections", message: "no", retryable: true }, "waiting"],
    ["a bad token", 401, { code: "unauthenticated", message: "no" }, "closed"],
    ["a banned user", 403, { code: "access_denied", message: "no" }, "closed"],
  ])("%s is the same on every way", async (_what, status, error, becomes) => {
    const f = await create();
    await blockSocket(f);
    await f.settle();
    f.net.one("events").answer({ error }, status);
    await f.clock.flush();
    expect([f.client.status, f.net.open()]).toEqual([becomes, []]);
  });

  it.each([4401, 4403, 1013, 1012])("a WebSocket closed with %i is the server's word", async (code) => {
    const f = await create();
    f.network.socket.open();
    f.network.socket.serverClose(code);
    await f.settle();
    expect(f.net.requests).toEqual([]);
  });

  it("after a drop the WebSocket is tried alone, and only the second attempt goes further", async () => {
    const f = await create();
    await welcomeSocket(f);
    await f.clock.advance(2_000);
    await blockSocket(f);
    await f.clock.advance(1_000);
    expect(f.network.sockets).toHaveLength(2);
    await blockSocket(f);
    await f.settle();
    expect(f.net.requests).toEqual([]);
    await f.clock.advance(2_000);
    await blockSocket(f);
    await f.welcome();
    expect(f.client.transport).toBe("sse");
    expect(transports(f)).toEqual(["websocket", "sse"]);
  });

  it("long polling whose waiting requests are cut gives way to short polling, without a drop", async () => {
    const f = await create({ transports: ["long-polling", "polling"], token: null });
    await f.settle();
    f.net.one("messages/wait").answer({ messages: [welcomeOf()], cursor: "" });
    await f.clock.flush();
    await answerPosts(f);
    for (let n = 0; n < 3; n++) {
      await f.clock.advance(5_000);
      f.net.one("messages/wait").fail();
      await f.clock.advance(250);
      if (n < 2) f.net.one("messages/wait").answer({ messages: [], cursor: "" });
      await f.clock.advance(300);
    }
    f.net.one("messages/wait").answer({ messages: [welcomeOf()], cursor: "" });
    await f.clock.flush();
    expect(f.client.transport).toBe("polling");
    expect(names(f)).toEqual(["status", "connected", "transport", "transport"]);
    f.client.close();
    expect(f.clock.pendingTimers).toBe(0);
  });

  it("a list of one pins it", async () => {
    const f = await create({ transports: ["websocket"] });
    await blockSocket(f);
    await f.settle();
    expect([f.net.requests, f.client.status]).toEqual([[], "waiting"]);
  });
});

describe("what worked", () => {
  function stubStorage(entries: Record<string, string> = {}): Map<string, string> {
    const kept = new Map(Object.entries(entries));
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
    });
    return kept;
  }
  const KEY = "yamabiko:transport:ws://server.test/ws";
  const NOW = Date.UTC(2024, 0, 1);

  it("is tried first after a drop; when it fails, the next attempt starts from the best", async () => {
    const { f, stream } = await bySse();
    stream.say({ type: "closed", payload: { code: 1012, reason: "" } });
    await f.clock.advance(1_010);
    expect(f.network.sockets).toHaveLength(1);
    f.net.one("events").fail();
    await f.clock.advance(2_000);
    expect(f.network.sockets).toHaveLength(2);
  });

  it("is remembered over a reload for an hour", async () => {
    const kept = stubStorage();
    await bySse();
    expect(kept.get(KEY)).toMatch(/^sse \d+$/);
    const f = await create();
    await f.welcome();
    expect([f.client.transport, f.network.sockets.length]).toEqual(["sse", 0]);
    f.client.close();
  });

  it.each([
    [`sse ${NOW - 3_600_001}`, "too old"],
    ["sse", "without a time"],
    [`pigeon ${NOW}`, "unknown"],
    ["", "empty"],
  ])("%j, %s, is not believed", async (value) => {
    stubStorage({ [KEY]: value });
    const f = await create();
    expect(f.network.sockets).toHaveLength(1);
  });

  it("a WebSocket that worked on an earlier page is not tried alone", async () => {
    stubStorage({ [KEY]: `websocket ${NOW}` });
    const f = await create();
    await blockSocket(f);
    await f.welcome();
    expect(f.client.transport).toBe("sse");
  });

  it("a storage that throws does not matter", async () => {
    vi.stubGlobal("sessionStorage", {
      getItem() {
        throw new Error("no");
      },
      setItem() {
        throw new Error("no");
      },
    });
    const { f } = await bySse();
    expect(f.client.transport).toBe("sse");
  });
});

describe("going up", () => {
  it("after 20 s a WebSocket that opens takes over: nothing is told but the transport", async () => {
    const { f, stream } = await bySse();
    const room = f.client.join("lobby");
    const seen: number[] = [];
    room.on("*", (_payload, { seq }) => void (seq !== undefined && seen.push(seq)));
    stream.say(eventOf("chat:lobby", 1));
    await f.clock.advance(19_980);
    expect(f.network.sockets).toHaveLength(1);
    await f.clock.advance(20);
    expect(f.network.sockets).toHaveLength(2);
    expect([f.client.transport, stream.aborted]).toEqual(["sse", false]);
    f.network.socket.open();
    await f.clock.flush();
    expect(stream.aborted).toBe(true);
    stream.say(eventOf("chat:lobby", 2));
    const said = f.network.socket.take();
    expect(namesOf(said)).toEqual(["authenticate", "join_room"]);
    expect(said[1]?.payload).toMatchObject({ after: "k:1" });
    f.network.socket.receive(welcomeOf());
    for (const envelope of joinedOf(said[1]!, "k:1")) f.network.socket.receive(envelope);
    for (const seq of [2, 3]) f.network.socket.receive(eventOf("chat:lobby", seq));
    await f.clock.flush();
    expect(seen).toEqual([1, 2, 3]);
    expect([f.client.status, room.status, f.client.transport]).toEqual(["connected", "joined", "websocket"]);
    expect(names(f)).toEqual(["status", "connected", "transport", "transport"]);
    await f.clock.advance(60_000);
    expect(f.network.sockets).toHaveLength(2);
  });

  it("ACK-4: sends that are on their way keep their order, and none is lost", async () => {
    const { f } = await bySse();
    const room = f.client.join("lobby");
    const messages = [1, 2].map((n) => room.send("send_message", { n }));
    await f.clock.flush();
    const post = f.net.one("messages");
    messages.push(room.send("send_message", { n: 3 }));
    await f.clock.advance(20_000 - f.clock.monotonic() + 100);
    f.network.socket.open();
    messages.push(room.send("send_message", { n: 4 }));
    const said = f.network.socket.take();
    expect(namesOf(said)).toEqual(["authenticate", "join_room", ...[1, 2, 3, 4].map((n) => `send_message ${n}`)]);
    expect(sentOf(post)[0]?.messageId).toBe(said[2]?.messageId);
    ackAll(post); // too late
    await f.clock.flush();
    expect(messages.map(({ state }) => state)).toEqual(["sent", "sent", "sent", "sent"]);
    f.network.socket.receive(welcomeOf());
    for (const { type, messageId } of said) {
      if (type === "send_message") f.network.socket.receive(ackOf(messageId, { duplicate: true }));
    }
    await f.clock.flush();
    expect(messages.map(({ state }) => state)).toEqual(["acked", "acked", "acked", "acked"]);
  });

  it("looks after 20 s, 30 s, and then every 40 s; each time with a new token", async () => {
    let n = 0;
    const { f } = await bySse({ token: () => `t${++n}` });
    const start = f.clock.monotonic();
    const at: number[] = [];
    for (let round = 0; round < 4; round++) {
      const { length } = f.network.sockets;
      while (f.network.sockets.length === length) await f.clock.advance(100);
      at.push(Math.round((f.clock.monotonic() - start) / 1000));
      await blockSocket(f);
    }
    expect(at).toEqual([20, 50, 90, 130]);
    expect(n).toBe(5);
    f.client.close();
    expect(f.clock.pendingTimers).toBe(0);
  });

  it("a change of the network brings it back to 20 s", async () => {
    const page = new EventTarget();
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    const { f } = await bySse();
    await f.clock.advance(20_000);
    await blockSocket(f);
    await f.clock.advance(29_000);
    page.dispatchEvent(new Event("online"));
    await answerPosts(f);
    await f.clock.advance(19_900);
    expect(f.network.sockets).toHaveLength(2);
    await f.clock.advance(100);
    expect(f.network.sockets).toHaveLength(3);
    f.client.close();
  });

  it("a probe that does not open is given up after 6 s", async () => {
    const { f } = await bySse();
    await f.clock.advance(20_000);
    const probe = f.network.socket;
    await f.clock.advance(6_000);
    expect(probe.closedWith).toBe(1005);
    expect(f.client.transport).toBe("sse");
  });

  it.each([
    ["closes", (f: HttpFixture) => void f.network.socket.serverClose(1006)],
    ["says nothing", (f: HttpFixture) => f.clock.advance(6_000)],
  ])("one that takes over and %s gives way to what worked, and is left alone for 2 minutes", async (_how, fail) => {
    const { f } = await bySse();
    const message = f.client.join("lobby").send("send_message", { n: 1 });
    await f.clock.flush();
    await f.clock.advance(20_000);
    f.network.socket.open();
    await f.clock.flush();
    await fail(f);
    const stream = await f.welcome({ heartbeatMs: 1e7 });
    expect(readOf(stream).messages[0]?.payload).toMatchObject({ after: "k:0" });
    for (const envelope of joinedOf(readOf(stream).messages[0]!, "k:0")) stream.say(envelope);
    await answerPosts(f);
    expect([message.state, f.client.status, f.client.transport]).toEqual(["acked", "connected", "sse"]);
    expect(names(f)).toEqual(["status", "connected", "transport"]);
    await f.clock.advance(110_000);
    expect(f.network.sockets).toHaveLength(2);
    await f.clock.advance(50_000);
    expect(f.network.sockets.length).toBeGreaterThan(2);
    f.client.close();
    expect(f.clock.pendingTimers).toBe(0);
  });

  it("a stream takes over from polling when it has said welcome", async () => {
    const f = await create({ transports: ["sse", "polling"] });
    const room = f.client.join("lobby");
    await f.settle();
    f.net.one("events").answer("<html>", 404);
    await f.settle();
    const poll = f.net.one("messages/wait");
    poll.answer({
      messages: [welcomeOf(), ...joinedOf(readOf(poll).messages[0]!, "k:0")],
      cursor: "chat%3Alobby=k%3A0",
    });
    for (let n = 0; n < 12 && f.net.open("events").length === 0; n++) {
      await f.clock.advance(2_000);
      for (const open of f.net.open("messages")) {
        if (open.path === "messages") ackAll(open);
        else open.answer({ messages: [], cursor: "chat%3Alobby=k%3A0" });
      }
    }
    const probe = f.net.one("events");
    expect(readOf(probe)).toMatchObject({ cursor: "", messages: [], welcome: true });
    expect(f.client.transport).toBe("polling");
    probe.stream();
    probe.say(welcomeOf());
    await f.clock.flush();
    expect(f.client.transport).toBe("sse");
    await f.settle();
    const stream = f.net.open("events")[1]!;
    expect(readOf(stream).messages[0]?.payload).toMatchObject({ after: "k:0" });
    stream.stream();
    stream.say(welcomeOf());
    for (const envelope of joinedOf(readOf(stream).messages[0]!, "k:0")) stream.say(envelope);
    stream.say(eventOf("chat:lobby", 1));
    await f.clock.flush();
    expect([room.status, room.seq, transports(f)]).toEqual(["joined", 1, ["polling", "sse"]]);
    expect(names(f)).not.toContain("disconnected");
    f.client.close();
    expect([f.clock.pendingTimers, f.net.open()]).toEqual([0, []]);
  });

  it("disconnect() while a probe is open ends that too", async () => {
    const { f } = await bySse();
    await f.clock.advance(20_000);
    f.client.disconnect();
    expect(f.network.socket.closedWith).not.toBe(null);
    f.network.socket.open();
    await f.clock.advance(60_000);
    expect([f.client.status, f.clock.pendingTimers, f.net.open()]).toEqual(["closed", 0, []]);
  });

  it("disconnect() in a listener while it takes over is obeyed", async () => {
    const { f } = await bySse();
    const room = f.client.join("lobby");
    room.send("send_message", { n: 1 });
    await f.clock.advance(20_000);
    room.once("outbox", () => f.client.disconnect());
    f.network.socket.open();
    await f.clock.advance(60_000);
    expect([f.client.status, f.clock.pendingTimers, f.net.open()]).toEqual(["closed", 0, []]);
  });

  it("a link that is lost takes its probe with it", async () => {
    const { f, stream } = await bySse();
    await f.clock.advance(20_000);
    const probe = f.network.socket;
    stream.say({ type: "closed", payload: { code: 1012, reason: "" } });
    await f.clock.flush();
    expect(probe.closedWith).not.toBe(null);
    expect(f.client.status).toBe("waiting");
  });
});

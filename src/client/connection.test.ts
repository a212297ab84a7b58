import { afterEach, describe, expect, it, vi } from "vitest";
import { createFixture } from "./fixture.test-support.ts";
import { backoffMs } from "./reconnect.ts";
import { webSocketUrl } from "./transports/websocket.ts";

afterEach(() => vi.unstubAllGlobals());

describe("connecting", () => {
  it("CON-2: asks for the JSON subprotocol", async () => {
    const { network } = await createFixture();
    expect(network.socket.url).toBe("ws://server.test/ws");
    expect(network.socket.protocols).toEqual(["yamabiko.v1.json"]);
  });

  it("takes http addresses for the WebSocket addresses they stand for", () => {
    expect(webSocketUrl("https://a.test/ws")).toBe("wss://a.test/ws");
    expect(webSocketUrl("http://a.test:81")).toBe("ws://a.test:81/");
  });

  it("CON-4: is connected when the server says welcome, and tells who we are", async () => {
    const f = await createFixture();
    expect(f.client.status).toBe("connecting");
    await f.open();
    expect(f.client.status).toBe("connecting");
    await f.welcome();
    expect(f.client.status).toBe("connected");
    expect(f.client.user).toEqual({ id: "u1", name: "Ann" });
    expect(f.told.map(([name]) => name)).toEqual(["status", "connected"]);
  });

  it("does nothing before connect() with autoConnect false", async () => {
    const f = await createFixture({ autoConnect: false });
    expect(f.network.sockets).toHaveLength(0);
    expect(f.client.status).toBe("closed");
    f.client.connect();
    await f.clock.flush();
    expect(f.network.sockets).toHaveLength(1);
  });

  it("AUTH-3: pipelines authenticate, the joins and the outbox without waiting for an answer", async () => {
    const f = await createFixture({ token: "t1" });
    const room = f.client.join("lobby", { limit: 20 });
    room.send("send_message", { n: 1 });
    await f.open();
    const sent = f.take();
    expect(sent.map((e) => [e.type, e.payload])).toEqual([
      ["authenticate", { token: "t1" }],
      ["join_room", { limit: 20, roomId: "chat:lobby" }],
      ["send_message", { n: 1, roomId: "chat:lobby" }],
    ]);
    expect(new Set(sent.map((e) => e.messageId)).size).toBe(3);
  });

  it("AUTH-5: a client without a token and without a room pings, so that a guest is welcomed at once", async () => {
    const f = await createFixture();
    await f.open();
    expect(f.network.socket.take().map((e) => e.type)).toEqual(["ping"]);
  });

  it("gives an attempt 15 s until welcome", async () => {
    const f = await createFixture();
    await f.open();
    await f.clock.advance(15_000);
    expect(f.client.status).toBe("waiting");
    await f.clock.advance(1_000);
    expect(f.network.sockets).toHaveLength(2);
  });

  it("without a WebSocket fails like any attempt", async () => {
    vi.stubGlobal("WebSocket", undefined);
    const f = await createFixture({ WebSocket: undefined, maxReconnectAttempts: 1 });
    expect(f.client.status).toBe("waiting");
    await f.clock.advance(1_000);
    expect(f.client.status).toBe("closed");
  });
});

describe("the token", () => {
  it("is asked for at every attempt", async () => {
    let n = 0;
    const f = await createFixture({ token: async () => `t${++n}` });
    await f.open();
    expect(f.take()[0]?.payload).toEqual({ token: "t1" });
    f.network.socket.serverClose(1006);
    await f.clock.advance(1_000);
    await f.open();
    expect(f.take()[0]?.payload).toEqual({ token: "t2" });
  });

  it("AUTH-2: is refreshed in place 60 s before it expires, by the server's clock", async () => {
    let n = 0;
    const f = await createFixture({ token: () => `t${++n}`, heartbeatMs: 1e9 });
    const expiresAt = f.clock.now() + 900_000;
    await f.welcome({ expiresAt });
    f.clock.shiftWallClock(3_600_000); // what the device thinks of the time does not matter
    await f.clock.advance(839_000);
    expect(f.take()).toEqual([]);
    await f.clock.advance(1_000);
    const [refresh] = f.take();
    expect(refresh?.payload).toEqual({ token: "t2" });
    f.ack(refresh?.messageId, { expiresAt: expiresAt + 900_000 });
    expect(f.network.sockets).toHaveLength(1);
    expect(f.client.status).toBe("connected");
  });

  it("a failed refresh is told and tried again", async () => {
    let n = 0;
    const f = await createFixture({
      token: () => {
        if (++n === 2) throw new Error("offline");
        return `t${n}`;
      },
      heartbeatMs: 1e9,
    });
    await f.welcome({ expiresAt: f.clock.now() + 100_000 });
    f.network.socket.receive({ type: "pong", payload: {} });
    await f.clock.advance(50_000);
    expect(f.told.at(-1)?.[0]).toBe("error");
    await f.clock.advance(25_000);
    expect(f.take().at(-1)?.payload).toEqual({ token: "t3" });
  });

  it("AUTH-7: 4401 with a token function asks once for a new one", async () => {
    let n = 0;
    const f = await createFixture({ token: () => `t${++n}` });
    await f.welcome();
    await f.clock.advance(5_000);
    f.network.socket.serverClose(4401, "expired");
    await f.clock.advance(1_000);
    await f.open();
    expect(f.take()[0]?.payload).toEqual({ token: "t2" });
    f.network.socket.serverClose(4401, "no");
    await f.clock.advance(60_000);
    expect(f.client.status).toBe("closed");
    expect(f.told.at(-1)).toMatchObject(["error", { code: "unauthenticated" }]);
    expect(f.network.sockets).toHaveLength(2);
  });

  it("CON-5: 4401 with a fixed token is final", async () => {
    const f = await createFixture({ token: "t" });
    await f.open();
    f.network.socket.serverClose(4401);
    expect(f.client.status).toBe("closed");
    expect(f.told.at(-1)).toMatchObject(["error", { code: "unauthenticated" }]);
  });

  it("AUTH-4: a refused authenticate closes with its error, and keeps the outbox", async () => {
    const f = await createFixture({ token: "bad" });
    const room = f.client.join("lobby");
    const message = room.send("send_message", { n: 1 });
    await f.open();
    const [authenticate, , send] = f.take();
    f.refuse(authenticate?.messageId, { code: "unauthenticated", message: "This token is not accepted." });
    f.refuse(send?.messageId, { code: "unauthenticated" });
    expect(f.client.status).toBe("closed");
    expect(f.told.at(-1)).toMatchObject(["error", { code: "unauthenticated", message: "This token is not accepted." }]);
    expect(message.state).toBe("queued");
  });

  it("AUTH-3: a message refused for want of a token before welcome closes too", async () => {
    const f = await createFixture();
    await f.open();
    f.network.socket.receive({ type: "error", payload: { code: "unauthenticated", message: "Say who you are." } });
    expect(f.client.status).toBe("closed");
  });

  it("a retryable refusal of authenticate is only a failed attempt", async () => {
    const f = await createFixture({ token: "t" });
    await f.open();
    f.refuse(f.take()[0]?.messageId, { code: "unavailable", retryable: true });
    expect(f.client.status).toBe("waiting");
  });

  it("a token that cannot be had is a failed attempt", async () => {
    const f = await createFixture({ token: () => Promise.reject(new Error("503")) });
    expect(f.client.status).toBe("waiting");
    expect(f.told.map(([name]) => name)).toEqual(["error", "status", "reconnecting"]);
  });
});

describe("coming back", () => {
  it("[case 47] [article 5] waits 1 s, 2 s, 4 s … 30 s, × 0.5 to 1, as the origin does", () => {
    const wait = (attempt: number, random: number) => backoffMs(attempt, 1000, 30_000, () => random);
    expect([1, 2, 3, 4, 5, 6, 100].map((n) => wait(n, 1))).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    expect([1, 2, 6].map((n) => wait(n, 0))).toEqual([500, 1000, 15_000]);
  });

  it("CON-5: comes back after an abnormal end, with the wait told", async () => {
    const f = await createFixture();
    await f.welcome();
    await f.clock.advance(2_000);
    f.network.socket.serverClose(1006);
    expect(f.told.slice(-3)).toEqual([
      ["status", "waiting"],
      ["disconnected", { code: 1006, reason: "", willReconnect: true }],
      ["reconnecting", { attempt: 1, delayMs: 1000 }],
    ]);
    expect(f.client.retryAt).toBe(f.clock.now() + 1000);
    await f.clock.advance(1000);
    expect(f.network.sockets).toHaveLength(2);
    await f.welcome();
    expect(f.client.attempts).toBe(0);
  });

  it("the wait grows while attempts fail, and over connections that last under 2 s", async () => {
    const f = await createFixture();
    const delays = (): unknown[] =>
      f.told.flatMap(([name, p]) => (name === "reconnecting" ? [(p as { delayMs: number }).delayMs] : []));
    f.network.socket.serverClose(1006);
    await f.clock.advance(1000);
    f.network.socket.serverClose(1006);
    await f.clock.advance(2000);
    await f.welcome();
    await f.clock.advance(1999);
    f.network.socket.serverClose(1006);
    await f.clock.advance(4000);
    await f.welcome();
    await f.clock.advance(2000);
    f.network.socket.serverClose(1006);
    expect(delays()).toEqual([1000, 2000, 4000, 1000]);
  });

  it("gives up after maxReconnectAttempts", async () => {
    const f = await createFixture({ maxReconnectAttempts: 2 });
    for (const ms of [1000, 2000, 0]) {
      f.network.socket.serverClose(1006);
      await f.clock.advance(ms);
    }
    expect(f.client.status).toBe("closed");
    expect(f.network.sockets).toHaveLength(3);
    expect(f.told.at(-1)).toMatchObject(["error", { code: "unavailable" }]);
    expect(f.clock.pendingTimers).toBe(0);
  });

  it.each([1000, 4403])("CON-5: close code %i is final", async (code) => {
    const f = await createFixture();
    await f.welcome();
    f.network.socket.serverClose(code);
    expect(f.client.status).toBe("closed");
    await f.clock.advance(100_000);
    expect(f.network.sockets).toHaveLength(1);
  });

  it.each([1001, 1008, 1009, 1011, 1012, 1013, 4408, 4429])("CON-5: close code %i is not final", async (code) => {
    const f = await createFixture();
    await f.welcome();
    f.network.socket.serverClose(code);
    expect(f.client.status).toBe("waiting");
  });

  it("CLS-1: waits as long as server_closing says", async () => {
    const f = await createFixture();
    await f.welcome();
    f.network.socket.receive({ type: "server_closing", payload: { reconnectInMs: 7_300 } });
    f.network.socket.serverClose(1012);
    expect(f.told.at(-1)).toEqual(["reconnecting", { attempt: 1, delayMs: 7_300 }]);
  });

  it("disconnect() is clean and stays down until connect()", async () => {
    const f = await createFixture();
    await f.welcome();
    f.client.disconnect();
    expect(f.network.socket.closedWith).toBe(1000);
    expect(f.client.status).toBe("closed");
    await f.clock.advance(100_000);
    expect(f.network.sockets).toHaveLength(1);
    f.client.connect();
    await f.clock.flush();
    expect(f.network.sockets).toHaveLength(2);
  });

  it("disconnect() inside a listener wins over the reconnect", async () => {
    const f = await createFixture();
    await f.welcome();
    f.client.on("disconnected", () => f.client.disconnect());
    f.network.socket.serverClose(1006);
    expect(f.client.status).toBe("closed");
    expect(f.clock.pendingTimers).toBe(0);
  });

  it("disconnect() while it starts opens nothing", async () => {
    const f = await createFixture({ autoConnect: false });
    const stop = f.client.on("status", (status) => void (status === "connecting" && f.client.disconnect()));
    f.client.connect();
    stop();
    await f.clock.flush();
    expect(f.client.status).toBe("closed");
    expect(f.network.sockets).toHaveLength(0);
  });

  it("disconnect() in a listener of the outbox wins over the reconnect", async () => {
    const f = await createFixture();
    const room = f.client.join("lobby");
    await f.welcome();
    room.send("send_message", {});
    room.once("outbox", () => f.client.disconnect());
    f.network.socket.serverClose(1006);
    await f.clock.advance(60_000);
    expect(f.client.status).toBe("closed");
    expect(f.network.sockets).toHaveLength(1);
  });

  it("close() while a refused join waits leaves no timer", async () => {
    const f = await createFixture();
    f.client.join("lobby");
    const [join] = await f.welcome();
    f.refuse(join?.messageId, { code: "unavailable", retryable: true });
    f.client.close();
    expect(f.clock.pendingTimers).toBe(0);
  });

  it("cut() is a drop: it comes back", async () => {
    const f = await createFixture();
    await f.welcome();
    f.client.cut();
    expect(f.client.status).toBe("waiting");
    await f.clock.advance(1000);
    expect(f.network.sockets).toHaveLength(2);
  });

  it("what an old socket still says is not heard", async () => {
    const f = await createFixture();
    await f.welcome();
    const old = f.network.socket;
    const seen: string[] = [];
    f.client.on("*", (_payload, envelope) => void seen.push((envelope as { type: string }).type));
    f.client.cut();
    old.receive({ type: "late", payload: {} });
    old.serverClose(1006);
    await f.clock.advance(1000);
    expect(seen).toEqual([]);
    expect(f.network.sockets).toHaveLength(2);
  });

  it("[article 5] close() ends everything and leaves no timer", async () => {
    const f = await createFixture();
    await f.welcome();
    const room = f.client.join("lobby");
    const message = room.send("send_message", {});
    f.client.close();
    await expect(message.ack).rejects.toMatchObject({ code: "unavailable" });
    await expect(room.joined).rejects.toMatchObject({ code: "not_joined" });
    expect(room.status).toBe("left");
    expect(f.clock.pendingTimers).toBe(0);
    f.client.connect();
    await f.clock.flush();
    expect(f.network.sockets).toHaveLength(1);
  });
});

describe("the heartbeat", () => {
  it("HB-2: measures the round trip", async () => {
    const f = await createFixture();
    await f.welcome();
    const ping = f.network.socket.take().at(-1) ?? { payload: {} };
    f.network.socket.receive({ type: "pong", payload: { t: f.clock.monotonic() - 42 } });
    expect(ping).toBeDefined();
    expect(f.client.latencyMs).toBe(42);
  });

  it("HB-2: after heartbeatMs of silence pings, and 10 s later gives the half-open link up and comes back at once", async () => {
    const f = await createFixture();
    await f.welcome();
    f.network.socket.receive({ type: "pong", payload: {} });
    f.network.socket.take();
    await f.clock.advance(29_999);
    expect(f.network.socket.take()).toEqual([]);
    await f.clock.advance(1);
    expect(f.network.socket.take().map((e) => e.type)).toEqual(["ping"]);
    await f.clock.advance(9_999);
    expect(f.client.status).toBe("connected");
    await f.clock.advance(1);
    expect(f.network.sockets).toHaveLength(2);
    expect(f.told).toContainEqual([
      "disconnected",
      { code: 4408, reason: "The server is silent.", willReconnect: true },
    ]);
  });

  it("HB-2: any frame is a sign of life", async () => {
    const f = await createFixture();
    await f.welcome();
    for (let n = 0; n < 10; n++) {
      await f.clock.advance(20_000);
      f.network.socket.receive({ type: "user_joined", payload: {}, roomId: "chat:x" });
    }
    expect(f.network.sockets).toHaveLength(1);
    expect(f.client.status).toBe("connected");
  });

  it("HB-2: an overdue ack raises the question early", async () => {
    const f = await createFixture();
    await f.welcome();
    f.network.socket.receive({ type: "pong", payload: {} });
    void f.client.emitWithAck("list_rooms").catch(() => {});
    await f.clock.advance(5_000);
    await f.clock.advance(10_000);
    expect(f.network.sockets).toHaveLength(2);
  });
});

describe("waking", () => {
  function stubPage(): { fire(name: string): void; setVisible(visible: boolean): void } {
    const page = new EventTarget();
    const document = Object.assign(new EventTarget(), { hidden: false });
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
    vi.stubGlobal("document", document);
    return {
      fire: (name) => void (name === "visibilitychange" ? document : page).dispatchEvent(new Event(name)),
      setVisible(visible) {
        document.hidden = !visible;
      },
    };
  }

  it.each(["online", "visibilitychange"])("%s while waiting tries at once", async (name) => {
    const page = stubPage();
    const f = await createFixture();
    f.network.socket.serverClose(1006);
    page.fire(name);
    await f.clock.flush();
    expect(f.network.sockets).toHaveLength(2);
    await f.clock.advance(10_000);
    expect(f.network.sockets).toHaveLength(2);
  });

  it.each(["online", "visibilitychange"])("%s while connected gives the socket 3 s to prove itself", async (name) => {
    const page = stubPage();
    const f = await createFixture();
    await f.welcome();
    f.network.socket.receive({ type: "pong", payload: {} });
    await f.clock.advance(5_000);
    page.fire(name);
    expect(f.network.socket.take().at(-1)?.type).toBe("ping");
    await f.clock.advance(2_999);
    expect(f.network.sockets).toHaveLength(1);
    await f.clock.advance(1);
    expect(f.network.sockets).toHaveLength(2);
  });

  it("hiding the page does nothing, and offline only asks", async () => {
    const page = stubPage();
    const f = await createFixture();
    await f.welcome();
    f.network.socket.receive({ type: "pong", payload: {} });
    f.network.socket.take();
    page.setVisible(false);
    page.fire("visibilitychange");
    expect(f.network.socket.take()).toEqual([]);
    page.fire("offline");
    expect(f.network.socket.take().map((e) => e.type)).toEqual(["ping"]);
    f.network.socket.receive({ type: "pong", payload: {} });
    await f.clock.advance(20_000);
    expect(f.network.sockets).toHaveLength(1);
  });
});

import { describe, expect, it } from "vitest";
import type { ClientOptions } from "../options.ts";
import type { FakeRequest } from "./fake-fetch.test-support.ts";
import {
  ackAll,
  createHttpFixture,
  eventOf,
  type HttpFixture,
  joinedOf,
  namesOf,
  readOf,
  refusalOf,
  sentOf,
  welcomeOf,
} from "./http-fixture.test-support.ts";
import { eventParser } from "./sse.ts";

const bySse = (options: ClientOptions = {}): Promise<HttpFixture> =>
  createHttpFixture({ transports: ["sse"], token: "t1", ...options });

/** Says the answer to the first join of a stream. */
function join(stream: FakeRequest, cursor: string, index = 0): void {
  for (const envelope of joinedOf(readOf(stream).messages[index]!, cursor)) stream.say(envelope);
}

describe("reading an event stream", () => {
  const events = [
    "data: 1\n\n",
    ": c\n\n",
    "event: x\nid: k:1\ndata: 2\n\n",
    "retry: 1\n\n",
    "data: [3,\ndata: 4]\n\n",
  ];

  it("is the same wherever it is cut", () => {
    const text = events.join("");
    for (let cut = 0; cut <= text.length; cut++) {
      const got: string[] = [];
      const parse = eventParser((data) => void got.push(data));
      parse(text.slice(0, cut));
      parse(text.slice(cut));
      expect(got.map((data) => JSON.parse(data) as unknown)).toEqual([1, 2, [3, 4]]);
    }
  });

  it("is the same one character at a time, and with CRLF", () => {
    const got: string[] = [];
    const parse = eventParser((data) => void got.push(data));
    for (const character of events.join("").replaceAll("\n", "\r\n")) parse(character);
    expect(got.map((data) => JSON.parse(data) as unknown)).toEqual([1, 2, [3, 4]]);
  });

  it("a character may be cut in two", async () => {
    const f = await bySse();
    const room = f.client.join("lobby");
    const stream = await f.welcome();
    join(stream, "k:0");
    const seen: unknown[] = [];
    room.on("new_message", (payload) => void seen.push(payload));
    const bytes = new TextEncoder().encode(
      `data: ${JSON.stringify({ ...eventOf("chat:lobby", 1), payload: { text: "山彦 🏔" } })}\n\n`,
    );
    for (const byte of bytes) {
      stream.push(Uint8Array.of(byte));
      await f.clock.flush();
    }
    expect(seen).toEqual([{ text: "山彦 🏔" }]);
  });
});

describe("SSE", () => {
  it("asks once, with the token and the joins, and posts when it is welcome", async () => {
    const f = await bySse();
    const room = f.client.join("lobby", { limit: 20 });
    room.send("send_message", { n: 1 });
    await f.settle();
    const stream = f.net.one("events");
    expect(stream.url).toBe("http://server.test/api/events");
    expect(stream.token).toBe("t1");
    expect(readOf(stream)).toMatchObject({
      cursor: "",
      messages: [{ type: "join_room", payload: { roomId: "chat:lobby", limit: 20 } }],
      welcome: true,
    });
    expect(f.client.status).toBe("connecting");
    await f.welcome();
    expect(f.told).toEqual([
      ["status", "connected"],
      ["connected", welcomeOf().payload],
      ["transport", "sse"],
    ]);
    ackAll(f.net.one("messages"));
    join(stream, "k:4");
    await f.clock.flush();
    const post = f.net.one("messages");
    expect([post.path, post.token, namesOf(sentOf(post))]).toEqual(["messages", "t1", ["send_message 1"]]);
    ackAll(post);
    await f.clock.flush();
    expect(room.status).toBe("joined");
    expect(room.outbox).toEqual([]);
    expect(f.client.latencyMs).toBe(0);
  });

  it("RES-1: a new room reopens the stream; the rooms that go on keep their cursor, and the old stream lasts until then", async () => {
    const f = await bySse();
    const lobby = f.client.join("lobby");
    const first = await f.welcome();
    join(first, "k:4");
    first.say(eventOf("chat:lobby", 5));
    await f.clock.flush();
    f.client.join("random/a b");
    f.client.join("third");
    await f.settle();
    const second = f.net.open("events")[1]!;
    expect(readOf(second).cursor).toBe("chat%3Alobby=k%3A5");
    expect(readOf(second).messages.map(({ payload }) => (payload as { roomId: string }).roomId)).toEqual([
      "chat:random/a b",
      "chat:third",
    ]);
    first.say(eventOf("chat:lobby", 6));
    await f.clock.flush();
    expect([lobby.seq, first.aborted]).toEqual([6, false]);
    second.stream();
    second.say(welcomeOf());
    await f.clock.flush();
    expect(first.aborted).toBe(true);
    for (const seq of [6, 7]) second.say(eventOf("chat:lobby", seq));
    join(second, "z:1", 1);
    await f.clock.flush();
    expect([lobby.seq, f.client.join("third").status, f.heard.filter((type) => type === "new_message")]).toEqual([
      7,
      "joined",
      ["new_message", "new_message", "new_message"],
    ]);
    expect(f.heard.filter((type) => type === "welcome")).toHaveLength(1);
  });

  it("a join that is not answered is asked again on the next stream, under the same messageId; only that one answers", async () => {
    const f = await bySse();
    const lobby = f.client.join("lobby");
    const first = await f.welcome();
    f.client.join("other");
    await f.settle();
    const second = f.net.open("events")[1]!;
    expect(readOf(second).messages[0]).toEqual(readOf(first).messages[0]);
    join(first, "k:4");
    await f.clock.flush();
    expect(lobby.status).toBe("joining");
    second.stream();
    second.say(welcomeOf());
    join(second, "k:5");
    await f.clock.flush();
    expect([lobby.status, lobby.seq]).toEqual(["joined", 5]);
  });

  it("what changes while a stream is asked for is asked for behind it", async () => {
    const f = await bySse();
    f.client.join("a");
    await f.settle();
    f.client.join("b");
    await f.settle();
    expect(f.net.open("events")).toHaveLength(1);
    join(await f.welcome(), "k:1");
    await f.settle();
    const second = f.net.open("events")[1]!;
    expect(readOf(second).cursor).toBe("");
    expect(readOf(second).messages).toHaveLength(2);
  });

  it("JOIN-5: a room that is left is told at once, not heard any more, and left on the server when no stream has it", async () => {
    const f = await bySse();
    const lobby = f.client.join("lobby");
    const stay = f.client.join("stay");
    const first = await f.welcome();
    join(first, "k:0");
    join(first, "k:0", 1);
    await f.clock.flush();
    ackAll(f.net.one("messages"));
    await f.clock.flush();
    lobby.leave();
    await f.clock.flush();
    expect(f.heard.at(-1)).toBe("left_room");
    first.say({ type: "user_typing", roomId: "chat:lobby", payload: {} });
    first.say(eventOf("chat:stay", 1));
    await f.settle();
    expect(f.heard.at(-1)).toBe("new_message");
    expect(f.heard).not.toContain("user_typing");
    expect(f.net.open("messages")).toEqual([]);
    const second = f.net.open("events")[1]!;
    expect(readOf(second)).toMatchObject({ cursor: "chat%3Astay=k%3A1", messages: [] });
    second.stream();
    second.say(welcomeOf());
    await f.clock.flush();
    expect(first.aborted).toBe(true);
    const post = f.net.one("messages");
    expect(namesOf(sentOf(post))).toEqual(["leave_room"]);
    post.answer([
      { type: "ack", messageId: "x", payload: { success: true } },
      { type: "left_room", payload: {} },
    ]);
    await f.clock.flush();
    expect(f.heard.filter((type) => type === "left_room")).toHaveLength(1);
    expect(stay.status).toBe("joined");
  });

  it("RES-4: a gap asks for the room again, from its cursor", async () => {
    const f = await bySse();
    const lobby = f.client.join("lobby");
    const first = await f.welcome();
    join(first, "k:0");
    first.say(eventOf("chat:lobby", 1));
    first.say(eventOf("chat:lobby", 3));
    await f.settle();
    const second = f.net.open("events")[1]!;
    expect(readOf(second)).toMatchObject({ cursor: "", messages: [{ payload: { after: "k:1" } }] });
    first.say(eventOf("chat:lobby", 2));
    second.stream();
    second.say(welcomeOf());
    join(second, "k:1");
    for (const seq of [2, 3]) second.say(eventOf("chat:lobby", seq));
    await f.clock.flush();
    expect([lobby.seq, lobby.status]).toEqual([3, "joined"]);
  });

  it("RES-2: history_lost moves the cursor", async () => {
    const f = await bySse();
    f.client.join("lobby");
    const first = await f.welcome();
    join(first, "k:0");
    first.say({
      type: "history_lost",
      payload: { roomId: "chat:lobby", reason: "epoch", from: null, to: null, cursor: "z:7" },
    });
    first.say(eventOf("chat:lobby", 8));
    await f.clock.flush();
    f.client.join("other");
    await f.settle();
    expect(readOf(f.net.open("events")[1]!).cursor).toBe("chat%3Alobby=z%3A8");
  });

  it("a stream that ends without a word is asked for again, and nobody notices", async () => {
    const f = await bySse();
    const lobby = f.client.join("lobby");
    const first = await f.welcome();
    join(first, "k:3");
    await f.clock.flush();
    first.end();
    await f.clock.advance(500);
    const second = f.net.one("events");
    expect(readOf(second)).toMatchObject({ cursor: "chat%3Alobby=k%3A3", messages: [] });
    await f.welcome();
    second.say(eventOf("chat:lobby", 4));
    await f.clock.flush();
    expect(lobby.seq).toBe(4);
    expect(f.told.map(([name]) => name)).not.toContain("disconnected");
  });

  it("when the next stream fails as well, the connection is lost", async () => {
    const f = await bySse();
    (await f.welcome()).fail();
    await f.clock.advance(500);
    f.net.one("events").fail();
    await f.clock.flush();
    expect(f.client.status).toBe("waiting");
    expect(f.net.open()).toEqual([]);
  });

  it("HB-2: comments are a sign of life; after heartbeatMs and 10 s without a byte the stream is dead, whatever the POSTs say", async () => {
    const f = await bySse();
    const stream = await f.welcome();
    ackAll(f.net.one("messages"));
    for (let n = 0; n < 5; n++) {
      await f.clock.advance(39_000);
      stream.push(": \n\n");
      await f.clock.flush();
    }
    for (let n = 0; n < 4; n++) {
      await f.clock.advance(9_990);
      for (const post of f.net.open("messages")) ackAll(post);
    }
    expect(stream.aborted).toBe(false);
    await f.clock.advance(50);
    expect(stream.aborted).toBe(true);
  });

  it("CLS-1: what the server says last is how it ends", async () => {
    const f = await bySse();
    const stream = await f.welcome();
    stream.say({ type: "server_closing", payload: { reconnectInMs: 4_200 } });
    stream.say({ type: "closed", payload: { code: 1012, reason: "restart" } });
    stream.end();
    await f.clock.flush();
    expect(f.told.slice(-2)).toEqual([
      ["disconnected", { code: 1012, reason: "restart", willReconnect: true }],
      ["reconnecting", { attempt: 1, delayMs: 4_200 }],
    ]);
  });

  it.each([
    [401, { error: { code: "unauthenticated", message: "no" } }, "closed"],
    [403, { error: { code: "access_denied", message: "no" } }, "closed"],
    [429, { error: { code: "too_many_connections", message: "no", retryable: true } }, "waiting"],
    [503, { error: { code: "unavailable", message: "no", retryable: true } }, "waiting"],
    [404, "<html>", "waiting"],
    [502, "<html>", "waiting"],
    [200, "<html>", "waiting"],
  ])("CON-5: a stream refused with %i %j leaves the client %s", async (status, body, becomes) => {
    const f = await bySse();
    await f.settle();
    f.net.one("events").answer(body, status);
    await f.clock.flush();
    expect(f.client.status).toBe(becomes);
    expect(f.net.open()).toEqual([]);
  });

  it("close() ends every request and leaves no timer", async () => {
    const f = await bySse();
    f.client.join("lobby");
    const stream = await f.welcome();
    f.client.join("other");
    await f.settle();
    f.client.close();
    await f.clock.flush();
    expect(stream.aborted).toBe(true);
    expect(f.net.open()).toEqual([]);
    expect(f.clock.pendingTimers).toBe(0);
  });

  it("late words of a dropped link are not heard", async () => {
    const f = await bySse();
    const lobby = f.client.join("lobby");
    const stream = await f.welcome();
    join(stream, "k:0");
    await f.clock.flush();
    f.client.cut();
    stream.say(eventOf("chat:lobby", 1));
    await f.clock.advance(1_010);
    expect(lobby.seq).toBe(0);
    expect(f.net.one("events").over).toBe(false);
  });

  it("AUTH-5: a guest is the same guest in every request", async () => {
    const f = await bySse({ token: null });
    f.client.join("lobby");
    await f.settle();
    expect(f.net.one("events").token).toBe(null);
    await f.welcome({ guest: true, guestToken: "g1" });
    expect(f.net.one("messages").token).toBe("g1");
    f.client.join("other");
    await f.settle();
    expect(f.net.open("events")[1]?.token).toBe("g1");
  });
});

describe("a refresh of the token over SSE", () => {
  async function refreshed(): Promise<{ f: HttpFixture; first: FakeRequest; second: FakeRequest }> {
    let n = 0;
    const f = await bySse({ token: () => `t${++n}` });
    f.client.join("lobby");
    await f.settle();
    const first = await f.welcome({ expiresAt: f.clock.now() + 120_000 });
    join(first, "k:0");
    ackAll(f.net.one("messages"));
    for (let n = 0; n < 3; n++) {
      await f.clock.advance(20_100);
      first.push(": \n\n");
    }
    await f.settle();
    return { f, first, second: f.net.open("events")[1]! };
  }

  it("AUTH-2: opens the stream anew with it, and then posts with it", async () => {
    const { f, first, second } = await refreshed();
    expect([second.token, readOf(second).cursor, first.aborted]).toEqual(["t2", "chat%3Alobby=k%3A0", false]);
    f.client.emit("x");
    await f.clock.flush();
    expect(f.net.one("messages").token).toBe("t1");
    ackAll(f.net.one("messages"));
    await f.welcome({ expiresAt: f.clock.now() + 120_000 });
    expect(first.aborted).toBe(true);
    f.client.emit("y");
    await f.clock.flush();
    expect(f.net.one("messages").token).toBe("t2");
    expect(f.told.map(([name]) => name)).toEqual(["status", "connected", "transport"]);
  });

  it("AUTH-2: refused, it changes nothing and is told", async () => {
    const { f, first, second } = await refreshed();
    second.answer({ error: { code: "unauthenticated", message: "This token is not accepted." } }, 401);
    await f.clock.flush();
    expect(f.told.at(-1)).toMatchObject(["error", { code: "unauthenticated", message: "This token is not accepted." }]);
    expect(f.client.status).toBe("connected");
    first.say(eventOf("chat:lobby", 1));
    f.client.emit("x");
    await f.clock.flush();
    expect(f.client.join("lobby").seq).toBe(1);
    expect(f.net.one("messages").token).toBe("t1");
  });

  it("AUTH-2: another user's token ends the connection", async () => {
    const { f } = await refreshed();
    await f.welcome({ user: { id: "u2", name: "Bob" } });
    expect(f.client.status).toBe("closed");
    expect(f.told.at(-1)).toMatchObject(["error", { code: "access_denied" }]);
  });

  it("refused joins are not in the next stream", async () => {
    const f = await bySse();
    f.client.join("secret").on("error", () => {});
    const first = await f.welcome();
    first.say(refusalOf(readOf(first).messages[0]!.messageId, { code: "access_denied", retryable: false }));
    await f.clock.flush();
    f.client.join("other");
    await f.settle();
    expect(readOf(f.net.open("events")[1]!).messages).toHaveLength(1);
  });
});

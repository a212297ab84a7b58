import { describe, expect, it } from "vitest";
import type { Envelope } from "../../protocol/envelope.ts";
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
  sentOf,
  welcomeOf,
} from "./http-fixture.test-support.ts";

const LOBBY = "chat%3Alobby";

/** Answers a poll with its welcome and joins, where it asked for them, and then `more`. */
function answer(poll: FakeRequest, cursor: string, more: readonly Envelope[] = [], welcome: object = {}): void {
  const { messages, welcome: isAsked } = readOf(poll);
  const said = messages.flatMap((join) => joinedOf(join, "k:0"));
  poll.answer({ messages: [...(isAsked ? [welcomeOf(welcome)] : []), ...said, ...more], cursor });
}

async function polling(options: ClientOptions, joinLobby = true): Promise<HttpFixture> {
  const f = await createHttpFixture({ token: "t", ackTimeoutMs: 1e6, heartbeatMs: 1e9, ...options });
  if (joinLobby) f.client.join("lobby");
  await f.settle();
  return f;
}

const poll = (f: HttpFixture): FakeRequest => f.net.one("messages/wait");

async function answerPosts(f: HttpFixture): Promise<void> {
  for (const post of f.net.open("messages")) if (post.path === "messages") ackAll(post);
  await f.clock.flush();
}

describe("long polling", () => {
  const long = (options: ClientOptions = {}): Promise<HttpFixture> =>
    polling({ transports: ["long-polling"], ...options });

  /** Connected and joined, with a poll that waits. */
  async function waiting(options: ClientOptions = {}): Promise<HttpFixture> {
    const f = await long(options);
    answer(poll(f), `${LOBBY}=k%3A0%7Er1`, [], { heartbeatMs: 1e9 });
    await f.clock.flush();
    await answerPosts(f);
    await f.clock.advance(100);
    return f;
  }

  it("asks first for what is there at once, then waits from the cursor of the answer", async () => {
    const f = await long();
    expect(poll(f)).toMatchObject({ path: "messages/wait?timeoutMs=0", token: "t" });
    expect(readOf(poll(f))).toMatchObject({ cursor: "", welcome: true, messages: [{ type: "join_room" }] });
    answer(poll(f), `${LOBBY}=k%3A0%7Er1`);
    await f.clock.advance(100);
    expect(f.told.map(([, payload]) => payload)).toContain("long-polling");
    expect(f.client.join("lobby").status).toBe("joined");
    expect(poll(f).path).toBe("messages/wait?timeoutMs=18000");
    expect(readOf(poll(f))).toEqual({ cursor: `${LOBBY}=k%3A0%7Er1`, messages: [], welcome: false });
  });

  it("RES-1: goes on at once after an answer with events; a lost answer comes again", async () => {
    const f = await waiting();
    const seen: number[] = [];
    f.client.join("lobby").on("new_message", (_payload, { seq }) => void seen.push(seq!));
    answer(poll(f), `${LOBBY}=k%3A2%7Er1`, [eventOf("chat:lobby", 1), eventOf("chat:lobby", 2)]);
    await f.clock.flush();
    expect(readOf(poll(f)).cursor).toBe(`${LOBBY}=k%3A2%7Er1`);
    poll(f).fail();
    await f.clock.flush();
    expect(readOf(poll(f)).cursor).toBe(`${LOBBY}=k%3A2%7Er1`);
    answer(poll(f), `${LOBBY}=k%3A3%7Er1`, [eventOf("chat:lobby", 2), eventOf("chat:lobby", 3)]);
    await f.clock.flush();
    expect(seen).toEqual([1, 2, 3]);
  });

  it("a room that is joined or left cuts the poll that waits; the cursor of the others stays", async () => {
    const f = await waiting();
    const first = poll(f);
    f.client.join("other");
    await f.settle();
    expect(first.aborted).toBe(true);
    expect(poll(f).path).toBe("messages/wait?timeoutMs=0");
    expect(readOf(poll(f))).toMatchObject({
      cursor: `${LOBBY}=k%3A0%7Er1`,
      messages: [{ payload: { roomId: "chat:other" } }],
    });
    answer(poll(f), `${LOBBY}=k%3A0%7Er1&chat%3Aother=z%3A0%7Er2`);
    await f.clock.advance(100);
    f.client.join("lobby").leave();
    await f.settle();
    expect(readOf(poll(f)).cursor).toBe("chat%3Aother=z%3A0%7Er2");
    expect(f.net.open("messages").filter(({ path }) => path === "messages")).toEqual([]);
    answer(poll(f), "chat%3Aother=z%3A0%7Er2");
    await f.clock.flush();
    const post = f.net.open("messages").find(({ path }) => path === "messages");
    expect(namesOf(sentOf(post!))).toEqual(["leave_room"]);
  });

  it("what a short answer says of a room left meanwhile is not heard, and does not bring it back", async () => {
    const f = await waiting();
    f.client.join("other");
    await f.settle();
    f.client.join("lobby").leave();
    answer(poll(f), `${LOBBY}=k%3A1%7Er1&chat%3Aother=z%3A0%7Er2`, [eventOf("chat:lobby", 1)]);
    await f.settle();
    expect(f.heard).not.toContain("new_message");
    expect(readOf(poll(f)).cursor).toBe("chat%3Aother=z%3A0%7Er2");
  });

  it("answers that come at once and bring no event are asked for more and more slowly", async () => {
    const f = await waiting();
    const pauses: number[] = [];
    for (let n = 0; n < 12; n++) {
      answer(poll(f), `${LOBBY}=k%3A0%7Er1`);
      const from = f.clock.monotonic();
      while (f.net.open("messages/wait").length === 0) await f.clock.advance(10);
      pauses.push(f.clock.monotonic() - from);
    }
    expect(pauses[0]).toBeGreaterThanOrEqual(100);
    expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
    expect(pauses.at(-1)).toBe(500);
    answer(poll(f), `${LOBBY}=k%3A1%7Er1`, [eventOf("chat:lobby", 1)]);
    await f.clock.flush();
    expect(poll(f).over).toBe(false);
  });

  it("an answer after a wait is asked for again at once, and is a sign of life", async () => {
    const f = await waiting({ heartbeatMs: 20_000 });
    for (let n = 0; n < 4; n++) {
      await f.clock.advance(18_000);
      answer(poll(f), `${LOBBY}=k%3A0%7Er1`);
      await f.clock.flush();
      expect(poll(f).over).toBe(false);
    }
    expect(f.net.open("messages").map(({ path }) => path)).toEqual(["messages/wait?timeoutMs=18000"]);
  });

  it("failures are tried again soon; three in a row end the link", async () => {
    const f = await waiting();
    poll(f).fail();
    await f.clock.flush();
    expect(poll(f).path).toBe("messages/wait?timeoutMs=0");
    poll(f).answer("<html>", 502);
    await f.clock.advance(250);
    poll(f).fail();
    await f.clock.flush();
    expect(f.client.status).toBe("waiting");
    expect(f.told).toContainEqual(["disconnected", expect.objectContaining({ code: 1006 })]);
    expect(f.net.open()).toEqual([]);
  });

  it("waiting requests that are cut every time end the link, though short ones are answered", async () => {
    const f = await waiting();
    for (let n = 0; n < 3; n++) {
      await f.clock.advance(5_000);
      poll(f).fail();
      await f.clock.advance(250);
      if (n === 2) break;
      expect(poll(f).path).toBe("messages/wait?timeoutMs=0");
      answer(poll(f), `${LOBBY}=k%3A0%7Er1`);
      await f.clock.advance(100);
    }
    expect(f.told).toContainEqual(["disconnected", expect.objectContaining({ code: 1002 })]);
  });

  it("a poll that is not answered in its time and 10 s more has failed", async () => {
    const f = await waiting();
    const first = poll(f);
    await f.clock.advance(27_899);
    expect(first.aborted).toBe(false);
    await f.clock.advance(1);
    expect(first.aborted).toBe(true);
    expect(poll(f).over).toBe(false);
  });

  it.each([
    [401, { error: { code: "token_expired", message: "no" } }, "closed"],
    [429, { error: { code: "rate_limited", message: "no", retryable: true } }, "waiting"],
  ])("CON-5: a poll refused with %i %j leaves the client %s", async (status, body, becomes) => {
    const f = await waiting();
    poll(f).answer(body, status);
    await f.clock.flush();
    expect(f.client.status).toBe(becomes);
    expect(f.net.open()).toEqual([]);
  });

  it("before welcome it fails at once", async () => {
    const f = await long();
    poll(f).fail();
    await f.clock.flush();
    expect(f.client.status).toBe("waiting");
  });

  it("HTTP-15: `closed` is how it ends", async () => {
    const f = await waiting();
    answer(poll(f), "", [{ type: "closed", payload: { code: 4403, reason: "banned" } }]);
    await f.clock.flush();
    expect(f.client.status).toBe("closed");
    expect(f.told.at(-1)).toMatchObject(["error", { code: "access_denied" }]);
    expect(f.clock.pendingTimers).toBe(0);
  });

  it("AUTH-2: a refresh is a poll with the new token; refused, it changes nothing", async () => {
    let n = 0;
    const f = await polling({ transports: ["long-polling"], token: () => `t${++n}` });
    answer(poll(f), `${LOBBY}=k%3A0%7Er1`, [], { expiresAt: f.clock.now() + 120_000 });
    await f.clock.flush();
    await answerPosts(f);
    for (let at = 0; at < 3; at++) {
      await f.clock.advance(20_100);
      if (at < 2) {
        answer(poll(f), `${LOBBY}=k%3A0%7Er1`);
        await f.clock.advance(200);
      }
    }
    expect(poll(f)).toMatchObject({ token: "t2", path: "messages/wait?timeoutMs=0" });
    expect(readOf(poll(f))).toMatchObject({ cursor: `${LOBBY}=k%3A0%7Er1`, welcome: true });
    poll(f).answer({ error: { code: "unauthenticated", message: "no" } }, 401);
    await f.clock.flush();
    expect(f.told.at(-1)).toMatchObject(["error", { code: "unauthenticated" }]);
    expect(poll(f)).toMatchObject({ token: "t1", path: "messages/wait?timeoutMs=18000" });
    await f.clock.advance(15_000);
    answer(poll(f), `${LOBBY}=k%3A0%7Er1`);
    await f.clock.advance(15_000);
    expect(poll(f).token).toBe("t3");
    answer(poll(f), `${LOBBY}=k%3A0%7Er1`, [], { expiresAt: f.clock.now() + 120_000 });
    await f.clock.advance(100);
    expect(poll(f).token).toBe("t3");
    expect(f.client.status).toBe("connected");
    expect(f.heard.filter((type) => type === "welcome")).toHaveLength(1);
  });

  it("close() ends every request and leaves no timer", async () => {
    const f = await waiting();
    f.client.join("lobby").send("send_message", { n: 1 });
    await f.clock.flush();
    f.client.close();
    await f.clock.flush();
    expect(f.net.open()).toEqual([]);
    expect(f.clock.pendingTimers).toBe(0);
  });
});

describe("short polling", () => {
  const short = (options: ClientOptions = {}): Promise<HttpFixture> => polling({ transports: ["polling"], ...options });

  it("asks every pollIntervalMs, and at once after a send or a join", async () => {
    const f = await short({ pollIntervalMs: 5_000 });
    answer(poll(f), `${LOBBY}=k%3A0%7Er1`);
    await f.clock.flush();
    await answerPosts(f);
    // the first ping was posted
    answer(poll(f), `${LOBBY}=k%3A0%7Er1`);
    await f.clock.advance(4_999);
    expect(f.net.open()).toEqual([]);
    await f.clock.advance(1);
    expect(poll(f).path).toBe("messages/wait?timeoutMs=0");
    answer(poll(f), `${LOBBY}=k%3A1%7Er1`, [eventOf("chat:lobby", 1)]);
    await f.clock.flush();
    expect(f.net.open()).toEqual([]);
    const message = f.client.join("lobby").send("send_message", { n: 1 });
    await f.clock.flush();
    await answerPosts(f);
    expect(message.state).toBe("acked");
    answer(poll(f), `${LOBBY}=k%3A2%7Er1`, [eventOf("chat:lobby", 2)]);
    await f.clock.flush();
    f.client.join("other");
    await f.settle();
    expect(readOf(poll(f)).messages).toHaveLength(1);
    answer(poll(f), `${LOBBY}=k%3A2%7Er1&chat%3Aother=k%3A0%7Er1`);
    await f.clock.flush();
    expect(f.client.join("lobby").seq).toBe(2);
    f.client.close();
    expect(f.clock.pendingTimers).toBe(0);
  });

  it("asks every 2 s unless told otherwise", async () => {
    const f = await short();
    answer(poll(f), `${LOBBY}=k%3A0%7Er1`);
    await f.clock.flush();
    await answerPosts(f);
    answer(poll(f), `${LOBBY}=k%3A0%7Er1`);
    await f.clock.advance(1_999);
    expect(f.net.open()).toEqual([]);
    await f.clock.advance(1);
    expect(poll(f).over).toBe(false);
  });
});

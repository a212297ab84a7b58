import { describe, expect, it } from "vitest";
import type { Envelope } from "../../protocol/envelope.ts";
import type { ClientOptions } from "../options.ts";
import type { FakeRequest } from "./fake-fetch.test-support.ts";
import { apiUrl } from "./http.ts";
import {
  ackAll,
  ackOf,
  createHttpFixture,
  type HttpFixture,
  joinedOf,
  namesOf,
  readOf,
  refusalOf,
  sentOf,
} from "./http-fixture.test-support.ts";

/** A client that is connected by SSE, with everything it said at first answered. */
async function connected(options: ClientOptions = {}): Promise<HttpFixture & { stream: FakeRequest }> {
  const f = await createHttpFixture({
    transports: ["sse"],
    token: "t",
    ackTimeoutMs: 1e6,
    heartbeatMs: 1e9,
    ...options,
  });
  f.client.join("lobby");
  f.client.join("other");
  const stream = await f.welcome({ heartbeatMs: 1e7 });
  for (const message of readOf(stream).messages) for (const envelope of joinedOf(message, "k:0")) stream.say(envelope);
  ackAll(f.net.one("messages"));
  await f.clock.flush();
  return { ...f, stream };
}

const idsOf = (request: FakeRequest): (string | undefined)[] => sentOf(request).map(({ messageId }) => messageId);

/** Refuses the messages of a room, and acks the others. */
function refuseRoom(request: FakeRequest, roomId: string, error: object): void {
  request.answer(
    sentOf(request).map(({ messageId, payload }) =>
      (payload as { roomId?: string }).roomId === roomId ? refusalOf(messageId, error) : ackOf(messageId),
    ),
  );
}

describe("the address", () => {
  it.each([
    ["ws://a.test/ws", "http://a.test/api/x"],
    ["wss://a.test:81/", "https://a.test:81/api/x"],
    ["https://a.test", "https://a.test/api/x"],
    ["wss://a.test/realtime/ws", "https://a.test/realtime/api/x"],
    ["wss://a.test/realtime/", "https://a.test/realtime/api/x"],
    ["wss://a.test/realtime", "https://a.test/realtime/api/x"],
    ["wss://a.test/ws?ticket=1#a", "https://a.test/api/x"],
  ])("of %s is %s", (url, api) => expect(apiUrl(url, "x")).toBe(api));
});

describe("what is POSTed", () => {
  it("HTTP-13: is in order, with one POST on its way", async () => {
    const f = await connected();
    const room = f.client.join("lobby");
    const acked: unknown[] = [];
    for (let n = 1; n <= 3; n++) {
      void room.send("send_message", { n }).ack.then(({ seq }) => acked.push(seq));
      await f.clock.flush();
    }
    const first = f.net.one("messages");
    expect(namesOf(sentOf(first))).toEqual(["send_message 1"]);
    first.answer([ackOf(idsOf(first)[0], { seq: 1 })]);
    await f.clock.flush();
    const second = f.net.one("messages");
    expect(namesOf(sentOf(second))).toEqual(["send_message 2", "send_message 3"]);
    second.answer(idsOf(second).map((id, index) => ackOf(id, { seq: 2 + index })));
    await f.clock.flush();
    expect(acked).toEqual([1, 2, 3]);
    expect(f.net.open("messages")).toEqual([]);
  });

  it("is at most 256 messages at once, and not many large ones", async () => {
    const f = await connected();
    const room = f.client.join("lobby");
    for (let n = 1; n <= 300; n++) room.send("send_message", { n });
    await f.clock.flush();
    expect(sentOf(f.net.one("messages"))).toHaveLength(256);
    ackAll(f.net.one("messages"));
    await f.clock.flush();
    expect(sentOf(f.net.one("messages"))).toHaveLength(44);
    ackAll(f.net.one("messages"));
    await f.clock.flush();
    for (let n = 1; n <= 10; n++) room.send("send_message", { n, text: "x".repeat(50_000) });
    await f.clock.flush();
    expect(sentOf(f.net.one("messages"))).toHaveLength(5);
  });

  it("JOIN-2: waits for the join of its room, so that it is among what follows; other rooms go on", async () => {
    const f = await connected();
    const room = f.client.join("new");
    room.send("send_message", { n: 1 });
    f.client.join("lobby").send("send_message", { n: 2 });
    await f.settle();
    expect(namesOf(sentOf(f.net.one("messages")))).toEqual(["send_message 2"]);
    ackAll(f.net.one("messages"));
    const stream = await f.welcome({ heartbeatMs: 1e7 });
    expect(f.net.open("messages")).toEqual([]);
    for (const envelope of joinedOf(readOf(stream).messages[0]!, "k:0")) stream.say(envelope);
    await f.clock.flush();
    expect(namesOf(sentOf(f.net.one("messages")))).toEqual(["send_message 1"]);
  });

  it("does not wait for a join that was refused", async () => {
    const f = await connected();
    const room = f.client.join("new");
    room.send("send_message", { n: 1 });
    const stream = await f.welcome({ heartbeatMs: 1e7 });
    stream.say(refusalOf(readOf(stream).messages[0]!.messageId, { code: "unavailable", retryable: true }));
    await f.clock.flush();
    expect(namesOf(sentOf(f.net.one("messages")))).toEqual(["send_message 1"]);
    ackAll(f.net.one("messages"));
    await f.clock.flush();
    expect(room.outbox).toEqual([]);
  });

  it("volatile messages give way to a backlog", async () => {
    const f = await connected();
    const room = f.client.join("lobby");
    expect(room.volatile("move", { n: 0 })).toBe(true);
    for (let n = 1; n <= 2; n++) room.send("send_message", { n, text: "x".repeat(50_000) });
    expect(room.volatile("move", { n: 3 })).toBe(false);
    for (let n = 0; n < 2; n++) {
      await f.clock.flush();
      for (const post of f.net.open("messages")) ackAll(post);
    }
    await f.clock.flush();
    expect(room.volatile("move", { n: 4 })).toBe(true);
  });

  it.each([
    ["fails", (post: FakeRequest) => post.fail()],
    ["is answered by something else", (post: FakeRequest) => post.answer("<html>")],
    ["is answered by a proxy", (post: FakeRequest) => post.answer("<html>", 502)],
    ["has too few answers", (post: FakeRequest) => post.answer([])],
  ])("ACK-3: goes again from its first message when it %s", async (_how, go) => {
    const f = await connected();
    const room = f.client.join("lobby");
    room.send("send_message", { n: 1 });
    await f.clock.flush();
    const first = f.net.one("messages");
    room.send("send_message", { n: 2 });
    go(first);
    await f.clock.advance(0);
    const second = f.net.one("messages");
    expect(idsOf(second)[0]).toBe(idsOf(first)[0]);
    expect(namesOf(sentOf(second))).toEqual(["send_message 1", "send_message 2"]);
    go(second);
    await f.clock.advance(499);
    expect(f.net.open("messages")).toEqual([]);
    await f.clock.advance(1);
    const third = f.net.one("messages");
    expect(third.body).toEqual(second.body);
    ackAll(third);
    await f.clock.flush();
    expect(room.outbox).toEqual([]);
  });

  it("is given up after 10 s without an answer, and goes again", async () => {
    const f = await connected();
    f.client.join("lobby").send("send_message", { n: 1 });
    await f.clock.flush();
    const first = f.net.one("messages");
    await f.clock.advance(10_000);
    expect(first.aborted).toBe(true);
    expect(f.net.one("messages").body).toEqual(first.body);
  });

  it("three failures in a row end the link; the next one sends the same from the first", async () => {
    const f = await connected();
    const room = f.client.join("lobby");
    for (let n = 1; n <= 2; n++) room.send("send_message", { n });
    await f.clock.flush();
    const ids = idsOf(f.net.one("messages"));
    for (let n = 0; n < 3; n++) {
      f.net.one("messages").fail();
      await f.clock.advance(500);
    }
    expect(f.told).toContainEqual(["disconnected", expect.objectContaining({ code: 1006, willReconnect: true })]);
    expect(f.stream.aborted).toBe(true);
    await f.clock.advance(1_000);
    const stream = await f.welcome();
    for (const join of readOf(stream).messages) for (const envelope of joinedOf(join, "k:0")) stream.say(envelope);
    ackAll(f.net.one("messages"));
    await f.clock.flush();
    expect(idsOf(f.net.one("messages"))).toEqual(ids);
  });

  it("without a messageId goes at most once", async () => {
    const f = await connected();
    const room = f.client.join("lobby");
    room.volatile("move", { n: 0 });
    room.send("send_message", { n: 1 });
    await f.clock.flush();
    expect(namesOf(sentOf(f.net.one("messages")))).toEqual(["move 0", "send_message 1"]);
    f.net.one("messages").fail();
    await f.clock.advance(0);
    expect(namesOf(sentOf(f.net.one("messages")))).toEqual(["send_message 1"]);
  });

  it("what the outbox repeats while it is on its way is not sent twice", async () => {
    const f = await connected({ ackTimeoutMs: 1_000 });
    const room = f.client.join("lobby");
    for (let n = 1; n <= 2; n++) {
      room.send("send_message", { n });
      await f.clock.flush();
    }
    await f.clock.advance(1_000);
    ackAll(f.net.one("messages"));
    await f.clock.flush();
    expect(namesOf(sentOf(f.net.one("messages")))).toEqual(["send_message 2"]);
  });

  it("ACK-5: after a retryable refusal nothing of the room overtakes it, and the others go on", async () => {
    const f = await connected();
    const room = f.client.join("lobby");
    for (let n = 1; n <= 2; n++) room.send("send_message", { n });
    await f.clock.flush();
    const first = f.net.one("messages");
    room.send("send_message", { n: 3 });
    f.client.join("other").send("send_message", { n: 9 });
    refuseRoom(first, "chat:lobby", { code: "unavailable", retryable: true, retryAfterMs: 700 });
    await f.clock.flush();
    expect(namesOf(sentOf(f.net.one("messages")))).toEqual(["send_message 9"]);
    ackAll(f.net.one("messages"));
    await f.clock.advance(699);
    expect(f.net.open("messages")).toEqual([]);
    const got: string[] = [];
    await f.clock.advance(1);
    for (let n = 0; n < 4; n++) {
      for (const post of f.net.open("messages")) {
        got.push(...namesOf(sentOf(post)));
        ackAll(post);
      }
      await f.clock.flush();
    }
    expect(got).toEqual(["send_message 1", "send_message 2", "send_message 3"]);
    expect(room.outbox).toEqual([]);
  });

  it.each([
    [429, { code: "rate_limited", message: "slowly", retryable: true, retryAfterMs: 3_000 }],
    [503, { code: "unavailable", message: "no", retryable: true, retryAfterMs: 3_000 }],
  ])("a whole POST refused with %i pauses every room, in order", async (status, error) => {
    const f = await connected();
    const room = f.client.join("lobby");
    room.send("send_message", { n: 1 });
    await f.clock.flush();
    room.send("send_message", { n: 2 });
    f.client.join("other").send("send_message", { n: 9 });
    f.net.one("messages").answer({ error }, status);
    await f.clock.advance(2_999);
    expect(f.net.open("messages")).toEqual([]);
    await f.clock.advance(1);
    expect(namesOf(sentOf(f.net.one("messages")))).toEqual(["send_message 1"]);
    ackAll(f.net.one("messages"));
    await f.clock.flush();
    expect(namesOf(sentOf(f.net.one("messages")))).toEqual(["send_message 9", "send_message 2"]);
    expect(f.client.status).toBe("connected");
  });

  it("one that is refused for itself does not take the others with it", async () => {
    const f = await connected();
    const room = f.client.join("lobby");
    const messages = [1, 2, 3, 4, 5].map((n) => room.send("send_message", { n }));
    await f.clock.flush();
    for (let n = 0; n < 12; n++) {
      for (const post of f.net.open("messages")) {
        const isBad = sentOf(post).some(({ payload }) => (payload as { n?: number }).n === 3);
        if (isBad) post.answer({ error: { code: "payload_too_large", message: "too large", retryable: false } }, 413);
        else ackAll(post);
      }
      await f.clock.flush();
    }
    expect(messages.map(({ state }) => state)).toEqual(["acked", "acked", "failed", "acked", "acked"]);
    expect(messages[2]?.error?.code).toBe("payload_too_large");
  });

  it.each([
    [401, "unauthenticated"],
    [401, "token_expired"],
    [403, "access_denied"],
  ])("refused with %i %s ends the connection for good", async (status, code) => {
    const f = await connected();
    const message = f.client.join("lobby").send("send_message", { n: 1 });
    await f.clock.flush();
    f.net.one("messages").answer({ error: { code, message: "no", retryable: false } }, status);
    await f.clock.flush();
    expect(f.client.status).toBe("closed");
    expect(message.state).toBe("queued");
    expect(f.clock.pendingTimers).toBe(0);
  });

  it("HB-2: a ping is POSTed and answered", async () => {
    const f = await connected({ heartbeatMs: 10_000 });
    await f.clock.advance(10_000);
    const post = f.net.one("messages");
    expect((sentOf(post)[0] as Envelope).type).toBe("ping");
    await f.clock.advance(42);
    ackAll(post);
    await f.clock.flush();
    expect(f.client.latencyMs).toBe(42);
  });
});

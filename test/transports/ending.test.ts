import { Agent } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { Envelope } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { until } from "../harness.ts";
import { DRIVERS, HTTP_DRIVERS } from "./drivers.ts";
import { EventFrames } from "./event-frames.ts";
import { type Claims, range, Stage } from "./stage.ts";

const ROOM = "chat:room";

describe("what the server ends", () => {
  let stage: Stage;
  const begin = async (options: ServerOptions = {}) => {
    stage = await Stage.start(options);
  };
  afterEach(() => stage?.end());

  it.each(DRIVERS)(
    "[case 10] HTTP-15: one who is kicked leaves the room over %s, and nothing comes after",
    async (name) => {
      await begin();
      const ada = await stage.open(name, "ada");
      const ben = await stage.open(name, "ben");
      for (const driver of [ada, ben]) {
        await driver.join("room");
        await driver.join("other");
      }
      await stage.fill(1);
      await until(() => ada.seqs(ROOM).length === 1);
      await stage.server.room("room").kick("ada");
      expect((await ada.next("left_room")).payload).toMatchObject({ roomId: ROOM, reason: "kicked" });
      await stage.fill(3);
      await stage.fill(1, 0, "other");
      await until(() => ben.seqs(ROOM).length === 4 && ada.seqs("chat:other").length === 1);
      expect(ada.seqs(ROOM)).toEqual([1]);
      expect((await stage.server.room("room").members()).users.map(({ userId }) => userId)).toEqual(["ben"]);
    },
  );

  describe("asked for by GET", () => {
    const get = (path: string, user = "ada", claims?: Claims) =>
      stage.token(user, claims).then((token) => stage.ask(path, { token }));
    const readers = (count: number) => until(async () => (await stage.metric("readers")) === count);

    it("[case 4] HTTP-15: a hanging poll whose token expires is answered with the error, a stream with closed", async () => {
      const clock = createFakeClock();
      await begin({ clock });
      const ada = { expiresInMs: 30_000 };
      const poll = get("/api/messages/wait?roomId=room&timeoutMs=60000", "ada", ada);
      const stream = get("/api/events?roomId=room", "ada", ada);
      const other = get("/api/messages/wait?roomId=room&timeoutMs=60000", "ben");
      await readers(3);
      await clock.advance(35_000);
      expect(await poll).toMatchObject({ status: 401, body: { error: { code: "unauthenticated" } } });
      const [last] = new EventFrames().read((await stream).text).slice(-1);
      expect(last).toMatchObject({ event: "closed", id: null });
      expect(JSON.parse(last!.data)).toMatchObject({ type: "closed", payload: { code: 4401 } });
      await clock.advance(30_000);
      expect(await other).toMatchObject({ status: 200, body: { messages: [] } });
    });

    it("HTTP-15: one who is kicked is told by a hanging poll and a stream, and gets nothing after", async () => {
      await begin();
      const poll = get("/api/messages/wait?roomId=room&roomId=other&timeoutMs=60000");
      const stream = get("/api/events?roomId=room");
      const ben = get("/api/messages/wait?roomId=room&timeoutMs=60000", "ben");
      await readers(4);
      await stage.server.room("room").kick("ada");
      await stage.fill(1);
      expect(await poll).toMatchObject({ status: 403, body: { error: { code: "access_denied" } } });
      const told = new EventFrames().read((await stream).text).map(({ data }) => JSON.parse(data) as Envelope);
      expect(told.find(({ type }) => type === "left_room")).toMatchObject({
        payload: { roomId: ROOM, reason: "kicked" },
      });
      expect(told.at(-1)).toMatchObject({ type: "closed", payload: { code: 4403 } });
      expect(told.filter(({ seq }) => seq !== undefined)).toEqual([]);
      expect(await ben).toMatchObject({ status: 200, body: { messages: [{ seq: 1 }] } });
    });
  });

  it.each(HTTP_DRIVERS)("CLS-1, HTTP-16: %s is told to come back, and ends cleanly", async (name) => {
    await begin();
    const ada = await stage.open(name, "ada");
    await ada.join("room");
    await stage.fill(1);
    await until(() => ada.seqs().length === 1);
    if (name !== "polling") await until(async () => (await stage.metric("readers")) === 1);
    const startedAt = performance.now();
    await stage.server.close();
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    const ending = await ada.end();
    if (name !== "polling") {
      expect(ending.code).toBe(1012);
      expect(ada.received.find(({ type }) => type === "server_closing")?.payload).toMatchObject({
        reconnectInMs: expect.any(Number),
      });
    }
  });

  it("ACK-2, HTTP-16: what a closing server took it answers, and what it acked is in the log", async () => {
    // It stays readable when the server is gone.
    const log = Object.assign(createFaultyLog(createMemoryLog()), { close: async () => {} });
    await begin({ log });
    log.hangAppends();
    const sends = range(1, 5).map((index) =>
      stage.ask("/api/messages", {
        user: "ada",
        body: { type: "send_message", payload: { roomId: "room", content: `${index}` }, messageId: `m-${index}` },
      }),
    );
    await until(() => log.hanging > 0);
    const closing = stage.server.close();
    log.release();
    const answers = await Promise.all(sends.map((send) => send.catch(() => null)));
    await closing;
    const acked = answers
      .map(
        (answer) => (answer?.body as Envelope | undefined)?.payload as { success?: boolean; seq?: number } | undefined,
      )
      .filter((ack) => ack?.success);
    expect(acked.length).toBeGreaterThan(0);
    const { events } = await log.read(ROOM, 0, 100);
    for (const ack of acked) expect(events.some(({ seq }) => seq === ack?.seq)).toBe(true);
  });

  it("HTTP-5, LIM-1 connectionsPerIp: streams and hanging polls count, and give their place back", async () => {
    await begin({ limits: { connectionsPerIp: 2 } });
    for (let round = 0; round < 3; round++) {
      const sse = await stage.open("sse", "ada");
      await sse.join("room");
      const tab = await stage.open("websocket", "ada");
      const refused = await stage.ask("/api/events?roomId=room", { user: "ada" });
      expect([refused.status, refused.body]).toEqual([
        429,
        { error: expect.objectContaining({ code: "too_many_connections", retryable: true }) },
      ]);
      sse.close();
      tab.close();
      await until(() => stage.server.connections === 0);
    }
  });

  it.each(HTTP_DRIVERS)("ERR-2, HTTP-14: %s that goes away without a word leaves nothing behind", async (name) => {
    await begin();
    for (let round = 0; round < 10; round++) {
      const driver = await stage.open(name, `user-${round}`);
      await driver.join("room");
      driver.close();
    }
    await until(async () => stage.server.connections === 0 && (await stage.metric("readers")) === 0);
  });

  it("HTTP-1: a thousand requests over one socket", async () => {
    await begin();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const token = await stage.token("ada");
      const send = (index: number) =>
        stage.ask("/api/messages", { agent, token, body: { type: "ping", payload: index, messageId: `p-${index}` } });
      const answers = await Promise.all(range(1, 1_000).map(send));
      expect(answers.every(({ status }) => status === 200)).toBe(true);
    } finally {
      agent.destroy();
    }
  });
});

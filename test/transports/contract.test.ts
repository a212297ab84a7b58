import { afterEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { until } from "../harness.ts";
import { DRIVERS, type Driver, Refused } from "./drivers.ts";
import { bufferBytes, range, Stage } from "./stage.ts";

const ROOM = "chat:room";

/** What a send was refused with, by an ack or by the transport. */
async function refusal(send: Promise<{ success: boolean; error?: { code: string } }>): Promise<string | undefined> {
  try {
    return (await send).error?.code;
  } catch (error) {
    if (error instanceof Refused) return error.code;
    throw error;
  }
}

describe.each(DRIVERS)("over %s", (name) => {
  let stage: Stage;
  const begin = async (options: ServerOptions = {}) => {
    stage = await Stage.start(options);
  };
  afterEach(() => stage?.end());

  const enter = async (user: string, roomId = "room") => {
    const driver = await stage.open(name, user);
    expect((await driver.join(roomId)).ack).toMatchObject({ success: true });
    return driver;
  };
  const say = (driver: Driver, content = "hello", messageId?: string) =>
    driver.send("send_message", { roomId: "room", content }, messageId);

  it("JOIN-1, JOIN-2, HTTP-10: joins at the head, before it, or after a cursor, and goes on live", async () => {
    await begin();
    await stage.fill(10);
    const head = await stage.open(name, "ada");
    expect(await head.join("room")).toMatchObject({
      ack: { success: true },
      joined: { roomId: ROOM, head: 10, cursor: await stage.cursor(10) },
    });
    const limited = await stage.open(name, "ben");
    expect((await limited.join("room", { limit: 3 })).joined).toMatchObject({ cursor: await stage.cursor(7) });
    const after = await stage.open(name, "cy");
    const cursor = await stage.cursor(4);
    expect((await after.join("room", { after: cursor })).joined).toMatchObject({ recovered: true, cursor });
    const number = await stage.open(name, "dee");
    await number.join("room", { after: 0 });
    await stage.fill(3);
    for (const driver of [head, limited, after, number]) await driver.next(({ seq }) => seq === 13);
    expect(head.seqs()).toEqual(range(11, 13));
    expect(limited.seqs()).toEqual(range(8, 13));
    expect(after.seqs()).toEqual(range(5, 13));
    expect(number.seqs()).toEqual(range(1, 13));
    const told = number.told();
    expect(told[0]).toBe("welcome");
    expect(told.filter((type) => type === "joined_room" || type === "ack" || type === "room_users")).toEqual([
      "joined_room",
      "ack",
      "room_users",
    ]);
  });

  it("ENV-2: an event has type, payload, timestamp, roomId, seq, and its sender's messageId", async () => {
    await begin();
    const ada = await enter("ada");
    await say(ada, "hello", "m-1");
    const event = await ada.next("new_message");
    expect(event).toMatchObject({
      payload: { userId: "ada", content: "hello" },
      roomId: ROOM,
      seq: 1,
      messageId: "m-1",
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
  });

  it("CON-4: welcome says who one is and what is allowed", async () => {
    await begin({ limits: { messageBytes: 12_345, roomsPerConnection: 7 } });
    const ada = await stage.open(name, "ada");
    expect(ada.received[0]).toMatchObject({
      type: "welcome",
      payload: {
        connectionId: expect.any(String),
        user: { id: "ada", name: "ada" },
        guest: false,
        protocol: "v1",
        heartbeatMs: 20_000,
        limits: { messageBytes: 12_345, rooms: 7 },
        expiresAt: expect.any(Number),
      },
    });
  });

  it("RES-1: comes back with its cursor, and gets what it missed, once and in order", async () => {
    await begin({ limits: { tailEvents: 8 } });
    const got: (number | undefined)[] = [];
    for (let round = 0; round < 6; round++) {
      const driver = await stage.open(name, "ada");
      const after = await stage.cursor(got.length);
      expect((await driver.join("room", { after })).joined).toMatchObject({ recovered: true, cursor: after });
      await stage.fill(5);
      await driver.next(({ seq }) => seq === round * 25 + 5);
      driver.close();
      got.push(...driver.seqs());
      await stage.fill(20);
    }
    expect(got).toEqual(range(1, 130));
  });

  it("RES-1: several rooms at once, joined one after the other, each with its own order", async () => {
    await begin();
    const ada = await stage.open(name, "ada");
    for (const roomId of ["a", "b", "c"]) {
      await stage.fill(2, 0, roomId);
      await ada.join(roomId, { after: 0 });
    }
    for (const roomId of ["c", "a", "b"]) await stage.fill(3, 0, roomId);
    for (const roomId of ["chat:a", "chat:b", "chat:c"]) {
      await until(() => ada.seqs(roomId).length === 5);
      expect(ada.seqs(roomId)).toEqual(range(1, 5));
    }
  });

  it("RES-2: what retention removed is told, with its range, before any event", async () => {
    const clock = createFakeClock();
    await begin({ clock, retention: { maxEvents: 10 } });
    await stage.fill(30);
    await until(async () => {
      await clock.advance(1_000);
      return (await stage.server.room("room").history(0, 1))[0]?.seq === 21;
    });
    await clock.advance(1_000);
    const ada = await stage.open(name, "ada");
    const { joined } = await ada.join("room", { after: await stage.cursor(5) });
    expect(joined).toMatchObject({ recovered: false, cursor: await stage.cursor(20), head: 30 });
    await ada.next(({ seq }) => seq === 30);
    const at = ada.received.findIndex(({ type }) => type === "history_lost");
    expect(ada.received[at]?.payload).toEqual({
      roomId: ROOM,
      reason: "retention",
      from: 6,
      to: 20,
      cursor: await stage.cursor(20),
    });
    expect(at).toBeLessThan(ada.received.findIndex(({ seq }) => seq === 21));
    expect(ada.seqs()).toEqual(range(21, 30));
    expect(ada.told().filter((type) => type === "history_lost")).toHaveLength(1);
  });

  it("RES-2: another epoch is told, and everything there is follows", async () => {
    await begin();
    await stage.fill(3);
    const ada = await stage.open(name, "ada");
    const { joined } = await ada.join("room", { after: "another-epoch:2" });
    expect(joined).toMatchObject({ recovered: false, cursor: await stage.cursor(0) });
    const lost = await ada.next("history_lost");
    expect(lost.payload).toEqual({
      roomId: ROOM,
      reason: "epoch",
      from: null,
      to: null,
      cursor: await stage.cursor(0),
    });
    await ada.next(({ seq }) => seq === 3);
    expect(ada.seqs()).toEqual([1, 2, 3]);
  });

  it("RES-2: a cursor beyond the head is told, and delivery goes on at the head", async () => {
    await begin();
    await stage.fill(3);
    const ada = await stage.open(name, "ada");
    const { joined } = await ada.join("room", { after: await stage.cursor(9) });
    expect(joined).toMatchObject({ recovered: false, cursor: await stage.cursor(3) });
    expect((await ada.next("history_lost")).payload).toMatchObject({ reason: "epoch", from: null, to: null });
    await stage.fill(2);
    await ada.next(({ seq }) => seq === 5);
    expect(ada.seqs()).toEqual([4, 5]);
  });

  it("RES-3: a reader that retention overtook is told what it lost, and goes on", { timeout: 60_000 }, async () => {
    const clock = createFakeClock();
    await begin({ clock, retention: { maxEvents: 20 }, limits: { tailEvents: 8 } });
    const slow = await enter("slow");
    await stage.fill(3);
    await slow.next(({ seq }) => seq === 3);
    slow.pause();
    await stage.fill(400, 50_000);
    await until(async () => {
      await clock.advance(1_000);
      return (await stage.server.room("room").history(0, 1))[0]?.seq === 384;
    });
    await clock.advance(1_000);
    slow.resume();
    await slow.next(({ seq }) => seq === 403, 30_000);
    let [last, lost] = [0, 0];
    for (const { type, seq, payload } of slow.received) {
      if (type === "history_lost") {
        const { reason, from, to, cursor } = payload as { reason: string; from: number; to: number; cursor: string };
        expect([reason, from]).toEqual(["retention", last + 1]);
        expect(cursor.endsWith(`:${to}`)).toBe(true);
        last = to;
        lost++;
      } else if (seq !== undefined) expect(seq).toBe(++last);
    }
    expect([last, lost > 0]).toEqual([403, true]);
    await stage.fill(1);
    await slow.next(({ seq }) => seq === 404);
  });

  it("[case 44] RES-5: one that does not read costs a bounded amount and then gets all; nobody else notices", {
    timeout: 60_000,
  }, async () => {
    await begin({ limits: { tailEvents: 8 } });
    const slow = await enter("slow");
    const quick = await enter("quick");
    slow.pause();
    const before = bufferBytes();
    const text = "x".repeat(50_000);
    let slowest = 0;
    for (let index = 1; index <= 1_000; index++) {
      const startedAt = performance.now();
      await stage.server.room("room").publish("noted", { text });
      if (index % 20 !== 0) continue;
      await quick.next(({ seq }) => seq === index);
      slowest = Math.max(slowest, performance.now() - startedAt);
      quick.rewind();
    }
    if (name === "websocket" || name === "msgpack" || name === "sse") {
      expect(await stage.metric("readers_stalled")).toBe(1);
    }
    // Of 50 MB. What nobody holds is not given back at once.
    await until(() => bufferBytes() - before < 12 * 1024 * 1024);
    expect(slowest).toBeLessThan(2_000);
    slow.resume();
    await slow.next(({ seq }) => seq === 1_000, 30_000);
    expect(slow.seqs()).toEqual(range(1, 1_000));
    await stage.fill(1);
    await slow.next(({ seq }) => seq === 1_001);
  });

  it("JOIN-4, AUTH-8, HTTP-1: a room that may not be read is refused, and the others go on", async () => {
    await begin({
      access: ({ roomId, right, user }) => roomId !== "chat:closed" || right !== "read" || user.id === "root",
    });
    await stage.fill(1, 0, "closed");
    const ada = await enter("ada");
    for (const roomId of ["closed", "user:ben", "feed:Not A Room", "nothing:here", "chat:../up"]) {
      const { ack, joined } = await ada.join(roomId, { after: 0 });
      expect([roomId, ack.success, joined]).toEqual([roomId, false, null]);
      const code = roomId === "closed" || roomId === "user:ben" ? "access_denied" : "invalid_message";
      expect(ack.error?.code).toBe(roomId === "nothing:here" ? "unknown_type" : code);
    }
    expect((await ada.join("room", { after: "x:y:z" })).ack.error?.code).toBe("invalid_message");
    const limited = await stage.open(name, "ben", {
      rooms: { "chat:room": ["read"], "chat:team-*": ["read", "write"] },
    });
    expect((await limited.join("other")).ack.error?.code).toBe("access_denied");
    expect((await limited.join("team-1")).ack.success).toBe(true);
    expect((await limited.join("room")).ack.success).toBe(true);
    expect(await refusal(say(limited))).toBe("access_denied");
    await stage.fill(1, 0, "team-1");
    await stage.fill(1);
    await limited.next(({ roomId, seq }) => roomId === ROOM && seq === 1);
    await until(() => limited.seqs("chat:team-1").length === 1);
    expect(limited.received.some(({ roomId }) => roomId === "chat:closed" || roomId === "chat:other")).toBe(false);
    expect(ada.received.filter(({ seq, roomId }) => seq !== undefined && roomId !== ROOM)).toEqual([]);
  });

  it("AUTH-6: the sender is who the token says", async () => {
    await begin();
    const ada = await enter("ada");
    await ada.send("send_message", { roomId: "room", content: "x", userId: "root" });
    expect((await ada.next("new_message")).payload).toMatchObject({ userId: "ada" });
  });

  it("ACK-2, ACK-3: an ack when it is durable; the same again is the same event", async () => {
    const log = createFaultyLog(createMemoryLog());
    await begin({ log });
    const ada = await enter("ada");
    log.hangAppends();
    let answered = false;
    const sending = say(ada, "once", "m-1").then((ack) => {
      answered = true;
      return ack;
    });
    await until(() => log.hanging === 1);
    expect(answered).toBe(false);
    log.release();
    const ack = await sending;
    expect(ack).toMatchObject({ success: true, seq: 1, savedId: await stage.cursor(1), duplicate: false });
    expect(await say(ada, "once", "m-1")).toEqual({ ...ack, duplicate: true });
    const ben = await enter("ben");
    expect(await say(ben, "another's", "m-1")).toMatchObject({ seq: 2, duplicate: false });
    await ada.next(({ seq }) => seq === 2);
    expect(ada.seqs()).toEqual([1, 2]);
  });

  it("ACK-4, HTTP-4: what is sent in one go has its seqs in order", async () => {
    await begin();
    const ada = await enter("ada");
    const messages = range(1, 200).map((index) => ({
      type: "send_message",
      payload: { roomId: "room", content: `${index}` },
      messageId: `m-${index}`,
    }));
    const acks = await ada.sendAll(messages);
    expect(acks.map(({ seq }) => seq)).toEqual(range(1, 200));
    await ada.next(({ seq }) => seq === 200);
    expect(ada.events().map(({ payload }) => (payload as { content: string }).content)).toEqual(
      range(1, 200).map((index) => `${index}`),
    );
  });

  it("ACK-5, HTTP-4: after a retryable refusal later ones to the same room are refused too, others are not", async () => {
    const log = createFaultyLog(createMemoryLog());
    await begin({ log });
    const ada = await enter("ada");
    await ada.join("other");
    log.failAppends(1);
    const message = (roomId: string, index: number) => ({
      type: "send_message",
      payload: { roomId, content: `${index}` },
      messageId: `${roomId}-${index}`,
    });
    const acks = await ada.sendAll([message("room", 1), message("room", 2), message("room", 3), message("other", 1)]);
    expect(acks.slice(0, 3).map(({ error }) => [error?.code, error?.retryable])).toEqual(
      range(1, 3).map(() => ["unavailable", true]),
    );
    expect(acks[3]).toMatchObject({ success: true });
    const again = await ada.sendAll([message("room", 1), message("room", 2), message("room", 3)]);
    expect(again.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it("ERR-1, ERR-2, HTTP-5: every wrong message has its typed refusal, and changes nothing", async () => {
    await begin();
    const ada = await enter("ada");
    expect(await refusal(ada.send("no_such_type", { roomId: "room" }))).toBe("unknown_type");
    expect(await refusal(ada.send("send_message", { roomId: "room", content: 7 }))).toBe("invalid_message");
    expect(await refusal(ada.send("send_message", { roomId: "chat:../../etc", content: "x" }))).toBe("invalid_message");
    expect(await refusal(ada.send("send_message", { roomId: "nothing:here", content: "x" }))).toBe("unknown_type");
    expect(await refusal(ada.send("bad type!", { roomId: "room" }))).toBe("invalid_message");
    expect(await refusal(say(ada, "x".repeat(4_001)))).toBe("invalid_message");
    expect(await say(ada)).toMatchObject({ success: true, seq: 1 });
  });

  it("LIM-1 messageBytes: one byte too many is 1009 or 413, and nothing happened", async () => {
    await begin({ limits: { messageBytes: 2_000 } });
    const ada = await enter("ada");
    const ben = await enter("ben");
    expect(await say(ada, "x".repeat(1_800))).toMatchObject({ success: true });
    const tooBig = say(ada, "x".repeat(2_000));
    if (name === "websocket" || name === "msgpack") {
      await expect(tooBig).rejects.toThrow("1009");
    } else {
      const refused = (await tooBig.catch((error: unknown) => error)) as Refused;
      expect([refused.answer?.status, refused.code]).toEqual([413, "payload_too_large"]);
    }
    expect(await say(ben)).toMatchObject({ success: true, seq: 2 });
  });

  it("LIM-1 roomsPerConnection: too_many_rooms, until one is left", async () => {
    await begin({ limits: { roomsPerConnection: 2 } });
    const ada = await enter("ada", "a");
    expect((await ada.join("b")).ack.success).toBe(true);
    expect((await ada.join("c")).ack.error).toMatchObject({ code: "too_many_rooms", retryable: false });
    await ada.leave("a");
    expect((await ada.join("c")).ack).toMatchObject({ success: true });
  });

  it("LIM-1 userMessagesPerSecond: rate_limited with retryAfterMs, then on; others are not limited", async () => {
    const clock = createFakeClock();
    await begin({ clock, limits: { userMessagesPerSecond: 5 } });
    const ada = await enter("ada");
    const ben = await enter("ben");
    await clock.advance(10_000);
    let refused: { code?: string; retryable?: boolean; retryAfterMs?: number } = {};
    let sent = 0;
    for (; sent < 12 && refused.code === undefined; sent++) {
      const answer = await say(ada, "hello", `m-${sent}`).catch((error: unknown) => {
        if (!(error instanceof Refused)) throw error;
        expect(error.answer.status).toBe(429);
        return error.answer.body as { error: typeof refused };
      });
      refused = answer.error ?? {};
    }
    expect(refused).toMatchObject({ code: "rate_limited", retryable: true, retryAfterMs: expect.any(Number) });
    expect(refused.retryAfterMs).toBeLessThanOrEqual(200);
    expect(sent).toBeGreaterThanOrEqual(10);
    expect(await say(ben)).toMatchObject({ success: true });
    await clock.advance(1_000);
    expect(await say(ada, "hello", `m-${sent - 1}`)).toMatchObject({ success: true });
  });

  it("AUTH-5, HTTP-1: a guest is the same guest again by its guestToken", async () => {
    // In development mode a program on this machine without a credential is always the same guest.
    await begin({ dev: false, guests: true });
    const guest = await stage.open(name);
    const {
      user,
      guest: isGuest,
      guestToken,
    } = guest.received[0]!.payload as {
      user: { id: string };
      guest: boolean;
      guestToken: string;
    };
    expect([isGuest, user.id]).toEqual([true, expect.stringMatching(/^guest-/)]);
    await guest.join("room");
    expect(await say(guest, "hello", "m-1")).toMatchObject({ success: true, seq: 1 });
    expect((await guest.next("new_message")).payload).toMatchObject({ userId: user.id });
    const message = { type: "send_message", payload: { roomId: "room", content: "hello" }, messageId: "m-1" };
    expect((await stage.ask("/api/messages", { body: message, token: guestToken })).body).toMatchObject({
      payload: { success: true, seq: 1, duplicate: true },
    });
    expect((await stage.ask("/api/messages", { body: { ...message } })).body).toMatchObject({
      payload: { success: true, seq: 2, duplicate: false },
    });
  });

  describe("state and members", () => {
    let clock: FakeClock;
    const open = async (options: ServerOptions = {}) => {
      clock = createFakeClock();
      await begin({ clock, ...options });
    };
    const members = async () => (await stage.server.room("room").members()).users.map(({ userId }) => userId).sort();

    it("STA-1, CHAT-3, HTTP-9: typing is seen, and its end, once each", async () => {
      await open();
      const ada = await enter("ada");
      const ben = await stage.open("websocket", "ben");
      await ben.join("room");
      await ben.send("typing_start", { roomId: "room" });
      expect(await ada.next("user_typing")).toMatchObject({ payload: { userId: "ben", typing: true }, roomId: ROOM });
      await ben.send("send_message", { roomId: "room", content: "x" });
      const typing = () => ada.received.filter(({ type }) => type === "user_typing");
      await until(() => typing().length === 2);
      expect(typing()[1]?.payload).toMatchObject({ userId: "ben", typing: false });
      await ben.send("send_message", { roomId: "room", content: "y" });
      await until(() => ada.seqs().length === 2);
      expect(typing()).toHaveLength(2);
    });

    it("CHAT-3, HTTP-14: one who is typing is seen by others, and it ends by itself", async () => {
      await open();
      const ada = await enter("ada");
      const ben = await stage.open("websocket", "ben");
      await ben.join("room");
      expect(await ada.send("typing_start", { roomId: "room" })).toMatchObject({ success: true });
      expect((await ben.next("user_typing")).payload).toMatchObject({ userId: "ada", typing: true });
      await clock.advance(7_000);
      expect((await ben.next("user_typing")).payload).toMatchObject({ userId: "ada", typing: false });
    });

    it("MEM-1, MEM-2, HTTP-14: a member while it is there and 10 s longer; leave_room ends it at once", async () => {
      await open();
      const ben = await stage.open("websocket", "ben");
      await ben.join("room");
      const ada = await enter("ada");
      const users = await ada.next("room_users");
      expect(users.payload).toMatchObject({ roomId: ROOM, count: 2 });
      expect((await ben.next("user_joined")).payload).toMatchObject({ userId: "ada" });
      const cy = await enter("cy");
      expect((await ada.next("user_joined")).payload).toMatchObject({ userId: "cy" });
      if (name === "websocket" || name === "msgpack") await cy.leave("room");
      else {
        // The server must know that its poll or stream is gone, or it is still there by that.
        cy.close();
        await until(async () => (await stage.metric("readers")) <= 2);
        const body = { type: "leave_room", payload: { roomId: "room" } };
        expect(await stage.ask("/api/messages", { body, user: "cy" })).toMatchObject({ status: 200 });
      }
      expect((await ada.next("user_left")).payload).toMatchObject({ userId: "cy" });
      expect(await members()).toEqual(["ada", "ben"]);
      ada.close();
      // What the server hears of a drop, it hears before it is asked the next thing.
      await until(async () => (await stage.metric("readers")) <= 1);
      await clock.advance(9_000);
      expect(await members()).toEqual(["ada", "ben"]);
      await clock.advance(3_000);
      await ben.next(({ type, payload }) => type === "user_left" && (payload as { userId: string }).userId === "ada");
      expect(await members()).toEqual(["ben"]);
    });

    it("MEM-2, HTTP-14: coming back within 10 s is not announced", async () => {
      await open();
      const ben = await stage.open("websocket", "ben");
      await ben.join("room");
      for (let round = 0; round < 3; round++) {
        const ada = await enter("ada");
        ada.close();
        await clock.advance(5_000);
      }
      await ben.send("ping", {});
      expect(ben.told().filter((type) => type === "user_joined" || type === "user_left")).toEqual(["user_joined"]);
    });

    it("JOIN-5: nothing of a room comes after it was left", async () => {
      await open();
      const ada = await enter("ada", "gone");
      await ada.join("room");
      await stage.fill(2, 0, "gone");
      await until(() => ada.seqs("chat:gone").length === 2);
      await ada.leave("gone");
      await stage.fill(3, 0, "gone");
      await stage.fill(1);
      await ada.next(({ roomId, seq }) => roomId === ROOM && seq === 1);
      expect(ada.seqs("chat:gone")).toEqual([1, 2]);
    });
  });

  it("AUTH-7, HTTP-15: an expired token ends it with 4401 within 5 s, and is refused from then on", async () => {
    const clock = createFakeClock();
    await begin({ clock });
    const ada = await stage.open(name, "ada", { expiresInMs: 20_000 });
    const token = await stage.token("ada", { expiresInMs: 20_000 });
    await ada.join("room");
    const ben = await enter("ben");
    await clock.advance(19_000);
    await stage.fill(1);
    await ada.next(({ seq }) => seq === 1);
    expect(ada.ended).toBeNull();
    if (name !== "polling") await until(async () => (await stage.metric("readers")) === 2);
    await clock.advance(6_000);
    // A short poll is seldom there to be ended; the next is refused, as soon as clocks that differ cannot be the reason.
    if (name === "polling") await clock.advance(60_000);
    const ending = await ada.end();
    if (ending.status !== null && name === "polling") {
      expect(ending).toMatchObject({ status: 401, reason: "token_expired" });
    } else expect(ending).toMatchObject({ code: 4401, status: null });
    await stage.fill(1);
    await ben.next(({ seq }) => seq === 2);
    expect(ada.seqs()).toEqual([1]);
    await clock.advance(60_000);
    expect(await stage.ask("/api/messages", { body: { type: "ping", payload: {} }, token })).toMatchObject({
      status: 401,
      body: { error: { code: "token_expired", retryable: false } },
    });
  });

  it("CLS-1, HTTP-16: a server that closes answers what it took and ends everything", async () => {
    await begin();
    const ada = await enter("ada");
    const acks = [];
    for (let index = 0; index < 20; index++) acks.push(say(ada, `${index}`).catch(() => null));
    await ada.next(({ seq }) => seq === 1);
    const startedAt = performance.now();
    await stage.server.close();
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    const ending = await ada.end();
    // A poll that came too late is refused, or finds nobody there.
    if (name === "polling" || name === "long-polling") {
      expect(ending.status === 503 || ending.code === 1012 || ending.code === 1006).toBe(true);
    } else expect(ending).toMatchObject({ code: 1012, status: null });
    const answered = (await Promise.all(acks)).filter((ack) => ack?.success);
    expect(answered.length).toBeGreaterThan(0);
    expect(new Set(answered.map((ack) => ack?.seq)).size).toBe(answered.length);
  });
});

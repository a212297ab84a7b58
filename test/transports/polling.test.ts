import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Envelope } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { until } from "../harness.ts";
import type { HttpAnswer, HttpRequestOptions } from "./http-request.ts";
import { range, Stage } from "./stage.ts";

interface Poll {
  readonly messages: readonly Envelope[];
  readonly cursor: string;
  readonly state?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly users?: Readonly<Record<string, { count: number; users: readonly { userId: string }[] }>>;
}

const ROOM = "chat:room";
const pollOf = ({ body }: HttpAnswer) => body as Poll;
const seqsOf = ({ messages }: Poll, roomId?: string) =>
  messages.filter(({ roomId: of }) => roomId === undefined || of === roomId).map(({ seq }) => seq);
const typesOf = ({ messages }: Poll) => messages.map(({ type }) => type);
const codeOf = ({ body }: HttpAnswer) => (body as { error?: { code: string } }).error?.code;
/** Many words that are no cursor of anything. */
const NO_CURSORS = [
  "x:y:z",
  ":",
  "abc",
  "-1",
  "1.5",
  "1e3",
  "e:",
  "e:-1",
  "room=",
  "=e:1",
  "chat%3Aroom=e:1&chat%3Aroom=e:2&%",
];

describe("polls", () => {
  let stage: Stage;
  const begin = async (options: ServerOptions = {}) => {
    await stage.end();
    stage = await Stage.start(options);
  };
  beforeEach(async () => {
    stage = await Stage.start();
  });
  afterEach(() => stage.end());
  const get = (path: string, query: Record<string, string | readonly string[]>, options: HttpRequestOptions = {}) => {
    const search = new URLSearchParams();
    for (const [name, values] of Object.entries(query)) {
      for (const value of [values].flat()) search.append(name, value);
    }
    return stage.ask(`${path}?${search}`, { user: "ada", ...options });
  };
  const short = (query: Record<string, string | readonly string[]>, options?: HttpRequestOptions) =>
    get("/api/messages", query, options);
  const long = (query: Record<string, string | readonly string[]>, options?: HttpRequestOptions) =>
    get("/api/messages/wait", query, options);
  const post = (body: unknown, timeoutMs = 0, user = "ada") =>
    stage.ask(`/api/messages/wait?timeoutMs=${timeoutMs}`, { body, user });

  describe("GET /api/messages", () => {
    it("HTTP-7: without a cursor it gives the newest, 50 or as many as asked for; with it what came after", async () => {
      await stage.fill(80);
      const newest = pollOf(await short({ roomId: "room" }));
      expect(seqsOf(newest)).toEqual(range(31, 80));
      expect(seqsOf(pollOf(await short({ roomId: "room", limit: "3" })))).toEqual([78, 79, 80]);
      await stage.fill(4);
      const next = pollOf(await short({ roomId: "room", after: newest.cursor }));
      expect(seqsOf(next)).toEqual([81, 82, 83, 84]);
      expect(pollOf(await short({ roomId: "room", after: next.cursor })).messages).toEqual([]);
      expect(next.messages[0]).toMatchObject({ type: "noted", roomId: ROOM, payload: { index: 1 } });
    });

    it("HTTP-6, HTTP-7: a cursor is a plain one, a bare number or what a poll gave; pages follow without a hole", async () => {
      await stage.fill(120);
      for (const after of [await stage.cursor(20), "20"]) {
        let poll = pollOf(await short({ roomId: "room", after, limit: "30" }));
        const got = [...seqsOf(poll)];
        while (poll.messages.length > 0) {
          poll = pollOf(await short({ roomId: "room", after: poll.cursor, limit: "30" }));
          got.push(...seqsOf(poll));
        }
        expect(got).toEqual(range(21, 120));
      }
    });

    it("HTTP-6: one cursor leads through several rooms, and is readable as a form", async () => {
      const rooms = ["chat:a", "chat:b", "feed:c/d"];
      for (const roomId of rooms) await stage.fill(2, 0, roomId);
      let poll = pollOf(await short({ roomId: rooms }));
      for (const roomId of rooms) expect(seqsOf(poll, roomId)).toEqual([1, 2]);
      const cursor = new URLSearchParams(poll.cursor);
      expect([...cursor.keys()].sort()).toEqual(rooms);
      for (const roomId of rooms) expect(cursor.get(roomId)?.split("~")[0]).toBe(await stage.cursor(2, roomId));
      await stage.fill(1, 0, "chat:b");
      await stage.fill(3, 0, "feed:c/d");
      poll = pollOf(await short({ roomId: rooms, after: poll.cursor }));
      expect(seqsOf(poll, "chat:a")).toEqual([]);
      expect(seqsOf(poll, "chat:b")).toEqual([3]);
      expect(seqsOf(poll, "feed:c/d")).toEqual([3, 4, 5]);
      expect(pollOf(await short({ roomId: rooms, after: poll.cursor })).messages).toEqual([]);
    });

    it("HTTP-6, HTTP-7: pages over several rooms leave out nothing and repeat nothing, however small they are", async () => {
      const rooms = ["chat:a", "chat:b", "chat:c"];
      for (const roomId of rooms) await stage.fill(25, 0, roomId);
      const start = new URLSearchParams();
      for (const roomId of rooms) start.append(roomId, await stage.cursor(0, roomId));
      const got = new Map<string, (number | undefined)[]>(rooms.map((roomId) => [roomId, []]));
      let after = start.toString();
      for (let page = 0; page < 60; page++) {
        const poll = pollOf(await short({ roomId: rooms, after, limit: "7" }));
        for (const roomId of rooms) got.get(roomId)!.push(...seqsOf(poll, roomId));
        after = poll.cursor;
      }
      for (const roomId of rooms) expect(got.get(roomId)).toEqual(range(1, 25));
    });

    it("RES-2, HTTP-7: what is lost is told, and only events and history_lost are in it", async () => {
      await stage.fill(3);
      const poll = pollOf(await short({ roomId: "room", after: "another:2" }));
      expect(typesOf(poll)).toEqual(["history_lost", "noted", "noted", "noted"]);
      expect(poll.messages[0]?.payload).toEqual({
        roomId: ROOM,
        reason: "epoch",
        from: null,
        to: null,
        cursor: await stage.cursor(0),
      });
      const beyond = pollOf(await short({ roomId: "room", after: await stage.cursor(9) }));
      expect(typesOf(beyond)).toEqual(["history_lost"]);
      expect(pollOf(await short({ roomId: "room", after: beyond.cursor })).messages).toEqual([]);
    });

    it("HTTP-7: an ETag and 304 when nothing changed", async () => {
      await stage.fill(2);
      const first = await short({ roomId: "room" });
      const etag = String(first.headers.etag);
      expect(etag).toMatch(/^(W\/)?"[^"]+"$/);
      const same = await short({ roomId: "room" }, { headers: { "If-None-Match": etag } });
      expect([same.status, same.text]).toEqual([304, ""]);
      await stage.fill(1);
      const changed = await short({ roomId: "room" }, { headers: { "If-None-Match": etag } });
      expect([changed.status, seqsOf(pollOf(changed))]).toEqual([200, [1, 2, 3]]);
      expect(changed.headers.etag).not.toBe(etag);
    });

    it("HTTP-7: the default room, where no other is named", async () => {
      await begin({ defaultRoom: "chat:room" });
      await stage.fill(2);
      expect(seqsOf(pollOf(await short({})))).toEqual([1, 2]);
      await begin();
      const none = await short({});
      expect([none.status, codeOf(none)]).toEqual([400, "invalid_message"]);
    });

    it("HTTP-7, JOIN-4, AUTH-8: one room that may not be read refuses the whole request", async () => {
      await begin({ access: ({ roomId }) => roomId !== "chat:closed" });
      await stage.fill(2, 0, "closed");
      for (const roomId of ["closed", ["room", "closed"], "user:ben", ["user:ada", "user:ben"]]) {
        for (const path of ["/api/messages", "/api/messages/wait", "/api/events"]) {
          const answer = await get(path, { roomId, timeoutMs: "0" });
          expect([path, roomId, answer.status, codeOf(answer)]).toEqual([path, roomId, 403, "access_denied"]);
        }
      }
      expect((await short({ roomId: "user:ada" })).status).toBe(200);
      const token = await stage.token("ada", { rooms: { "chat:room": ["read"] } });
      expect((await get("/api/messages", { roomId: "room" }, { token, user: undefined } as never)).status).toBe(200);
    });

    it("ERR-2, HTTP-5: a wrong room, cursor, limit or time is 400, and the process goes on", async () => {
      for (const roomId of [
        "chat:../../etc/passwd",
        "chat:a/../b",
        "Chat:x",
        "",
        "chat:",
        `chat:${"x".repeat(300)}`,
        "chat:\u0000",
      ]) {
        const answer = await short({ roomId });
        expect([roomId, answer.status, codeOf(answer)]).toEqual([roomId, 400, "invalid_message"]);
      }
      expect((await short({ roomId: "nothing:here" })).status).toBe(404);
      for (const after of NO_CURSORS) {
        const answer = await short({ roomId: "room", after });
        expect([after, answer.status, codeOf(answer)]).toEqual([after, 400, "invalid_message"]);
      }
      const twoRooms = await short({ roomId: ["a", "b"], after: "5" });
      expect([twoRooms.status, codeOf(twoRooms)]).toEqual([400, "invalid_message"]);
      for (const limit of ["-1", "1001", "x", "1.5", ""]) {
        const answer = await short({ roomId: "room", limit });
        expect([limit, answer.status, codeOf(answer)]).toEqual([limit, 400, "invalid_message"]);
      }
      for (const timeoutMs of ["-1", "60001", "x", "1.5"]) {
        const answer = await long({ roomId: "room", timeoutMs });
        expect([timeoutMs, answer.status, codeOf(answer)]).toEqual([timeoutMs, 400, "invalid_message"]);
      }
      expect((await short({ roomId: "room" })).status).toBe(200);
    });

    it("LIM-1 roomsPerConnection: more rooms than that are refused", async () => {
      await begin({ limits: { roomsPerConnection: 3 } });
      const roomId = ["a", "b", "c"];
      expect((await short({ roomId })).status).toBe(200);
      const over = await short({ roomId: [...roomId, "d"] });
      expect([over.status, codeOf(over)]).toEqual([429, "too_many_rooms"]);
    });

    it("ERR-2: other methods are refused, and told which there are", async () => {
      for (const method of ["PUT", "DELETE", "HEAD"]) {
        const answer = await short({ roomId: "room" }, { method });
        expect([method, answer.status, answer.headers.allow]).toEqual([method, 405, "GET, POST"]);
      }
    });
  });

  describe("GET /api/messages/wait", () => {
    it("HTTP-8: it starts at the head, answers as soon as there is something, and then goes on from its cursor", async () => {
      await stage.fill(3);
      const start = pollOf(await long({ roomId: "room", timeoutMs: "0" }));
      expect(start.messages).toEqual([]);
      let { cursor } = start;
      for (let index = 4; index <= 8; index++) {
        const waiting = long({ roomId: "room", after: cursor });
        await until(async () => (await stage.metric("readers")) === 1);
        await stage.fill(1);
        const poll = pollOf(await waiting);
        expect(seqsOf(poll)).toEqual([index]);
        ({ cursor } = poll);
      }
    });

    it("HTTP-8: it answers at once when something is there already", async () => {
      await stage.fill(5);
      expect(seqsOf(pollOf(await long({ roomId: "room", after: await stage.cursor(3) })))).toEqual([4, 5]);
    });

    it("HTTP-8: with nothing to say it answers after timeoutMs, with the same cursor", async () => {
      const clock = createFakeClock();
      await begin({ clock });
      await stage.fill(1);
      const after = pollOf(await long({ roomId: "room", timeoutMs: "0" })).cursor;
      let answered = false;
      const waiting = long({ roomId: "room", after, timeoutMs: "10000" }).then((answer) => {
        answered = true;
        return answer;
      });
      await until(async () => (await stage.metric("readers")) === 1);
      await clock.advance(9_000);
      expect(answered).toBe(false);
      await clock.advance(2_000);
      const poll = pollOf(await waiting);
      expect(poll.messages).toEqual([]);
      expect(poll.cursor).toBe(after);
    });

    it("HTTP-8: many wait for one room, and each gets it", async () => {
      const after = await stage.cursor(0);
      const waiting = range(1, 20).map(() => long({ roomId: "room", after }));
      await until(async () => (await stage.metric("readers")) === 20);
      await stage.fill(1);
      for (const answer of await Promise.all(waiting)) expect(seqsOf(pollOf(answer))).toEqual([1]);
      await until(async () => (await stage.metric("readers")) === 0);
    });
  });

  describe("state=1", () => {
    let clock: FakeClock;
    beforeEach(async () => {
      clock = createFakeClock();
      await begin({ clock });
    });

    it("STA-1, HTTP-9: the state and who is there, and then only what is newer than the cursor knows", async () => {
      const ben = await stage.open("websocket", "ben");
      await ben.join("room");
      await ben.send("typing_start", { roomId: "room" });
      const first = pollOf(await short({ roomId: "room", state: "1" }));
      expect(first.state?.[ROOM]).toMatchObject({ typing: { ben: { userName: "ben" } } });
      expect(first.users?.[ROOM]).toMatchObject({ count: expect.any(Number) });
      expect(first.users?.[ROOM]?.users.map(({ userId }) => userId)).toContain("ben");
      const same = pollOf(await short({ roomId: "room", state: "1", after: first.cursor }));
      expect(Object.keys(same.state ?? {})).toEqual([]);
      expect(Object.keys(same.users ?? {})).toEqual([]);
      await ben.send("typing_end", { roomId: "room" });
      const changed = pollOf(await short({ roomId: "room", state: "1", after: same.cursor }));
      expect(changed.state?.[ROOM]?.typing ?? {}).toEqual({});
      expect(Object.keys(changed.state ?? {})).toEqual([ROOM]);
    });

    it("HTTP-8, HTTP-9: a newer state ends a wait that asked for it, and no other", async () => {
      const ben = await stage.open("websocket", "ben");
      await ben.join("room");
      const { cursor } = pollOf(await short({ roomId: "room", state: "1" }));
      const before = await stage.metric("readers");
      const waiting = long({ roomId: "room", state: "1", after: cursor });
      let plainAnswered = false;
      const plain = long({ roomId: "room", after: cursor }).then((answer) => {
        plainAnswered = true;
        return answer;
      });
      await until(async () => (await stage.metric("readers")) === before + 2);
      await ben.send("typing_start", { roomId: "room" });
      const poll = pollOf(await waiting);
      expect(poll.messages).toEqual([]);
      expect(poll.state?.[ROOM]).toMatchObject({ typing: { ben: {} } });
      expect(plainAnswered).toBe(false);
      await ben.send("send_message", { roomId: "room", content: "x" });
      expect(typesOf(pollOf(await plain))).toEqual(["new_message"]);
    });
  });

  describe("POST /api/messages/wait", () => {
    const joinRoom = (roomId: string, more: Record<string, unknown> = {}, messageId?: string) => ({
      type: "join_room",
      payload: { roomId, ...more },
      ...(messageId === undefined ? {} : { messageId }),
    });

    it("HTTP-10: a join is answered as on a WebSocket; welcome comes first, and only when asked for", async () => {
      await stage.fill(3);
      const poll = pollOf(await post({ welcome: true, messages: [joinRoom("room", { after: 1 }, "j-1")] }));
      const types = typesOf(poll);
      expect(types[0]).toBe("welcome");
      expect(types.slice(1)).toEqual(expect.arrayContaining(["joined_room", "ack", "room_users", "noted"]));
      expect(types.indexOf("joined_room")).toBeLessThan(types.indexOf("ack"));
      expect(types.indexOf("ack")).toBeLessThan(types.indexOf("noted"));
      expect(poll.messages.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq)).toEqual([2, 3]);
      const [entry] = [...new URLSearchParams(poll.cursor)];
      expect([entry?.[0], entry?.[1].split("~")[0]]).toEqual([ROOM, await stage.cursor(3)]);
      await stage.fill(1);
      const next = pollOf(await post({ cursor: poll.cursor }));
      expect(next.messages.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq)).toEqual([4]);
      expect(typesOf(next)).not.toContain("joined_room");
      expect(typesOf(next)).not.toContain("welcome");
    });

    it("HTTP-10: a refused join is told and not in the cursor; without a messageId as an error", async () => {
      await begin({ access: ({ roomId }) => roomId !== "chat:closed" });
      const messages = [joinRoom("closed", {}, "j-1"), joinRoom("user:ben"), joinRoom("room", {}, "j-2")];
      const poll = pollOf(await post({ messages }));
      const acks = poll.messages.filter(({ type }) => type === "ack");
      expect(acks.map(({ messageId, payload }) => [messageId, (payload as { success: boolean }).success])).toEqual([
        ["j-1", false],
        ["j-2", true],
      ]);
      expect(poll.messages.find(({ type }) => type === "error")?.payload).toMatchObject({ code: "access_denied" });
      expect([...new URLSearchParams(poll.cursor).keys()]).toEqual([ROOM]);
    });

    it("HTTP-10: a room that may not be read any more is left, and the others go on", async () => {
      let open = true;
      await begin({ access: ({ roomId }) => open || roomId !== "chat:a" });
      let poll = pollOf(await post({ messages: [joinRoom("a"), joinRoom("b")] }));
      open = false;
      await stage.fill(1, 0, "a");
      await stage.fill(1, 0, "b");
      poll = pollOf(await post({ cursor: poll.cursor }));
      expect(poll.messages.find(({ type }) => type === "left_room")?.payload).toEqual({
        roomId: "chat:a",
        reason: "access_denied",
      });
      expect(seqsOf({ ...poll, messages: poll.messages.filter(({ seq }) => seq !== undefined) })).toEqual([1]);
      expect(poll.messages.some(({ roomId, seq }) => roomId === "chat:a" && seq !== undefined)).toBe(false);
      expect([...new URLSearchParams(poll.cursor).keys()]).toEqual(["chat:b"]);
    });

    it("RES-2, HTTP-10: what a resumed room lost is told", async () => {
      await stage.fill(2);
      const cursor = new URLSearchParams([[ROOM, "another:7"]]).toString();
      const poll = pollOf(await post({ cursor }));
      const kept = poll.messages.filter(({ type, seq }) => type === "history_lost" || seq !== undefined);
      expect(kept.map(({ type }) => type)).toEqual(["history_lost", "noted", "noted"]);
      expect(pollOf(await post({ cursor: poll.cursor })).messages).toEqual([]);
    });

    it("STA-1, HTTP-9: a change of state comes once; what is known is not said again", async () => {
      const ben = await stage.open("websocket", "ben");
      await ben.join("room");
      let poll = pollOf(await post({ messages: [joinRoom("room")] }));
      poll = pollOf(await post({ cursor: poll.cursor }));
      await ben.send("typing_start", { roomId: "room" });
      poll = pollOf(await post({ cursor: poll.cursor }, 5_000));
      expect(poll.messages.filter(({ type }) => type === "user_typing").map(({ payload }) => payload)).toEqual([
        expect.objectContaining({ userId: "ben", typing: true }),
      ]);
      for (let again = 0; again < 3; again++) {
        poll = pollOf(await post({ cursor: poll.cursor }));
        expect(poll.messages).toEqual([]);
      }
      await ben.send("typing_end", { roomId: "room" });
      poll = pollOf(await post({ cursor: poll.cursor }, 5_000));
      expect(poll.messages.map(({ type, payload }) => [type, (payload as { typing: boolean }).typing])).toEqual([
        ["user_typing", false],
      ]);
    });

    it("STA-3, HTTP-9: after a restart a poller gets the state anew, and nothing twice", async () => {
      const directory = await mkdtemp(join(tmpdir(), "yamabiko-polls-"));
      try {
        const log = `sqlite:${join(directory, "log.db")}`;
        await begin({ log });
        await stage.fill(2);
        const ben = await stage.open("websocket", "ben");
        await ben.join("room");
        await ben.send("typing_start", { roomId: "room" });
        const before = pollOf(await post({ messages: [joinRoom("room", { after: 0 })] }));
        expect(before.messages.filter(({ seq }) => seq !== undefined)).toHaveLength(2);
        await begin({ log });
        await stage.fill(1);
        const after = pollOf(await post({ cursor: before.cursor }));
        expect(after.messages.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq)).toEqual([3]);
        expect(typesOf(after)).toContain("room_state");
        expect(typesOf(after)).toContain("room_users");
        expect(typesOf(pollOf(await post({ cursor: after.cursor })))).toEqual([]);
        await stage.end();
      } finally {
        await rm(directory, { recursive: true, force: true });
        stage = await Stage.start();
      }
    });

    it("HTTP-5, ERR-2: what is no such body is 400", async () => {
      for (const body of [
        "{",
        "7",
        "[]",
        '{"cursor":7}',
        '{"cursor":"%%%=x"}',
        '{"messages":7}',
        '{"messages":"join_room"}',
      ]) {
        const answer = await stage.ask("/api/messages/wait?timeoutMs=0", { method: "POST", body, user: "ada" });
        expect([body, answer.status, codeOf(answer)]).toEqual([body, 400, "invalid_message"]);
      }
      const other = await post({
        messages: [{ type: "send_message", payload: { roomId: "room", content: "x" }, messageId: "m" }],
      });
      if (other.status === 200) {
        const ack = pollOf(other).messages.find(({ messageId, type }) => type === "ack" && messageId === "m");
        expect(ack?.payload).toMatchObject({ success: false });
      } else expect([other.status, codeOf(other)]).toEqual([400, "invalid_message"]);
      expect((await stage.server.room("room").view()).head).toBe(0);
    });

    it("HTTP-14, MEM-2: a poller is a member between its polls and 10 s after the last", async () => {
      const clock = createFakeClock();
      await begin({ clock });
      const witness = await stage.open("websocket", "ben");
      await witness.join("room");
      let poll = pollOf(await post({ messages: [joinRoom("room")] }));
      expect((await witness.next("user_joined")).payload).toMatchObject({ userId: "ada" });
      for (let round = 0; round < 4; round++) {
        await clock.advance(6_000);
        poll = pollOf(await post({ cursor: poll.cursor }));
      }
      expect(witness.told()).not.toContain("user_left");
      expect((await stage.server.room("room").members()).count).toBe(2);
      await clock.advance(12_000);
      expect((await witness.next("user_left")).payload).toMatchObject({ userId: "ada" });
      await post({ cursor: poll.cursor });
      expect((await witness.next("user_joined")).payload).toMatchObject({ userId: "ada" });
    });
  });
});

import { afterEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { Json } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { RawClient, startServer, until } from "../harness.ts";

describe("joining and reading", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  const begin = async (options: ServerOptions = {}) => {
    server = await startServer(options);
  };
  afterEach(() => server.close());

  const fill = async (count: number, roomId = "room") => {
    for (let index = 1; index <= count; index++) await server.room(roomId).publish("noted", { index });
  };
  const seqs = (client: RawClient, roomId?: string) => client.events(roomId).map(({ seq }) => seq);
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

  it("JOIN-1, JOIN-2, ACK-2: joins at the head, then gets what is sent, once and in order", async () => {
    await begin();
    const ada = await RawClient.open(server, "ada");
    const ben = await RawClient.open(server, "ben");
    const joined = await ada.join("room-1");
    expect(joined.payload).toMatchObject({ roomId: "chat:room-1", head: 0, recovered: false });
    await ben.join("room-1");
    for (let index = 1; index <= 20; index++)
      ben.send("send_message", { roomId: "room-1", content: `m${index}` }, `id-${index}`);
    const last = await ada.next((envelope) => envelope.seq === 20);
    expect(last).toMatchObject({
      type: "new_message",
      roomId: "chat:room-1",
      messageId: "id-20",
      payload: { content: "m20", userId: "ben" },
    });
    expect(seqs(ada)).toEqual(range(1, 20));
    await ben.next((envelope) => envelope.type === "ack" && envelope.messageId === "id-20");
    expect(seqs(ben)).toEqual(seqs(ada));
  });

  it("JOIN-1: the answer has all its members, and an ack follows when it was asked for", async () => {
    await begin();
    await fill(3);
    const ada = await RawClient.open(server, "ada");
    ada.send("join_room", { roomId: "room" }, "join");
    const { payload, roomId } = await ada.next("joined_room");
    const { epoch } = await server.room("room").view();
    expect(roomId).toBe("chat:room");
    expect(payload).toEqual({
      roomId: "chat:room",
      epoch,
      head: 3,
      cursor: `${epoch}:3`,
      recovered: false,
      state: expect.any(Object),
      you: { readUpTo: 3, unread: 0, mentions: 0 },
    });
    expect(await ada.next("ack")).toMatchObject({ messageId: "join", payload: { success: true } });
    expect(ada.received.map(({ type }) => type)).toEqual(["welcome", "joined_room", "ack", "room_users"]);
  });

  it("JOIN-1: reading starts at the head, `limit` before it, or after a cursor or a bare seq", async () => {
    await begin();
    await fill(10);
    const { epoch } = await server.room("room").view();
    for (const [question, start] of [
      [{}, 10],
      [{ limit: 0 }, 10],
      [{ limit: 4 }, 6],
      [{ limit: 1000 }, 0],
      [{ after: 7 }, 7],
      [{ after: `${epoch}:8` }, 8],
      [{ after: 0, limit: 2 }, 0],
      [{ after: null, limit: null }, 10],
    ] as const) {
      const client = await RawClient.open(server, "ada");
      const { payload } = await client.join("room", question);
      expect([question, (payload as { cursor: string }).cursor]).toEqual([question, `${epoch}:${start}`]);
      if (start < 10) await client.next(({ seq }) => seq === 10);
      else await client.ask("ping", {});
      expect(seqs(client)).toEqual(range(start + 1, 10));
      client.close();
    }
  });

  it("JOIN-2: no seam, gap or repetition between what was there and what comes while joining", async () => {
    await begin({ limits: { tailEvents: 16 } });
    await fill(300);
    const writing = fill(300);
    const clients = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const client = await RawClient.open(server, `user-${index}`);
        await client.join("room", { after: index * 40 });
        return { client, after: index * 40 };
      }),
    );
    await writing;
    for (const { client, after } of clients) {
      await client.next(({ seq }) => seq === 600);
      expect(seqs(client)).toEqual(range(after + 1, 600));
    }
  });

  it("JOIN-3: joining again goes on where it is, or anew from its `after`; never one event twice in a row", async () => {
    await begin();
    await fill(5);
    const ada = await RawClient.open(server, "ada");
    await ada.join("room", { after: 3 });
    await ada.next(({ seq }) => seq === 5);
    expect((await ada.join("room")).payload).toMatchObject({ cursor: expect.stringMatching(/:5$/), recovered: true });
    await server.room("room").publish("noted", { index: 6 });
    await ada.next(({ seq }) => seq === 6);
    await ada.join("room", { after: 4 });
    await ada.next(({ seq }) => seq === 6);
    await server.room("room").publish("noted", { index: 7 });
    await ada.next(({ seq }) => seq === 7);
    expect(seqs(ada)).toEqual([4, 5, 6, 5, 6, 7]);
    expect((await server.room("room").members()).count).toBe(1);
  });

  it("JOIN-3: joining again while the log is still being read for the first time starts from the new place only", async () => {
    const log = createMemoryLog();
    const read = log.read.bind(log);
    let hung: (() => void)[] | null = [];
    log.read = async (...question) => {
      if (hung !== null) await new Promise<void>((resolve) => hung?.push(resolve));
      return read(...question);
    };
    await begin({ log, limits: { tailEvents: 4 } });
    await fill(40);
    const ada = await RawClient.open(server, "ada");
    await ada.join("room", { after: 1 });
    await until(() => hung!.length === 1);
    await ada.join("room", { after: 37 });
    const second = ada.received.length;
    const waiting = hung!;
    hung = null;
    for (const go of waiting) go();
    await server.room("room").publish("noted", { index: 41 });
    await ada.next(({ seq }) => seq === 41);
    const after = ada.received.slice(second).filter(({ seq }) => seq !== undefined);
    expect(after.map(({ seq }) => seq)).toEqual([38, 39, 40, 41]);
  });

  it("JOIN-4: is refused with the right code, and then the room has no new member", async () => {
    await begin({ limits: { roomsPerConnection: 3 }, access: ({ name }) => name !== "secret" });
    const ada = await RawClient.open(server, "ada");
    const refused = async (payload: unknown) => (await ada.ask("join_room", payload)).error?.code;
    expect(await refused({ roomId: "secret" })).toBe("access_denied");
    expect(await refused({ roomId: "user:ben" })).toBe("access_denied");
    expect(await refused({ roomId: "nobody:room" })).toBe("unknown_type");
    for (const roomId of ["", "..", "a b", "Chat:x", "chat:", "x".repeat(256), 5, null, {}, []]) {
      expect([roomId, await refused({ roomId })]).toEqual([roomId, "invalid_message"]);
    }
    for (const after of ["x", "5", -1, 1.5, {}, "e:-1", "e:1:2", "e:01", 2 ** 53, true, `${"e".repeat(65)}:1`]) {
      expect([after, await refused({ roomId: "room", after })]).toEqual([after, "invalid_message"]);
    }
    for (const limit of [-1, 1001, 1.5, "5", Number.MAX_SAFE_INTEGER, true]) {
      expect([limit, await refused({ roomId: "room", limit })]).toEqual([limit, "invalid_message"]);
    }
    for (const payload of [{}, [], 5, null, true]) expect(await refused(payload)).toBe("invalid_message");
    expect((await server.room("room").members()).count).toBe(0);
    expect((await server.room("secret").members()).count).toBe(0);
    for (const roomId of ["a", "b", "c"]) expect(await refused({ roomId })).toBeUndefined();
    expect(await refused({ roomId: "d" })).toBe("too_many_rooms");
    expect(await refused({ roomId: "a" })).toBeUndefined();
    await ada.ask("leave_room", { roomId: "a" });
    expect(await refused({ roomId: "d" })).toBeUndefined();
  });

  it("JOIN-4: the limit of rooms holds for joins sent all at once", async () => {
    await begin({ limits: { roomsPerConnection: 5 } });
    const ada = await RawClient.open(server, "ada");
    for (let index = 0; index < 50; index++) ada.send("join_room", { roomId: `room-${index}` }, `j${index}`);
    await until(() => ada.received.filter(({ type }) => type === "ack").length === 50);
    const joined = ada.received.filter(({ type }) => type === "joined_room");
    expect(joined).toHaveLength(5);
    expect(await server.metrics()).toContain("yamabiko_rooms_joined 5");
    const refused = ada.received.filter(
      ({ type, payload }) => type === "ack" && !(payload as { success: boolean }).success,
    );
    for (const { payload } of refused) expect(payload).toMatchObject({ error: { code: "too_many_rooms" } });
  });

  it("JOIN-4: what a join set is removed when it is refused after all", async () => {
    const greedy = defineNamespace({
      name: "greedy",
      messages: {},
      state: { seat: { event: "seat", change: (key: string, value: Json) => ({ key, value }) } },
      onJoin: async ({ user, state }) => {
        await state("seat").set(user.id, true);
        await new Promise((resolve) => setTimeout(resolve, 20));
        return undefined;
      },
    });
    await begin({ namespaces: [greedy], limits: { roomsPerConnection: 1 } });
    const ada = await RawClient.open(server, "ada");
    for (const name of ["a", "b"]) ada.send("join_room", { roomId: `greedy:${name}` }, name);
    await until(() => ada.received.filter(({ type }) => type === "ack").length === 2);
    const gone = await RawClient.open(server, "gone");
    gone.send("join_room", { roomId: "greedy:c" });
    await until(async () => (await server.room("greedy:c").view()).value("seat", "gone") === true);
    gone.socket.terminate();
    for (const [room, user, value] of [
      ["a", "ada", true],
      ["b", "ada", null],
      ["c", "gone", null],
    ] as const) {
      await until(async () => (await server.room(`greedy:${room}`).view()).value("seat", user) === value);
    }
  });

  it("JOIN-5: leaving is answered, twice is no error, and nothing of the room comes after it", async () => {
    await begin();
    const ada = await RawClient.open(server, "ada");
    const ben = await RawClient.open(server, "ben");
    for (const client of [ada, ben]) await client.join("room");
    const writing = (async () => {
      for (let index = 0; index < 50; index++) await ben.ask("send_message", { roomId: "room", content: "x" });
    })();
    await ada.next("new_message");
    ada.send("leave_room", { roomId: "room" }, "leave");
    const { payload } = await ada.next("left_room");
    expect(payload).toEqual({ roomId: "chat:room" });
    expect((await ada.next("ack")).messageId).toBe("leave");
    const before = ada.received.length;
    await writing;
    await ben.ask("typing_start", "room");
    await server.room("room").signal("wave", {});
    expect(await ada.ask("send_message", { roomId: "room", content: "x" })).toMatchObject({
      error: { code: "not_joined" },
    });
    expect(ada.received.slice(before).map(({ type }) => type)).toEqual(["ack"]);
    expect(await ada.ask("leave_room", "room")).toMatchObject({ success: true });
    expect(await ada.ask("leave_room", "never-joined")).toMatchObject({ success: true });
  });
});

import { describe, expect, it } from "vitest";
import { type ChatOptions, chat, type ListedRoom } from "../../../src/features/index.ts";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";
import { createFakeServer, type FakeConnection } from "../fake-context.ts";

const createServer = (options: ChatOptions = {}) => createFakeServer(chat(options), { clock: createFakeClock() });

async function list(connection: FakeConnection): Promise<ListedRoom[]> {
  const ack = await connection.send("list_rooms", {});
  expect(ack.success).toBe(true);
  return ack.rooms as unknown as ListedRoom[];
}

describe("list_rooms", () => {
  it("CHAT-5 lists the rooms in which the user has a mark, latest first", async () => {
    const server = createServer();
    const [ann, bob] = [server.connect("ann"), server.connect("bob")];
    for (const name of ["a", "b", "c"]) await bob.join(`chat:${name}`);
    for (const name of ["a", "b", "d"]) await ann.join(`chat:${name}`);
    await ann.send("send_message", { roomId: "chat:a", content: "1", mentions: ["bob"] });
    await ann.send("send_message", { roomId: "chat:a", content: "2" });
    await ann.send("send_message", { roomId: "chat:b", content: "3" });
    await bob.send("read_messages", { roomId: "chat:a", upTo: 1 });
    expect(await list(bob)).toEqual([
      { roomId: "chat:a", head: 2, readUpTo: 1, unread: 1, mentions: 0 },
      { roomId: "chat:c", head: 0, readUpTo: 0, unread: 0, mentions: 0 },
      { roomId: "chat:b", head: 1, readUpTo: 0, unread: 1, mentions: 0 },
    ]);
  });

  it("CHAT-5 needs no joined room and lists nothing for a newcomer", async () => {
    expect(await list(createServer().connect("new"))).toEqual([]);
  });

  it("CHAT-5 leaves out rooms the user may no longer read", async () => {
    const closed = new Set<string>();
    const server = createServer({ access: ({ roomId, right }) => right !== "admin" && !closed.has(roomId) });
    const bob = server.connect("bob");
    for (const name of ["a", "b"]) await bob.join(`chat:${name}`);
    closed.add("chat:b");
    expect((await list(bob)).map((room) => room.roomId)).toEqual(["chat:a"]);
  });

  it("CHAT-5 leaves out the marks of other namespaces", async () => {
    const server = createServer();
    const bob = server.connect("bob");
    await bob.join("chat:a");
    server.room("user:bob").moveMarkElsewhere("read", "bob", 3);
    server.room("chatter:a").moveMarkElsewhere("read", "bob", 3);
    expect((await list(bob)).map((room) => room.roomId)).toEqual(["chat:a"]);
  });

  it("CHAT-5 lists at most 200 rooms and stays cheap", async () => {
    const server = createServer();
    const bob = server.connect("bob");
    const ids = Array.from({ length: 230 }, (_, index) => `chat:r${index}`);
    for (const id of ids) {
      await bob.join(id);
      for (let count = 0; count < 150; count += 1) server.room(id).publish("new_message", { content: "x" });
      server.room(id).cost.events = 0;
    }
    const rooms = await list(bob);
    expect(rooms.map((room) => room.roomId)).toEqual(ids.slice(30).reverse());
    expect(rooms[0]).toEqual({ roomId: "chat:r229", head: 150, readUpTo: 0, unread: 100, mentions: 0 });
    const cost = ids.reduce((sum, id) => sum + server.room(id).cost.events, 0);
    expect(cost).toBeLessThanOrEqual(20_000);
  });

  it("CHAT-4 looks as far as a join does when there are few rooms", async () => {
    const server = createServer();
    const bob = server.connect("bob");
    await bob.join("chat:a");
    for (let count = 0; count < 1_200; count += 1) server.room("chat:a").publish("new_message", { content: "x" });
    expect(await list(bob)).toMatchObject([{ head: 1_200, unread: 1_000 }]);
  });
});

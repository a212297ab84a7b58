import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { createMemoryBus, createMemoryHub } from "../../src/bus/memory.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { YamabikoServer } from "../../src/server/server.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { RawClient, startServer, until, upgrade } from "../harness.ts";
import { ask } from "../transports/http-request.ts";

const SECRET = "a secret that both nodes have, and nobody else";

type Server = YamabikoServer & { url: string; wsUrl: string };

/** Two nodes over one log, as two machines would be. */
describe("two nodes", () => {
  let here: Server;
  let there: Server;

  beforeEach(async () => {
    const log = createMemoryLog();
    const hub = createMemoryHub();
    const start = () =>
      startServer({ log, bus: createMemoryBus({ hub }), dev: false, auth: { secret: SECRET }, guests: true });
    [here, there] = await Promise.all([start(), start()]);
  });

  afterEach(async () => {
    await Promise.all([here.close(), there.close()]);
  });

  const token = (user: string) => signToken(SECRET, { user, name: user, expiresInMs: 60_000 });

  async function enter(server: Server, user: string, roomId = "lobby"): Promise<RawClient> {
    const headers = { Authorization: `Bearer ${await token(user)}` };
    const client = await RawClient.open(server, undefined, { headers });
    await client.next("welcome");
    await client.join(roomId);
    return client;
  }

  async function poll(server: Server, user: string, body: object) {
    const answer = await ask(server.url, "/api/messages/wait?timeoutMs=100", { body, token: await token(user) });
    return answer.body as { cursor: string; messages: { type: string; payload: { reason?: string } }[] };
  }

  it("MEM-1, HTTP-14: their members are one list, and the state that one sets all are told", async () => {
    const ann = await enter(here, "ann");
    const ben = await enter(there, "ben");
    expect((await ben.next("room_users")).payload).toMatchObject({ count: 2 });
    expect((await ann.next("user_joined")).payload).toEqual({ userId: "ben", userName: "ben" });
    ann.send("typing_start", { roomId: "lobby" });
    expect((await ben.next("user_typing")).payload).toMatchObject({ userId: "ann", typing: true });
    const cy = await enter(there, "cy");
    const joined = cy.received.find(({ type }) => type === "joined_room");
    expect(joined?.payload).toMatchObject({ state: { typing: { ann: { userName: "ann" } } } });
    for (const server of [here, there]) {
      const { body } = await ask(server.url, "/api/rooms/lobby/members", { token: await token("ann") });
      expect(body).toMatchObject({ count: 3 });
    }
    ann.close();
    expect((await ben.next("user_typing")).payload).toMatchObject({ userId: "ann", typing: false });
  });

  it("CHAT-4: a read mark that moves on one is told on the other", async () => {
    const ann = await enter(here, "ann");
    const ben = await enter(there, "ben");
    await ann.ask("send_message", { roomId: "lobby", content: "hi" });
    await ben.next("new_message");
    await ben.ask("read_messages", { roomId: "lobby", upTo: 1 });
    const isIt = ({ type, payload }: { type: string; payload: unknown }) =>
      type === "messages_read" && (payload as { upTo: number }).upTo === 1;
    expect((await ann.next(isIt)).payload).toEqual({ userId: "ben", upTo: 1 });
  });

  it("takes a user out of a room on both, between two polls too, and lets it in again (HTTP-15)", async () => {
    const ann = await enter(here, "ann");
    const before = await poll(there, "ann", { messages: [{ type: "join_room", payload: { roomId: "lobby" } }] });
    await there.room("lobby").kick("ann");
    expect((await ann.next("left_room")).payload).toMatchObject({ reason: "kicked" });
    await until(async () => {
      const { messages } = await poll(here, "ann", { cursor: before.cursor });
      return messages.some(({ type, payload }) => type === "left_room" && payload.reason === "kicked");
    }, 1_000);
    expect((await there.room("lobby").members()).count).toBe(0);

    // Let in again on one, it is in on the other.
    const again = await poll(here, "ann", { messages: [{ type: "join_room", payload: { roomId: "lobby" } }] });
    await until(async () => {
      const { messages } = await poll(there, "ann", { cursor: again.cursor });
      return !messages.some(({ type }) => type === "left_room");
    }, 1_000);
  });

  it("[case 5] closes a user's connections on both", async () => {
    const clients = [await enter(here, "ann"), await enter(there, "ann")];
    await here.disconnect("ann");
    for (const client of clients) expect((await client.closed).code).toBe(4403);
  });

  it("AUTH-1: a ticket of one is good once, at either", async () => {
    const { body } = await ask(here.url, "/api/tickets", { method: "POST", token: await token("ann") });
    const { ticket } = body as { ticket: string };
    const path = `/api/rooms/lobby/members?ticket=${ticket}`;
    expect((await ask(there.url, path)).status).toBe(200);
    expect((await ask(there.url, path)).status).toBe(401);
    expect((await ask(here.url, path)).status).toBe(401);
    for (const wrong of [`nobody.${ticket.split(".")[1]}`, `${ticket}x`, "..", ""]) {
      expect((await ask(there.url, `/api/rooms/lobby/members?ticket=${wrong}`)).status).toBe(401);
    }
  });

  it("AUTH-5: a guest of one is the same at the other", async () => {
    const guest = await RawClient.open(here);
    guest.send("ping", {});
    const { payload } = await guest.next("welcome");
    const { guestToken, user } = payload as { guestToken: string; user: { id: string } };
    const back = await RawClient.open(there);
    back.send("authenticate", { token: guestToken });
    expect((await back.next("welcome")).payload).toMatchObject({ user: { id: user.id } });
  });

  it("HTTP-3: leaving by a request to one ends the membership that the other holds", async () => {
    const ann = await enter(here, "ann");
    ann.socket.terminate();
    await until(() => here.connections === 0);
    expect((await there.room("lobby").members()).count).toBe(1);
    const left = { type: "leave_room", payload: { roomId: "lobby" } };
    await ask(there.url, "/api/messages", { body: left, token: await token("ann") });
    await until(async () => (await here.room("lobby").members()).count === 0);
    expect((await there.room("lobby").members()).count).toBe(0);
  });

  it("HTTP-9, HTTP-10: a poll that moves to the other is told nothing it knows", async () => {
    const ben = await enter(here, "ben");
    ben.send("typing_start", { roomId: "lobby" });
    const first = await poll(here, "ann", { messages: [{ type: "join_room", payload: { roomId: "lobby" } }] });
    const second = await poll(there, "ann", { cursor: first.cursor });
    expect(second.messages).toEqual([]);
    const third = await poll(here, "ann", { cursor: second.cursor });
    expect(third.messages).toEqual([]);
    ben.send("typing_end", { roomId: "lobby" });
    await until(async () => {
      const { messages } = await poll(there, "ann", { cursor: third.cursor });
      return messages.some(({ type }) => type === "user_typing" || type === "room_state");
    });
  });

  it("MEM-2: when one ends, its members stay for the grace, and are not told of when they come to the other", async () => {
    await enter(here, "ann");
    const ben = await enter(there, "ben");
    await here.close();
    const ann = await enter(there, "ann");
    expect((await ann.next("room_users")).payload).toMatchObject({ count: 2 });
    await ben.ask("send_message", { roomId: "lobby", content: "still here" });
    const told = ben.received.filter(({ type }) => type === "user_joined" || type === "user_left");
    expect(told).toEqual([]);
  });

  it("[case 39] [case 48] LIM-2 connectionsPerUser, connectionsPerIp: count at both, and a place that is given back is one at both", async () => {
    await Promise.all([here.close(), there.close()]);
    const hub = createMemoryHub();
    const log = createMemoryLog();
    const start = () =>
      startServer({
        log,
        bus: createMemoryBus({ hub }),
        dev: false,
        auth: { secret: SECRET },
        guests: true,
        limits: { connectionsPerUser: 3, connectionsPerIp: 6 },
      });
    [here, there] = await Promise.all([start(), start()]);
    const statusAt = async (server: Server) => (await upgrade(server.url)).status;
    const clients = [await enter(here, "ann"), await enter(there, "ann"), await enter(here, "ann")];
    const headers = { Authorization: `Bearer ${await token("ann")}` };
    await until(async () => {
      const fourth = new RawClient(there.wsUrl, [], { headers });
      return (await fourth.closed).code === 4429;
    });
    clients.push(await enter(there, "ben"), await enter(there, "cy"), await enter(here, "dan"));
    await until(async () => (await statusAt(here)) === 429 && (await statusAt(there)) === 429);
    clients[2]!.close();
    await until(async () => (await statusAt(there)) === 101);
    await until(() => here.connections === 2);
    const again = await enter(there, "ann");
    expect(again.closeCode).toBeNull();
  });

  it("[case 41] LIM-2 userMessagesPerSecond: what a user sends at one is paid for at the other", async () => {
    await Promise.all([here.close(), there.close()]);
    const hub = createMemoryHub();
    const log = createMemoryLog();
    const clock = createFakeClock();
    const limits = { userMessagesPerSecond: 10 };
    const start = () => startServer({ log, clock, bus: createMemoryBus({ hub }), limits, auth: { secret: SECRET } });
    [here, there] = await Promise.all([start(), start()]);
    const credential = await signToken(SECRET, { user: "ann", name: "ann", expiresInMs: 600_000 }, clock);
    const headers = { Authorization: `Bearer ${credential}` };
    const open = (server: Server) => RawClient.open(server, undefined, { headers });
    const [atHere, atThere] = [await open(here), await open(there)];
    // Nodes find each other, and buckets are full.
    await clock.advance(20_000);
    for (let index = 0; index < 20; index++) {
      expect(await atHere.ask("list_rooms", {})).toMatchObject({ success: true });
    }
    expect(await atHere.ask("list_rooms", {})).toMatchObject({ error: { code: "rate_limited" } });
    await clock.advance(2_000);
    expect(await atThere.ask("list_rooms", {})).toMatchObject({ success: true });
    for (let index = 0; index < 19; index++) await atThere.ask("list_rooms", {});
    await clock.advance(1_000);
    // Alone it would be a full bucket.
    const answers = await Promise.all(Array.from({ length: 20 }, () => atHere.ask("list_rooms", {})));
    expect(answers.filter(({ success }) => success).length).toBeLessThan(20);
    expect(await here.metrics()).toMatch(/yamabiko_rate_limited_total\{limit="userMessagesPerSecond"\} [1-9]/);
  });
});

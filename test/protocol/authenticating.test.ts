import { afterEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { CLOSE_CODES } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { RawClient, startServer, until, upgrade } from "../harness.ts";

const SECRET = "a secret of more than thirty-two bytes, for tests";

describe("who", () => {
  let clock: FakeClock;
  let server: Awaited<ReturnType<typeof startServer>>;
  /** A production server on a fake clock. */
  const begin = async (options: ServerOptions = {}) => {
    clock = createFakeClock();
    server = await startServer({
      dev: false,
      auth: { secret: SECRET },
      clock,
      limits: { connectionsPerIp: 0 },
      ...options,
    });
  };
  afterEach(() => server.close());

  const token = (user: string, more: { expiresInMs?: number; rooms?: Record<string, string[]>; name?: string } = {}) =>
    signToken(SECRET, { user, expiresInMs: 3_600_000, ...more }, clock);
  const bearer = async (user: string, more: Parameters<typeof token>[1] = {}) => {
    const headers = { Authorization: `Bearer ${await token(user, more)}` };
    const client = await RawClient.open(server, undefined, { headers });
    await client.next("welcome");
    return client;
  };

  it("AUTH-1: a token comes in the header, in the first message, or as a ticket", async () => {
    await begin();
    const inHeader = await bearer("ada");
    expect(inHeader.received[0]).toMatchObject({ payload: { user: { id: "ada" } } });

    const inMessage = await RawClient.open(server);
    inMessage.send("authenticate", { token: await token("ben") });
    expect((await inMessage.next("welcome")).payload).toMatchObject({ user: { id: "ben" } });

    const response = await fetch(`${server.url}/api/tickets`, {
      method: "POST",
      headers: { Authorization: `Bearer ${await token("cy")}` },
    });
    const { ticket, expiresInMs } = (await response.json()) as { ticket: string; expiresInMs: number };
    expect(expiresInMs).toBeLessThanOrEqual(30_000);
    const byTicket = new RawClient(`${server.wsUrl}?ticket=${ticket}`);
    expect((await byTicket.next("welcome")).payload).toMatchObject({ user: { id: "cy" } });
    expect((await upgrade(server.url, { path: `/ws?ticket=${ticket}` })).status).toBe(401);
  });

  it("AUTH-1: a token in a URL is not accepted, though it is a good one", async () => {
    await begin();
    const good = await token("ada");
    for (const name of ["token", "access_token"]) {
      const { status, body } = await upgrade(server.url, { path: `/ws?${name}=${good}` });
      expect(status).toBe(401);
      expect(body).not.toContain(good);
    }
    const response = await fetch(`${server.url}/api/tickets?token=${good}`, { method: "POST" });
    expect(response.status).toBe(401);
  });

  it("AUTH-2: a first authenticate is answered by welcome and, with a messageId, by an ack", async () => {
    await begin();
    const client = await RawClient.open(server);
    expect(await client.ask("authenticate", { token: await token("ada") }, "first")).toMatchObject({
      success: true,
      expiresAt: expect.any(Number),
    });
    expect(client.received.map(({ type }) => type)).toEqual(["welcome", "ack"]);
  });

  it("AUTH-2: a later one refreshes the token in place: one ack, no second welcome, rooms stay joined", async () => {
    await begin();
    const client = await bearer("ada", { expiresInMs: 60_000 });
    await client.join("room");
    expect(await client.ask("authenticate", { token: await token("ada", { expiresInMs: 600_000 }) })).toMatchObject({
      success: true,
      expiresAt: expect.any(Number),
    });
    await clock.advance(90_000);
    client.send("ping", {});
    await client.next("pong");
    expect(await client.ask("send_message", { roomId: "room", content: "still here" })).toMatchObject({ seq: 1 });
    expect(client.received.filter(({ type }) => type === "welcome")).toHaveLength(1);
  });

  it("AUTH-2: a refresh that is not accepted changes nothing", async () => {
    await begin();
    const client = await bearer("ada");
    const { success, error } = await client.ask("authenticate", { token: "bad" });
    expect([success, error?.code]).toEqual([false, "unauthenticated"]);
    expect(await client.ask("ping", {})).toEqual({ success: true });
  });

  it("[case 7] AUTH-2, ACK-1: another user's token is refused with access_denied, once, and closes with 4403", async () => {
    await begin();
    const client = await bearer("ada");
    client.send("authenticate", { token: await token("ben") }, "swap");
    expect((await client.closed).code).toBe(CLOSE_CODES.forbidden.code);
    const answers = client.received.filter(({ type }) => type === "ack" || type === "error");
    expect(answers).toEqual([
      expect.objectContaining({
        type: "ack",
        messageId: "swap",
        payload: { success: false, error: expect.objectContaining({ code: "access_denied" }) },
      }),
    ]);
  });

  it("AUTH-3: without a token in 5 s the connection is closed with 1013, and not before", async () => {
    await begin();
    const client = await RawClient.open(server);
    await until(() => server.connections === 1);
    await clock.advance(4_900);
    client.send("send_message", { roomId: "room", content: "x" });
    expect((await client.next("error")).payload).toMatchObject({ code: "unauthenticated" });
    expect(client.closeCode).toBeNull();
    await clock.advance(500);
    expect((await client.closed).code).toBe(CLOSE_CODES.try_later.code);
    expect(server.connections).toBe(0);
  });

  it("AUTH-3: until then every other message is refused and changes nothing", async () => {
    await begin();
    const client = await RawClient.open(server);
    for (const type of ["join_room", "leave_room", "send_message", "ping", "list_rooms", "no_such_type"]) {
      const { success, error } = await client.ask(type, { roomId: "room" });
      expect([type, success, error?.code]).toEqual([type, false, "unauthenticated"]);
    }
    expect((await server.room("room").members()).count).toBe(0);
  });

  it("AUTH-3: messages right behind authenticate are handled after it, in order", async () => {
    await begin();
    const client = await RawClient.open(server);
    client.send("authenticate", { token: await token("ada") });
    client.send("join_room", { roomId: "room" });
    for (let index = 1; index <= 5; index++) client.send("send_message", { roomId: "room", content: "x" }, `m${index}`);
    await client.next(({ messageId, type }) => type === "ack" && messageId === "m5");
    const order = client.received.filter(({ type }) => type !== "room_users" && type !== "new_message");
    expect(order.map(({ type }) => type)).toEqual(["welcome", "joined_room", "ack", "ack", "ack", "ack", "ack"]);
  });

  it("[case 59] AUTH-3: a check that hangs does not keep the connection open", async () => {
    await begin({ auth: () => new Promise(() => {}) });
    const client = await RawClient.open(server);
    client.send("authenticate", { token: "never answered" });
    await until(async () => /messages_received_total 1/.test(await server.metrics()));
    await clock.advance(5_500);
    expect((await client.closed).code).toBe(CLOSE_CODES.try_later.code);
  });

  it("AUTH-4: every refused first token gets the same words and 4401; an expired one says that it expired", async () => {
    await begin();
    const good = await token("ada");
    const expired = await token("ada", { expiresInMs: 60_000 });
    await clock.advance(91_000);
    const answers = new Set<string>();
    for (const bad of ["", "x", `${good}x`, good.slice(0, -2), `${good.split(".").slice(0, 2).join(".")}.`]) {
      const client = await RawClient.open(server);
      client.send("authenticate", { token: bad }, "a");
      const { code } = await client.closed;
      expect(code).toBe(CLOSE_CODES.unauthenticated.code);
      answers.add(JSON.stringify(client.received.map(({ type, payload }) => [type, payload])));
    }
    expect(answers.size).toBe(1);
    const late = await RawClient.open(server);
    late.send("authenticate", { token: expired }, "a");
    await late.closed;
    expect(late.received[0]).toMatchObject({ payload: { error: { code: "token_expired" } } });
  });

  it("AUTH-5: where guests are allowed, whoever's first message is not authenticate is one, at once", async () => {
    await begin({ guests: true });
    for (const type of ["ping", "join_room"]) {
      const client = await RawClient.open(server);
      client.send(type, { roomId: "room" });
      const { payload } = await client.next("welcome");
      expect(payload).toMatchObject({ guest: true, user: { id: expect.stringMatching(/^guest-.+/) } });
      expect(client.received[0]?.type).toBe("welcome");
      await client.next(type === "ping" ? "pong" : "joined_room");
    }
  });

  it("AUTH-5: one that sends nothing is welcomed after 1 s; two guests are two users", async () => {
    await begin({ guests: true });
    const clients = await Promise.all([RawClient.open(server), RawClient.open(server)]);
    await until(() => server.connections === 2);
    await clock.advance(900);
    expect(clients.flatMap(({ received }) => received)).toEqual([]);
    await clock.advance(400);
    const ids = await Promise.all(clients.map(async (client) => (await client.next("welcome")).payload));
    expect(new Set(ids.map(({ user }: { user: { id: string } }) => user.id)).size).toBe(2);
  });

  it("AUTH-5: a token that comes after the silence makes it the user after all, as long as nothing else came before", async () => {
    await begin({ guests: true });
    const late = await RawClient.open(server);
    await until(() => server.connections === 1);
    await clock.advance(1_400);
    expect((await late.next("welcome")).payload).toMatchObject({ guest: true });
    late.send("authenticate", { token: await token("ada") }, "auth");
    expect((await late.next("welcome")).payload).toMatchObject({ guest: false, user: { id: "ada" } });
    expect((await late.next("ack")).payload).toMatchObject({ success: true });
    await late.join("room");
    expect((await server.room("room").members()).users).toMatchObject([{ userId: "ada" }]);
    late.send("authenticate", { token: await token("ben") });
    expect((await late.closed).code).toBe(CLOSE_CODES.forbidden.code);

    const hasty = await RawClient.open(server);
    await until(() => server.connections === 1);
    await clock.advance(1_400);
    await hasty.next("welcome");
    hasty.send("authenticate", { token: await token("ada") });
    hasty.send("join_room", { roomId: "room" });
    expect((await hasty.next("welcome")).payload).toMatchObject({ guest: false, user: { id: "ada" } });
    await hasty.next("joined_room");
    hasty.close();
    await hasty.closed;

    const spoke = await RawClient.open(server);
    await until(() => server.connections === 1);
    await clock.advance(1_400);
    await spoke.next("welcome");
    await spoke.join("room");
    spoke.send("authenticate", { token: await token("ada") });
    expect((await spoke.closed).code).toBe(CLOSE_CODES.forbidden.code);
  });

  it("AUTH-6: a userId in a payload is ignored", async () => {
    await begin();
    const ada = await bearer("ada");
    await ada.join("room");
    await ada.ask("send_message", { roomId: "room", content: "x", userId: "ben", userName: "Ben", sender: "ben" });
    const { payload } = await ada.next("new_message");
    expect(payload).toMatchObject({ userId: "ada", userName: "ada" });
    ada.send("typing_start", { roomId: "room", userId: "ben" });
    expect((await ada.next("user_typing")).payload).toMatchObject({ userId: "ada" });
  });

  it("[case 4] AUTH-7: when the token expires the connection is closed with 4401 within 5 s", async () => {
    await begin();
    const ada = await bearer("ada", { expiresInMs: 60_000 });
    const ben = await bearer("ben", { expiresInMs: 120_000 });
    await ada.join("room");
    await clock.advance(59_000);
    expect(ada.closeCode).toBeNull();
    await clock.advance(5_000);
    expect((await ada.closed).code).toBe(CLOSE_CODES.unauthenticated.code);
    expect(await ben.ask("ping", {})).toEqual({ success: true });
    expect(server.connections).toBe(1);
  });

  it("AUTH-8: the claim `rooms` limits what the token may do, to the rights it names", async () => {
    await begin();
    await server.room("feed:news").publish("headline", { text: "hello" });
    const ada = await bearer("ada", {
      rooms: { "chat:team-*": ["read", "write"], "feed:news": ["read"], lobby: ["write"] },
    });
    for (const [roomId, type] of [
      ["team-1", "joined_room"],
      ["chat:team-2", "joined_room"],
      ["feed:news", "joined_room"],
      ["team", "error"],
      ["lobby", "error"],
      ["feed:news-2", "error"],
      ["Team-1", "error"],
      ["user:ada", "error"],
    ]) {
      const answer = await ada.join(roomId!);
      expect([roomId, answer.type]).toEqual([roomId, type]);
      if (type === "error") expect(answer.payload).toMatchObject({ code: "access_denied" });
    }
    expect(await ada.ask("send_message", { roomId: "team-1", content: "x" })).toMatchObject({ success: true });
    const reader = await bearer("ben", { rooms: { "chat:team-1": ["read"] } });
    await reader.join("team-1");
    const { error } = await reader.ask("send_message", { roomId: "team-1", content: "x" });
    expect(error?.code).toBe("access_denied");
    expect((await server.room("team-1").view()).head).toBe(1);
  });

  it("AUTH-8: `user:<sub>` is readable by that user alone, whatever any rule says", async () => {
    await begin({ access: () => true });
    await server.room("user:ada").publish("notification", { title: "for ada only" });
    const ada = await bearer("ada");
    expect((await ada.join("user:ada", { after: 0 })).type).toBe("joined_room");
    await ada.next("notification");
    const eve = await bearer("eve", { rooms: { "*": ["read", "write", "admin"], "user:ada": ["read"] } });
    for (const roomId of ["user:ada", "user:ADA", "user:ada/", "user:ada/x", "user:*", "user:ａda", "user:ada "]) {
      const { type, payload } = await eve.join(roomId, { after: 0 });
      expect([roomId, type]).toEqual([roomId, "error"]);
      expect(["access_denied", "invalid_message"]).toContain((payload as { code: string }).code);
    }
    expect(JSON.stringify(eve.received)).not.toContain("for ada only");
  });
});

import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { createMemoryBus, createMemoryHub } from "../../src/bus/memory.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { RawClient, startServer, until } from "../harness.ts";
import { DRIVERS, type Driver, type DriverName, openDriver } from "../transports/drivers.ts";
import { ask } from "../transports/http-request.ts";
import { type Node, SECRET, TwoNodes } from "./two-nodes.ts";

const REVOKED = { code: 4401, reason: "the token was revoked", status: null };
const ROOM = "chat:lobby";

describe("access that was taken back", () => {
  let nodes: TwoNodes;
  const drivers: Driver[] = [];
  const begin = async (options = {}) => {
    nodes = await TwoNodes.start({ limits: { connectionsPerIp: 0, requestsPerSecond: 0 }, ...options });
  };
  const open = async (name: DriverName, node: Node, token: string) => {
    const driver = await openDriver(name, { url: node.url, token });
    drivers.push(driver);
    return driver;
  };
  const refusedAt = async (node: Node, token: string) =>
    (await ask(node.url, "/api/messages?roomId=lobby", { token })).status === 401;

  afterEach(async () => {
    for (const driver of drivers.splice(0)) driver.close();
    await nodes?.close();
  });

  /** A token as another program would sign it. */
  const forged = (claims: object) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
  };
  const seconds = () => Math.floor(Date.now() / 1000);

  it.each(DRIVERS)(
    "AUTH-10: of a user ends its connections over %s, on all nodes, and nothing comes after",
    async (name) => {
      await begin();
      const token = await nodes.token("ada");
      const [here, there] = [await open(name, nodes.here, token), await open(name, nodes.there, token)];
      const ben = await open(name, nodes.there, await nodes.token("ben"));
      for (const driver of [here, there, ben]) await driver.join("lobby");
      await nodes.here.room("lobby").publish("news", { index: 1 });
      await until(() => [here, there, ben].every((driver) => driver.seqs(ROOM).length === 1));
      expect(await nodes.here.revoke({ user: "ada", reason: "lost laptop" })).toBe(true);
      for (const driver of [here, there]) {
        const ended = await driver.end();
        // A poll that comes just then is refused as a request.
        if (ended.status === null) expect(ended).toEqual(REVOKED);
        else expect(ended).toEqual({ code: 0, reason: "unauthenticated", status: 401 });
      }
      await nodes.here.room("lobby").publish("news", { index: 2 });
      await until(() => ben.seqs(ROOM).length === 2);
      expect([here.seqs(ROOM), there.seqs(ROOM)]).toEqual([[1], [1]]);
      expect(await refusedAt(nodes.here, token)).toBe(true);
      expect(await refusedAt(nodes.there, token)).toBe(true);
    },
  );

  it("AUTH-10: a message of a revoked user that comes in at the same time is in the log and acknowledged, or neither", async () => {
    await begin();
    const ada = await nodes.open(nodes.here, "ada");
    await ada.join("lobby");
    for (let index = 0; index < 50; index++) ada.send("send_message", { roomId: "lobby", content: "x" }, `m${index}`);
    await nodes.there.revoke({ user: "ada" });
    expect((await ada.closed).code).toBe(4401);
    const acked = ada.received.filter(
      ({ type, payload }) => type === "ack" && (payload as { success: boolean }).success,
    );
    const head = (await nodes.here.room("lobby").view()).head;
    expect(acked.length).toBeLessThanOrEqual(head);
    await ada.closed;
    expect((await nodes.here.room("lobby").view()).head).toBe(head);
  });

  it("AUTH-10: a token that was issued later is good, and one without a time of issue is not", async () => {
    await begin();
    await nodes.here.revoke({ user: "ada" });
    const common = { sub: "ada", exp: seconds() + 600 };
    expect(await refusedAt(nodes.there, forged({ ...common, iat: seconds() - 5 }))).toBe(true);
    expect(await refusedAt(nodes.there, forged(common))).toBe(true);
    expect(await refusedAt(nodes.there, forged({ ...common, iat: seconds() + 2 }))).toBe(false);
    expect(await refusedAt(nodes.there, forged({ ...common, sub: "ben", iat: seconds() - 5 }))).toBe(false);
  });

  it.each([
    ["its jti", (_token: string) => "the-one"],
    ["itself", (token: string) => token],
  ])("AUTH-10: one token is revoked by %s, and the user's others are good", async (_name, idOf) => {
    await begin();
    const claims = { sub: "ada", iat: seconds(), exp: seconds() + 600 };
    const [one, other] = [forged({ ...claims, jti: "the-one" }), forged({ ...claims, jti: "the-other" })];
    const [ada, also] = [await open("websocket", nodes.here, one), await open("websocket", nodes.here, other)];
    await nodes.there.revoke({ token: idOf(one) });
    expect(await ada.end()).toEqual(REVOKED);
    expect(await refusedAt(nodes.here, one)).toBe(true);
    expect(await refusedAt(nodes.here, other)).toBe(false);
    expect(also.ended).toBeNull();
  });

  it("AUTH-10: a token without a jti is revoked by itself", async () => {
    await begin();
    const claims = { sub: "ada", iat: seconds(), exp: seconds() + 600 };
    const [one, other] = [forged(claims), forged({ ...claims, exp: seconds() + 601 })];
    await nodes.there.revoke({ token: one });
    await until(() => refusedAt(nodes.here, one));
    expect(await refusedAt(nodes.here, other)).toBe(false);
  });

  it("AUTH-10: a connection is revoked with the token it came with, wherever it is", async () => {
    await begin();
    const token = await nodes.token("ada");
    const one = await nodes.open(nodes.there, "ada", token);
    const other = await nodes.open(nodes.here, "ada");
    const { connections } = await nodes.here.listConnections({ userId: "ada" });
    const { connectionId } = one.received.find(({ type }) => type === "welcome")!.payload as { connectionId: string };
    expect(connections.map((each) => each.connectionId)).toContain(connectionId);
    expect(await nodes.here.revoke({ connection: connectionId })).toBe(true);
    expect((await one.closed).code).toBe(4401);
    expect(await refusedAt(nodes.here, token)).toBe(true);
    expect(other.closeCode).toBeNull();
    expect(await nodes.here.revoke({ connection: connectionId })).toBe(false);
    expect(await nodes.here.revoke({ connection: "nowhere-1" })).toBe(false);
  });

  it.each(["here", "there"] as const)(
    "AUTH-10: a connection %s that could not be revoked while the log was away is revoked when that is asked again",
    async (where) => {
      const log = createFaultyLog(createMemoryLog());
      await begin({ log });
      const token = await nodes.token("ada");
      const ada = await nodes.open(nodes[where], "ada", token);
      const { connectionId } = ada.received.find(({ type }) => type === "welcome")!.payload as { connectionId: string };
      log.failAppends(1);
      await expect(nodes.here.revoke({ connection: connectionId })).rejects.toMatchObject({ code: "unavailable" });
      expect(await nodes.here.revoke({ connection: connectionId })).toBe(true);
      expect((await ada.closed).code).toBe(4401);
      await until(() => refusedAt(nodes.there, token));
    },
  );

  it("AUTH-10: a ticket of a revoked user, and a token that would refresh a connection, are not accepted", async () => {
    await begin();
    const token = await nodes.token("ada");
    const { body } = await ask(nodes.here.url, "/api/tickets", { method: "POST", token });
    const { ticket } = body as { ticket: string };
    const ben = await nodes.open(nodes.here, "ben");
    const old = forged({ sub: "ben", iat: seconds() - 100, exp: seconds() + 600, jti: "old" });
    await nodes.here.revoke({ user: "ada" });
    await nodes.here.revoke({ token: "old" });
    expect(await ask(nodes.here.url, `/api/messages?roomId=lobby&ticket=${ticket}`)).toMatchObject({ status: 401 });
    const { error } = await ben.ask("authenticate", { token: old });
    expect(error).toMatchObject({ code: "unauthenticated", message: "The token is not accepted." });
    expect(await ben.ask("ping", {})).toMatchObject({ success: true });
  });

  it("AUTH-10: a guest is revoked for good", async () => {
    await begin({ guests: true });
    const guest = new RawClient(nodes.here.wsUrl);
    await guest.opened();
    guest.send("ping", {});
    const { payload } = await guest.next("welcome");
    const { connectionId, guestToken } = payload as { connectionId: string; guestToken: string };
    await nodes.there.revoke({ connection: connectionId });
    expect((await guest.closed).code).toBe(4401);
    expect(await refusedAt(nodes.here, guestToken)).toBe(true);
  });

  it("AUTH-10: it reaches a node that starts later, which says no more of it than of any other token", async () => {
    await begin();
    const token = await nodes.token("ada");
    await nodes.here.revoke({ user: "ada" });
    const later = await nodes.startAnother();
    expect(await refusedAt(later, token)).toBe(true);
    const ada = new RawClient(later.wsUrl);
    await ada.opened();
    ada.send("authenticate", { token });
    expect((await ada.closed).code).toBe(4401);
    expect(ada.received).toMatchObject([
      { type: "error", payload: { code: "unauthenticated", message: "The token is not accepted." } },
    ]);
  });

  it("AUTH-10, AUTH-11: it outlives a restart, and so do bans", async () => {
    const directory = await mkdtemp(join(tmpdir(), "yamabiko-"));
    const start = () =>
      startServer({
        log: `sqlite:${directory}/log.db`,
        dev: false,
        auth: { secret: SECRET },
        retention: { maxEvents: 1 },
      });
    const token = await signToken(SECRET, { user: "ada", expiresInMs: 600_000 });
    try {
      const first = await start();
      for (let index = 0; index < 3; index++) await first.ban({ user: `troll-${index}`, room: "lobby" });
      await first.revoke({ user: "ada" });
      await first.close();
      const second = await start();
      expect(await refusedAt(second, token)).toBe(true);
      expect((await second.bans()).map(({ userId }) => userId)).toEqual(["troll-0", "troll-1", "troll-2"]);
      await second.close();
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("is kept as long as the longest token is good", async () => {
    const clock = createFakeClock();
    await begin({ clock, auth: { secret: SECRET, maxLifetimeMs: 3_600_000 } });
    await nodes.here.revoke({ user: "ada" });
    expect(await nodes.here.metrics()).toMatch(/yamabiko_revocations 1\n/);
    await clock.advance(3_600_000 + 61_000);
    await nodes.here.ban({ user: "eve", room: "lobby" });
    const [view] = [await nodes.startAnother()];
    expect(await view.metrics()).toMatch(/yamabiko_revocations 0\n/);
    expect(await view.bans()).toHaveLength(1);
  });

  it.each([
    [{}],
    [{ user: "ada", token: "x" }],
    [{ user: "" }],
    [{ user: "a\nb" }],
    [{ token: "x".repeat(9_000) }],
    [{ user: "ada", reason: "x".repeat(201) }],
    [{ user: 5 as unknown as string }],
  ])("%j is refused, and changes nothing", async (revocation) => {
    await begin();
    await expect(nodes.here.revoke(revocation)).rejects.toMatchObject({ code: "invalid_message" });
    expect(await nodes.here.metrics()).toMatch(/yamabiko_revocations 0\n/);
  });

  it("rejects when the log cannot take it, and then it may be said again", async () => {
    const log = createFaultyLog(createMemoryLog());
    const server = await startServer({ log, bus: createMemoryBus({ hub: createMemoryHub() }) });
    try {
      log.failAppends(1);
      await expect(server.revoke({ user: "ada" })).rejects.toMatchObject({ code: "unavailable" });
      expect(await server.revoke({ user: "ada" })).toBe(true);
    } finally {
      await server.close();
    }
  });
});

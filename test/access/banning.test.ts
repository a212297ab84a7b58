import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineNamespace } from "../../src/session/namespace.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { until } from "../harness.ts";
import { DRIVERS, type Driver, openDriver } from "../transports/drivers.ts";
import { ask } from "../transports/http-request.ts";
import { TwoNodes } from "./two-nodes.ts";

const ROOM = "chat:lobby";

describe("bans", () => {
  let nodes: TwoNodes;
  const drivers: Driver[] = [];

  beforeEach(async () => {
    nodes = await TwoNodes.start({ limits: { connectionsPerIp: 0, requestsPerSecond: 0 } });
  });

  afterEach(async () => {
    for (const driver of drivers.splice(0)) driver.close();
    await nodes.close();
  });

  it.each(DRIVERS)("AUTH-11: take a user out of a room over %s, and do not let it in again", async (name) => {
    const token = await nodes.token("ada");
    const ada = await openDriver(name, { url: nodes.here.url, token });
    drivers.push(ada);
    await ada.join("lobby");
    await ada.join("garden");
    await nodes.here.room("lobby").publish("news", { index: 1 });
    await until(() => ada.seqs(ROOM).length === 1);
    await nodes.there.ban({ user: "ada", room: "lobby", reason: "spam" });
    const left = await ada.next("left_room");
    // One that was between two polls is told what its join is told.
    expect(left.payload).toMatchObject({ roomId: ROOM, reason: expect.stringMatching(/^(banned|access_denied)$/) });
    await nodes.here.room("lobby").publish("news", { index: 2 });
    await nodes.here.room("garden").publish("news", { index: 1 });
    await until(() => ada.seqs("chat:garden").length === 1);
    expect(ada.seqs(ROOM)).toEqual([1]);
    const after = ada.cursors.get(ROOM);
    const { ack } = await ada.join("lobby", { after });
    expect(ack).toMatchObject({
      success: false,
      error: { code: "access_denied", message: "You are banned from this room.", retryable: false },
    });
    const sent = await ada.send("send_message", { roomId: "lobby", content: "x" });
    expect(sent).toMatchObject({ success: false });
    expect((await nodes.here.room("lobby").view()).head).toBe(2);
    for (const path of ["history", "members"]) {
      const answer = await ask(nodes.there.url, `/api/rooms/lobby/${path}`, { token });
      expect(answer).toMatchObject({ status: 403, body: { error: { message: "You are banned from this room." } } });
    }
    expect(JSON.stringify(ada.received)).not.toContain("spam");
  });

  it("AUTH-11: end when they are lifted, on all nodes", async () => {
    await nodes.here.ban({ user: "ada", room: "lobby" });
    const ada = await nodes.open(nodes.there, "ada");
    await until(async () => (await ada.join("lobby")).type === "error");
    expect(await nodes.there.unban({ user: "ada", room: "chat:lobby" })).toBe(true);
    await until(async () => (await ada.join("lobby")).type === "joined_room");
    expect(await nodes.there.unban({ user: "ada", room: "lobby" })).toBe(false);
  });

  it("AUTH-11: end by themselves when their time is over", async () => {
    await nodes.close();
    const clock = createFakeClock();
    nodes = await TwoNodes.start({ clock });
    const ban = await nodes.here.ban({ user: "ada", room: "lobby", forMs: 60_000 });
    expect(ban).toMatchObject({ roomId: ROOM, userId: "ada", until: clock.now() + 60_000 });
    const ada = await nodes.open(nodes.here, "ada");
    const refusal = await ada.join("lobby");
    expect(refusal.payload).toMatchObject({
      message: `You are banned from this room until ${new Date(ban.until!).toISOString()}.`,
    });
    await clock.advance(60_000);
    expect(await nodes.here.bans()).toEqual([]);
    expect((await ada.join("lobby")).type).toBe("joined_room");
  });

  it("are listed by room and by user, with their reasons", async () => {
    await nodes.here.ban({ user: "ada", room: "lobby", reason: "spam" });
    await nodes.here.ban({ user: "eve", room: "lobby" });
    await nodes.here.ban({ user: "eve", room: "game:arena" });
    await nodes.here.ban({ user: "ada", room: "lobby", reason: "spam again" });
    await until(async () => (await nodes.there.bans()).length === 3);
    const said = async (query: object) =>
      (await nodes.there.bans(query)).map(({ roomId, userId, reason }) => [roomId, userId, reason]);
    expect(await said({ room: "lobby" })).toEqual([
      [ROOM, "eve", null],
      [ROOM, "ada", "spam again"],
    ]);
    expect(await said({ user: "eve" })).toEqual([
      [ROOM, "eve", null],
      ["game:arena", "eve", null],
    ]);
    expect(await said({ user: "eve", room: "garden" })).toEqual([]);
  });

  it("a ban of one who is nowhere is no error, and a kick neither", async () => {
    await nodes.here.ban({ user: "nobody", room: "lobby" });
    await nodes.here.kick({ user: "nobody", room: "lobby" });
    const ada = await nodes.open(nodes.there, "ada");
    await ada.join("lobby");
    await nodes.here.kick({ user: "ada", room: "lobby" });
    expect((await ada.next("left_room")).payload).toMatchObject({ reason: "kicked" });
    expect((await ada.join("lobby")).type).toBe("joined_room");
  });

  it.each([
    [{ user: "ada", room: "no such: room" }],
    [{ user: "", room: "lobby" }],
    [{ user: "ada", room: "lobby", forMs: 0 }],
    [{ user: "ada", room: "lobby", forMs: Number.POSITIVE_INFINITY }],
    [{ user: "ada", room: "lobby", reason: 5 as unknown as string }],
  ])("%j is refused", async (ban) => {
    await expect(nodes.here.ban(ban)).rejects.toMatchObject({ code: "invalid_message" });
    expect(await nodes.here.bans()).toEqual([]);
  });

  it("the log they are kept in is nobody's to read or to write", async () => {
    await nodes.here.ban({ user: "ada", room: "lobby" });
    const eve = await nodes.open(
      nodes.here,
      "eve",
      await nodes.token("eve", 60_000, { "*": ["read", "write", "admin"] }),
    );
    expect((await eve.join("server:access", { after: 0 })).payload).toMatchObject({ code: "unknown_type" });
    expect(() => nodes.here.room("server:access")).toThrow(/namespace/);
    const { status } = await ask(nodes.here.url, "/api/rooms/server:access/history", {
      token: await nodes.token("eve"),
    });
    expect(status).toBe(404);
    expect(() => nodes.here.room("server:other")).toThrow(/namespace/);
  });
});

describe("rules that have changed", () => {
  it("AUTH-11: are asked again about those who are in a room, on all nodes, when the server says so", async () => {
    const closed = new Set<string>();
    const nodes = await TwoNodes.start({ access: ({ roomId }) => !closed.has(roomId) });
    try {
      const [ada, ben] = [await nodes.open(nodes.here, "ada"), await nodes.open(nodes.there, "ben")];
      for (const client of [ada, ben]) {
        await client.join("lobby");
        await client.join("garden");
      }
      closed.add(ROOM);
      await nodes.here.recheckAccess("ben");
      expect((await ben.next("left_room")).payload).toEqual({ roomId: ROOM, reason: "access_denied" });
      expect(ada.received.some(({ type }) => type === "left_room")).toBe(false);
      await nodes.there.recheckAccess();
      expect((await ada.next("left_room")).payload).toEqual({ roomId: ROOM, reason: "access_denied" });
      await nodes.here.room("garden").publish("news", {});
      await ada.next((envelope) => envelope.seq !== undefined && envelope.roomId === "chat:garden");
    } finally {
      await nodes.close();
    }
  });

  it("AUTH-11: one who was let in by the old rules and is not in yet asks again", async () => {
    const closed = new Set<string>();
    let letIn = (): void => {};
    const gate = new Promise<void>((resolve) => {
      letIn = resolve;
    });
    const hall = defineNamespace({ name: "hall", messages: {}, onJoin: () => gate.then(() => undefined) });
    const nodes = await TwoNodes.start({ access: ({ roomId }) => !closed.has(roomId), namespaces: [hall] });
    try {
      const ada = await nodes.open(nodes.here, "ada");
      const entering = ada.ask("join_room", { roomId: "hall:a" });
      await ada.ask("ping", {});
      closed.add("hall:a");
      await nodes.here.recheckAccess("ada");
      letIn();
      expect(await entering).toMatchObject({ success: false, error: { code: "unavailable", retryable: true } });
      expect(await ada.ask("join_room", { roomId: "hall:a" })).toMatchObject({ error: { code: "access_denied" } });
    } finally {
      await nodes.close();
    }
  });
});

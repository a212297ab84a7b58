import { describe, expect, it, vi } from "vitest";
import type { Envelope } from "../protocol/envelope.ts";
import { brief, createFixture, type Fixture } from "./fixture.test-support.ts";
import type { HistoryLost, Room } from "./index.ts";

/** A room joined at E:0, with what its listeners got. */
async function joinedRoom(f: Fixture, cursor = "E:0"): Promise<{ room: Room; got: string[] }> {
  const room = f.client.join("lobby");
  const got: string[] = [];
  room.on("*", (_payload: unknown, envelope: Envelope) => {
    if (envelope.seq !== undefined) got.push(`${room.epoch}:${envelope.seq}`);
  });
  await f.welcome();
  f.joined("chat:lobby", cursor);
  await f.clock.flush();
  return { room, got };
}

async function reconnect(f: Fixture): Promise<Envelope[]> {
  f.client.cut();
  await f.clock.advance(30_000);
  return f.welcome();
}

describe("joining", () => {
  it("ENV-4: one handle for one room, whatever form its name has", async () => {
    const { client } = await createFixture();
    expect(client.join("lobby")).toBe(client.join("chat:lobby"));
    expect(client.join("game:lobby")).not.toBe(client.join("chat:lobby"));
  });

  it("JOIN-1: joins with what the application wants, then from the cursor reached", async () => {
    const f = await createFixture();
    const room = f.client.join("dashboard:system", { limit: 5, maxHz: 10 });
    const [first] = await f.welcome();
    expect(first).toMatchObject({ type: "join_room", payload: { roomId: "dashboard:system", limit: 5, maxHz: 10 } });
    expect(room.status).toBe("joining");
    expect(room.cursor).toBeNull();
    f.joined("dashboard:system", "E:7", { head: 9, you: { readUpTo: 3 }, state: { typing: { u: 1 } } });
    f.event("dashboard:system", 8);
    await expect(room.joined).resolves.toMatchObject({ cursor: "E:7" });
    expect(room).toMatchObject({ status: "joined", epoch: "E", seq: 8, head: 9, cursor: "E:8" });
    expect(room.you).toEqual({ readUpTo: 3 });
    expect(room.state).toEqual({ typing: { u: 1 } });
    const [again] = await reconnect(f);
    expect(again?.payload).toEqual({ roomId: "dashboard:system", maxHz: 10, after: "E:8" });
  });

  it("JOIN-1: starts after a cursor kept from an earlier page load", async () => {
    const f = await createFixture();
    f.client.join("lobby", { after: "E:4" });
    expect((await f.welcome())[0]?.payload).toEqual({ roomId: "chat:lobby", after: "E:4" });
  });

  it("JOIN-4: a refused join fails the room and its messages, and may be tried anew", async () => {
    const f = await createFixture();
    const room = f.client.join("secret");
    const errors: string[] = [];
    room.on("error", (error) => void errors.push(error.code));
    const message = room.send("send_message", { n: 1 });
    const [join] = await f.welcome();
    f.refuse(join?.messageId, { code: "access_denied" });
    await expect(room.joined).rejects.toMatchObject({ code: "access_denied" });
    await expect(message.ack).rejects.toMatchObject({ code: "access_denied" });
    expect(room.status).toBe("failed");
    expect(errors).toEqual(["access_denied"]);
    await expect(room.emitWithAck("send_message", {})).rejects.toMatchObject({ code: "not_joined" });
    f.take();
    expect(await reconnect(f)).toEqual([expect.objectContaining({ type: "ping" })].slice(1));
    const anew = f.client.join("secret");
    expect(anew).not.toBe(room);
    expect(brief(f.take())).toEqual(["join_room"]);
  });

  it("ACK-5: a join refused retryably comes again with the same messageId, and the room's messages behind it", async () => {
    const f = await createFixture();
    const room = f.client.join("lobby");
    const message = room.send("send_message", { n: 1 });
    const [join, send] = await f.welcome();
    f.refuse(join?.messageId, { code: "unavailable", retryable: true, retryAfterMs: 300 });
    f.refuse(send?.messageId, { code: "not_joined" });
    expect(message.state).toBe("queued");
    await f.clock.advance(299);
    expect(f.take()).toEqual([]);
    await f.clock.advance(1);
    const again = f.take();
    expect(brief(again)).toEqual(["join_room", "send_message 1"]);
    expect(again.map((e) => e.messageId)).toEqual([join?.messageId, send?.messageId]);
    f.joined("chat:lobby", "E:0");
    f.ack(send?.messageId);
    await expect(message.ack).resolves.toMatchObject({ success: true });
  });

  it("JOIN-5: leaving ends it; nothing of the room is handed on any more", async () => {
    const f = await createFixture();
    const { room, got } = await joinedRoom(f);
    const left = vi.fn();
    const seen = vi.fn();
    room.on("left", left);
    f.client.on("new_message", seen);
    room.leave();
    room.leave();
    expect(brief(f.take())).toEqual(["leave_room"]);
    f.event("chat:lobby", 1);
    expect([room.status, got, seen.mock.calls.length, left.mock.calls.length]).toEqual(["left", [], 0, 1]);
    await expect(room.send("send_message", {}).ack).rejects.toMatchObject({ code: "not_joined" });
    expect(f.take()).toEqual([]);
    await reconnect(f);
    expect(f.take()).toEqual([]);
  });

  it("JOIN-3: leaving and joining again takes only the answer to the last join", async () => {
    const f = await createFixture();
    await f.welcome();
    f.client.join("lobby").leave();
    const room = f.client.join("lobby");
    const got: number[] = [];
    room.on("new_message", (_payload: unknown, envelope: Envelope) => void got.push(envelope.seq!));
    expect(brief(f.take())).toEqual(["join_room", "leave_room", "join_room"]);
    f.joined("chat:lobby", "E:3");
    f.event("chat:lobby", 4);
    f.network.socket.receive({ type: "left_room", payload: { roomId: "chat:lobby" } });
    expect(room.status).toBe("joining");
    f.joined("chat:lobby", "E:4");
    f.event("chat:lobby", 5);
    expect(got).toEqual([5]);
  });

  it("RES-1: the server's own join to its default room is not taken for the answer to ours", async () => {
    const f = await createFixture();
    const { room, got } = await joinedRoom(f);
    const answers: unknown[] = [];
    room.on("joined", ({ cursor }) => void answers.push(cursor));
    const [join] = await reconnect(f);
    const say = (cursor: string, recovered: boolean): void =>
      f.network.socket.receive({
        type: "joined_room",
        payload: { roomId: "chat:lobby", epoch: "E", head: 2, cursor, recovered, state: {} },
      });
    say("E:2", false);
    f.event("chat:lobby", 3);
    say("E:0", true);
    f.ack(join?.messageId);
    for (const seq of [1, 2, 3]) f.event("chat:lobby", seq);
    expect(got).toEqual(["E:1", "E:2", "E:3"]);
    expect(answers).toEqual(["E:0"]);
  });

  it("JOIN-1, JOIN-2: what follows joined_room before the ack of the join is not lost", async () => {
    const f = await createFixture();
    const { got } = await joinedRoom(f);
    const [join] = await reconnect(f);
    const payload = { roomId: "chat:lobby", epoch: "E", head: 2, cursor: "E:0", recovered: true, state: {} };
    f.network.socket.receive({ type: "joined_room", payload });
    for (const seq of [1, 2]) f.event("chat:lobby", seq);
    expect(got).toEqual([]);
    f.ack(join?.messageId, { roomId: "chat:lobby" });
    f.event("chat:lobby", 3);
    expect(got).toEqual(["E:1", "E:2", "E:3"]);
  });

  it("RES-2: what was lost is told behind the join it belongs to", async () => {
    const f = await createFixture();
    const { room, got } = await joinedRoom(f);
    const told: string[] = [];
    room.on("joined", ({ cursor }) => void told.push(`joined ${cursor}`));
    room.on("history_lost", ({ cursor }) => void told.push(`lost ${cursor}`));
    const [join] = await reconnect(f);
    const payload = { roomId: "chat:lobby", epoch: "F", head: 8, cursor: "F:7", recovered: false, state: {} };
    f.network.socket.receive({ type: "joined_room", payload });
    const lost = { roomId: "chat:lobby", reason: "epoch", from: null, to: null, cursor: "F:7" };
    f.network.socket.receive({ type: "history_lost", payload: lost });
    expect(room.status).toBe("joining");
    f.ack(join?.messageId);
    f.event("chat:lobby", 8);
    expect(told).toEqual(["joined F:7", "lost F:7"]);
    expect(got).toEqual(["F:8"]);
  });

  it("the server can end a room", async () => {
    const f = await createFixture();
    const { room } = await joinedRoom(f);
    const left = vi.fn();
    room.on("left", left);
    f.network.socket.receive({ type: "left_room", payload: { roomId: "chat:lobby", reason: "kicked" } });
    expect(room.status).toBe("left");
    expect(left).toHaveBeenCalledWith({ roomId: "chat:lobby", reason: "kicked" }, undefined);
    expect(await reconnect(f)).toEqual([]);
  });

  it("a Socket.IO habit works: emit join_room, listen on the client", async () => {
    const f = await createFixture();
    const seen: unknown[] = [];
    f.client.on("new_message", (payload) => void seen.push(payload));
    f.client.emit("join_room", "room-1");
    expect(brief(await f.welcome())).toEqual(["join_room"]);
    f.joined("chat:room-1", "E:0");
    f.event("chat:room-1", 1);
    expect(seen).toEqual([{ n: 1 }]);
    expect((await reconnect(f))[0]?.payload).toMatchObject({ after: "E:1" });
    f.client.emit("leave_room", "room-1");
    expect(brief(f.take())).toEqual(["leave_room"]);
  });
});

describe("reading", () => {
  it("RES-1: hands on each event once and in order over drops", async () => {
    const f = await createFixture();
    const { room, got } = await joinedRoom(f);
    f.event("chat:lobby", 1);
    f.event("chat:lobby", 2);
    const [join] = await reconnect(f);
    expect(join?.payload).toMatchObject({ after: "E:2" });
    f.event("chat:lobby", 3); // before joined_room: belongs to nothing
    f.joined("chat:lobby", "E:2", { head: 4 });
    f.event("chat:lobby", 2);
    f.event("chat:lobby", 3);
    f.event("chat:lobby", 3);
    f.event("chat:lobby", 4);
    expect(got).toEqual(["E:1", "E:2", "E:3", "E:4"]);
    expect(room.cursor).toBe("E:4");
  });

  it("JOIN-3: a join answered from further back repeats nothing", async () => {
    const f = await createFixture();
    const { got } = await joinedRoom(f);
    f.event("chat:lobby", 1);
    f.event("chat:lobby", 2);
    await reconnect(f);
    f.joined("chat:lobby", "E:0", { head: 3 });
    for (const seq of [1, 2, 3]) f.event("chat:lobby", seq);
    expect(got).toEqual(["E:1", "E:2", "E:3"]);
  });

  it("RES-4: a gap is a fault: it is told, nothing behind it is applied, and the room is read again from the cursor", async () => {
    const f = await createFixture();
    const { room, got } = await joinedRoom(f);
    const errors: string[] = [];
    room.on("error", (error) => void errors.push(error.code));
    f.event("chat:lobby", 1);
    f.event("chat:lobby", 3);
    f.event("chat:lobby", 4);
    expect(got).toEqual(["E:1"]);
    expect(errors).toEqual(["internal"]);
    expect(f.take().map((e) => e.payload)).toEqual([{ roomId: "chat:lobby", after: "E:1" }]);
    f.joined("chat:lobby", "E:1", { head: 4 });
    for (const seq of [2, 3, 4]) f.event("chat:lobby", seq);
    expect(got).toEqual(["E:1", "E:2", "E:3", "E:4"]);
  });

  it("RES-4: gap after gap is answered with backoff, not with a storm", async () => {
    const f = await createFixture();
    await joinedRoom(f);
    f.client.join("lobby").on("error", () => {});
    f.event("chat:lobby", 2);
    expect(brief(f.take())).toEqual(["join_room"]);
    f.joined("chat:lobby", "E:0");
    f.event("chat:lobby", 2);
    expect(f.take()).toEqual([]);
    await f.clock.advance(1000);
    expect(brief(f.take())).toEqual(["join_room"]);
  });

  it("RES-2: history_lost is told and reading goes on behind the hole", async () => {
    const f = await createFixture();
    const { room, got } = await joinedRoom(f);
    const lost: HistoryLost[] = [];
    room.on("history_lost", (payload) => void lost.push(payload));
    f.event("chat:lobby", 1);
    await reconnect(f);
    f.joined("chat:lobby", "E:50", { recovered: false, head: 51 });
    f.network.socket.receive({
      type: "history_lost",
      roomId: "chat:lobby",
      payload: { roomId: "chat:lobby", reason: "retention", from: 2, to: 50, cursor: "E:50" },
    });
    f.event("chat:lobby", 51);
    expect(lost).toMatchObject([{ from: 2, to: 50 }]);
    expect(got).toEqual(["E:1", "E:51"]);
  });

  it("RES-2: a new epoch starts counting anew", async () => {
    const f = await createFixture();
    const { room, got } = await joinedRoom(f, "E:9");
    f.event("chat:lobby", 10);
    await reconnect(f);
    f.joined("chat:lobby", "F:0", { recovered: false, head: 1 });
    f.event("chat:lobby", 1);
    expect(got).toEqual(["E:10", "F:1"]);
    expect(room.cursor).toBe("F:1");
  });

  it("RES-2: a log that lost its tail moves the cursor back, because the server says so", async () => {
    const f = await createFixture();
    const { room } = await joinedRoom(f, "E:9");
    await reconnect(f);
    f.joined("chat:lobby", "E:5", { recovered: false });
    expect(room.cursor).toBe("E:5");
  });

  it("RES-3: history_lost to a live reader moves the cursor", async () => {
    const f = await createFixture();
    const { got } = await joinedRoom(f);
    f.network.socket.receive({
      type: "history_lost",
      roomId: "chat:lobby",
      payload: { roomId: "chat:lobby", reason: "retention", from: 1, to: 9, cursor: "E:9" },
    });
    f.event("chat:lobby", 10);
    expect(got).toEqual(["E:10"]);
  });

  it("the cursor names an event already while its listeners run, and a listener that throws stops nobody", async () => {
    const f = await createFixture();
    const { room, got } = await joinedRoom(f);
    const cursors: (string | null)[] = [];
    room.on("new_message", () => {
      cursors.push(room.cursor);
      throw new Error("mine");
    });
    room.on("new_message", () => void cursors.push(room.cursor));
    f.event("chat:lobby", 1);
    f.event("chat:lobby", 2);
    expect(cursors).toEqual(["E:1", "E:1", "E:2", "E:2"]);
    expect(got).toEqual(["E:1", "E:2"]);
    expect(f.told.filter(([name]) => name === "error")).toHaveLength(2);
  });

  it("an error nobody listens for is printed", async () => {
    const print = vi.spyOn(console, "error").mockImplementation(() => {});
    const f = await createFixture();
    await f.welcome();
    f.client.off("error", f.client.on as never);
    f.client.on("error", () => {
      throw new Error("the listener itself");
    });
    f.network.socket.receive({ type: "error", payload: { code: "rate_limited", message: "slow down" } });
    expect(print).toHaveBeenCalledTimes(1);
    print.mockRestore();
  });

  it("ENV-7: a batch is its envelopes, in order", async () => {
    const f = await createFixture();
    const { got } = await joinedRoom(f);
    f.network.socket.receive({
      type: "batch",
      payload: [1, 2].map((seq) => ({ type: "new_message", payload: {}, roomId: "chat:lobby", seq })),
    });
    expect(got).toEqual(["E:1", "E:2"]);
  });

  it("ENV-2: what is no envelope is reported and harms nothing", async () => {
    const f = await createFixture();
    const { got } = await joinedRoom(f);
    for (const raw of ["[1]", "nonsense", "null", '{"type":5}']) f.network.socket.receiveRaw(raw);
    f.network.socket.receive({ type: "joined_room", payload: null });
    f.event("chat:lobby", 1);
    expect(got).toEqual(["E:1"]);
    expect(f.told.filter(([name]) => name === "error").length).toBeGreaterThanOrEqual(4);
  });

  it("a type called like a local event does not raise it", async () => {
    const f = await createFixture();
    const { room } = await joinedRoom(f);
    const wrong = vi.fn();
    room.on("outbox", wrong);
    f.client.on("connected", wrong);
    f.network.socket.receive({ type: "outbox", payload: {}, roomId: "chat:lobby" });
    f.network.socket.receive({ type: "connected", payload: {} });
    expect(wrong).not.toHaveBeenCalled();
  });

  it("STA-1: keeps the full state, and hands changes on", async () => {
    const f = await createFixture();
    const { room } = await joinedRoom(f);
    const typing: unknown[] = [];
    room.on("user_typing", (payload: unknown) => void typing.push(payload));
    f.network.socket.receive({ type: "user_typing", payload: { userId: "u2", typing: true }, roomId: "chat:lobby" });
    expect(typing).toEqual([{ userId: "u2", typing: true }]);
    expect(room.state).toEqual({});
  });

  it("STA-3: room_state replaces all", async () => {
    const f = await createFixture();
    const { room } = await joinedRoom(f);
    f.network.socket.receive({ type: "room_state", payload: { state: { typing: { u: {} } } }, roomId: "chat:lobby" });
    expect(room.state).toEqual({ typing: { u: {} } });
  });

  it("ACK-6: acks what the server wants acked, and no event", async () => {
    const f = await createFixture();
    await joinedRoom(f);
    f.network.socket.receive({ type: "notice", payload: {}, messageId: "s-1" });
    f.network.socket.receive({ type: "new_message", payload: {}, messageId: "m-1", roomId: "chat:lobby", seq: 1 });
    expect(f.take()).toEqual([{ type: "ack", messageId: "s-1", payload: { success: true } }]);
  });

  it("once and off remove listeners", async () => {
    const f = await createFixture();
    const { room } = await joinedRoom(f);
    const [once, off, undone] = [vi.fn(), vi.fn(), vi.fn()];
    room.once("new_message", once);
    room.on("new_message", off);
    room.on("new_message", undone)();
    f.event("chat:lobby", 1);
    room.off("new_message", off);
    f.event("chat:lobby", 2);
    expect([once, off, undone].map((fn) => fn.mock.calls.length)).toEqual([1, 1, 0]);
  });
});

describe("for await", () => {
  it("RES-1: gives each event once, over a drop, until the room is left", async () => {
    const f = await createFixture();
    const { room } = await joinedRoom(f);
    const got: number[] = [];
    const loop = (async () => {
      for await (const event of room) got.push(event.seq!);
    })();
    f.event("chat:lobby", 1);
    await f.clock.flush();
    await reconnect(f);
    f.joined("chat:lobby", "E:1");
    f.event("chat:lobby", 1);
    f.event("chat:lobby", 2);
    f.network.socket.receive({ type: "user_typing", payload: {}, roomId: "chat:lobby" });
    room.leave();
    await loop;
    expect(got).toEqual([1, 2]);
  });

  it("ends with its signal, and with break", async () => {
    const f = await createFixture();
    const { room } = await joinedRoom(f);
    const stop = new AbortController();
    const events = room.events({ signal: stop.signal });
    f.event("chat:lobby", 1);
    await expect(events.next()).resolves.toMatchObject({ value: { seq: 1 } });
    const next = events.next();
    stop.abort();
    await expect(next).resolves.toMatchObject({ done: true });
    await expect(room.events({ signal: stop.signal }).next()).resolves.toMatchObject({ done: true });
  });

  it("RES-3: a loop 10,000 events behind is told, after what came before", async () => {
    const f = await createFixture();
    const { room } = await joinedRoom(f);
    const events = room.events();
    for (let seq = 1; seq <= 10_001; seq++) f.event("chat:lobby", seq);
    let count = 0;
    await expect(
      (async () => {
        for await (const _ of events) count++;
      })(),
    ).rejects.toMatchObject({ code: "history_lost" });
    expect(count).toBe(10_000);
  });

  it("JOIN-4: ends with the refusal when the room is refused, and at once when it is over already", async () => {
    const f = await createFixture();
    const room = f.client.join("secret");
    const next = room.events().next();
    const [join] = await f.welcome();
    f.refuse(join?.messageId, { code: "access_denied" });
    await expect(next).rejects.toMatchObject({ code: "access_denied" });
    await expect(room.events().next()).resolves.toMatchObject({ done: true });
    room.leave();
    await expect(room.events().next()).resolves.toMatchObject({ done: true });
    expect(f.told.filter(([name]) => name === "error")).toHaveLength(1);
  });

  it("RES-2: history_lost ends the loop with an error", async () => {
    const f = await createFixture();
    const { room } = await joinedRoom(f);
    const next = room.events().next();
    f.network.socket.receive({
      type: "history_lost",
      payload: { roomId: "chat:lobby", reason: "retention", from: 1, to: 9, cursor: "E:9" },
    });
    await expect(next).rejects.toMatchObject({ code: "history_lost" });
  });
});

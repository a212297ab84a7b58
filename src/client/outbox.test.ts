import { describe, expect, it, vi } from "vitest";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createFakeNetwork } from "../testing/fake-socket.ts";
import { brief, createFixture, type Fixture } from "./fixture.test-support.ts";
import { createClient, type Room, type StoredMessage, webStorage } from "./index.ts";
import { newMessageId } from "./message-id.ts";
import { msgpack } from "./msgpack.ts";

async function connectedRoom(f: Fixture): Promise<Room> {
  const room = f.client.join("lobby");
  await f.welcome();
  f.joined("chat:lobby", "E:0");
  return room;
}

const retryable = { code: "unavailable", retryable: true } as const;

describe("acks", () => {
  it("ACK-1: a message is queued, sent and acked", async () => {
    const f = await createFixture();
    const room = f.client.join("lobby");
    const states: string[] = [];
    const message = room.send("send_message", { n: 1 });
    room.on("outbox", () => void states.push(message.state));
    expect(message.state).toBe("queued");
    expect(room.outbox).toEqual([message]);
    const [, send] = await f.welcome();
    expect(message.state).toBe("sent");
    f.ack(send?.messageId, { savedId: "E:1", seq: 1, epoch: "E", duplicate: false });
    await expect(message.ack).resolves.toMatchObject({ savedId: "E:1", seq: 1 });
    expect(states).toEqual(["sent", "acked"]);
    expect(room.outbox).toEqual([]);
    expect(f.client.outbox).toEqual([]);
  });

  it("ACK-3: a duplicate ack is an ack", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const message = room.send("send_message", {});
    f.ack(message.messageId, { duplicate: true });
    expect(message.state).toBe("acked");
  });

  it("ACK-3: a drop during an acked send sends again under the same messageId, with one result", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const results = vi.fn();
    const message = room.send("send_message", { n: 1 });
    void message.ack.then(results);
    f.take();
    f.client.cut(); // the ack was on its way
    await f.clock.advance(1000);
    const again = await f.welcome();
    expect(brief(again)).toEqual(["join_room", "send_message 1"]);
    expect(again[1]?.messageId).toBe(message.messageId);
    f.ack(message.messageId, { duplicate: true });
    f.ack(message.messageId, { duplicate: true });
    await f.clock.flush();
    expect(results).toHaveBeenCalledTimes(1);
  });

  it("ACK-6: acks nobody asked for are ignored", async () => {
    const f = await createFixture();
    await f.welcome();
    f.ack("unknown");
    f.refuse("unknown", { code: "internal" });
    expect(f.told.filter(([name]) => name === "error")).toEqual([]);
  });

  it("ACK-1: a message not acked within 5 s is sent again on the same connection, with all behind it, in order", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const ids = [1, 2, 3].map((n) => room.send("send_message", { n }).messageId);
    expect(brief(f.take()).slice(-3)).toEqual(["send_message 1", "send_message 2", "send_message 3"]);
    f.ack(ids[0]);
    await f.clock.advance(4_999);
    expect(f.take()).toEqual([]);
    await f.clock.advance(1);
    expect(f.take().map((e) => e.messageId)).toEqual(ids.slice(1));
    expect(f.network.sockets).toHaveLength(1);
  });

  it("ERR-1: a refusal for good fails that message alone, and it can be tried again at the end with the same messageId", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const [a, b] = [room.send("send_message", { n: 1 }), room.send("send_message", { n: 2 })];
    f.take();
    f.refuse(a.messageId, { code: "invalid_message", message: "empty" });
    f.ack(b.messageId);
    await expect(a.ack).rejects.toMatchObject({ code: "invalid_message", message: "empty" });
    expect([a.state, b.state]).toEqual(["failed", "acked"]);
    expect(room.outbox).toEqual([a]);
    const c = room.send("send_message", { n: 3 });
    const retried = a.retry();
    expect(f.take().map((e) => e.messageId)).toEqual([c.messageId, a.messageId]);
    f.ack(a.messageId);
    await expect(retried).resolves.toMatchObject({ success: true });
    expect(a.state).toBe("acked");
  });

  it("a failed message can be discarded, and a waiting one rejects then", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const [a, b] = [room.send("send_message", { n: 1 }), room.send("send_message", { n: 2 })];
    f.refuse(a.messageId, { code: "invalid_message" });
    a.discard();
    b.discard();
    expect(room.outbox).toEqual([]);
    await expect(b.ack).rejects.toMatchObject({ code: "unavailable" });
    f.ack(b.messageId);
    expect(b.state).toBe("failed");
  });

  it("emit and emitWithAck leave nothing behind when refused; emit tells it as an error", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const errors: string[] = [];
    room.on("error", (error) => void errors.push(error.code));
    const emitted = room.emit("send_message", { n: 1 });
    const acked = room.emitWithAck("send_message", { n: 2 });
    const second = f.take().at(-1)?.messageId;
    f.refuse(emitted.messageId, { code: "invalid_message" });
    f.refuse(second, { code: "access_denied" });
    await expect(acked).rejects.toMatchObject({ code: "access_denied" });
    expect(errors).toEqual(["invalid_message"]);
    expect(room.outbox).toEqual([]);
  });

  it("emitWithAck gives up after timeoutMs", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const acked = room.emitWithAck("send_message", {}, { timeoutMs: 700 });
    const settled = expect(acked).rejects.toMatchObject({ code: "unavailable" });
    await f.clock.advance(700);
    await settled;
    expect(room.outbox).toEqual([]);
  });

  it("a message without a room waits for nothing but the connection", async () => {
    const f = await createFixture();
    const acked = f.client.emitWithAck("list_rooms");
    const [sent] = await f.welcome();
    expect(sent).toMatchObject({ type: "list_rooms", payload: {} });
    f.ack(sent?.messageId, { rooms: [] });
    await expect(acked).resolves.toEqual({ success: true, rooms: [] });
    f.client.emit("nonsense", {});
    f.refuse(f.take()[0]?.messageId, { code: "unknown_type" });
    await f.clock.flush();
    expect(f.told.at(-1)).toMatchObject(["error", { code: "unknown_type" }]);
  });

  it("volatile is written now or never, and asks for no ack", async () => {
    const f = await createFixture();
    const room = f.client.join("lobby");
    expect(room.volatile("typing_start")).toBe(false);
    await f.welcome();
    f.joined("chat:lobby", "E:0");
    expect(room.volatile("typing_start")).toBe(true);
    expect(f.take()).toEqual([{ type: "typing_start", payload: { roomId: "chat:lobby" } }]);
    f.network.socket.bufferedAmount = 100_000;
    expect(room.volatile("typing_start")).toBe(false);
    expect(room.outbox).toEqual([]);
  });
});

describe("order", () => {
  it("ACK-5: after a retryable refusal all unacked come again in order, after retryAfterMs, none before", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const ids = [1, 2, 3].map((n) => room.send("send_message", { n }).messageId);
    f.take();
    f.ack(ids[0]);
    f.refuse(ids[1], { code: "rate_limited", retryable: true, retryAfterMs: 1_500 });
    f.refuse(ids[2], retryable);
    room.send("send_message", { n: 4 });
    await f.clock.advance(1_499);
    expect(f.take()).toEqual([]);
    await f.clock.advance(1);
    const sent: string[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const taken = f.take();
      sent.push(...brief(taken));
      for (const envelope of taken) f.ack(envelope.messageId);
    }
    expect(sent).toEqual(["send_message 2", "send_message 3", "send_message 4"]);
  });

  it("ACK-5: a refusal whose predecessor's refusal was lost still starts from the first unacked one", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const ids = [1, 2].map((n) => room.send("send_message", { n }).messageId);
    f.take();
    f.refuse(ids[1], retryable);
    await f.clock.advance(200);
    expect(f.take()[0]?.messageId).toBe(ids[0]);
  });

  it("ACK-5: a listener that discards during a refusal neither cuts the wait short nor revives what it discarded", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const [a, b, c] = [1, 2, 3].map((n) => room.send("send_message", { n }));
    f.take();
    room.once("outbox", () => b?.discard());
    f.refuse(a?.messageId, { ...retryable, retryAfterMs: 300 });
    expect([a, b, c].map((message) => message?.state)).toEqual(["queued", "failed", "queued"]);
    expect(f.take()).toEqual([]);
    await f.clock.advance(300);
    expect(brief(f.take())).toEqual(["send_message 1"]);
  });

  it("ACK-4: rooms do not wait for each other", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const other = f.client.join("other");
    f.take();
    const first = room.send("send_message", { n: 1 });
    f.refuse(first.messageId, { ...retryable, retryAfterMs: 60_000 });
    other.send("send_message", { n: 2 });
    expect(brief(f.take())).toEqual(["send_message 1", "send_message 2"]);
  });

  it("retries back off, and a success forgets it", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const { messageId } = room.send("send_message", { n: 1 });
    const waits: number[] = [];
    for (let n = 0; n < 8; n++) {
      f.take();
      f.refuse(messageId, retryable);
      let ms = 0;
      while (brief(f.take()).length === 0 && ms < 20_000) {
        await f.clock.advance(100);
        ms += 100;
        f.network.socket.receive({ type: "pong", payload: {} });
      }
      waits.push(ms);
    }
    expect(waits).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  });

  it("ENV-6: a message over the server's limit fails here, without costing the connection", async () => {
    const f = await createFixture();
    const room = f.client.join("lobby");
    const [big, small] = [
      room.send("send_message", { content: "x".repeat(70_000) }),
      room.send("send_message", { n: 2 }),
    ];
    expect(brief(await f.welcome())).toEqual(["join_room", "send_message 2"]);
    await expect(big.ack).rejects.toMatchObject({ code: "payload_too_large" });
    expect(small.state).toBe("sent");
  });

  it("a message over 64 KiB goes when the server takes that much", async () => {
    const f = await createFixture();
    const room = f.client.join("lobby");
    room.send("send_message", { content: "x".repeat(70_000) });
    await f.open();
    expect(brief(f.take())).toEqual(["join_room"]);
    expect(brief(await f.welcome({ limits: { messageBytes: 1e6, rooms: 1 } }))).toEqual(["send_message"]);
  });

  it("the payload is taken as it is at the call", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const draft = { n: 1 };
    room.send("send_message", draft);
    draft.n = 2;
    f.client.cut();
    await f.clock.advance(1000);
    expect(brief(await f.welcome())).toEqual(["join_room", "send_message 1"]);
  });

  it("a payload that is not JSON fails", async () => {
    const f = await createFixture();
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    await expect(f.client.join("lobby").send("send_message", loop).ack).rejects.toMatchObject({
      code: "invalid_message",
    });
  });

  it("LIM-1: a full outbox refuses, but forgets failed messages first", async () => {
    const f = await createFixture({ outboxLimit: 2 });
    const room = await connectedRoom(f);
    const a = room.send("send_message", { n: 1 });
    room.send("send_message", { n: 2 });
    await expect(room.send("send_message", { n: 3 }).ack).rejects.toMatchObject({ code: "unavailable" });
    f.refuse(a.messageId, { code: "invalid_message" });
    expect(room.send("send_message", { n: 4 }).state).toBe("sent");
    expect(room.outbox.map((m) => m.payload.n)).toEqual([2, 4]);
  });

  it("LIM-1: what a full outbox refused can be tried again as it was, when there is room", async () => {
    const f = await createFixture({ outboxLimit: 1 });
    const room = await connectedRoom(f);
    const first = room.send("send_message", { n: 1 });
    const second = room.send("send_message", { n: 2 });
    await expect(second.retry()).rejects.toMatchObject({ code: "unavailable" });
    expect(room.outbox).toEqual([first]);
    f.ack(first.messageId);
    void second.retry();
    expect(f.take().map((e) => e.payload)).toEqual([1, 2].map((n) => ({ roomId: "chat:lobby", n })));
  });

  it("ENV-6: the size is that of the codec, and what it cannot write fails at once", async () => {
    const clock = createFakeClock();
    const client = createClient("ws://x.test", { autoConnect: false, clock, codec: msgpack() });
    const room = client.join("lobby");
    const numbers = Array.from({ length: 9000 }, () => 0.5);
    const message = room.send("send_message", { numbers });
    expect((message as unknown as { bytes: number }).bytes).toBeGreaterThan(9 * 9000);
    let deep: unknown = 0;
    for (let depth = 0; depth < 200; depth++) deep = [deep];
    expect(room.send("send_message", { deep })).toMatchObject({ state: "failed", error: { code: "invalid_message" } });
    client.close();
  });

  it("ACK-3: the same messageId given twice is one message", async () => {
    const f = await createFixture();
    const room = await connectedRoom(f);
    const a = room.send("send_message", { n: 1 }, { messageId: "mine" });
    expect(room.send("send_message", { n: 1 }, { messageId: "mine" })).toBe(a);
    expect(f.take().filter((e) => e.messageId === "mine")).toHaveLength(1);
  });

  it("leaving fails what was not written", async () => {
    const f = await createFixture();
    const room = f.client.join("lobby");
    const message = room.send("send_message", {});
    room.leave();
    await expect(message.ack).rejects.toMatchObject({ code: "not_joined" });
  });

  it("messageIds need no secure context", () => {
    expect(newMessageId()).toMatch(/^[0-9a-f-]{36}$/);
    const native = crypto.randomUUID;
    vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
    expect(newMessageId()).toMatch(/^\d+-\d+-\d+-\d+$/);
    vi.unstubAllGlobals();
    expect(crypto.randomUUID).toBe(native);
  });
});

describe("over a reload", () => {
  function memoryStorage(): Pick<Storage, "getItem" | "setItem" | "removeItem"> & { writes: number } {
    const items = new Map<string, string>();
    const storage = {
      writes: 0,
      getItem: (key: string) => items.get(key) ?? null,
      setItem(key: string, value: string) {
        storage.writes++;
        items.set(key, value);
      },
      removeItem: (key: string) => void items.delete(key),
    };
    return storage;
  }

  it("ACK-3: messages keep their ids and their order, and wait until their room is joined", async () => {
    const memory = memoryStorage();
    const before = await createFixture({ storage: webStorage(memory, "outbox") });
    const room = await connectedRoom(before);
    const ids = [1, 2].map((n) => room.send("send_message", { n }).messageId);
    await before.clock.flush();
    // The page is gone without a word.

    const after = await createFixture({ storage: webStorage(memory, "outbox") });
    await after.welcome();
    expect(after.client.outbox.map((m) => [m.messageId, m.state])).toEqual(ids.map((id) => [id, "queued"]));
    const again = after.client.join("lobby");
    const third = again.send("send_message", { n: 3 });
    expect(again.outbox).toHaveLength(3);
    const sent = after.take();
    expect(sent.slice(1).map((e) => e.messageId)).toEqual([...ids, third.messageId]);
    for (const { messageId } of sent) after.ack(messageId);
    await after.clock.flush();
    expect(memory.getItem("outbox")).toBeNull();
  });

  it("ACK-3: restored messages go when their room is joined on a connection that is open already", async () => {
    const memory = memoryStorage();
    const before = await createFixture({ storage: webStorage(memory, "outbox") });
    (await connectedRoom(before)).send("send_message", { n: 1 });
    await before.clock.flush();
    const after = await createFixture({ storage: webStorage(memory, "outbox") });
    await after.welcome();
    after.client.join("lobby");
    expect(brief(after.take())).toEqual(["join_room", "send_message 1"]);
  });

  it("ACK-3: a messageId that was stored and is sent again is one message", async () => {
    const memory = memoryStorage();
    const send = (f: Fixture) => f.client.join("lobby").send("send_message", { n: 1 }, { messageId: "draft" });
    send(await createFixture({ storage: webStorage(memory, "outbox") }));
    await Promise.resolve();
    const clock = createFakeClock();
    const network = createFakeNetwork();
    const client = createClient("ws://x.test", {
      WebSocket: network.WebSocket,
      clock,
      storage: webStorage(memory, "outbox"),
    });
    const message = client.join("lobby").send("send_message", { n: 1 }, { messageId: "draft" });
    await clock.flush();
    network.socket.open();
    expect(brief(network.socket.take())).toEqual(["join_room", "send_message 1"]);
    network.socket.receive({ type: "ack", messageId: "draft", payload: { success: true } });
    expect(message.state).toBe("acked");
    expect(client.outbox).toEqual([]);
    await clock.advance(5000);
    expect(brief(network.socket.take())).not.toContain("send_message 1");
    client.close();
  });

  it("a storage that holds something else loses nothing that was sent", async () => {
    let give: (stored: never) => void = () => {};
    const loaded = new Promise<never>((resolve) => {
      give = resolve;
    });
    const f = await createFixture({ storage: { load: () => loaded, save: () => {} } });
    const room = await connectedRoom(f);
    room.send("send_message", { n: 1 });
    give(undefined as never);
    await f.clock.flush();
    expect(brief(f.take())).toEqual(["send_message 1"]);
    expect(f.told.filter(([name]) => name === "error")).toHaveLength(1);
  });

  it("a client closed while it loads takes nothing and writes nothing", async () => {
    let give: (stored: StoredMessage[]) => void = () => {};
    const loaded = new Promise<StoredMessage[]>((resolve) => {
      give = resolve;
    });
    const save = vi.fn();
    const f = await createFixture({ storage: { load: () => loaded, save } });
    const message = f.client.join("lobby").send("send_message", { n: 1 });
    f.client.close();
    give([{ messageId: "old", type: "send_message", payload: {}, roomId: "chat:lobby", createdAt: 1 }]);
    await f.clock.flush();
    expect(f.client.outbox).toEqual([]);
    expect(save).not.toHaveBeenCalled();
    await expect(message.retry()).rejects.toMatchObject({ code: "unavailable" });
  });

  it("writes once for many changes of one turn", async () => {
    const memory = memoryStorage();
    const f = await createFixture({ storage: webStorage(memory, "outbox") });
    const room = await connectedRoom(f);
    await f.clock.flush();
    memory.writes = 0;
    for (let n = 0; n < 50; n++) room.send("send_message", { n });
    await f.clock.flush();
    expect(memory.writes).toBe(1);
  });

  it("a slow storage holds sends back, so that nothing overtakes what it restores", async () => {
    let give: (messages: StoredMessage[]) => void = () => {};
    const loaded = new Promise<StoredMessage[]>((resolve) => {
      give = resolve;
    });
    const f = await createFixture({ storage: { load: () => loaded, save: () => {} } });
    const room = await connectedRoom(f);
    room.send("send_message", { n: 2 });
    expect(f.take()).toEqual([]);
    give([
      {
        messageId: "old",
        type: "send_message",
        payload: { n: 1, roomId: room.roomId },
        roomId: room.roomId,
        createdAt: 1,
      },
    ]);
    await f.clock.flush();
    expect(brief(f.take())).toEqual(["send_message 1", "send_message 2"]);
  });

  it("failed messages are found again, with their error", async () => {
    const memory = memoryStorage();
    const before = await createFixture({ storage: webStorage(memory, "outbox") });
    const message = (await connectedRoom(before)).send("send_message", { n: 1 });
    before.refuse(message.messageId, { code: "invalid_message", message: "empty" });
    await before.clock.flush();
    const after = await createFixture({ storage: webStorage(memory, "outbox") });
    const room = await connectedRoom(after);
    expect(room.outbox).toMatchObject([{ state: "failed", error: { code: "invalid_message", message: "empty" } }]);
    void room.outbox[0]?.retry();
    expect(brief(after.take())).toEqual(["send_message 1"]);
  });

  it("close() leaves the storage for the next page load", async () => {
    const memory = memoryStorage();
    const f = await createFixture({ storage: webStorage(memory, "outbox") });
    const room = f.client.join("lobby");
    room.send("send_message", { n: 1 });
    f.client.close();
    await f.clock.flush();
    expect(JSON.parse(memory.getItem("outbox") ?? "[]")).toHaveLength(1);
  });

  it("a broken storage is told and changes nothing else", async () => {
    const broken = {
      getItem: () => "{not json",
      setItem: () => {
        throw new Error("quota");
      },
      removeItem: () => {},
    };
    const f = await createFixture({ storage: webStorage(broken, "outbox") });
    const room = await connectedRoom(f);
    const message = room.send("send_message", { n: 1 });
    await f.clock.flush();
    f.ack(message.messageId);
    expect(message.state).toBe("acked");
    expect(f.told.filter(([name]) => name === "error").length).toBeGreaterThanOrEqual(2);
  });
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CLOSE_CODES } from "../../src/protocol/index.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { OPCODE, RawSocket, textFrame } from "../attack/raw-socket.ts";
import { devToken, RawClient, startServer, until } from "../harness.ts";

describe("heartbeat", () => {
  let clock: FakeClock;
  let server: Awaited<ReturnType<typeof startServer>>;
  const sockets: RawSocket[] = [];
  beforeEach(async () => {
    clock = createFakeClock();
    server = await startServer({ clock });
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await server.close();
  });

  /** A client that never answers a ping. */
  const mute = async () => {
    const socket = await RawSocket.open(server.url);
    sockets.push(socket);
    socket.write(textFrame(JSON.stringify({ type: "join_room", payload: { roomId: "room" } })));
    await until(() => socket.texts().some(({ type }) => type === "room_users"));
    return socket;
  };
  const pings = (socket: RawSocket) => socket.frames.filter(({ opcode }) => opcode === OPCODE.ping).length;

  it("HB-1: a silent connection is pinged after 20 s and closed with 4408 10 s later", async () => {
    const silent = await mute();
    const alive = await RawClient.open(server, "ada");
    await clock.advance(19_000);
    expect(pings(silent)).toBe(0);
    await clock.advance(2_000);
    await until(() => pings(silent) === 1);
    await clock.advance(9_000);
    expect(silent.closeCode).toBeNull();
    await clock.advance(2_000);
    await until(() => silent.closeCode === CLOSE_CODES.heartbeat_timeout.code);
    expect(server.connections).toBe(1);
    for (let minute = 0; minute < 6; minute++) {
      await clock.advance(31_000);
      // Its WebSocket answers pings by itself.
      const before = alive.received.length;
      alive.send("ping", {});
      await until(() => alive.received.length > before);
    }
    expect(alive.closeCode).toBeNull();
  });

  it("HB-1: any frame is a sign of life, also a broken message or half a frame", async () => {
    const socket = await mute();
    const other = await RawClient.open(server, "ada");
    const signs = [
      textFrame("no json"),
      RawSocket.frame(OPCODE.pong, Buffer.from("unasked")),
      RawSocket.frame(OPCODE.ping, Buffer.alloc(0)),
      textFrame(JSON.stringify({ type: "ack" })),
      textFrame(JSON.stringify({ type: "ping" })).subarray(0, 5),
    ];
    await clock.advance(10_000);
    for (const sign of signs) {
      await clock.advance(12_000);
      await until(() => pings(socket) > 0);
      socket.frames.length = 0;
      const before = socket.bytesWritten;
      socket.write(sign);
      await until(() => socket.bytesWritten > before);
      // What was written before another's question has been read when that is answered.
      await other.ask("ping", {});
      await clock.advance(10_000);
      expect(socket.closeCode).toBeNull();
    }
    await clock.advance(45_000);
    await until(() => socket.closeCode === CLOSE_CODES.heartbeat_timeout.code);
  });

  it("HB-1: one that went without a word is given up, and its user leaves after the grace", async () => {
    const watcher = await RawClient.open(server, "ada");
    await watcher.join("room");
    await mute();
    await watcher.next("user_joined");
    for (let second = 0; second < 60 && !watcher.received.some(({ type }) => type === "user_left"); second += 2) {
      await clock.advance(2_000);
      watcher.send("ping", {});
      await watcher.next("pong");
    }
    expect(watcher.received.filter(({ type }) => type === "user_left")).toHaveLength(1);
    expect(server.connections).toBe(1);
  });

  it("[case 58] HB-3: time in which the server stood still counts against nobody, and silence afterwards does", async () => {
    const slow = await mute();
    const asked = async (times: number): Promise<void> => {
      for (let second = 0; second < 60 && pings(slow) < times; second++) {
        await clock.advance(1_000);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(pings(slow)).toBe(times);
    };
    await asked(1);
    clock.stall(60_000);
    await clock.advance(1_000);
    expect(slow.closeCode).toBeNull();
    slow.write(RawSocket.frame(OPCODE.pong, Buffer.alloc(0)));
    const ada = await RawClient.open(server, "ada");
    await ada.ask("ping", {});
    await clock.advance(12_000);
    expect(slow.closeCode).toBeNull();
    await asked(2);
    clock.stall(60_000);
    await clock.advance(12_000);
    await until(() => slow.closeCode === CLOSE_CODES.heartbeat_timeout.code);
  });

  it("[case 58] HB-3: one whose token waited to be read while the server stood still is let in", async () => {
    const strict = await startServer({ clock, guests: false });
    try {
      const late = await RawClient.open(strict);
      await until(() => strict.connections === 1);
      clock.stall(20_000);
      await clock.advance(250);
      expect(strict.connections).toBe(1);
      late.send("authenticate", { token: await devToken(strict.url, "ada") });
      await late.next("welcome");
    } finally {
      await strict.close();
    }
  });

  it("HB-2: ping is answered by pong with its payload, and needs no room", async () => {
    const ada = await RawClient.open(server, "ada");
    for (const payload of [{}, { t: 5, deep: [1, { a: null }] }, "text", 0, null]) {
      ada.send("ping", payload);
      expect((await ada.next("pong")).payload).toEqual(payload ?? {});
    }
    ada.sendValue({ type: "ping" });
    expect((await ada.next("pong")).payload).toEqual({});
    expect(await ada.ask("ping", {}, "p")).toEqual({ success: true });
    expect((await ada.next("ack")).messageId).toBe("p");
  });

  it("CLS-1: before a restart every connection is told when to come back, then closed with 1012", async () => {
    const clients = [
      await RawClient.open(server, "ada"),
      await RawClient.open(server, "ben"),
      await RawClient.open(server),
    ];
    await clients[0]!.join("room");
    await server.close();
    for (const client of clients) {
      expect((await client.closed).code).toBe(CLOSE_CODES.restart.code);
      const last = client.received.at(-1);
      expect(last).toMatchObject({ type: "server_closing", payload: { reconnectInMs: expect.any(Number) } });
      expect((last!.payload as { reconnectInMs: number }).reconnectInMs).toBeGreaterThan(0);
    }
    await until(() => clock.pendingTimers === 0);
    await expect(fetch(server.url)).rejects.toThrow();
  });
});

import { request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import { CLOSE_CODES } from "../../src/protocol/index.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { RawSocket, textFrame } from "../attack/raw-socket.ts";
import { startServer, until } from "../harness.ts";

const MEGABYTE = 1024 * 1024;

/** A WebSocket connection whose client reads only what it is told to. */
function openUnread(url: string): Promise<Socket> {
  const { hostname, port, host } = new URL(url);
  return new Promise((resolve, reject) => {
    const headers = {
      Host: host,
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    const request = httpRequest({ hostname, port, path: "/ws", agent: false, headers });
    request.once("upgrade", (_response, socket) => {
      socket.on("error", () => {});
      resolve(socket as Socket);
    });
    request.once("error", reject);
    request.end();
  });
}

/** Reads this many bytes, however they come. */
async function read(socket: Socket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; ) {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) await new Promise((resolve) => setTimeout(resolve, 2));
    else left -= chunk.length;
  }
}

describe("the heartbeat of one that reads slowly, or is not read from", () => {
  let clock: FakeClock;
  let server: Awaited<ReturnType<typeof startServer>>;
  let socket: Socket | RawSocket | null = null;
  beforeEach(() => {
    clock = createFakeClock();
  });
  afterEach(async () => {
    socket?.destroy();
    await server.close();
  });
  /** What the server has handed to its transports, bytes. */
  const delivered = async () => Number(/message_bytes_total\{direction="out"\} (\d+)/.exec(await server.metrics())![1]);
  /** Time passes as it does for a running server: with its sweeps, and with the machine's own work between them. */
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      await clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };

  it("HB-1: taking what waits for it is a sign of life; one that stops taking is closed", async () => {
    server = await startServer({ clock });
    for (let index = 0; index < 500; index++) {
      await server.room("feed:big").publish("news", { text: "x".repeat(60_000) });
    }
    const slow = await openUnread(server.url);
    socket = slow;
    slow.write(textFrame(JSON.stringify({ type: "join_room", payload: { roomId: "feed:big", after: 0 } })));
    await until(async () => /readers_stalled 1/.test(await server.metrics()));
    for (let step = 0; step < 6; step++) {
      await pass(20);
      const before = await delivered();
      await read(slow, 3 * MEGABYTE);
      await until(async () => (await delivered()) > before);
    }
    await pass(2);
    expect(server.connections).toBe(1);
    await pass(45);
    expect(server.connections).toBe(0);
  });

  it("HB-1: one whose messages we do not read, because there is too much under way, is not called silent", async () => {
    const log = createFaultyLog(createMemoryLog());
    server = await startServer({ clock, log, limits: { inFlight: 4 } });
    const mute = await RawSocket.open(server.url);
    socket = mute;
    mute.write(textFrame(JSON.stringify({ type: "join_room", payload: { roomId: "room" } })));
    await until(() => mute.texts().some(({ type }) => type === "room_users"));
    log.hangAppends();
    for (let index = 0; index < 8; index++) {
      const payload = { roomId: "room", content: `${index}` };
      mute.write(textFrame(JSON.stringify({ type: "send_message", messageId: `m${index}`, payload })));
    }
    await until(() => log.hanging >= 5);
    await pass(120);
    expect(mute.closeCode).toBeNull();
    log.release();
    await until(() => mute.has("m7"));
    await pass(45);
    await until(() => mute.closeCode === CLOSE_CODES.heartbeat_timeout.code);
  });
});

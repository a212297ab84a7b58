import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import { createLogger } from "../../src/observe/logger.ts";
import { CLOSE_CODES } from "../../src/protocol/index.ts";
import { createServer } from "../../src/server/server.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { RawSocket } from "../attack/raw-socket.ts";
import { RawClient, startServer, until, upgrade } from "../harness.ts";

/** How long something took, ms. */
async function timed(work: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work;
  return performance.now() - startedAt;
}

describe("closing a server", () => {
  it("CLS-1: a handshake whose token is still being checked is refused, and closing does not wait for it", async () => {
    let checks = 0;
    const server = await startServer({
      auth: () => {
        checks++;
        return new Promise(() => {});
      },
    });
    const answer = upgrade(server.url, { headers: { Authorization: "Bearer token" } });
    await until(() => checks === 1);
    expect(await timed(server.close())).toBeLessThan(2_000);
    expect(await answer).toMatchObject({ status: 503, body: expect.stringContaining("unavailable") });
  });

  it("CLS-1: an echo connection is told to come back too", async () => {
    const server = await startServer({ echoPath: "/echo" });
    const client = new RawClient(`${server.url.replace("http", "ws")}/echo`);
    await client.opened();
    expect(await timed(server.close())).toBeLessThan(2_000);
    expect((await client.closed).code).toBe(CLOSE_CODES.restart.code);
  });

  it("CLS-1: one that does not answer the close frame is given up", async () => {
    const server = await startServer({ echoPath: "/echo" });
    const sockets = [await RawSocket.open(server.url), await RawSocket.open(server.url, { path: "/echo" })];
    expect(await timed(server.close())).toBeLessThan(4_000);
    await until(() => sockets.every(({ isEnded }) => isEnded));
    for (const socket of sockets) {
      expect(socket.closeCode).toBe(CLOSE_CODES.restart.code);
      socket.destroy();
    }
  });

  it("CLS-1: a connection that has asked for nothing yet is no reason to wait", async () => {
    const server = await startServer();
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("connect", resolve));
    await fetch(`${server.url}/healthz`);
    expect(await timed(server.close())).toBeLessThan(2_000);
  });

  it("CLS-1: closing twice is closing once", async () => {
    const server = await startServer();
    const first = server.close();
    expect(server.close()).toBe(first);
    await first;
    expect(server.close()).toBe(first);
  });

  it("CLS-1, ACK-2: what was accepted is finished and acknowledged before the connection ends", async () => {
    const log = createFaultyLog(createMemoryLog());
    const server = await startServer({ log });
    const ada = await RawClient.open(server, "ada");
    await ada.join("room");
    log.hangAppends();
    for (let index = 1; index <= 5; index++) {
      ada.send("send_message", { roomId: "room", content: `${index}` }, `m${index}`);
    }
    await until(() => log.hanging === 5);
    const closing = server.close();
    await ada.next("server_closing");
    // What is sent from now on is not read: it gets no answer, rather than a refusal.
    ada.send("send_message", { roomId: "room", content: "late" }, "late");
    log.release();
    await closing;
    expect((await ada.closed).code).toBe(CLOSE_CODES.restart.code);
    const acks = ada.received.filter(({ type }) => type === "ack");
    expect(acks.map(({ messageId }) => messageId)).toEqual(["m1", "m2", "m3", "m4", "m5"]);
    for (const { payload } of acks) expect(payload).toMatchObject({ success: true });
  });

  it("CLS-1: what cannot be finished is waited for only so long", async () => {
    const log = createFaultyLog(createMemoryLog());
    const server = await startServer({ log });
    const ada = await RawClient.open(server, "ada");
    await ada.join("room");
    log.hangAppends();
    ada.send("send_message", { roomId: "room", content: "never" }, "never");
    await until(() => log.hanging === 1);
    expect(await timed(server.close())).toBeLessThan(8_000);
    expect((await ada.closed).code).toBe(CLOSE_CODES.restart.code);
    log.heal();
  });

  it("CLS-2: it says first that it is not ready, and serves on until its grace is over", async () => {
    const clock = createFakeClock(Date.now());
    const server = await startServer({ clock, readyGraceMs: 3_000 });
    const ready = async () => (await fetch(`${server.url}/readyz`)).status;
    const ada = await RawClient.open(server, "ada");
    await ada.join("room");
    expect(await ready()).toBe(200);
    const closing = server.close();
    expect(await ready()).toBe(503);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect(await ada.ask("send_message", { roomId: "room", content: "still" })).toMatchObject({ success: true });
    const late = await RawClient.open(server, "bob");
    await clock.advance(2_999);
    expect(late.closeCode).toBe(null);
    expect(ada.received.some(({ type }) => type === "server_closing")).toBe(false);
    await clock.advance(1);
    await closing;
    for (const client of [ada, late]) expect((await client.closed).code).toBe(CLOSE_CODES.restart.code);
  });

  it("[case 47] CLS-1: clients are told different times, spread over a second", async () => {
    const server = await startServer();
    const clients = await Promise.all(
      Array.from({ length: 10 }, (_, index) => RawClient.open(server, `user-${index}`)),
    );
    const closing = server.close();
    const times = await Promise.all(
      clients.map(async (client) => (await client.next("server_closing")).payload as { reconnectInMs: number }),
    );
    await closing;
    const sorted = times.map(({ reconnectInMs }) => reconnectInMs).sort((a, b) => a - b);
    expect(sorted).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000]);
  });

  describe("that is attached to another", () => {
    const attach = async (options: Parameters<typeof createServer>[0]) => {
      const http = createHttpServer((_request, response) => response.end("theirs"));
      const server = createServer({ dev: true, logger: createLogger({ level: "silent" }), server: http, ...options });
      await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
      const { port } = http.address() as AddressInfo;
      return { http, server, url: `http://127.0.0.1:${port}`, wsUrl: `ws://127.0.0.1:${port}/ws`, port };
    };

    it("CLS-1: its connections are gone when it is closed, and the other goes on", async () => {
      const { http, server, url, wsUrl } = await attach({ log: "memory:" });
      await server.listen();
      const client = new RawClient(wsUrl);
      await client.opened();
      await server.close();
      expect(client.closeCode ?? (await client.closed).code).toBe(CLOSE_CODES.restart.code);
      const count = await new Promise((resolve) => http.getConnections((_error, connections) => resolve(connections)));
      expect(count).toBe(0);
      expect(await (await fetch(url)).text()).toBe("theirs");
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    });

    it("ERR-2: a client that breaks off while it still opens its log does no harm and keeps no place", async () => {
      const directory = await mkdtemp(join(tmpdir(), "yamabiko-open-"));
      const limits = { connectionsPerIp: 1 };
      const { http, server, url, port } = await attach({
        log: `sqlite:${join(directory, "log.db")}`,
        echoPath: "/echo",
        limits,
      });
      try {
        for (const path of ["/ws", "/echo"]) {
          const socket = connect(port, "127.0.0.1");
          socket.on("error", () => {});
          await new Promise((resolve) => socket.once("connect", resolve));
          const upgraded = new Promise((resolve) => http.once("upgrade", resolve));
          socket.write(
            `GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
          );
          await upgraded;
          socket.resetAndDestroy();
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        await server.listen();
        await until(async () => (await upgrade(url, { path: "/echo" })).status === 101, 2_000);
      } finally {
        await server.close();
        http.closeAllConnections();
        await new Promise((resolve) => http.close(resolve));
        await rm(directory, { recursive: true, force: true });
      }
    });
  });
});

import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { startServer, until, upgrade } from "../harness.ts";

describe("connections that ask for nothing", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await server.close();
  });
  const open = async (count: number) => {
    const { port } = new URL(server.url);
    for (let index = 0; index < count; index++) {
      const socket = connect(Number(port), "127.0.0.1");
      socket.on("error", () => {});
      sockets.push(socket);
      await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
      socket.resume();
    }
  };
  const isOpen = (socket: Socket) => !socket.destroyed;

  it("LIM-1 connectionsPerIp: an address may have four times as many, and more when those are gone", async () => {
    server = await startServer({ limits: { connectionsPerIp: 2 } });
    await open(12);
    await until(() => sockets.filter(isOpen).length === 8);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sockets.filter(isOpen).length).toBe(8);
    for (const socket of sockets.splice(0)) socket.destroy();
    await until(async () => (await upgrade(server.url).catch(() => null))?.status === 101);
  });

  it("LIM-1 connectionsPerIp: those that have asked for something do not count", async () => {
    server = await startServer({ limits: { connectionsPerIp: 2 } });
    await open(6);
    for (const socket of sockets) socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await until(() => sockets.every((socket) => socket.bytesRead > 0));
    await open(8);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sockets.filter(isOpen).length).toBe(14);
  });

  it("LIM-1 connectionsPerIp: the connections of a trusted proxy are not one client's", async () => {
    server = await startServer({ limits: { connectionsPerIp: 2 }, trustedProxies: ["127.0.0.1"] });
    await open(30);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sockets.filter(isOpen).length).toBe(30);
  });

  it("LIM-1 handshakesPerSecond: tickets and tokens are given only so fast to one address", async () => {
    server = await startServer({ limits: { handshakesPerSecond: 1 } });
    const ask = (path: string, headers = {}) =>
      fetch(`${server.url}${path}`, { method: "POST", headers, body: JSON.stringify({ user: "ada" }) });
    const first = await ask("/api/dev/token");
    expect(first.status).toBe(200);
    const { token } = (await first.json()) as { token: string };
    expect((await ask("/api/tickets", { Authorization: `Bearer ${token}` })).status).toBe(200);
    for (const path of ["/api/tickets", "/api/dev/token"]) {
      const refused = await ask(path, { Authorization: "Bearer wrong" });
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(0);
      expect(await refused.json()).toMatchObject({ error: { code: "rate_limited", retryable: true } });
    }
  });
});

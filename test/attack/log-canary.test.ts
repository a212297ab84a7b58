import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { signToken } from "../../src/auth/jwt.ts";
import { createLogger } from "../../src/observe/logger.ts";
import { RawClient, startServer, until } from "../harness.ts";

const SECRET = "a secret of thirty-two bytes or more, for tokens";
const API_KEY = "canary-api-key-0123456789";
/** What people write, and what must be nowhere. */
const CONTENT = "canary-content-4711";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start() {
  const lines: string[] = [];
  const server = await startServer({
    dev: false,
    auth: { secret: SECRET },
    apiKeys: [API_KEY],
    limits: { connectionsPerIp: 0, handshakesPerSecond: 0, requestsPerSecond: 0 },
    logger: createLogger({ level: "trace", destination: { write: (line) => void lines.push(line) } }),
    alerts: { minimum: 1, webhook: "http://127.0.0.1:9/canary-webhook-secret" },
  });
  cleanups.push(() => server.close());
  return { server, lines };
}

/** A socket that is refused, or says one thing and goes. */
async function knock(url: string, options: object, say: string | Buffer | null = null): Promise<void> {
  const socket = new WebSocket(url, options);
  socket.on("error", () => {});
  await new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
    socket.once("open", () => {
      if (say !== null) socket.send(say);
      setTimeout(() => socket.terminate(), 20);
    });
  });
}

describe("what is logged, at the most talkative level", () => {
  it("holds no token, ticket, key or content, whichever way they came", async () => {
    const { server, lines } = await start();
    const good = await signToken(SECRET, { user: "ann", name: "Ann", expiresInMs: 60_000 });
    const expired = await signToken(SECRET, { user: "ann", name: "Ann", expiresInMs: -3_600_000 });
    const foreign = await signToken(`another ${SECRET}`, { user: "ann", name: "Ann", expiresInMs: 60_000 });
    const tokens = [good, expired, foreign];
    const content = { type: "send_message", payload: { roomId: "lobby", content: CONTENT }, messageId: "m-1" };
    const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

    // A WebSocket: in the header, in the address, as a message, cut in the middle, and no JSON at all.
    for (const token of tokens) {
      await knock(server.wsUrl, { headers: bearer(token) });
      await knock(`${server.wsUrl}?token=${token}`, {});
      await knock(server.wsUrl, {}, JSON.stringify({ type: "authenticate", payload: { token } }));
      await knock(server.wsUrl, {}, `{"type":"authenticate","payload":{"token":"${token}`);
      await knock(`${server.url.replace("http", "ws")}/yjs/readme?token=${token}`, {});
      await knock(`${server.url.replace("http", "ws")}/hocuspocus?token=${token}`, {}, Buffer.from(token));
    }
    const client = await RawClient.open(server, undefined, { headers: bearer(good) });
    cleanups.push(() => client.close());
    await client.next("welcome");
    await client.join("lobby");
    expect(await client.ask("send_message", content.payload)).toMatchObject({ success: true });
    client.sendValue({ ...content, payload: { content: CONTENT, roomId: 7 } });
    client.socket.send(`{"content":"${CONTENT}"`);
    await client.next("error");

    // HTTP: in the header, in the address, in the body; streams, polls, posts and back ends.
    const { ticket } = (await (
      await fetch(`${server.url}/api/tickets`, { method: "POST", headers: bearer(good) })
    ).json()) as { ticket: string };
    const paths = ["/api/messages?roomId=lobby", "/api/messages/wait?roomId=lobby&timeoutMs=1", "/api/notifications"];
    for (const token of tokens) {
      for (const path of paths) {
        await fetch(`${server.url}${path}`, { headers: bearer(token) });
        await fetch(`${server.url}${path}${path.includes("?") ? "&" : "?"}access_token=${token}`);
      }
      const body = JSON.stringify([content, { type: "authenticate", payload: { token } }]);
      await fetch(`${server.url}/api/messages`, { method: "POST", headers: bearer(token), body });
      const stream = await fetch(`${server.url}/api/events?roomId=lobby`, { headers: bearer(token) });
      await stream.body?.cancel();
    }
    for (const use of [ticket, ticket, "canary-ticket-that-is-none"]) {
      const stream = await fetch(`${server.url}/api/events?roomId=lobby&ticket=${use}`);
      await stream.body?.cancel();
    }
    for (const key of [API_KEY, "canary-api-key-that-is-none"]) {
      await fetch(`${server.url}/api/rooms/feed:news/events`, {
        method: "POST",
        headers: bearer(key),
        body: JSON.stringify({ type: "item", payload: { content: CONTENT } }),
      });
    }
    // They are logged, so that there is something to look through.
    await until(() => lines.filter((line) => line.includes("connection ended")).length >= 3);
    await until(() => lines.some((line) => line.includes("abnormal_disconnects")));
    await server.close();

    const written = [...lines, await server.metrics()].join("\n");
    const parts = tokens.flatMap((token) => token.split(".").slice(1));
    for (const secret of [...parts, ticket, API_KEY, "canary-", CONTENT]) expect(written).not.toContain(secret);
  });

  it("names a connection by who it was, where it came from, and how it ended", async () => {
    const { server, lines } = await start();
    const token = await signToken(SECRET, { user: "ann", name: "Ann", expiresInMs: 60_000 });
    const client = await RawClient.open(server, undefined, { headers: { Authorization: `Bearer ${token}` } });
    const welcome = await client.next("welcome");
    client.close();
    await until(() => lines.some((line) => line.includes("connection ended")));
    const line = JSON.parse(lines.find((each) => each.includes("connection ended"))!);
    const { connectionId } = welcome.payload as { connectionId: string };
    expect(line).toEqual({
      level: "info",
      time: expect.any(String),
      msg: "connection ended",
      connectionId,
      userId: "ann",
      address: "127.0.0.1",
      transport: "websocket",
      class: "client",
      reason: "normal",
      ageMs: expect.any(Number),
    });
  });
});

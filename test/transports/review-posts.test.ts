import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { createServer } from "../../src/server/server.ts";
import { defineNamespace, message } from "../../src/session/namespace.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { startServer } from "../harness.ts";
import { ask } from "./http-request.ts";

type Server = Awaited<ReturnType<typeof startServer>>;
let server: Server;

afterEach(() => server?.close());

const start = async (options: ServerOptions = {}): Promise<void> => {
  // Tokens are the user's name.
  const auth = async (token: string) => ({ id: token, name: token, claims: {}, expiresAt: Date.now() + 3_600_000 });
  server = await startServer({ auth, ...options });
};

interface Ack {
  type: string;
  messageId?: string;
  payload: { success: boolean; seq?: number; duplicate?: boolean; error?: { code: string; retryable: boolean } };
}

const post = async (messages: unknown): Promise<Ack[]> =>
  (await ask(server.url, "/api/messages", { body: messages, token: "ann" })).body as Ack[];

const say = (roomId: string, messageId: string): object => ({
  type: "send_message",
  payload: { roomId, content: messageId },
  messageId,
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("a messageId that comes twice in one request, to two rooms, is answered where it stands", async () => {
  await start({
    access: async ({ name, right }) => {
      if (name !== "closed" || right !== "write") return true;
      await pause(50);
      return false;
    },
  });
  const acks = await post([say("closed", "one"), say("open", "one")]);
  expect(acks.map(({ payload }) => payload.success)).toEqual([false, true]);
});

test("an ack of the client's own takes no answer of another message", async () => {
  await start();
  const acks = await post([{ type: "ack", payload: {}, messageId: "one" }, say("open", "one")]);
  expect(acks[1]).toMatchObject({ messageId: "one", payload: { success: true, seq: 1 } });
});

test("nothing overtakes what was refused, however long the request takes", async () => {
  const clock = createFakeClock();
  const log = createFaultyLog(createMemoryLog({ clock }));
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = defineNamespace({
    name: "slow",
    messages: {
      note: message({
        handle: async (context) => {
          if (context.messageId === "2") await gate;
          return context.event("noted", {});
        },
      }),
    },
  });
  await start({ clock, log, namespaces: [slow] });
  log.failAppends(1);
  const posted = post(
    ["1", "2", "3"].map((messageId) => ({ type: "note", payload: { roomId: "slow:room" }, messageId })),
  );
  await pause(200);
  await clock.advance(11_000);
  release();
  const acks = await posted;
  expect(acks.map(({ payload }) => payload.success)).toEqual([false, false, false]);
});

test("what is in the log and could not be answered any more may come again", async () => {
  const log = createFaultyLog(createMemoryLog());
  await start({ log });
  log.hangAppends();
  const posted = ask(server.url, "/api/messages", { body: say("room", "1"), token: "ann" });
  while (log.hanging === 0) await pause(10);
  await server.disconnect("ann");
  log.release();
  const { status, body } = await posted;
  expect(status).toBe(503);
  expect((body as Ack).payload.error).toMatchObject({ code: "unavailable", retryable: true });
});

test("an array that ends like an object is none", async () => {
  await start();
  const { status } = await ask(server.url, "/api/messages", { body: '[{"type":"ping","payload":{}}}', token: "ann" });
  expect(status).toBe(400);
});

test("one of two servers attached to the same HTTP server can be closed", async () => {
  const http = createHttpServer((_request, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const options = { server: http, log: "memory:", dev: true } as const;
  const [first, second] = [createServer(options), createServer(options)];
  await first.close();
  expect((await ask(url, "/api/messages?roomId=lobby")).status).toBe(200);
  await second.close();
  expect((await ask(url, "/api/messages?roomId=lobby")).status).toBe(404);
  await new Promise((resolve) => http.close(resolve));
});

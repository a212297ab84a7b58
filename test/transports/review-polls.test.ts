import { Agent } from "node:http";
import { afterEach, expect, test } from "vitest";
import { type Json, YamabikoError } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { startServer } from "../harness.ts";
import { ask, startRequest } from "./http-request.ts";

type Server = Awaited<ReturnType<typeof startServer>>;
let server: Server;

afterEach(() => server?.close());

const start = async (options: ServerOptions = {}): Promise<void> => {
  server = await startServer(options);
};

/** Tokens are the user's name. */
const byName = (delayMs = 0): ServerOptions["auth"] => {
  return async (token: string) => {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (token === "") throw new YamabikoError("unauthenticated", "No.");
    return { id: token, name: token, claims: {}, expiresAt: Date.now() + 3_600_000 };
  };
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("a cursor that names one room twice, with its namespace and without, reads it once and leaves nothing behind", async () => {
  await start({ auth: byName() });
  const { epoch } = await server.room("lobby").view();
  await server.room("lobby").publish("noted", {});
  const cursor = new URLSearchParams([
    ["lobby", `${epoch}:0`],
    ["chat:lobby", `${epoch}:0`],
  ]).toString();
  const { body } = await ask(server.url, "/api/messages/wait?timeoutMs=0", { body: { cursor }, token: "ann" });
  const events = (body as { messages: { seq?: number }[] }).messages.filter(({ seq }) => seq !== undefined);
  expect(events).toHaveLength(1);
  // whoever reads twice at once would never be gone
  await ask(server.url, "/api/messages", { body: { type: "leave_room", payload: { roomId: "lobby" } }, token: "ann" });
  expect((await server.room("lobby").members()).count).toBe(0);
});

test("a stream whose client went away while its token was checked leaves no connection behind", async () => {
  await start({ auth: byName(300) });
  const request = startRequest(server.url, "/api/events?roomId=lobby", { token: "ann" });
  request.on("error", () => {});
  await pause(100);
  request.destroy();
  await pause(500);
  expect(server.connections).toBe(0);
});

test("a poll whose client went away while its token was checked does not wait", async () => {
  await start({ auth: byName(300) });
  const request = startRequest(server.url, "/api/messages/wait?roomId=lobby", { token: "ann" });
  request.on("error", () => {});
  await pause(100);
  request.destroy();
  await pause(500);
  expect(server.connections).toBe(0);
});

test("a body beyond the limit is answered with 413", async () => {
  await start({ auth: byName() });
  for (const path of ["/api/messages", "/api/messages/wait", "/api/events"]) {
    const { status } = await ask(server.url, path, { body: "x".repeat(3_000_000), token: "ann" });
    expect(status).toBe(413);
  }
});

test("what is left of a poll that the server closed says where each room stands", async () => {
  await start({ auth: byName() });
  const { epoch } = await server.room("lobby").view();
  await server.room("lobby").publish("noted", {});
  const asked = ask(server.url, "/api/messages/wait?timeoutMs=20000", {
    body: { cursor: `chat%3Alobby=${epoch}%3A1` },
    token: "ann",
  });
  await ask(server.url, "/healthz");
  // it says room_state first
  const first = (await asked).body as { cursor: string };
  const waiting = ask(server.url, "/api/messages/wait?timeoutMs=20000", {
    body: { cursor: first.cursor },
    token: "ann",
  });
  await pause(300);
  await server.disconnect("ann");
  const { body } = await waiting;
  const { messages, cursor } = body as { messages: { type: string }[]; cursor: string };
  expect(messages.at(-1)?.type).toBe("closed");
  expect(new URLSearchParams(cursor).get("chat:lobby")).toMatch(`${epoch}:1`);
});

test("closing does not wait for the idle connection of a poll it just answered", async () => {
  await start({ auth: byName() });
  const agent = new Agent({ keepAlive: true });
  const waiting = ask(server.url, "/api/messages/wait?roomId=lobby&after=0", { token: "ann", agent });
  await pause(300);
  const began = Date.now();
  await server.close();
  expect(Date.now() - began).toBeLessThan(2_000);
  expect((await waiting).status).toBe(503);
  agent.destroy();
});

test("a poll told a large state anew gets events with it", async () => {
  const board = defineNamespace({
    name: "board",
    messages: {},
    state: { notes: { event: "note", change: (key: string, value: Json) => ({ key, value }) } },
  });
  await start({ auth: byName(), namespaces: [board] });
  const room = server.room("board:one");
  const notes = await room.state("notes");
  for (let index = 0; index < 10; index++) await notes.set(`note ${index}`, "x".repeat(40_000));
  const { epoch } = await room.publish("noted", {});
  // without a revision, as on a node that does not know the one in the cursor
  const { body } = await ask(server.url, "/api/messages/wait?timeoutMs=0", {
    body: { cursor: new URLSearchParams({ "board:one": `${epoch}:0` }).toString() },
    token: "ann",
  });
  const types = (body as { messages: { type: string }[] }).messages.map(({ type }) => type);
  expect(types).toEqual(["room_state", "room_users", "noted"]);
});

test("a room that always has more than fits does not keep the others out", async () => {
  await start({ auth: byName() });
  await server.room("quiet").publish("noted", {});
  let after = "busy=0&quiet=0";
  let isHeard = false;
  for (let polls = 0; polls < 60 && !isHeard; polls++) {
    for (let count = 0; count < 3; count++) await server.room("busy").publish("noted", {});
    const query = new URLSearchParams({ after, limit: "2" });
    const { body } = await ask(server.url, `/api/messages?roomId=busy&roomId=quiet&${query}`, { token: "ann" });
    const { messages, cursor } = body as { messages: { roomId: string }[]; cursor: string };
    isHeard = messages.some(({ roomId }) => roomId === "chat:quiet");
    after = cursor;
  }
  expect(isHeard).toBe(true);
});

import { afterEach, expect, test } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { startServer } from "../harness.ts";
import { ask, responseTo, startRequest } from "./http-request.ts";

type Server = Awaited<ReturnType<typeof startServer>>;
let server: Server;

afterEach(() => server?.close());

const start = async (options: ServerOptions = {}): Promise<void> => {
  // Tokens are the user's name.
  const auth = async (token: string) => ({ id: token, name: token, claims: {}, expiresAt: Date.now() + 3_600_000 });
  server = await startServer({ auth, ...options });
};

/** What a stream says until `enough` does; then it is left. */
const listen = async (
  path: string,
  enough: (text: string) => boolean,
  headers: Record<string, string> = {},
): Promise<string> => {
  const request = startRequest(server.url, path, { token: "ann", headers });
  const response = await responseTo(request);
  let text = "";
  for await (const chunk of response) {
    text += String(chunk);
    if (enough(text)) break;
  }
  request.destroy();
  return text;
};

/** What an EventSource would send as `Last-Event-ID` after it heard this. */
const lastId = (text: string): string => Array.from(text.matchAll(/^id: (.*)$/gm)).at(-1)?.[1] ?? "";

test("an EventSource that drops before its first event misses nothing", async () => {
  await start();
  for (const rooms of ["roomId=a", "roomId=a&roomId=b"]) {
    await server.room("a").publish("noted", { before: true });
    const heard = await listen(`/api/events?${rooms}`, (text) => text.includes("event: room_users"));
    const { seq } = await server.room("a").publish("noted", { missed: true });
    await server.room("a").publish("noted", { last: true });
    const again = await listen(`/api/events?${rooms}`, (text) => text.includes('"last":true'), {
      "Last-Event-ID": lastId(heard),
    });
    expect(again).toContain(`"seq":${seq}`);
    expect(again).not.toContain('"before":true');
  }
});

test("an answer over several rooms holds no more than was asked for, also when the log is read for it", async () => {
  const log = createMemoryLog();
  await start({ log, limits: { tailEvents: 1 } });
  const rooms = Array.from({ length: 8 }, (_, index) => `room-${index}`);
  const padding = "x".repeat(20_000);
  for (const room of rooms)
    for (let count = 0; count < 20; count++) await server.room(room).publish("noted", { padding });
  const cursors = new URLSearchParams();
  for (const room of rooms) cursors.set(`chat:${room}`, `${(await server.room(room).view()).epoch}:0`);
  const query = new URLSearchParams({ after: cursors.toString(), limit: "5" });
  for (const room of rooms) query.append("roomId", room);
  const few = await ask(server.url, `/api/messages?${query}`, { token: "ann" });
  expect((few.body as { messages: unknown[] }).messages).toHaveLength(5);
  query.set("limit", "1000");
  const seen = new Map<string, number>();
  for (let polls = 0; polls < 40; polls++) {
    const { text, body } = await ask(server.url, `/api/messages?${query}`, { token: "ann" });
    expect(text.length).toBeLessThan(700_000);
    const { messages, cursor } = body as { messages: { roomId: string; seq: number }[]; cursor: string };
    for (const { roomId, seq } of messages) {
      expect(seq).toBe((seen.get(roomId) ?? 0) + 1);
      seen.set(roomId, seq);
    }
    if (messages.length === 0) break;
    query.set("after", cursor);
  }
  expect(Array.from(seen.values())).toEqual(rooms.map(() => 20));
});

test("a page of history has a bound in bytes too, and the next goes on where it ends", async () => {
  await start();
  const padding = "x".repeat(60_000);
  for (let count = 0; count < 30; count++) await server.room("big").publish("noted", { padding });
  for (const direction of ["before", "after"] as const) {
    const seqs: number[] = [];
    let at = direction === "before" ? "31" : "0";
    for (let pages = 0; pages < 30; pages++) {
      const { text, body } = await ask(server.url, `/api/rooms/big/history?${direction}=${at}&limit=1000`, {
        token: "ann",
      });
      const { messages, more } = body as { messages: { seq: number }[]; more: boolean };
      expect(text.length).toBeLessThan(700_000);
      const page = messages.map(({ seq }) => seq);
      if (direction === "before") seqs.unshift(...page);
      else seqs.push(...page);
      at = String(direction === "before" ? page[0] : page.at(-1));
      if (!more) break;
    }
    expect(seqs).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
  }
});

test("a silent stream says something at least every 20 s", async () => {
  const clock = createFakeClock();
  await start({ clock });
  const request = startRequest(server.url, "/api/events?roomId=a", { token: "ann" });
  const response = await responseTo(request);
  let comments = 0;
  let isReady = false;
  response.on("data", (chunk) => {
    const text = String(chunk);
    if (text.includes("event: room_users")) isReady = true;
    if (text === ":\n\n") comments++;
  });
  response.on("error", () => {});
  await expect.poll(() => isReady).toBe(true);
  for (let round = 1; round <= 4; round++) {
    for (let second = 0; second < 20; second++) await clock.advance(1_000);
    await expect.poll(() => comments).toBe(round);
  }
  request.destroy();
});

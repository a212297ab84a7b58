import { afterEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import { createFaultyLog } from "../../src/testing/index.ts";
import { RawClient, startServer } from "../harness.ts";
import { ask, type HttpAnswer } from "./http-request.ts";

const KEY = "a-key-of-a-back-end-long-enough";
const path = "/api/rooms/feed:news/events";
const SECRET = "a secret of more than thirty-two bytes, for tests";

let server: Awaited<ReturnType<typeof startServer>>;

afterEach(() => server.close());

const publish = (body: unknown, token?: string, to = path): Promise<HttpAnswer> => ask(server.url, to, { body, token });

const ackOf = ({ body }: HttpAnswer) => (body as { payload: Record<string, unknown> }).payload;
const acksOf = ({ body }: HttpAnswer) => (body as { payload: Record<string, unknown> }[]).map(({ payload }) => payload);
const codeOf = ({ body }: HttpAnswer) => (body as { error: { code: string } }).error.code;

describe("POST /api/rooms/:roomId/events", () => {
  it("HTTP-1: needs an API key in production, and takes no token for one", async () => {
    server = await startServer({
      dev: false,
      auth: { secret: SECRET },
      apiKeys: [KEY, "another-one-as-long-as-that"],
    });
    const event = { type: "headline", payload: { text: "It rains." } };
    for (const token of [undefined, "wrong", `${KEY}x`]) {
      const refused = await publish(event, token);
      expect([refused.status, codeOf(refused)]).toEqual([401, "unauthenticated"]);
    }
    expect((await publish(event, KEY)).status).toBe(200);
    expect((await publish(event, "another-one-as-long-as-that")).status).toBe(200);
    expect((await server.room("feed:news").view()).head).toBe(2);
  });

  it("HTTP-1: is closed in production where no key is configured", async () => {
    server = await startServer({ dev: false, auth: { secret: SECRET } });
    const refused = await publish({ type: "headline", payload: {} }, "anything");
    expect([refused.status, codeOf(refused)]).toEqual([403, "access_denied"]);
  });

  it("publishes what readers get, once however often it is said", async () => {
    server = await startServer();
    const reader = await RawClient.open(server, "ada");
    reader.send("join_room", { roomId: "feed:news" });
    await reader.next("room_users");
    const event = { type: "headline", payload: { text: "It rains." }, messageId: "h-1" };
    expect(ackOf(await publish(event))).toMatchObject({ success: true, seq: 1, duplicate: false });
    expect(ackOf(await publish(event))).toMatchObject({ success: true, seq: 1, duplicate: true });
    expect(await reader.next("headline")).toMatchObject({ seq: 1, payload: { text: "It rains." }, messageId: "h-1" });
    expect((await server.room("feed:news").view()).head).toBe(1);
    reader.close();
  });

  it("takes an array, in order", async () => {
    server = await startServer();
    const events = [1, 2, 3].map((n) => ({ type: "price", payload: { n }, messageId: `p-${n}` }));
    expect(acksOf(await publish(events)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    const [again, fresh] = acksOf(await publish([events[2], { type: "price", payload: { n: 4 } }]));
    expect([again?.seq, again?.duplicate, fresh?.seq]).toEqual([3, true, 4]);
  });

  it("after one that may come again the rest is not tried, so that the order holds", async () => {
    const log = createFaultyLog(createMemoryLog());
    server = await startServer({ log });
    await publish({ type: "price", payload: { n: 0 } });
    log.failAppends(1);
    const acks = acksOf(await publish([1, 2, 3].map((n) => ({ type: "price", payload: { n } }))));
    expect(acks.map(({ success }) => success)).toEqual([false, false, false]);
    expect((await server.room("feed:news").view()).head).toBe(1);
  });

  it.each([
    ["an empty array", [], 400],
    ["text that is no JSON", "{", 400],
    ["no object", "3", 400],
    ["a payload that is no object", { type: "x", payload: [1] }, 400],
    ["a bad type", { type: "a b", payload: {} }, 400],
    ["an event over the size limit", { type: "x", payload: { text: "x".repeat(70_000) } }, 413],
    ["one of several over the size limit", [{ type: "x" }, { type: "x", payload: { text: "x".repeat(70_000) } }], 413],
    ["a body over the limit", `[${"1,".repeat(600_000)}1]`, 413],
    ["too many events", Array.from({ length: 1_001 }, () => ({ type: "x" })), 400],
  ])("refuses %s, and publishes nothing of it", async (_, body, status) => {
    server = await startServer();
    expect((await publish(body)).status).toBe(status);
    expect((await server.room("feed:news").view()).head).toBe(0);
  });

  it("refuses text that is no UTF-8, rather than publish something else", async () => {
    server = await startServer();
    const body = Buffer.concat([
      Buffer.from('{"type":"x","payload":{"text":"'),
      Buffer.from([0xff]),
      Buffer.from('"}}'),
    ]);
    const answer = await fetch(server.url + path, { method: "POST", body });
    expect(answer.status).toBe(400);
    expect((await server.room("feed:news").view()).head).toBe(0);
  });

  it.each([
    ["an unknown namespace", "/api/rooms/nothing:here/events", 404],
    ["a bad room", "/api/rooms/feed:../events", 400],
    ["a bad encoding", "/api/rooms/%E0%A4%A/events", 404],
    ["a room with a character that is not allowed", "/api/rooms/feed:a%00b/events", 400],
  ])("refuses %s", async (_, to, status) => {
    server = await startServer();
    expect((await publish({ type: "x", payload: {} }, undefined, to)).status).toBe(status);
  });
});

describe("GET /api/rooms/:roomId/history", () => {
  it("pages both ways, and says whether there is more", async () => {
    server = await startServer();
    for (let n = 1; n <= 7; n++) await server.room("feed:news").publish("news", { n });
    const page = async (query: string) => {
      const { status, body } = await ask(server.url, `/api/rooms/feed:news/history${query}`);
      expect(status).toBe(200);
      const { messages, more, cursor, head, epoch } = body as Record<string, never> & {
        messages: { seq: number }[];
        cursor: string;
      };
      expect([head, cursor.startsWith(`${epoch}:`)]).toEqual([7, true]);
      return { seqs: messages.map(({ seq }) => seq), more, cursor };
    };
    expect(await page("")).toMatchObject({ seqs: [1, 2, 3, 4, 5, 6, 7], more: false });
    expect(await page("?limit=3")).toMatchObject({ seqs: [5, 6, 7], more: true });
    expect(await page("?limit=3&before=5")).toMatchObject({ seqs: [2, 3, 4], more: true });
    expect(await page("?limit=3&before=2")).toMatchObject({ seqs: [1], more: false });
    const first = await page("?limit=3&after=0");
    expect(first).toMatchObject({ seqs: [1, 2, 3], more: true });
    const second = await page(`?limit=4&after=${encodeURIComponent(first.cursor)}`);
    expect(second).toMatchObject({ seqs: [4, 5, 6, 7], more: false });
    expect(await page(`?after=${encodeURIComponent(second.cursor)}`)).toEqual({ ...second, seqs: [] });
  });

  it("refuses both ways at once, a cursor of another log, and who may not read", async () => {
    server = await startServer();
    const status = async (at: string) => (await ask(server.url, `/api/rooms/${at}`)).status;
    expect(await status("feed:news/history?before=1&after=1")).toBe(400);
    expect(await status("feed:news/history?after=other:1")).toBe(410);
    expect(await status("feed:news/history?limit=0")).toBe(400);
    expect(await status("user:somebody/history")).toBe(403);
    expect(await status("user:somebody/members")).toBe(403);
  });

  it("a room's name may have a slash, encoded", async () => {
    server = await startServer();
    await server.room("feed:a/b").publish("news", {});
    const { body } = await ask(server.url, "/api/rooms/feed%3Aa%2Fb/history");
    expect((body as { messages: unknown[] }).messages).toHaveLength(1);
  });
});

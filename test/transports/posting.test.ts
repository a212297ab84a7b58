import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { Envelope, Json } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { type AckPayload, until } from "../harness.ts";
import type { HttpAnswer } from "./http-request.ts";
import { range, Stage } from "./stage.ts";

const codeOf = ({ body }: HttpAnswer) => (body as { error?: { code: string } }).error?.code;
const acksOf = ({ body }: HttpAnswer) => (body as Envelope[]).map(({ payload }) => payload as AckPayload);
const message = (content: string, messageId?: string, roomId = "room") => ({
  type: "send_message",
  payload: { roomId, content },
  ...(messageId === undefined ? {} : { messageId }),
});

describe("POST /api/messages", () => {
  let stage: Stage;
  const begin = async (options: ServerOptions = {}) => {
    await stage.end();
    stage = await Stage.start(options);
  };
  beforeEach(async () => {
    stage = await Stage.start();
  });
  afterEach(() => stage.end());
  const post = (body: unknown, user = "ada") => stage.ask("/api/messages", { body, user });

  it("HTTP-3: one envelope is answered by its ack, needs no join, and may repeat its messageId", async () => {
    const first = await post(message("hello", "m-1"));
    expect([first.status, first.headers["content-type"]]).toEqual([200, expect.stringContaining("application/json")]);
    const cursor = await stage.cursor(1);
    expect(first.body).toMatchObject({
      type: "ack",
      messageId: "m-1",
      payload: { success: true, seq: 1, savedId: cursor, duplicate: false },
    });
    expect((await post(message("hello", "m-1"))).body).toMatchObject({ payload: { seq: 1, duplicate: true } });
    expect((await stage.server.room("room").history(0, 10)).map(({ seq }) => seq)).toEqual([1]);
  });

  it("HTTP-3: an envelope without a messageId is given one", async () => {
    const { status, body } = await post(message("hello"));
    expect([status, body]).toEqual([200, expect.objectContaining({ type: "ack", messageId: expect.any(String) })]);
    const { messageId } = body as Envelope;
    expect((await stage.server.room("room").history(0, 1))[0]).toMatchObject({ messageId });
  });

  it("HTTP-3: a refused one has the status of its code", async () => {
    await begin({ access: ({ roomId, right }) => roomId !== "chat:quiet" || right !== "write" });
    for (const [wrong, status, code] of [
      [{ type: "no_such", payload: { roomId: "room" }, messageId: "a" }, 404, "unknown_type"],
      [message("x", "b", "quiet"), 403, "access_denied"],
      [message("x", "c", "user:ben"), 404, "unknown_type"],
      [{ type: "send_message", payload: { roomId: "room" }, messageId: "d" }, 400, "invalid_message"],
      [message("x", "e", "chat:../up"), 400, "invalid_message"],
      [message("x", "f", "nothing:here"), 404, "unknown_type"],
      [{ type: "join_room", payload: { roomId: "room" }, messageId: "g" }, 400, "invalid_message"],
      [{ type: "authenticate", payload: { token: "x" }, messageId: "h" }, 400, "invalid_message"],
    ] as const) {
      const answer = await post(wrong);
      expect([answer.status, answer.body]).toEqual([
        status,
        expect.objectContaining({
          type: "ack",
          messageId: wrong.messageId,
          payload: { success: false, error: expect.objectContaining({ code, retryable: false }) },
        }),
      ]);
    }
    expect(await stage.server.room("room").history(0, 1)).toEqual([]);
  });

  it("HTTP-3, ERR-1: unavailable is 503, with Retry-After where it is known, and the same again is taken", async () => {
    const log = createFaultyLog(createMemoryLog());
    await begin({ log });
    log.failAppends(1);
    const refused = await post(message("x", "m-1"));
    expect([refused.status, refused.body]).toEqual([
      503,
      expect.objectContaining({ payload: { success: false, error: expect.objectContaining({ retryable: true }) } }),
    ]);
    expect((await post(message("x", "m-1"))).body).toMatchObject({ payload: { seq: 1, duplicate: false } });
  });

  it("HTTP-4: an array is answered by one ack per envelope in their order, then what else was said", async () => {
    const answer = await post([
      message("one", "m-1"),
      { type: "ping", payload: { n: 1 }, messageId: "m-2" },
      { type: "no_such", payload: { roomId: "room" }, messageId: "m-3" },
      message("two", "m-4", "other"),
      message("three"),
    ]);
    expect(answer.status).toBe(200);
    const said = answer.body as Envelope[];
    expect(said.slice(0, 5).map(({ type }) => type)).toEqual(range(1, 5).map(() => "ack"));
    expect(said.slice(0, 4).map(({ messageId }) => messageId)).toEqual(["m-1", "m-2", "m-3", "m-4"]);
    expect(
      acksOf(answer)
        .map(({ success }) => success)
        .slice(0, 5),
    ).toEqual([true, true, false, true, true]);
    expect(said.slice(5)).toEqual([expect.objectContaining({ type: "pong", payload: { n: 1 } })]);
    expect((await stage.server.room("room").history(0, 10)).map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it("HTTP-4: what a namespace replies to the sender comes after the acks", async () => {
    const echo = defineNamespace({
      name: "echo",
      messages: { say: { handle: (context, payload) => context.reply("said", payload as never) } },
    });
    await begin({ namespaces: [echo] });
    const say = (text: string) => ({ type: "say", payload: { roomId: "echo:room", text }, messageId: text });
    const { body } = await post([say("a"), say("b")]);
    expect((body as Envelope[]).map(({ type }) => type)).toEqual(["ack", "ack", "said", "said"]);
    expect(await stage.ask("/api/messages", { body: say("c"), user: "ada" })).toMatchObject({
      status: 200,
      body: { type: "ack", messageId: "c" },
    });
  });

  it("HTTP-4, ACK-5: nothing overtakes what was refused and may come again", async () => {
    const log = createFaultyLog(createMemoryLog());
    await begin({ log });
    log.failAppends(1);
    const messages = [message("1", "a"), message("2", "b"), message("x", "c", "other"), message("3", "d")];
    const refused = acksOf(await post(messages));
    expect(refused.map(({ success }) => success)).toEqual([false, false, true, false]);
    expect(refused.map(({ error }) => error?.retryable)).toEqual([true, true, undefined, true]);
    expect(acksOf(await post(messages)).map(({ seq, duplicate }) => [seq, duplicate])).toEqual([
      [1, false],
      [2, false],
      [1, true],
      [3, false],
    ]);
  });

  it("HTTP-4: 1,000 envelopes are taken, one more is not, and neither is none", async () => {
    const many = (count: number) =>
      range(1, count).map((index) => ({ type: "ping", payload: index, messageId: `p${index}` }));
    const all = await post(many(1_000));
    expect([all.status, (all.body as Envelope[]).length]).toEqual([200, 2_000]);
    const over = await post(many(1_001));
    expect([over.status, codeOf(over)]).toEqual([400, "invalid_message"]);
    const none = await post([]);
    expect([none.status, codeOf(none)]).toEqual([400, "invalid_message"]);
  });

  it("HTTP-4, HTTP-5, LIM-1 messageBytes: 1 MiB in all and the size limit each; over it nothing is done", async () => {
    const big = (index: number) => message("x".repeat(3_900), `m-${index}`);
    const fits = await post(range(1, 250).map(big));
    expect(fits.status).toBe(200);
    expect((await stage.server.room("room").view()).head).toBe(250);
    const over = await post(range(1, 300).map(big).concat(big(301)));
    expect([over.status, codeOf(over)]).toEqual([413, "payload_too_large"]);
    const one = await post({ type: "ping", payload: "x".repeat(65_536), messageId: "one" });
    expect([one.status, codeOf(one)]).toEqual([413, "payload_too_large"]);
    const hidden = await post([
      message("first", "n-1"),
      { type: "ping", payload: "x".repeat(65_536), messageId: "n-2" },
    ]);
    // The whole request, or that one envelope: in no case more than what is right.
    if (hidden.status === 200) expect(acksOf(hidden)[1]?.error?.code).toBe("payload_too_large");
    else expect([hidden.status, codeOf(hidden)]).toEqual([413, "payload_too_large"]);
    expect((await stage.server.room("room").view()).head).toBe(hidden.status === 200 ? 251 : 250);
  });

  it("HTTP-4, ERR-2: one wrong envelope of an array is refused alone", async () => {
    const answer = await post([message("1", "m-1"), 7, null, { no: "type" }, [], message("2", "m-2")]);
    expect(answer.status).toBe(200);
    expect(acksOf(answer).map(({ success, error }) => error?.code ?? success)).toEqual([
      true,
      "invalid_message",
      "invalid_message",
      "invalid_message",
      "invalid_message",
      true,
    ]);
  });

  it("HTTP-5, ERR-2: what cannot be read is 400, and nothing was done", async () => {
    for (const body of [
      "",
      "{",
      '"text"',
      "7",
      "null",
      "[",
      "[[[",
      "{}",
      '{"type":7}',
      '{"type":"ping","__proto__":{}}',
      "\u0000",
    ]) {
      const answer = await stage.ask("/api/messages", { method: "POST", body, user: "ada" });
      expect([body, answer.status]).toEqual([body, 400]);
      const { error, payload } = answer.body as { error?: { code: string }; payload?: AckPayload };
      expect([body, error?.code ?? payload?.error?.code]).toEqual([body, "invalid_message"]);
    }
    const deep = `${"[".repeat(40)}${"]".repeat(40)}`;
    const nested = await stage.ask("/api/messages", { body: `{"type":"ping","payload":${deep}}`, user: "ada" });
    expect(nested.status).toBe(400);
    expect(await post({ type: "ping", payload: 1, messageId: "p" })).toMatchObject({ status: 200 });
  });

  it("HTTP-1: who asks is known by Bearer or by ticket; a bad credential is 401 before anything is done", async () => {
    const ticket = async () => {
      const { body } = await stage.ask("/api/tickets", { method: "POST", user: "ada" });
      return (body as { ticket: string }).ticket;
    };
    const once = await ticket();
    const send = (path: string, headers: Record<string, string> = {}) =>
      stage.ask(path, { body: message("x"), headers });
    expect((await send(`/api/messages?ticket=${once}`)).body).toMatchObject({ payload: { success: true } });
    expect((await stage.server.room("room").history(0, 1))[0]?.payload).toMatchObject({ userId: "ada" });
    const token = await stage.token("ada");
    for (const [path, headers] of [
      [`/api/messages?ticket=${once}`, {}],
      ["/api/messages?ticket=never", {}],
      ["/api/messages", { Authorization: "Bearer not.a.token" }],
      ["/api/messages", { Authorization: "Basic YTpi" }],
      ["/api/messages", { Authorization: `Bearer ${token.slice(0, -2)}xx` }],
      [`/api/messages?token=${token}`, {}],
    ] as const) {
      const answer = await send(path, headers);
      expect([path.slice(0, 20), answer.status, codeOf(answer)]).toEqual([path.slice(0, 20), 401, "unauthenticated"]);
    }
    expect((await stage.server.room("room").view()).head).toBe(1);
    await begin({ guests: false });
    expect(await stage.ask("/api/messages", { body: message("x") })).toMatchObject({
      status: 401,
      body: { error: { code: "unauthenticated" } },
    });
  });

  it("HTTP-1: two requests without a credential are two guests", async () => {
    await begin({ dev: false, guests: true });
    for (const content of ["a", "b"]) await stage.ask("/api/messages", { body: message(content, "m-1") });
    const [one, two] = await stage.server.room("room").history(0, 10);
    const userOf = (envelope?: Envelope) => (envelope?.payload as { userId: string } | undefined)?.userId;
    expect(userOf(one)).toMatch(/^guest-/);
    expect(userOf(two)).toMatch(/^guest-/);
    expect(userOf(one)).not.toBe(userOf(two));
  });

  it("HTTP-5, LIM-1 userMessagesPerSecond: 429 with Retry-After; over an array each message counts", async () => {
    const clock = createFakeClock();
    await begin({ clock, limits: { userMessagesPerSecond: 5 } });
    const acks = acksOf(await post(range(1, 14).map((index) => message(`${index}`, `m-${index}`))));
    expect(acks.slice(0, 14).map(({ success, error }) => error?.code ?? success)).toEqual([
      ...range(1, 10).map(() => true),
      ...range(11, 14).map(() => "rate_limited"),
    ]);
    const refused = await post(message("one more", "m-15"));
    expect(refused.status).toBe(429);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect(await post(message("another's"), "ben")).toMatchObject({ status: 200 });
    await clock.advance(1_000);
    expect(await post(message("one more", "m-15"))).toMatchObject({ status: 200 });
  });

  it("HTTP-3, MEM-2: leave_room ends a membership at once, unless another connection is joined", async () => {
    const clock = createFakeClock();
    await begin({ clock });
    const witness = await stage.open("websocket", "ben");
    await witness.join("room");
    const poller = await stage.open("polling", "ada");
    await poller.join("room");
    await witness.next("user_joined");
    const tab = await stage.open("websocket", "ada");
    await tab.join("room");
    poller.close();
    const leave = { type: "leave_room", payload: { roomId: "room" }, messageId: "leave" };
    expect((await post(leave)).body).toMatchObject({ payload: { success: true } });
    expect((await stage.server.room("room").members()).count).toBe(2);
    tab.close();
    await until(async () => (await stage.metric("readers")) === 1);
    expect((await post({ ...leave, messageId: "again" })).status).toBe(200);
    expect((await witness.next("user_left")).payload).toMatchObject({ userId: "ada" });
  });

  it("HTTP-3, STA-2: state that is set by a request is seen, and ends after 30 s", async () => {
    const clock = createFakeClock();
    const board = defineNamespace({
      name: "board",
      messages: {
        set: {
          handle: async (context, payload) => {
            await context.state("value").set("key", (payload as { value: number }).value);
          },
        },
      },
      state: { value: { event: "value_changed", change: (key: string, value: Json) => ({ key, value }) } },
    });
    await begin({ clock, namespaces: [board] });
    const witness = await stage.open("websocket", "ben");
    await witness.join("board:room");
    const set = (value: number) => post({ type: "set", payload: { roomId: "board:room", value } });
    expect(await set(1)).toMatchObject({ status: 200 });
    expect((await witness.next("value_changed")).payload).toEqual({ key: "key", value: 1 });
    /** Whoever says something now and then is no silent connection. */
    const pass = async (seconds: number) => {
      for (let left = seconds; left > 0; left -= 5) {
        await clock.advance(5_000);
        await witness.send("ping", {});
      }
    };
    await pass(20);
    expect(await set(2)).toMatchObject({ status: 200 });
    expect((await witness.next("value_changed")).payload).toEqual({ key: "key", value: 2 });
    await pass(25);
    expect(witness.told().filter((type) => type === "value_changed")).toHaveLength(2);
    await pass(10);
    expect((await witness.next("value_changed")).payload).toEqual({ key: "key", value: null });
  });

  it("HTTP-1, ERR-2: another method, another type of content, or another path is refused with its code", async () => {
    for (const method of ["PUT", "DELETE", "PATCH"]) {
      const answer = await stage.ask("/api/messages", { method, user: "ada" });
      expect([method, [404, 405].includes(answer.status)]).toEqual([method, true]);
      expect(codeOf(answer)).toBe("unknown_type");
    }
    const form = await stage.ask("/api/messages", {
      method: "POST",
      body: "type=ping",
      user: "ada",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
    });
    expect([form.status >= 400 && form.status < 500, codeOf(form)]).toEqual([true, "invalid_message"]);
    for (const path of ["/api/nothing", "/api/messages/", "/api/../api/nothing", "/api/messages/..%2f..%2fetc"]) {
      const answer = await stage.ask(path, { user: "ada" });
      expect([path, answer.status >= 400 && answer.status < 500]).toEqual([path, true]);
    }
    expect(await post(message("still here"))).toMatchObject({ status: 200 });
  });
});

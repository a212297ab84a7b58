import { afterEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import { ERRORS, type ErrorCode, YamabikoError } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { RawClient, startServer, until, upgrade } from "../harness.ts";

const CANARY = "canary-0451";

describe("errors", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  const begin = async (options: ServerOptions = {}) => {
    server = await startServer(options);
  };
  afterEach(() => server.close());

  it("ERR-1: every code a handler can throw goes over the wire with its message, retryable and hints", async () => {
    const thrower = defineNamespace({
      name: "thrower",
      messages: {
        throw: {
          handle: (_context, payload) => {
            const { code } = payload as { code: ErrorCode };
            throw new YamabikoError(code, `it is ${code}`, { retryAfterMs: 5, remedy: "do something else" });
          },
        },
      },
    });
    await begin({ namespaces: [thrower] });
    for (const [code, { retryable }] of Object.entries(ERRORS)) {
      const ada = await RawClient.open(server, "ada");
      await ada.join("thrower:room");
      const wire = { code, message: `it is ${code}`, retryable, retryAfterMs: 5, remedy: "do something else" };
      expect(await ada.ask("throw", { roomId: "thrower:room", code })).toEqual({ success: false, error: wire });
      ada.send("throw", { roomId: "thrower:room", code });
      expect((await ada.next("error")).payload).toEqual(wire);
      ada.close();
    }
  });

  it("ERR-1: HTTP and handshakes answer with the table's status", async () => {
    await begin();
    const answers: [ErrorCode, number, string][] = [];
    for (const { path, headers } of [
      { path: "/ws", headers: { Authorization: "Bearer x" } },
      { path: "/ws", headers: { Origin: "https://evil.example" } },
      { path: "/nowhere", headers: {} },
    ]) {
      const { status, body } = await upgrade(server.url, { path, headers });
      const { error } = JSON.parse(body) as { error: { code: ErrorCode; message: string } };
      answers.push([error.code, status, error.message]);
    }
    for (const [path, body] of [
      ["/api/tickets", ""],
      ["/api/dev/token", "no json"],
      ["/api/nothing", ""],
    ] as const) {
      const response = await fetch(`${server.url}${path}`, { method: "POST", body });
      const { error } = (await response.json()) as { error: { code: ErrorCode; message: string } };
      answers.push([error.code, response.status, error.message]);
    }
    for (const [code, status, message] of answers) {
      expect([code, status]).toEqual([code, ERRORS[code].status]);
      expect(message).toMatch(/\w/);
    }
  });

  it("ERR-2: wrong input changes nothing, and neither this connection nor another minds", async () => {
    await begin();
    const [ada, ben] = [await RawClient.open(server, "ada"), await RawClient.open(server, "ben")];
    for (const client of [ada, ben]) await client.join("room");
    await ada.ask("send_message", { roomId: "room", content: "first" });
    await ben.next("new_message");
    const before = ben.received.length;
    const { epoch, head } = await server.room("room").view();
    const wrong: [string, unknown][] = [
      ["send_message", { roomId: "room", content: "" }],
      ["send_message", { roomId: "room", content: "x".repeat(4_001) }],
      ["send_message", { roomId: "room", content: "x", replyTo: 99 }],
      ["edit_message", { roomId: "room", seq: 1, content: 7 }],
      ["edit_message", { roomId: "room", seq: -1, content: "x" }],
      ["delete_message", { roomId: "room", seq: "1" }],
      ["add_reaction", { roomId: "room", seq: 1, emoji: "not one" }],
      ["read_messages", { roomId: "room", upTo: -5 }],
      ["load_history", { roomId: "room", limit: 1e9 }],
      ["new_message", { roomId: "room", content: "forged" }],
      ["user_left", { roomId: "room", userId: "ben" }],
      ["history_lost", { roomId: "room" }],
      ["send_message", { roomId: "other", content: "not joined" }],
    ];
    for (const [type, payload] of wrong) {
      const { success, error } = await ada.ask(type, payload);
      expect([type, success, error!.code in ERRORS, error!.code]).toEqual([
        type,
        false,
        true,
        expect.not.stringMatching("internal"),
      ]);
    }
    const after = await server.room("room").view();
    expect([after.epoch, after.head]).toEqual([epoch, head]);
    await ben.ask("ping", {});
    expect(ben.received.slice(before).map(({ type }) => type)).toEqual(["pong", "ack"]);
    expect(await ada.ask("send_message", { roomId: "room", content: "second" })).toMatchObject({
      success: true,
      seq: 2,
    });
  });

  it("[article 4] ERR-3: a fault inside is `internal`, and nothing of it is told", async () => {
    const faulty = defineNamespace({
      name: "faulty",
      messages: {
        throw: {
          handle: () => {
            throw new Error(`${CANARY} at /etc/secret`);
          },
        },
        reject: { handle: () => Promise.reject(new TypeError(CANARY)) },
        odd: {
          handle: () => {
            throw CANARY;
          },
        },
      },
      onJoin: ({ roomId }) => {
        if (roomId.endsWith("bad")) throw new Error(CANARY);
        return undefined;
      },
    });
    await begin({ namespaces: [faulty] });
    const ada = await RawClient.open(server, "ada");
    await ada.join("faulty:room");
    const other = await RawClient.open(server, "ben");
    for (const [index, type] of ["throw", "reject", "odd"].entries()) {
      const client = await RawClient.open(server, `user-${index}`);
      await client.join("faulty:room");
      const { error } = await client.ask(type, { roomId: "faulty:room" });
      expect(error).toEqual({ code: "internal", message: expect.any(String), retryable: true });
      expect(JSON.stringify(client.received)).not.toContain(CANARY);
    }
    expect(await ada.ask("join_room", "faulty:bad")).toMatchObject({ error: { code: "internal" } });
    expect(JSON.stringify(ada.received)).not.toContain(CANARY);
    expect((await server.room("faulty:bad").members()).count).toBe(0);
    expect(await other.ask("ping", {})).toEqual({ success: true });
  });

  it("ERR-3: an access rule that fails is a no, without its words", async () => {
    await begin({ access: () => Promise.reject(new Error(CANARY)) });
    const ada = await RawClient.open(server, "ada");
    const { payload } = await ada.join("room");
    expect(payload).toMatchObject({ code: "access_denied" });
    expect(JSON.stringify(ada.received)).not.toContain(CANARY);
  });

  it("ERR-3: a log that fails is `unavailable` or `internal`, without its words; the server goes on", async () => {
    const log = createFaultyLog(createMemoryLog());
    let isBroken = false;
    const heads = log.heads.bind(log);
    log.heads = (...question) => (isBroken ? Promise.reject(new Error(CANARY)) : heads(...question));
    await begin({ log });
    const ada = await RawClient.open(server, "ada");
    await ada.join("room");
    isBroken = true;
    expect(await ada.ask("join_room", "new-room")).toMatchObject({ success: false, error: { retryable: true } });
    log.failAppends(1);
    expect(await ada.ask("send_message", { roomId: "room", content: CANARY }, "m1")).toMatchObject({
      error: { code: "unavailable" },
    });
    isBroken = false;
    expect(await ada.ask("send_message", { roomId: "room", content: "x" }, "m1")).toMatchObject({ success: true });
    expect(await ada.ask("join_room", "new-room")).toMatchObject({ success: true });
    expect(JSON.stringify(ada.received)).not.toContain(CANARY);
  });

  it("ERR-3: no refusal repeats a token or what a message said", async () => {
    await begin();
    const ada = await RawClient.open(server, "ada");
    await ada.join("room");
    const content = CANARY;
    const messages: [string, unknown][] = [
      ["authenticate", { token: CANARY }],
      ["send_message", { roomId: "room", content, replyTo: CANARY }],
      ["send_message", { roomId: "not-joined", content }],
      ["send_message", { roomId: `${CANARY} with spaces`, content }],
      ["send_message", { roomId: "room", content: [CANARY] }],
      ["send_message", { roomId: "room", content: "x", mentions: [{ [CANARY]: 1 }] }],
      ["edit_message", { roomId: "room", seq: CANARY, content }],
      ["add_reaction", { roomId: "room", seq: 1, emoji: CANARY }],
      ["join_room", { roomId: "room", after: CANARY, limit: CANARY }],
    ];
    for (const [type, payload] of messages) expect((await ada.ask(type, payload)).success).toBe(false);
    ada.socket.send(`{"${CANARY}": }`);
    await ada.next("error");
    expect(JSON.stringify(ada.received)).not.toContain(CANARY);
    const guest = await RawClient.open(server);
    guest.send("authenticate", { token: CANARY });
    await guest.closed;
    expect(JSON.stringify(guest.received)).not.toContain(CANARY);
    await until(() => server.connections === 1);
  });
});

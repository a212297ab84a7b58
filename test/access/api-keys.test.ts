import { afterEach, describe, expect, it } from "vitest";
import { createApiKeys } from "../../src/auth/api-keys.ts";
import { signToken } from "../../src/auth/jwt.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { RawClient, startServer, until } from "../harness.ts";
import { ask } from "../transports/http-request.ts";

const SECRET = "a secret of more than thirty-two bytes, for tests";
const ALL = "the-key-that-may-do-everything";

let server: Awaited<ReturnType<typeof startServer>>;
afterEach(() => server?.close());

const begin = async (apiKeys: ServerOptions["apiKeys"], options: ServerOptions = {}) => {
  server = await startServer({ dev: false, auth: { secret: SECRET }, apiKeys, ...options });
};
const post = (path: string, token: string, body: object) => ask(server.url, path, { token, body });

/** What each scope is for. */
const USES: readonly (readonly [scope: string, use: (key: string) => ReturnType<typeof ask>])[] = [
  ["publish", (key) => post("/api/rooms/feed:news/events", key, { type: "news", payload: {} })],
  ["publish", (key) => post("/api/dashboards/shop", key, { orders: 1 })],
  ["read", (key) => ask(server.url, "/api/rooms/feed:news/history", { token: key })],
  ["read", (key) => ask(server.url, "/api/rooms/feed:news/members", { token: key })],
  ["notify", (key) => post("/api/notifications", key, { userId: "ada", type: "news", title: "x" })],
  ["tokens", (key) => post("/api/tokens", key, { user: "ada" })],
  ["moderate", (key) => post("/api/revoke", key, { user: "eve" })],
  ["moderate", (key) => post("/api/recheck", key, {})],
  ["moderate", (key) => post("/api/rooms/feed:news/kick", key, { user: "eve" })],
  ["moderate", (key) => post("/api/rooms/feed:news/ban", key, { user: "eve" })],
  ["moderate", (key) => post("/api/rooms/feed:news/unban", key, { user: "eve" })],
  ["moderate", (key) => ask(server.url, "/api/rooms/feed:news/bans", { token: key })],
  ["moderate", (key) => ask(server.url, "/api/connections", { token: key })],
];

describe("API keys", () => {
  it("AUTH-12: a key does what its scopes say and nothing else, and is told which scope it lacks", async () => {
    const scopes = ["publish", "read", "notify", "tokens", "moderate", "admin"] as const;
    await begin([ALL, ...scopes.map((scope) => ({ key: `key-to-${scope}`, scopes: [scope] }))]);
    for (const [needed, use] of USES) {
      for (const scope of scopes) {
        const { status, body } = await use(`key-to-${scope}`);
        if (scope === needed || scope === "admin") expect([needed, scope, status]).toEqual([needed, scope, 200]);
        else {
          expect([needed, scope, status]).toEqual([needed, scope, 403]);
          const { error } = body as { error: object };
          const message = `This API key does not have the scope \`${needed}\`.`;
          expect(error).toMatchObject({ code: "access_denied", message, remedy: expect.stringContaining(needed) });
        }
      }
      expect((await use(ALL)).status).toBe(200);
      expect((await use("no-key-at-all")).status).toBe(401);
    }
  });

  it("AUTH-12: a key that is limited to rooms does nothing elsewhere, and nothing that is about no room", async () => {
    const scopes = ["publish", "read", "notify", "tokens", "moderate"] as const;
    await begin([{ key: "limited", scopes, rooms: ["feed:*", "dashboard:shop", "user:ada"] }]);
    const answers = await Promise.all(USES.map(([, use]) => use("limited")));
    expect(answers.map(({ status }) => status)).toEqual([
      200, 200, 200, 200, 200, 403, 403, 403, 200, 200, 200, 200, 403,
    ]);
    const refused = [
      await post("/api/rooms/chat:lobby/events", "limited", { type: "news", payload: {} }),
      await post("/api/dashboards/other", "limited", { orders: 1 }),
      await ask(server.url, "/api/rooms/lobby/history", { token: "limited" }),
      await post("/api/notifications", "limited", { userIds: ["ada", "eve"], type: "news", title: "x" }),
      await post("/api/rooms/lobby/ban", "limited", { user: "eve" }),
    ];
    for (const answer of refused) {
      expect(answer).toMatchObject({
        status: 403,
        body: { error: { message: "This API key is limited to other rooms." } },
      });
    }
    expect((await server.inbox("eve")).notifications).toEqual([]);
  });

  it("AUTH-12: what is one user's alone no key reads", async () => {
    await begin([ALL]);
    await server.notify("ada", { type: "news", title: "for ada" });
    for (const roomId of ["user:ada", "push:ada", "server:access"]) {
      const answer = await ask(server.url, `/api/rooms/${roomId}/history`, { token: ALL });
      expect([403, 404]).toContain(answer.status);
      expect(answer.text).not.toContain("for ada");
    }
  });

  it("AUTH-12: a key that publishes does not speak in inboxes, and none says where a user's notifications are pushed", async () => {
    await begin([ALL, { key: "publisher", scopes: ["publish"] }]);
    const stolen = { endpoint: "https://push.example/eve", keys: { p256dh: "x", auth: "y" } };
    for (const key of ["publisher", ALL]) {
      const answer = await post("/api/rooms/push:ada/events", key, { type: "push_subscribed", payload: stolen });
      expect(answer).toMatchObject({ status: 403, body: { error: { code: "access_denied" } } });
    }
    const forged = {
      type: "notification",
      payload: { title: "Your password has expired", url: "https://evil.example" },
    };
    expect(await post("/api/rooms/user:ada/events", "publisher", forged)).toMatchObject({
      status: 403,
      body: { error: { message: "This API key does not have the scope `notify`." } },
    });
    expect((await post("/api/rooms/user:ada/events", ALL, { type: "nudge", payload: {} })).status).toBe(200);
  });

  it("AUTH-12: no key reads the log of who was revoked and banned, and why", async () => {
    await begin([ALL, { key: "reader", scopes: ["read"] }]);
    await server.ban({ user: "eve", room: "lobby", reason: "what only operators know" });
    for (const key of ["reader", ALL]) {
      const answer = await ask(server.url, "/api/rooms/server:access/log", { token: key });
      expect(answer.text).not.toContain("operators");
      expect(answer.status).toBe(404);
    }
  });

  it("AUTH-12: a user's token is no key, and a key is no user's token", async () => {
    await begin([ALL]);
    const token = await signToken(SECRET, {
      user: "ada",
      expiresInMs: 60_000,
      rooms: { "*": ["read", "write", "admin"] },
    });
    for (const [, use] of USES.filter(([scope]) => scope !== "read")) expect((await use(token)).status).toBe(401);
    expect((await ask(server.url, "/api/messages?roomId=lobby", { token: ALL })).status).toBe(401);
    expect((await post("/api/messages", ALL, { type: "ping", payload: {} })).status).toBe(401);
  });

  it("AUTH-12: a back end without a JWT library has tokens signed, which say what it wants", async () => {
    await begin([ALL], { auth: { secret: SECRET, issuer: "https://app.example", maxLifetimeMs: 3_600_000 } });
    const asked = { user: "ada", name: "Ada", rooms: { "chat:*": ["read"] }, expiresInMs: 60_000 };
    const { body } = await post("/api/tokens", ALL, asked);
    const { token, expiresInMs } = body as { token: string; expiresInMs: number };
    expect(expiresInMs).toBe(60_000);
    const ada = await RawClient.open(server, undefined, { headers: { Authorization: `Bearer ${token}` } });
    expect((await ada.next("welcome")).payload).toMatchObject({ user: { id: "ada", name: "Ada" } });
    expect((await ada.join("feed:news")).payload).toMatchObject({ code: "access_denied" });
    expect((await ada.join("lobby")).type).toBe("joined_room");
    await post("/api/rooms/lobby/ban", ALL, { user: "ada", reason: "spam" });
    await ada.next("left_room");
    await until(async () => (await server.bans({ room: "lobby" })).length === 1);
    await post("/api/revoke", ALL, { token });
    expect((await ada.closed).code).toBe(4401);
    for (const wrong of [
      { user: "" },
      { user: 5 },
      { user: "ada", expiresInMs: 3_600_001 },
      { user: "ada", rooms: { "a*b": ["read"] } },
      { user: "ada", name: "x".repeat(101) },
    ]) {
      expect(await post("/api/tokens", ALL, wrong)).toMatchObject({
        status: 400,
        body: { error: { code: "invalid_message" } },
      });
    }
  });

  it.each([
    [[{ key: "k", scopes: [] }]],
    [[{ key: "k", scopes: ["all"] }]],
    [[{ key: "k", scopes: "publish" }]],
    [[{ key: "", scopes: ["publish"] }]],
    [[{ key: "with a space", scopes: ["publish"] }]],
    [[{ key: "k", scopes: ["publish"], rooms: ["f*d"] }]],
    [[{ key: "k", scopes: ["publish"], rooms: "feed:*" }]],
    [["k", { key: "k", scopes: ["publish"] }]],
  ])("%j cannot be the keys of a server", (keys) => {
    expect(() => createApiKeys(keys as never)).toThrow(TypeError);
  });
});

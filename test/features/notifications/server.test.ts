import { createECDH } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { notifications } from "../../../src/features/index.ts";
import type { Envelope, JsonObject } from "../../../src/protocol/index.ts";
import type { ServerOptions } from "../../../src/server/options.ts";
import { defineNamespace, message } from "../../../src/session/namespace.ts";
import { devToken, RawClient, startServer, until } from "../../harness.ts";
import { hello } from "./world.ts";

type Server = Awaited<ReturnType<typeof startServer>>;

describe("notifications over the wire", () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const start = async (options: ServerOptions = {}): Promise<Server> => {
    const server = await startServer(options);
    cleanups.push(() => server.close());
    return server;
  };
  const connect = async (server: Server, user: string): Promise<RawClient> => {
    const client = await RawClient.open(server, user);
    cleanups.push(() => client.close());
    return client;
  };
  const get = async (server: Server, path: string, user: string) => {
    const response = await fetch(`${server.url}${path}`, {
      headers: { Authorization: `Bearer ${await devToken(server.url, user)}` },
    });
    return { status: response.status, body: (await response.json()) as JsonObject };
  };
  const post = async (server: Server, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${server.url}/api/notifications`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as JsonObject };
  };

  it("INB-2 INB-11 three devices of a user see one stream, in one order, with the same counts", async () => {
    const server = await start();
    await server.notify("ada", hello());
    const devices = await Promise.all([1, 2, 3].map(() => connect(server, "ada")));
    for (const device of devices) {
      const joined = (await device.join("user:ada")) as Envelope;
      expect(joined.payload).toMatchObject({ you: { unread: 1, unseen: 1, seq: 1 }, head: 1 });
    }
    const { id } = await server.notify("ada", { ...hello(), title: "Second" });
    const [first, second] = devices;
    const ack = await first!.ask("read_notifications", { roomId: "user:ada", ids: [id] });
    expect(ack).toMatchObject({ success: true, seq: 3, duplicate: false, unread: 1, unseen: 1, changed: 1 });
    await second!.ask("archive_notifications", { roomId: "user:ada", all: true });
    await until(() => devices.every((device) => device.events().length === 3));
    const [stream] = devices.map((device) => device.events().map(({ seq, type, payload }) => ({ seq, type, payload })));
    for (const device of devices) {
      expect(device.events().map(({ seq, type, payload }) => ({ seq, type, payload }))).toEqual(stream);
    }
    expect(stream!.map(({ type, payload }) => [type, (payload as JsonObject).unread])).toEqual([
      ["notification", 2],
      ["inbox_state", 1],
      ["inbox_state", 0],
    ]);
  });

  it("INB-10 the list's cursor is where a device goes on without a gap", async () => {
    const server = await start();
    for (let i = 0; i < 3; i++) await server.notify("ada", hello());
    const { body } = await get(server, "/api/notifications?limit=2", "ada");
    expect(body).toMatchObject({ unread: 3, unseen: 3, more: true, notifications: [{ seq: 3 }, { seq: 2 }] });
    await server.notify("ada", hello());
    const device = await connect(server, "ada");
    const joined = (await device.join("user:ada", { after: body.cursor })) as Envelope;
    expect(joined.payload).toMatchObject({ recovered: true });
    expect(await device.next("notification")).toMatchObject({ seq: 4, payload: { unread: 4 } });
    expect(await server.inbox("ada", { limit: 1 })).toMatchObject({ notifications: [{ seq: 4 }] });
  });

  it("INB-10 refuses what is no query with 400", async () => {
    const server = await start();
    expect(await get(server, "/api/notifications?limit=1000", "ada")).toMatchObject({
      status: 400,
      body: { error: { code: "invalid_message" } },
    });
  });

  it("INB-10 as a stream, notifications go to `onmessage` and the rest by name", async () => {
    const server = await start();
    const controller = new AbortController();
    cleanups.push(() => controller.abort());
    const response = await fetch(`${server.url}/api/notifications?roomId=user:ben`, {
      headers: { Accept: "text/event-stream", Authorization: `Bearer ${await devToken(server.url, "ada")}` },
      signal: controller.signal,
    });
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    let text = "";
    void (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
    })().catch(() => {});
    await until(() => text.includes("joined_room"));
    const ada = await connect(server, "ada");
    await server.notify(["ada", "ben"], hello());
    await ada.ask("read_notifications", { roomId: "user:ada", all: true });
    await until(() => text.includes("inbox_state"));
    const blocks = text.split("\n\n");
    const unnamed = blocks.filter((block) => block.includes("data: ") && !block.includes("event: "));
    expect(unnamed).toHaveLength(1);
    expect(JSON.parse(/^data: (.*)$/m.exec(unnamed[0]!)![1]!)).toMatchObject({
      type: "notification",
      roomId: "user:ada",
      seq: 1,
      payload: { title: "Hello" },
    });
    expect(blocks.find((block) => block.includes("event: inbox_state"))).toMatch(/^id: .+:2$/m);
  });

  it("INB-16 back ends notify by HTTP, with a key", async () => {
    const server = await start({ apiKeys: ["0123456789abcdef"] });
    const key = { Authorization: "Bearer 0123456789abcdef" };
    expect(await post(server, { userId: "ada", ...hello() })).toMatchObject({ status: 401 });
    const user = { Authorization: `Bearer ${await devToken(server.url, "ada")}` };
    expect(await post(server, { userId: "ada", ...hello() }, user)).toMatchObject({ status: 401 });
    expect(await post(server, { userId: "ada", ...hello(), dedupKey: "d" }, key)).toMatchObject({
      status: 200,
      body: { userId: "ada", seq: 1, duplicate: false },
    });
    const userIds = Array.from({ length: 10_000 }, (_, index) => (index === 0 ? "ada" : `u${index}`));
    const many = await post(server, { userIds, ...hello(), dedupKey: "d" }, key);
    expect(many.status).toBe(200);
    const results = many.body.results as JsonObject[];
    expect(results).toHaveLength(10_000);
    expect(results[0]).toMatchObject({ userId: "ada", seq: 1, duplicate: true });
    expect(results[9_999]).toMatchObject({ userId: "u9999", seq: 1, duplicate: false });
    expect(await post(server, { userId: "ada", ...hello(), url: "javascript:x" }, key)).toMatchObject({ status: 400 });
    expect(await post(server, "x", key)).toMatchObject({ status: 400 });
  });

  it("INB-6 a mark sent again after a lost ack is the same one, also by POST", async () => {
    const server = await start();
    await server.notify("ada", hello());
    const envelope = {
      type: "read_notifications",
      payload: { roomId: "user:ada", all: true },
      messageId: "m1",
    };
    const send = async () => {
      const response = await fetch(`${server.url}/api/messages`, {
        method: "POST",
        headers: { Authorization: `Bearer ${await devToken(server.url, "ada")}` },
        body: JSON.stringify(envelope),
      });
      return (await response.json()) as Envelope;
    };
    const first = (await send()).payload as JsonObject;
    expect(first).toMatchObject({ success: true, duplicate: false, seq: 2, unread: 0, changed: 1 });
    await server.notify("ada", hello());
    const ada = await connect(server, "ada");
    expect(await ada.ask("read_notifications", envelope.payload, "m1")).toEqual({ ...first, duplicate: true });
    expect(await server.inbox("ada")).toMatchObject({ unread: 1 });
  });

  it("INB-4 INB-12 a restart forgets nothing", async () => {
    const directory = await mkdtemp(join(tmpdir(), "inbox-"));
    cleanups.push(() => rm(directory, { recursive: true }));
    const log = `sqlite:${join(directory, "log.db")}`;
    const before = await startServer({ log });
    for (let i = 0; i < 5; i++) await before.notify("ada", hello());
    const ada = await RawClient.open(before, "ada");
    await ada.ask("read_notifications", { roomId: "user:ada", upTo: 2 });
    ada.close();
    await before.close();
    const after = await start({ log });
    expect(await after.inbox("ada")).toMatchObject({ unread: 3, unseen: 3 });
    expect(await after.notify("ada", hello())).toMatchObject({ seq: 7 });
  });

  it("INB-12 a device that was away too long is told, and reads the list", async () => {
    const inbox = notifications({ snapshotEvents: 5, maxEvents: 10 });
    const server = await start({ namespaces: [inbox] });
    const { body } = await get(server, "/api/notifications", "ada");
    for (let i = 0; i < 40; i++) await server.notify("ada", hello());
    await until(async () => {
      const { messages } = (await get(server, "/api/rooms/user:ada/history?after=0", "ada")).body;
      return (messages as JsonObject[]).length <= 10;
    });
    const device = await connect(server, "ada");
    await device.join("user:ada", { after: body.cursor });
    expect(await device.next("history_lost")).toMatchObject({ payload: { reason: "retention", from: 1 } });
    expect((await get(server, "/api/notifications?limit=100", "ada")).body).toMatchObject({ unread: 40 });
  });

  it("INB-3 an application may put a namespace of its own in its place, but not in that of push", async () => {
    const server = await start({ namespaces: [defineNamespace({ name: "user", messages: {} })] });
    await expect(server.notify("ada", hello())).rejects.toMatchObject({ code: "unknown_type" });
    expect((await get(server, "/api/notifications", "ada")).status).toBe(404);
    const mine = defineNamespace({ name: "push", messages: {} });
    await expect(startServer({ namespaces: [mine] })).rejects.toThrow(TypeError);
  });

  describe("INB-14 pushes to closed tabs", () => {
    const keys = () => {
      const ecdh = createECDH("prime256v1");
      const publicKey = ecdh.generateKeys("base64url");
      return { publicKey, privateKey: ecdh.getPrivateKey("base64url"), subject: "mailto:ops@example.com" };
    };
    const browserKeys = () => {
      const p256dh = createECDH("prime256v1").generateKeys("base64url");
      return { p256dh, auth: Buffer.alloc(16, 1).toString("base64url") };
    };

    /** A server that pushes after a moment, and a push service on this machine. */
    const open = async () => {
      const asked: string[] = [];
      const pushService = createServer((request, response) => {
        asked.push(request.url!);
        request.resume();
        response.writeHead(request.url === "/dead" ? 410 : 201).end();
      });
      await new Promise<void>((resolve) => pushService.listen(0, "127.0.0.1", resolve));
      cleanups.push(() => pushService.close());
      const at = `http://127.0.0.1:${(pushService.address() as AddressInfo).port}`;
      const push = { ...keys(), allowPrivateEndpoints: true };
      const server = await start({ push, namespaces: [notifications({ pushAfterMs: 300 })] });
      const ada = await connect(server, "ada");
      for (const path of ["/alive", "/dead"]) {
        const subscription = { endpoint: at + path, expirationTime: null, keys: browserKeys() };
        expect(await ada.ask("subscribe_push", { roomId: "user:ada", subscription })).toMatchObject({ success: true });
      }
      return { server, ada, asked, push };
    };

    it("INB-14 INB-15 a user who is away is pushed to, and a dead subscription once only", async () => {
      const { server, ada, asked, push } = await open();
      expect((await get(server, "/api/notifications/push-key", "ada")).body).toEqual({ publicKey: push.publicKey });
      ada.close();
      await server.notify("ada", hello());
      await until(() => asked.length === 2);
      await until(async () => (await server.room("push:ada").view()).head === 3);
      await server.notify("ada", hello());
      await until(() => asked.length === 3);
      expect(asked).toEqual(["/alive", "/dead", "/alive"]);
    });

    it("INB-13 INB-14 a user whose device says it has it is not", async () => {
      const { server, ada, asked } = await open();
      await ada.join("user:ada");
      const { seq } = await server.notify("ada", hello());
      await ada.next("notification");
      expect(await ada.ask("received_notifications", { roomId: "user:ada", upTo: seq })).toMatchObject({ upTo: seq });
      const last = await server.notify("ada", { ...hello(), title: "Not received" });
      await until(() => asked.length === 2);
      expect(last.seq).toBe(seq + 1);
      await until(async () => /yamabiko_pushes_waiting 0\n/.test(await server.metrics()));
      expect(asked).toHaveLength(2);
    });

    it("INB-15 without keys nobody can subscribe", async () => {
      const server = await start();
      expect((await get(server, "/api/notifications/push-key", "ada")).body).toEqual({ publicKey: null });
      const ada = await connect(server, "ada");
      const subscription = { endpoint: "https://push.example.com/x", keys: browserKeys() };
      expect(await ada.ask("subscribe_push", { roomId: "user:ada", subscription })).toMatchObject({
        error: { code: "unknown_type" },
      });
      await expect(startServer({ push: { ...keys(), privateKey: keys().privateKey } })).rejects.toThrow(TypeError);
    });
  });

  describe("INB-1 an inbox is its user's alone", () => {
    const spy = defineNamespace({
      name: "spy",
      messages: {
        look: message({
          async handle(context, payload: unknown) {
            const view = await context.visit(String((payload as JsonObject).at));
            return { found: view === null ? null : view.head };
          },
        }),
      },
    });
    const everything = { rooms: { "*": ["read", "write", "admin"], "user:*": ["read", "write", "admin"] } };
    const secret = "a secret that is long enough for HS256";

    /** A server where every rule says yes, and the strangest of tokens: rights in everything. */
    const open = async () => {
      const { SignJWT } = await import("jose");
      const server = await start({ dev: false, guests: true, auth: { secret }, namespaces: [spy], access: () => true });
      await server.notify("ada", { ...hello(), title: "for ada's eyes" });
      const token = await new SignJWT({ ...everything, name: "Eve" })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject("eve")
        .setExpirationTime("1h")
        .sign(new TextEncoder().encode(secret));
      const eve = new RawClient(server.wsUrl, [], { headers: { Authorization: `Bearer ${token}` } });
      await eve.opened();
      await eve.next("welcome");
      cleanups.push(() => eve.close());
      const ask = async (path: string, init: RequestInit = {}) => {
        const response = await fetch(`${server.url}${path}`, {
          ...init,
          headers: { Authorization: `Bearer ${token}`, ...init.headers },
        });
        const text = await response.text();
        return { status: response.status, text };
      };
      return { server, eve, ask, token };
    };

    it.each([
      ["read_notifications", { all: true }],
      ["unread_notifications", { all: true }],
      ["seen_notifications", { all: true }],
      ["archive_notifications", { all: true }],
      ["received_notifications", { upTo: 1 }],
      ["unsubscribe_push", { endpoint: "https://push.example.com/x" }],
    ])("INB-1 nobody else sends %s", async (type, payload) => {
      const { server, eve, ask } = await open();
      const message = { type, payload: { roomId: "user:ada", ...payload }, messageId: "m" };
      expect(await eve.ask(type, message.payload)).toMatchObject({ success: false, error: { code: "access_denied" } });
      const posted = await ask("/api/messages", { method: "POST", body: JSON.stringify(message) });
      expect(posted).toMatchObject({ status: 403 });
      expect(await server.inbox("ada")).toMatchObject({ unread: 1, unseen: 1 });
      expect((await server.room("user:ada").view()).head).toBe(1);
    });

    it("INB-1 nobody else reads it, by whatever road", async () => {
      const { server, eve, ask, token } = await open();
      for (const roomId of ["user:ada", "push:ada", "push:eve"]) {
        expect(await eve.ask("join_room", { roomId, after: 0 })).toMatchObject({
          success: false,
          error: { code: "access_denied" },
        });
        for (const path of [
          `/api/messages?roomId=${roomId}&after=0`,
          `/api/messages/wait?roomId=${roomId}&after=0&timeoutMs=0`,
          `/api/events?roomId=${roomId}&after=0`,
          `/api/events?roomId=user:eve&roomId=${roomId}`,
          `/api/rooms/${roomId}/history?after=0`,
          `/api/rooms/${roomId}/members`,
        ]) {
          const { status, text } = await ask(path);
          expect([status, text.includes("ada's eyes")], path).toEqual([403, false]);
        }
      }
      expect(await eve.ask("join_room", { roomId: "spy:x" })).toMatchObject({ success: true });
      for (const at of ["user:ada", "push:ada", "push:eve"]) {
        expect(await eve.ask("look", { roomId: "spy:x", at })).toMatchObject({ found: null });
      }
      expect(await eve.ask("list_rooms", {})).toMatchObject({ rooms: [] });
      // Her own list, whatever she asks for.
      for (const query of ["", "?userId=ada", "?roomId=user:ada", "?sub=ada"]) {
        const { status, text } = await ask(`/api/notifications${query}`);
        expect([status, JSON.parse(text).notifications]).toEqual([200, []]);
      }
      const controller = new AbortController();
      cleanups.push(() => controller.abort());
      const stream = await fetch(`${server.url}/api/notifications?roomId=user:ada&after=0`, {
        headers: { Accept: "text/event-stream", Authorization: `Bearer ${token}` },
        signal: controller.signal,
      });
      let text = "";
      for await (const chunk of stream.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (text.includes("room_users")) break;
      }
      expect(text).toContain('"roomId":"user:eve"');
      expect(text).not.toContain("user:ada");
      expect(JSON.stringify(eve.received)).not.toContain("ada's eyes");
    });

    it("INB-1 nobody else writes to it: users publish neither to a feed nor to a room", async () => {
      const { server, eve, ask } = await open();
      for (const roomId of ["user:ada", "user:eve", "feed:ada", "push:eve"]) {
        const event = { type: "notification", payload: { roomId, title: "from eve" } };
        const refused = await ask(`/api/rooms/${roomId}/events`, { method: "POST", body: JSON.stringify(event) });
        expect(refused.status).toBe(403);
        expect(await eve.ask("notification", { roomId, title: "from eve" })).toMatchObject({ success: false });
        expect(await eve.ask("inbox_state", { roomId, op: "read" })).toMatchObject({ success: false });
      }
      const refused = await ask("/api/notifications", {
        method: "POST",
        body: JSON.stringify({ userId: "ada", ...hello() }),
      });
      expect(refused.status).toBe(403);
      expect((await server.room("user:ada").view()).head).toBe(1);
    });

    it("INB-1 a token whose claim leaves the inbox out does not read it, though it is its user's", async () => {
      const { SignJWT } = await import("jose");
      const { server } = await open();
      const token = await new SignJWT({ rooms: { "chat:*": ["read"] } })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject("ada")
        .setExpirationTime("1h")
        .sign(new TextEncoder().encode(secret));
      for (const Accept of ["application/json", "text/event-stream"]) {
        const response = await fetch(`${server.url}/api/notifications`, {
          headers: { Accept, Authorization: `Bearer ${token}` },
        });
        expect([Accept, response.status]).toEqual([Accept, 403]);
        await response.body?.cancel();
      }
    });

    it("INB-1 a guest nobody will know again has none, and one who will has an own one", async () => {
      const { server } = await open();
      for (const Accept of ["application/json", "text/event-stream"]) {
        const response = await fetch(`${server.url}/api/notifications`, { headers: { Accept } });
        expect(response.status).toBe(401);
      }
      const guest = new RawClient(server.wsUrl);
      await guest.opened();
      cleanups.push(() => guest.close());
      guest.send("ping", {});
      const { guestToken, user } = (await guest.next("welcome")).payload as unknown as {
        guestToken: string;
        user: { id: string };
      };
      await server.notify(user.id, hello());
      const response = await fetch(`${server.url}/api/notifications`, {
        headers: { Authorization: `Bearer ${guestToken}` },
      });
      expect(await response.json()).toMatchObject({ unread: 1 });
    });
  });
});

import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CLOSE_CODES, type CloseName, mayReconnect, SUBPROTOCOLS } from "../../src/protocol/index.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { devToken, RawClient, startServer, until, upgrade } from "../harness.ts";

describe("connecting", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  const begin = async (options: Parameters<typeof startServer>[0] = {}) => {
    server = await startServer(options);
  };
  afterEach(() => server.close());

  const code = (body: string) => (JSON.parse(body) as { error: { code: string } }).error.code;

  describe("the handshake", () => {
    it.each(["/ws", "/"])("CON-1: %s is the endpoint", async (path) => {
      await begin();
      expect((await upgrade(server.url, { path })).status).toBe(101);
    });

    it.each(["/wss", "/ws/", "/WS", "/chat", "/api/ws", "//ws", "/%", "/..%2fws"])(
      "CON-1: %s is not, and says so in the table's words",
      async (path) => {
        await begin();
        const answer = await upgrade(server.url, { path });
        expect(answer.status).toBe(404);
        expect(answer.headers["content-type"]).toContain("application/json");
        expect(code(answer.body)).toBe("unknown_type");
      },
    );

    it("CON-1: a method other than GET, another version, a missing key or another upgrade get 4xx and no 101", async () => {
      await begin();
      for (const wrong of [
        { method: "POST" },
        { headers: { "Sec-WebSocket-Version": "7" } },
        { headers: { "Sec-WebSocket-Key": "short" } },
        { headers: { Upgrade: "h2c" } },
        { headers: { "Sec-WebSocket-Protocol": "," } },
      ]) {
        const { status, headers, body } = await upgrade(server.url, wrong);
        expect([status, typeof code(body)]).toEqual([expect.closeTo(413, -2), "string"]);
        expect(headers["content-type"]).toContain("application/json");
      }
    });

    it("CON-1: a bad credential is refused before the 101, with its code and without a word of it", async () => {
      await begin();
      const answers = await Promise.all([
        upgrade(server.url, { headers: { Authorization: "Bearer canary-token" } }),
        upgrade(server.url, { headers: { Authorization: "Basic Y2FuYXJ5OmNhbmFyeQ==" } }),
        upgrade(server.url, { path: "/ws?ticket=canary-ticket" }),
      ]);
      for (const { status, body } of answers) {
        expect([status, code(body)]).toEqual([401, "unauthenticated"]);
        expect(body).not.toContain("canary");
      }
    });

    it("CON-1: a refused handshake takes nothing, however it is refused", async () => {
      await begin({ limits: { connectionsPerIp: 2, connections: 2 } });
      const refusals = [
        { path: "/nowhere" },
        { method: "POST" },
        { headers: { Origin: "https://evil.example" } },
        { headers: { Authorization: "Bearer bad" } },
        { headers: { "Sec-WebSocket-Key": "" } },
        { headers: { "Sec-WebSocket-Version": "99" } },
        { path: "/ws?ticket=x" },
        { path: "/ws?token=x" },
      ];
      for (const refusal of [...refusals, ...refusals, ...refusals]) {
        expect((await upgrade(server.url, refusal)).status).not.toBe(101);
      }
      const places = await Promise.all([RawClient.open(server), RawClient.open(server)]);
      expect((await upgrade(server.url)).status).toBe(429);
      for (const client of places) client.close();
      await until(() => server.connections === 0);
      await until(async () => (await upgrade(server.url)).status === 101);
    });
  });

  describe("subprotocols", () => {
    it("CON-2: JSON is chosen by name and without any, MessagePack by name; the first known one wins", async () => {
      await begin();
      const chosen = async (offered: string | null) =>
        (await upgrade(server.url, { headers: offered === null ? {} : { "Sec-WebSocket-Protocol": offered } })).headers[
          "sec-websocket-protocol"
        ];
      expect(await chosen(null)).toBeUndefined();
      expect(await chosen("something.else")).toBeUndefined();
      expect(await chosen(SUBPROTOCOLS.json)).toBe(SUBPROTOCOLS.json);
      expect(await chosen(SUBPROTOCOLS.msgpack)).toBe(SUBPROTOCOLS.msgpack);
      expect(await chosen(`something.else, ${SUBPROTOCOLS.msgpack}, ${SUBPROTOCOLS.json}`)).toBe(SUBPROTOCOLS.msgpack);
    });

    it("CON-2: a frame of the other kind closes with 1003", async () => {
      await begin();
      const message = { type: "ping", payload: {} };
      for (const [protocols, frame] of [
        [[], encode(message)],
        [[SUBPROTOCOLS.json], Buffer.from(JSON.stringify(message))],
        [[SUBPROTOCOLS.msgpack], JSON.stringify(message)],
      ] as const) {
        const client = await RawClient.open(server, undefined, { protocols: [...protocols] });
        client.socket.send(frame);
        expect((await client.closed).code).toBe(CLOSE_CODES.unsupported_data.code);
      }
    });

    it("CON-2: MessagePack and JSON clients in one room see the same values, whoever sent them", async () => {
      const broadcast = defineNamespace({
        name: "any",
        messages: { "*": { handle: (context, payload) => context.event(context.type, payload as never) } },
      });
      await begin({ namespaces: [broadcast] });
      const json = await RawClient.open(server, "json");
      const msgpack = await RawClient.open(server, "msgpack", { protocols: [SUBPROTOCOLS.msgpack] });
      const watcher = await RawClient.open(server, "watcher");
      for (const client of [json, msgpack, watcher]) await client.join("any:room");
      const value = fc
        .jsonValue({ maxDepth: 4, stringUnit: "binary" })
        .filter((candidate) => !/__proto__|\\\\ud[89a-f]/i.test(JSON.stringify(candidate)))
        .map((candidate) => JSON.parse(JSON.stringify(candidate)) as unknown);
      let seq = 0;
      await fc.assert(
        fc.asyncProperty(value, fc.boolean(), async (content, isBinary) => {
          const ack = await (isBinary ? msgpack : json).ask("note", { roomId: "any:room", content });
          expect(ack).toMatchObject({ success: true, seq: ++seq });
          const seen = await Promise.all(
            [json, msgpack, watcher].map((client) => client.next((envelope) => envelope.seq === seq)),
          );
          for (const envelope of seen) expect(envelope).toEqual(seen[0]);
          expect(seen[0]!.payload).toEqual({ content });
        }),
        { numRuns: 60 },
      );
    });
  });

  describe("origins", () => {
    const origin = async (value: string, headers: object = {}) =>
      (await upgrade(server.url, { headers: { Origin: value, ...headers } })).status;

    it("CON-3: our own origin and those on the list may connect, and a request without one", async () => {
      await begin({ allowedOrigins: ["https://app.example"] });
      const { port } = new URL(server.url);
      expect(await origin(server.url)).toBe(101);
      expect(await origin(`http://localhost:${port}`, { Host: `localhost:${port}` })).toBe(101);
      expect(await origin("https://app.example")).toBe(101);
      expect((await upgrade(server.url)).status).toBe(101);
    });

    it("[case 1] [article 3] CON-3: everything that only looks like it is answered 403 before the 101", async () => {
      await begin({ allowedOrigins: ["https://app.example"] });
      const { port, host } = new URL(server.url);
      for (const value of [
        "https://evil.example",
        "null",
        "",
        "*",
        "http://127.0.0.1",
        `http://127.0.0.1:${Number(port) + 1}`,
        `http://localhost:${port}`,
        `http://${host}.evil.example`,
        `http://${host}@evil.example`,
        `http://evil.example/${host}`,
        "https://app.example.evil.example",
        "https://evil-app.example",
        "https://appXexample",
        "https://app.example:8443",
        "http://app.example",
        "https://sub.app.example",
        "file://",
      ]) {
        const answer = await upgrade(server.url, { headers: { Origin: value } });
        expect([value, answer.status]).toEqual([value, 403]);
        expect(code(answer.body)).toBe("access_denied");
      }
    });

    it("CON-3: `null` is accepted only when listed; `*` does not list it", async () => {
      await begin({ allowedOrigins: ["*"] });
      expect(await origin("https://anything.example")).toBe(101);
      expect(await origin("null")).toBe(403);
      await server.close();
      await begin({ allowedOrigins: ["null"] });
      expect(await origin("null")).toBe(101);
    });

    it("CON-3: in development a name that was made to point here is not our own origin", async () => {
      await begin();
      const { port } = new URL(server.url);
      expect(await origin(`http://rebound.example:${port}`, { Host: `rebound.example:${port}` })).toBe(403);
      const token = await fetch(`${server.url}/api/dev/token`, {
        method: "POST",
        headers: { Origin: "https://evil.example" },
        body: JSON.stringify({ user: "ada" }),
      });
      expect(token.status).toBe(403);
    });
  });

  describe("welcome and closing", () => {
    beforeEach(() => begin());

    it("CON-4: welcome says who you are and what the limits are, as soon as the user is known", async () => {
      const token = await devToken(server.url, "ada", "Ada Lovelace");
      const client = await RawClient.open(server, undefined, { headers: { Authorization: `Bearer ${token}` } });
      const { payload, timestamp } = await client.next("welcome");
      expect(payload).toEqual({
        connectionId: expect.stringMatching(/.+/),
        user: { id: "ada", name: "Ada Lovelace" },
        guest: false,
        protocol: "v1",
        server: expect.stringMatching(/^yamabiko\//),
        heartbeatMs: 20_000,
        limits: { messageBytes: 64 * 1024, rooms: 128 },
        expiresAt: expect.any(Number),
      });
      expect((payload as { expiresAt: number }).expiresAt).toBeGreaterThan(Date.parse(timestamp!));
      expect(client.received).toHaveLength(1);
    });

    it("CON-4: two connections of one user have ids of their own; a guest has no `expiresAt`", async () => {
      const ids = new Set<string>();
      for (let index = 0; index < 3; index++) {
        const client = await RawClient.open(server);
        client.send("ping", {});
        const { payload } = await client.next("welcome");
        expect(payload).toMatchObject({ guest: true });
        expect(payload).not.toHaveProperty("expiresAt");
        ids.add((payload as { connectionId: string }).connectionId);
      }
      expect(ids.size).toBe(3);
    });

    it("CON-5: 44xx that cannot go better means do not come back; every other code means come back", () => {
      const final: CloseName[] = ["normal", "unauthenticated", "forbidden"];
      for (const [name, entry] of Object.entries(CLOSE_CODES)) {
        expect([name, mayReconnect(entry.code)]).toEqual([name, !final.includes(name as CloseName)]);
      }
      for (const unknown of [1006, 1015, 3000, 4999]) expect(mayReconnect(unknown)).toBe(true);
    });

    it("CON-5: the code a client gets is the table's", async () => {
      const client = await RawClient.open(server);
      client.send("authenticate", { token: "bad" });
      expect(await client.closed).toEqual({ code: CLOSE_CODES.unauthenticated.code, reason: expect.any(String) });
    });
  });
});

import { readdirSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chat } from "../../src/features/index.ts";
import type { JsonObject } from "../../src/protocol/index.ts";
import { createOpenApi } from "../../src/server/spec/openapi.ts";
import { type DescribedRoute, ROUTES } from "../../src/server/spec/routes.ts";
import { devToken, startServer } from "../harness.ts";
import { inRepository, textOf } from "./tables.ts";

const KEY = "key-of-a-back-end-0123456789abcdef";
let server: Awaited<ReturnType<typeof startServer>>;
let token: string;

beforeAll(async () => {
  server = await startServer({ apiKeys: [KEY] });
  token = await devToken(server.url, "ada");
});
afterAll(() => server.close());

const document = createOpenApi({ namespaces: [chat()], version: "1.2.3", dev: true, guests: true });
const ajv = new Ajv2020({ strict: false });
(ajvFormats.default as unknown as (ajv: Ajv2020) => void)(ajv);
ajv.addSchema({ $id: "doc:", paths: document.paths, components: document.components });

interface Asked {
  readonly query?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

function routeOf(operationId: string): DescribedRoute {
  return ROUTES.find((route) => route.operationId === operationId)!;
}

/** Asks as whoever may. */
function ask({ method, path, auth }: DescribedRoute, { query = "", body, headers = {} }: Asked = {}) {
  const credential: Record<string, string> =
    auth === "none" ? {} : { Authorization: `Bearer ${auth === "user" ? token : KEY}` };
  return fetch(
    `${server.url}${path.replace("{roomId}", encodeURIComponent("chat:lobby")).replace("{name}", "shop")}${query}`,
    {
      method,
      headers: { ...credential, ...headers },
      signal: AbortSignal.timeout(10_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
  );
}

/** What is wrong with an answer, by the document. */
async function problemsOf(route: DescribedRoute, response: Response): Promise<string[]> {
  const pointer = (...steps: string[]) =>
    steps.map((step) => `/${encodeURIComponent(step.replaceAll("/", "~1"))}`).join("");
  const type = (response.headers.get("Content-Type") ?? "").split(";")[0]!;
  const at = pointer("paths", route.path, route.method.toLowerCase(), "responses", String(response.status));
  if (ajv.getSchema(`doc:#${at}`) === undefined) return [`${response.status} is not documented`];
  if (response.status === 304) return [];
  const check = ajv.getSchema(`doc:#${at}${pointer("content", type, "schema")}`) as ValidateFunction | undefined;
  if (check === undefined) return [`${response.status} as ${type} is not documented`];
  const text = await response.text();
  if (check(type === "application/json" ? JSON.parse(text) : text)) return [];
  return (check.errors ?? []).map((error) => `${error.instancePath} ${error.message}: ${text.slice(0, 300)}`);
}

/** The routes the server is made of, as its source has them; the admin listener has others, for its own pages alone. */
function servedRoutes(): string[] {
  const files = readdirSync(inRepository("src/server"), { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts") && !/^(spec|admin)\//.test(file))
    .flatMap((file) => [...textOf(`src/server/${file}`).matchAll(/method: "(\w+)",\s*path: "([^"]+)"/g)])
    .map(([, method, path]) => `${method} ${path!.replace(/:(\w+)/g, "{$1}")}`);
}

describe("the routes of /openapi.json", () => {
  it("are all the server has", () => {
    const served = servedRoutes();
    expect(served.length).toBeGreaterThan(10);
    const described = ROUTES.map(({ method, path }) => `${method} ${path}`);
    expect(described).toEqual(expect.arrayContaining(served));
  });

  for (const route of ROUTES) {
    it(`is there: ${route.method} ${route.path}`, async () => {
      const isWaiting = route.path === "/api/messages/wait";
      const response = await ask(route, {
        query: isWaiting ? "?roomId=lobby&timeoutMs=0" : "",
        ...(route.method === "POST" ? { body: {} } : {}),
      });
      const type = response.headers.get("Content-Type") ?? "";
      const text = type.startsWith("text/event-stream") ? "" : await response.text();
      await response.body?.cancel().catch(() => {});
      expect(text).not.toContain("There is nothing here");
      expect([404, 405]).not.toContain(response.status);
    });
  }

  const sent = { type: "send_message", payload: { roomId: "lobby", content: "Hello!" }, messageId: "m1" };
  const answers: readonly (readonly [operationId: string, status: number, asked: Asked])[] = [
    ["sendMessages", 200, { body: sent }],
    ["sendMessages", 200, { body: [sent, { type: "ping", payload: { n: 1 } }, { type: "list_rooms", payload: {} }] }],
    ["sendMessages", 400, { body: { ...sent, payload: { roomId: "lobby" } } }],
    ["sendMessages", 404, { body: { ...sent, type: "nothing_like_it" } }],
    ["sendMessages", 400, { body: { ...sent, messageId: 7 } }],
    ["pollMessages", 200, { query: "?roomId=lobby&limit=5&state=1" }],
    ["pollMessages", 400, { query: "?roomId=no%20room" }],
    ["pollMessages", 401, { query: "?roomId=lobby", headers: { Authorization: "Bearer no" } }],
    ["waitForMessages", 200, { query: "?roomId=lobby&timeoutMs=0" }],
    [
      "resumeAndWait",
      200,
      {
        query: "?timeoutMs=0",
        body: {
          welcome: true,
          messages: [{ type: "join_room", payload: { roomId: "lobby", limit: 5 }, messageId: "j1" }],
        },
      },
    ],
    ["streamEvents", 400, { query: "?roomId=no%20room" }],
    ["readHistory", 200, { query: "?limit=5" }],
    ["readHistory", 410, { query: "?after=gone:1" }],
    ["listMembers", 200, {}],
    ["publishEvents", 200, { body: { type: "news", payload: { title: "Hello" } } }],
    ["publishEvents", 200, { body: [{ type: "news", payload: {}, messageId: "n1" }] }],
    ["publishEvents", 401, { body: {}, headers: { Authorization: "Bearer no" } }],
    ["publishMetrics", 200, { body: { orders: 12, "revenue/min": null } }],
    ["publishMetrics", 400, { body: { orders: "12" } }],
    ["publishMetrics", 401, { body: { orders: 12 }, headers: { Authorization: "Bearer no" } }],
    ["listDashboards", 200, {}],
    ["readDashboard", 200, {}],
    ["readDashboard", 200, { query: "?last=5&resolution=10s" }],
    ["readDashboard", 400, { query: "?last=5000" }],
    ["issueTicket", 200, {}],
    ["signToken", 200, { body: { user: "bob", rooms: { "chat:*": ["read"] } } }],
    ["signToken", 400, { body: { user: "bob", expiresInMs: 1 } }],
    ["revoke", 200, { body: { user: "eve", reason: "lost laptop" } }],
    ["revoke", 400, { body: {} }],
    ["revoke", 401, { body: { user: "eve" }, headers: { Authorization: "Bearer no" } }],
    ["recheckAccess", 200, { body: {} }],
    ["listConnections", 200, { query: "?limit=5&roomId=lobby" }],
    ["listConnections", 400, { query: "?limit=0" }],
    ["kick", 200, { body: { user: "eve" } }],
    ["ban", 200, { body: { user: "eve", forMs: 60_000 } }],
    ["ban", 400, { body: { user: "" } }],
    ["listBans", 200, {}],
    ["unban", 200, { body: { user: "eve" } }],
    ["issueDevToken", 200, { body: { user: "bob" } }],
    ["isAlive", 200, {}],
    ["isReady", 200, {}],
    ["readMetrics", 200, {}],
  ];
  for (const [operationId, status, asked] of answers) {
    const what = JSON.stringify(asked.body ?? asked.query ?? "").slice(0, 60);
    it(`answers as documented: ${operationId} with ${status} for ${what}`, async () => {
      const route = routeOf(operationId);
      const response = await ask(route, asked);
      expect(response.status).toBe(status);
      expect(await problemsOf(route, response)).toEqual([]);
    });
  }

  for (const operationId of ["streamEvents", "joinAndStream"]) {
    it(`answers as documented: ${operationId} with a stream of what the server says`, async () => {
      const route = routeOf(operationId);
      const join = { type: "join_room", payload: { roomId: "lobby" }, messageId: "j1" };
      const asked = route.method === "GET" ? { query: "?roomId=lobby" } : { body: { messages: [join] } };
      const response = await ask(route, asked);
      expect(response.status).toBe(200);
      expect(response.headers.get("Content-Type")).toMatch(/^text\/event-stream/);
      expect(Object.keys(route.answers[0]!.content)).toEqual(["text/event-stream"]);
      const check = ajv.getSchema("doc:#/components/schemas/ServerMessage") as ValidateFunction;
      let text = "";
      for await (const chunk of response.body!) {
        text += new TextDecoder().decode(chunk as Uint8Array);
        if (text.includes("room_users")) break;
      }
      const said = [...text.matchAll(/^data: (.*)$/gm)].map(([, line]) => JSON.parse(line!) as { type: string });
      expect(said.map(({ type }) => type)).toEqual(expect.arrayContaining(["welcome", "joined_room"]));
      for (const envelope of said) {
        const own = ajv.getSchema(`doc:#/components/schemas/${envelope.type}`) as ValidateFunction;
        expect([check(envelope), own(envelope)], JSON.stringify(envelope)).toEqual([true, true]);
      }
    });
  }

  it("takes the examples it shows", async () => {
    const { requestBody } = (document.paths as Record<string, Record<string, JsonObject>>)["/api/messages"]!.post!;
    const { examples } = (
      requestBody as { content: Record<string, { examples: Record<string, { value: JsonObject }> }> }
    ).content["application/json"]!;
    for (const { value } of Object.values(examples)) {
      const response = await ask(routeOf("sendMessages"), { body: value });
      expect(JSON.stringify(await response.json())).toContain('"success":true');
    }
  });
});

import { Server as HttpServer, request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createLogger } from "../../src/observe/logger.ts";
import type { YamabikoError } from "../../src/protocol/index.ts";
import { AdminCredential } from "../../src/server/admin/credential.ts";
import type { AdminOptions } from "../../src/server/admin/options.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { createServer, type YamabikoServer } from "../../src/server/server.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { devToken, until, upgrade } from "../harness.ts";

const SECRET = "secret-of-the-operators-0123456789";
const METRICS_SECRET = "secret-of-the-collector-0123456789";
const KEY = "key-of-a-back-end-0123456789abcdef";

/** A server in development mode with an admin listener. */
async function startAdmin(admin: AdminOptions = {}, options: ServerOptions = {}) {
  const server = createServer({
    log: "memory:",
    dev: true,
    apiKeys: [KEY],
    admin: { secret: SECRET, metricsSecret: METRICS_SECRET, ...admin },
    logger: createLogger({ level: "silent" }),
    ...options,
  });
  const { url, adminUrl } = await server.listen(0, "127.0.0.1");
  return Object.assign(server, { url, adminUrl: adminUrl! });
}

/** Asks with headers that `fetch` does not let anybody set. */
function ask(url: string, headers: Record<string, string> = {}, method = "GET", body?: string) {
  return new Promise<{ status: number; cookie: string | undefined; text: string }>((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      const cookie = response.headers["set-cookie"]?.[0];
      response.on("end", () => resolve({ status: response.statusCode ?? 0, cookie, text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const bearer = (secret: string) => ({ Authorization: `Bearer ${secret}` });

describe("the admin listener", () => {
  let server: YamabikoServer & { url: string; adminUrl: string };
  let token: string;
  const login = async () => {
    const { status, cookie = "" } = await ask(
      `${server.adminUrl}/api/login`,
      {},
      "POST",
      JSON.stringify({ secret: SECRET }),
    );
    expect(status).toBe(200);
    return cookie;
  };

  beforeAll(async () => {
    server = await startAdmin();
    token = await devToken(server.url, "ada");
  });
  afterAll(() => server.close());

  it("[case 18] is on an address of its own, of this machine alone", async () => {
    const { port } = new URL(server.adminUrl);
    expect(new URL(server.url).port).not.toBe(port);
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((each) => each?.family === "IPv4" && !each.internal);
    if (outside !== undefined) await expect(fetch(`http://${outside.address}:${port}/healthz`)).rejects.toThrow();
    expect((await ask(`${server.adminUrl}/healthz`)).status).toBe(200);
    expect((await ask(`${server.adminUrl}/readyz`)).status).toBe(200);
  });

  it.each(["/api/login", "/api/session", "/api/nodes", "/api/drain"])(
    "[case 18] is not there on the port of the clients: %s",
    async (path) => {
      const forwarded = { "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1" };
      for (const headers of [{}, bearer(token), bearer(SECRET), bearer(KEY), forwarded]) {
        expect((await ask(`${server.url}${path}`, headers)).status).toBe(404);
      }
    },
  );

  it("[case 18] takes neither a user's token nor a back end's key", async () => {
    for (const shown of [token, KEY, METRICS_SECRET, "", `${SECRET}x`, SECRET.slice(1)]) {
      expect((await ask(`${server.adminUrl}/api/session`, bearer(shown))).status).toBe(401);
      expect((await upgrade(server.adminUrl, { headers: bearer(shown) })).status).toBe(401);
    }
    expect((await ask(`${server.adminUrl}/api/session`)).status).toBe(401);
    expect((await upgrade(server.adminUrl)).status).toBe(401);
    expect((await ask(`${server.adminUrl}/api/session`, bearer(SECRET))).status).toBe(200);
    expect((await upgrade(server.adminUrl, { headers: bearer(SECRET) })).status).toBe(101);
  });

  it("[case 18] believes no header that says where a request comes from", async () => {
    for (const name of ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"]) {
      expect((await ask(`${server.adminUrl}/metrics`, { [name]: "127.0.0.1" })).status).toBe(401);
      expect((await ask(`${server.adminUrl}/api/session`, { [name]: "127.0.0.1" })).status).toBe(401);
    }
  });

  it("[case 18] serves no page whose name was made to point here", async () => {
    const cookie = (await login()).split(";")[0]!;
    const headers = { Host: "evil.example", Cookie: cookie };
    expect((await ask(`${server.adminUrl}/metrics`, { Host: "evil.example" })).status).toBe(401);
    expect((await ask(`${server.adminUrl}/api/session`, headers)).status).toBe(403);
    expect((await upgrade(server.adminUrl, { headers })).status).toBe(403);
  });

  it("[case 18] lets no other page act with the operator's cookie", async () => {
    const Cookie = (await login()).split(";")[0]!;
    const Origin = new URL(server.adminUrl).origin;
    expect((await ask(`${server.adminUrl}/api/session`, { Cookie })).status).toBe(200);
    expect((await ask(`${server.adminUrl}/api/logout`, { Cookie, Origin: server.url }, "POST")).status).toBe(403);
    expect((await upgrade(server.adminUrl, { headers: { Cookie, Origin: server.url } })).status).toBe(403);
    expect((await upgrade(server.adminUrl, { headers: { Cookie } })).status).toBe(403);
    expect((await upgrade(server.adminUrl, { headers: { Cookie, Origin } })).status).toBe(101);
  });

  it("gives a cookie that pages cannot read and other sites do not send, and takes none that was made up", async () => {
    const cookie = await login();
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict$/);
    expect(cookie).not.toContain(SECRET);
    const [pair = ""] = cookie.split(";");
    const [name, value = ""] = pair.split("=");
    const [expiresAt, signature] = value.split(".");
    const later = String(Number(expiresAt) + 1_000);
    for (const Cookie of [
      `${name}=`,
      `${name}=${later}.${signature}`,
      `${name}=${expiresAt}.`,
      `${name}=1.${signature}`,
    ]) {
      expect((await ask(`${server.adminUrl}/api/session`, { Cookie })).status).toBe(401);
    }
  });

  it("[case 18] has so many connections and no more, so that the clients' port keeps its descriptors", async () => {
    const { hostname, port } = new URL(server.adminUrl);
    const sockets = Array.from({ length: 140 }, () => connect(Number(port), hostname));
    let ended = 0;
    for (const socket of sockets) {
      socket.on("error", () => {});
      socket.on("close", () => ended++);
    }
    await until(() => ended >= 12);
    expect((await ask(`${server.url}/healthz`)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await until(async () => (await ask(`${server.adminUrl}/healthz`).catch(() => null))?.status === 200);
  });

  it("[case 18] outlives a connection that the system cannot accept", async () => {
    const listen = vi.spyOn(HttpServer.prototype, "listen");
    const other = await startAdmin();
    const servers = listen.mock.contexts as HttpServer[];
    listen.mockRestore();
    expect(servers).toHaveLength(2);
    for (const http of servers) http.emit("error", Object.assign(new Error("accept EMFILE"), { code: "EMFILE" }));
    expect((await ask(`${other.adminUrl}/healthz`)).status).toBe(200);
    await other.close();
  });

  it("lets somebody who guesses wait", async () => {
    const guessed = await startAdmin();
    const statuses = new Set<number>();
    for (let index = 0; index < 40; index++) {
      statuses.add((await ask(`${guessed.adminUrl}/api/session`, bearer(`guess-${index}-0123456789`))).status);
    }
    expect(statuses).toEqual(new Set([401, 429]));
    await guessed.close();
  });

  it("lets somebody who guesses wait who has a whole network of addresses", () => {
    const credential = new AdminCredential({ secret: SECRET, metricsSecret: null, clock: createFakeClock() });
    const codes = Array.from({ length: 40 }, (_, index) => {
      const request = { headers: {}, socket: { remoteAddress: `2001:db8::${index.toString(16)}` } };
      try {
        return credential.login(`guess-${index}`, request as unknown as IncomingMessage);
      } catch (error) {
        return (error as YamabikoError).code;
      }
    });
    expect(new Set(codes)).toEqual(new Set(["unauthenticated", "rate_limited"]));
  });

  it("asks for no credential for metrics on this machine, and elsewhere for one of the two", async () => {
    expect((await ask(`${server.adminUrl}/metrics`)).text).toContain("yamabiko_connections");
    const open = await startAdmin({ host: "0.0.0.0" });
    const url = open.adminUrl.replace("localhost", "127.0.0.1");
    expect((await ask(`${url}/metrics`)).status).toBe(401);
    expect((await ask(`${url}/metrics`, bearer(token))).status).toBe(401);
    expect((await ask(`${url}/metrics`, bearer(METRICS_SECRET))).status).toBe(200);
    expect((await ask(`${url}/metrics`, bearer(SECRET))).status).toBe(200);
    const basic = { Authorization: `Basic ${Buffer.from(`prometheus:${METRICS_SECRET}`).toString("base64")}` };
    expect((await ask(`${url}/metrics`, basic)).status).toBe(200);
    expect((await ask(`${url}/api/session`, basic)).status).toBe(401);
    await open.close();
  });

  it("serves metrics in production, where the port of the clients does not", async () => {
    const production = await startAdmin(
      { secret: undefined, metricsSecret: undefined },
      { dev: false, auth: { secret: "s".repeat(40) } },
    );
    const url = production.adminUrl;
    expect((await ask(`${production.url}/metrics`)).status).toBe(404);
    expect((await ask(`${url}/metrics`)).status).toBe(200);
    // Without a secret there is nothing to be an operator with.
    expect((await ask(`${url}/api/session`, bearer(""))).status).toBe(401);
    expect((await ask(`${url}/api/login`, {}, "POST", "{}")).status).toBe(401);
    await production.close();
  });

  it("does not begin where others can reach it and there is no secret, nor with one that is easily guessed", () => {
    const begin = (admin: AdminOptions) => () => createServer({ log: "memory:", dev: true, admin });
    expect(begin({ host: "0.0.0.0" })).toThrow("YAMABIKO_ADMIN_SECRET");
    expect(begin({ host: "::" })).toThrow("YAMABIKO_ADMIN_SECRET");
    expect(begin({ secret: "short" })).toThrow("16 or more");
  });
});

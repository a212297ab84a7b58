import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { responseTo, startRequest } from "./http-request.ts";
import { Stage } from "./stage.ts";

const FRIEND = "https://app.example";
const STRANGER = "https://evil.example";
const ROUTES = [
  ["POST", "/api/messages", '{"type":"ping","payload":{}}'],
  ["GET", "/api/messages?roomId=room", undefined],
  ["GET", "/api/messages/wait?roomId=room&timeoutMs=0", undefined],
  ["POST", "/api/messages/wait?timeoutMs=0", "{}"],
  ["GET", "/api/events?roomId=room", undefined],
  ["POST", "/api/events", "{}"],
] as const;

describe("pages of other origins", () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.start({ allowedOrigins: [FRIEND] });
  });
  afterEach(() => stage.end());

  /** The head of the answer; what follows is not waited for. */
  const head = async (method: string, path: string, body: string | undefined, headers: Record<string, string>) => {
    const request = startRequest(stage.url, path, { method, body, headers, token: await stage.token("ada") });
    const response = await responseTo(request);
    request.destroy();
    return { status: response.statusCode, headers: response.headers };
  };

  it.each(ROUTES)(
    "[case 1] [case 17] CON-3, HTTP-2: %s %s: 403 for a foreign origin, readable for one on the list",
    async (method, path, body) => {
      for (const origin of [STRANGER, "null"]) {
        const refused = await head(method, path, body, { Origin: origin });
        expect([origin, refused.status]).toEqual([origin, 403]);
        expect(refused.headers["access-control-allow-origin"]).toBeUndefined();
      }
      const allowed = await head(method, path, body, { Origin: FRIEND });
      expect([allowed.status, allowed.headers["access-control-allow-origin"]]).toEqual([200, FRIEND]);
      expect(allowed.headers.vary).toMatch(/\borigin\b/i);
      expect((await head(method, path, body, { Origin: stage.url })).status).toBe(200);
      expect((await head(method, path, body, {})).status).toBe(200);
    },
  );

  it.each(ROUTES)("[case 17] HTTP-2: %s %s: a preflight is 204 and may be kept", async (method, path) => {
    const ask = (origin: string) =>
      stage.ask(path, {
        method: "OPTIONS",
        headers: {
          Origin: origin,
          "Access-Control-Request-Method": method,
          "Access-Control-Request-Headers": "authorization,content-type",
        },
      });
    const { status, headers } = await ask(FRIEND);
    expect([status, headers["access-control-allow-origin"]]).toEqual([204, FRIEND]);
    expect(headers["access-control-allow-methods"]).toContain(method);
    expect(String(headers["access-control-allow-headers"]).toLowerCase()).toMatch(/authorization/);
    expect(String(headers["access-control-allow-headers"]).toLowerCase()).toMatch(/content-type/);
    expect(String(headers["access-control-allow-headers"]).toLowerCase()).toMatch(/traceparent/);
    expect(Number(headers["access-control-max-age"])).toBe(7_200);
    const stranger = await ask(STRANGER);
    expect([stranger.status, stranger.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
  });

  it("HTTP-2: a refusal can be read by a page that may ask, too", async () => {
    const answer = await stage.ask("/api/messages", { body: "{", user: "ada", headers: { Origin: FRIEND } });
    expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([400, FRIEND]);
    const bad = await stage.ask("/api/messages", { body: "{}", token: "bad", headers: { Origin: FRIEND } });
    expect([bad.status, bad.headers["access-control-allow-origin"]]).toEqual([401, FRIEND]);
  });
});

import { type ClientRequest, request as httpRequest } from "node:http";
import { afterEach, expect, test } from "vitest";
import { YamabikoError } from "../../src/protocol/index.ts";
import { startServer } from "../harness.ts";
import { ask, responseTo } from "./http-request.ts";

let server: Awaited<ReturnType<typeof startServer>>;
afterEach(() => server?.close());

/** A request whose body does not come to its end. */
function slowly(path: string, token: string): ClientRequest {
  const { hostname, port } = new URL(server.url);
  const headers = { Authorization: `Bearer ${token}`, "Content-Length": "1000000" };
  const request = httpRequest({ hostname, port, path, method: "POST", agent: false, headers });
  request.on("error", () => {});
  request.write("x".repeat(10_000));
  return request;
}

const start = async (): Promise<void> => {
  const auth = async (token: string) => {
    if (token === "nobody") throw new YamabikoError("unauthenticated", "No.");
    return { id: token, name: token, claims: {}, expiresAt: Date.now() + 3_600_000 };
  };
  server = await startServer({ dev: false, auth, limits: { connectionsPerIp: 2, requestsPerSecond: 0 } });
};

test.each(["/api/messages", "/api/messages/wait"])("%s: bodies under way are counted by address", async (path) => {
  await start();
  const slow = Array.from({ length: 8 }, () => slowly(path, "ann"));
  const isFull = async () => {
    const { status } = await ask(server.url, `${path}?timeoutMs=0`, {
      body: { type: "ping", payload: {} },
      token: "ann",
    });
    return status === 429;
  };
  await expect.poll(isFull).toBe(true);
  for (const request of slow) request.destroy();
  await expect.poll(isFull).toBe(false);
});

test.each(["/api/messages", "/api/messages/wait", "/api/events"])("%s: nobody's body is waited for", async (path) => {
  await start();
  const request = slowly(path, "nobody");
  const { statusCode } = await responseTo(request);
  request.destroy();
  expect(statusCode).toBe(401);
});

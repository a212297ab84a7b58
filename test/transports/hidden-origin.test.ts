import { afterEach, beforeEach, expect, it } from "vitest";
import { startServer } from "../harness.ts";
import { ask } from "./http-request.ts";

let server: Awaited<ReturnType<typeof startServer>>;

beforeEach(async () => {
  server = await startServer({ allowedOrigins: ["https://app.example"] });
});

afterEach(() => server.close());

const path = "/api/messages?roomId=lobby";

it("HTTP-2: a page of another site that does not say its origin is refused: it could use up its visitor's places", async () => {
  const hidden = await ask(server.url, path, { headers: { "Sec-Fetch-Site": "cross-site" } });
  expect(hidden.status).toBe(403);
});

it.each([
  ["of the same origin", { "Sec-Fetch-Site": "same-origin" }],
  ["typed by the user", { "Sec-Fetch-Site": "none" }],
  ["of an origin on the list", { "Sec-Fetch-Site": "cross-site", Origin: "https://app.example" }],
  ["of no browser", {}],
])("HTTP-2: a request %s is answered", async (_, headers) => {
  expect((await ask(server.url, path, { headers: headers as Record<string, string> })).status).toBe(200);
});

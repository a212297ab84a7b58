import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStatic } from "./static.ts";

const PAGE =
  '<!doctype html><title>Page</title><script>theme()</script><script src="/assets/index-BvX3k2aQ.js"></script>';

let directory: string;
let server: Server;
let origin: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "yamabiko-"));
  mkdirSync(join(directory, "page", "assets"), { recursive: true });
  writeFileSync(join(directory, "secret.txt"), "secret");
  const page = join(directory, "page");
  writeFileSync(join(page, "index.html"), PAGE);
  writeFileSync(join(page, ".env"), "secret");
  writeFileSync(join(page, "logo.svg"), "<svg/>");
  writeFileSync(join(page, "assets", "index-BvX3k2aQ.js"), "theme()");
  writeFileSync(join(page, "assets", "gone-BvX3k2aQ.js"), "gone");
  const handle = createStatic(page);
  server = createServer((request, response) => handle(request, response, () => response.writeHead(404).end("next")));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

/** As `fetch`, without the client mending the path. */
function getRaw(path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request(`${origin}/`, { path }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on("error", reject)
      .end();
  });
}

describe("createStatic", () => {
  it("serves the page, never from a cache without asking, with its security headers", async () => {
    const response = await fetch(`${origin}/`);
    expect(await response.text()).toBe(PAGE);
    expect(response.headers.get("cache-control")).toBe("no-cache");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("referrer-policy")).toBe("no-referrer");
    const policy = response.headers.get("content-security-policy");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toMatch(/script-src 'self' 'sha256-[A-Za-z0-9+/=]+';/);
  });

  it("lets files with a hash in their name be kept for a year, others not", async () => {
    const hashed = await fetch(`${origin}/assets/index-BvX3k2aQ.js`);
    expect(hashed.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect((await fetch(`${origin}/logo.svg`)).headers.get("cache-control")).toBe("no-cache");
  });

  it("gives the page for links into it, and 304 when nothing changed", async () => {
    const first = await fetch(`${origin}/rooms/lobby`);
    expect(await first.text()).toBe(PAGE);
    const again = await fetch(`${origin}/`, { headers: { "if-none-match": first.headers.get("etag") ?? "" } });
    expect(again.status).toBe(304);
  });

  it.each(["/api/nothing", "/ws", "/metrics", "/missing.js", "/.env"])(
    "leaves %s to the next handler",
    async (path) => {
      expect(await getRaw(path)).toEqual({ status: 404, body: "next" });
    },
  );

  it("leaves other methods to the next handler", async () => {
    expect((await fetch(`${origin}/`, { method: "POST" })).status).toBe(404);
  });

  it.each(["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//../secret.txt", "/%", "/assets/%00"])(
    "gives nothing outside its directory for %s",
    async (path) => {
      expect((await getRaw(path)).body).not.toBe("secret");
    },
  );

  it("ERR-2 survives ranges that make no sense", async () => {
    for (const range of ["bytes=5-2", "bytes=-5", "bytes=x-y", "bytes=99-", "lines=1"]) {
      expect((await fetch(`${origin}/logo.svg`, { headers: { range } })).status).toBe(200);
    }
  });

  it("ERR-2 survives a file that a new build removed", async () => {
    unlinkSync(join(directory, "page", "assets", "gone-BvX3k2aQ.js"));
    await expect(fetch(`${origin}/assets/gone-BvX3k2aQ.js`).then((response) => response.text())).rejects.toThrow();
    expect((await fetch(`${origin}/`)).status).toBe(200);
  });

  it("refuses a directory without a page", () => {
    expect(() => createStatic(join(directory, "nowhere"))).toThrow("no index.html");
  });
});

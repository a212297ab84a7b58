import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ServerProcess, startServer } from "../browser/server-process.ts";
import { RawClient, until } from "../harness.ts";

describe("the admin listener of several workers (needs `npm run build`)", () => {
  let server: ServerProcess;
  const ask = (path: string, init: RequestInit = {}) => fetch(`${server.adminUrl}${path}`, init);

  beforeAll(async () => {
    server = await startServer({ flags: ["--workers", "2"] });
  }, 60_000);
  afterAll(() => server?.stop());

  it("is one port, whichever worker answers, and tells of all of them", async () => {
    const body = JSON.stringify({ secret: server.adminSecret });
    const login = await ask("/api/login", { method: "POST", body });
    const [cookie = ""] = (login.headers.get("Set-Cookie") ?? "").split(";");
    const nodes = async (): Promise<{ nodeId: string; connections: number; pid: number }[]> => {
      // Another connection may be another worker's: each takes the cookie of the other.
      const response = await ask("/api/nodes", { headers: { Cookie: cookie, Connection: "close" } });
      expect(response.status).toBe(200);
      return ((await response.json()) as { nodes: { nodeId: string; connections: number; pid: number }[] }).nodes;
    };
    await until(async () => (await nodes()).length === 2);
    const first = new Set<number>();
    await until(async () => first.add((await nodes())[0]!.pid).size === 2);
    const wsUrl = `${server.url.replace("http", "ws")}/ws`;
    const clients = await Promise.all(
      ["ada", "ben", "cy", "di"].map((user) => RawClient.open({ url: server.url, wsUrl }, user)),
    );
    await until(async () => (await nodes()).reduce((sum, { connections }) => sum + connections, 0) === 4);
    expect(await (await ask("/metrics")).text()).toMatch(/yamabiko_connections\{transport="websocket"\} 4/);
    for (const client of clients) client.close();
  });
});

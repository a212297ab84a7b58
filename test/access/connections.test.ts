import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { until } from "../harness.ts";
import { TwoNodes } from "./two-nodes.ts";

describe("the connections of all nodes", () => {
  let nodes: TwoNodes;

  beforeEach(async () => {
    nodes = await TwoNodes.start({ limits: { connectionsPerIp: 0, handshakesPerSecond: 0 } });
  });

  afterEach(async () => {
    await nodes.close();
  });

  it("are listed on each, with who it is and where, and nothing anybody said", async () => {
    const ann = await nodes.open(nodes.here, "ann");
    const ben = await nodes.open(nodes.there, "ben");
    await ann.join("lobby");
    await ben.join("lobby");
    await ben.join("garden");
    for (const node of [nodes.here, nodes.there]) {
      const { connections, more } = await node.listConnections();
      expect(more).toBe(false);
      expect(connections.map(({ userId }) => userId).sort()).toEqual(["ann", "ben"]);
      const view = connections.find(({ userId }) => userId === "ben");
      const welcome = ben.received.find(({ type }) => type === "welcome")?.payload as { connectionId: string };
      expect(view).toMatchObject({
        connectionId: welcome.connectionId,
        transport: "websocket",
        userName: "ben",
        guest: false,
        address: "127.0.0.1",
        rooms: ["chat:lobby", "chat:garden"],
        roomCount: 2,
        outboxBytes: expect.any(Number),
        state: "live",
      });
      expect(Math.abs(Date.now() - (view?.since ?? 0))).toBeLessThan(60_000);
      expect(view?.expiresAt).toBeGreaterThan(Date.now());
    }
  });

  it("are found by user and by room", async () => {
    const ann = await nodes.open(nodes.here, "ann");
    await nodes.open(nodes.there, "ann");
    await nodes.open(nodes.there, "ben");
    await ann.join("lobby");
    const users = async (query: object) =>
      (await nodes.there.listConnections(query)).connections.map(({ userId }) => userId);
    expect(await users({ userId: "ann" })).toEqual(["ann", "ann"]);
    expect(await users({ roomId: "chat:lobby" })).toEqual(["ann"]);
    expect(await users({ userId: "nobody" })).toEqual([]);
  });

  it("come in pages that miss nobody and repeat nobody, though an answer of another node holds only some", async () => {
    const open = (count: number, node: typeof nodes.here) =>
      Promise.all(Array.from({ length: count }, (_, index) => nodes.open(node, `user-${index}-${"x".repeat(100)}`)));
    await Promise.all([open(30, nodes.here), open(30, nodes.there)]);
    const seen: string[] = [];
    let after: string | undefined;
    let pages = 0;
    for (let more = true; more; pages++) {
      const page = await nodes.here.listConnections({ limit: 25, after });
      seen.push(...page.connections.map(({ connectionId }) => connectionId));
      after = seen.at(-1);
      more = page.more;
    }
    expect(pages).toBe(3);
    expect(seen).toHaveLength(60);
    expect(new Set(seen).size).toBe(60);
  });

  it("are measured when they are looked at", async () => {
    await nodes.open(nodes.here, "ann");
    await until(async () => {
      const [view] = (await nodes.there.listConnections()).connections;
      return view?.latencyMs !== null && view !== undefined && view.latencyMs >= 0;
    });
  });

  it.each([0, 1_001, 1.5])("a limit of %d is refused", async (limit) => {
    await expect(nodes.here.listConnections({ limit })).rejects.toMatchObject({ code: "invalid_message" });
  });
});

import { afterEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import type { Bus } from "../../src/bus/bus.ts";
import { createMemoryBus, createMemoryHub } from "../../src/bus/memory.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { RawClient, startServer, until } from "../harness.ts";
import { ask } from "../transports/http-request.ts";
import { type Node, SECRET } from "./two-nodes.ts";

describe("AUTH-10, AUTH-11: over a bus that loses notices", () => {
  const nodes: Node[] = [];
  afterEach(() => Promise.all(nodes.splice(0).map((node) => node.close())));

  /** @param passes whether a notice gets through, by its channel and the how-manieth of it it is. */
  async function start(passes: (channel: string, count: number) => boolean): Promise<[Node, Node]> {
    const log = createMemoryLog();
    const hub = createMemoryHub();
    const open = () => {
      const inner = createMemoryBus({ hub });
      const counts = new Map<string, number>();
      const bus: Bus = {
        lossless: false,
        subscribe: (channel, onNotice) => inner.subscribe(channel, onNotice),
        publish(channel, notice) {
          const key = notice.kind === "note" ? `${channel} ${notice.name}` : `${channel} ${notice.kind}`;
          const count = (counts.get(key) ?? 0) + 1;
          counts.set(key, count);
          if (passes(key, count)) inner.publish(channel, notice);
        },
        close: () => inner.close(),
      };
      return startServer({ log, bus, dev: false, auth: { secret: SECRET } });
    };
    nodes.push(...(await Promise.all([open(), open()])));
    return nodes as [Node, Node];
  }

  it("the word comes again, and a decision holds on the other node though its first notices were lost", async () => {
    const [here, there] = await start(
      (key, count) => key !== "server:access event" && !(key === "@nodes access" && count < 3),
    );
    const token = await signToken(SECRET, { user: "ada", expiresInMs: 60_000 });
    const ada = await RawClient.open(there, undefined, { headers: { Authorization: `Bearer ${token}` } });
    await ada.next("welcome");
    await ada.join("lobby");
    await here.revoke({ user: "ada" });
    expect((await ada.closed).code).toBe(4401);
  });

  it("and when all of them are lost, it holds when heads are compared", async () => {
    const [here, there] = await start((key) => key !== "server:access event" && key !== "@nodes access");
    const token = await signToken(SECRET, { user: "ada", expiresInMs: 60_000 });
    await here.revoke({ user: "ada" });
    await until(async () => (await ask(there.url, "/api/messages?roomId=lobby", { token })).status === 401, 20_000);
  });
});

import { afterEach, expect, it } from "vitest";
import type { Bus } from "../../src/bus/bus.ts";
import { createMemoryBus, createMemoryHub } from "../../src/bus/memory.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { startServer, until } from "../harness.ts";
import { SECRET, TwoNodes } from "./two-nodes.ts";

let nodes: TwoNodes | null = null;
afterEach(() => nodes?.close());

/** A bus that brings nothing of the room that decisions are kept in. */
function deafBus(hub: ReturnType<typeof createMemoryHub>): Bus {
  const inner = createMemoryBus({ hub });
  return {
    lossless: false,
    subscribe: (channel, onNotice) => inner.subscribe(channel, onNotice),
    publish(channel, notice) {
      const isDecision = channel === "server:access" || (notice.kind === "note" && notice.name === "access");
      if (!isDecision) inner.publish(channel, notice);
    },
    close: () => inner.close(),
  };
}

it("AUTH-11: a node that starts while the log lets go of decisions misses none of them", async () => {
  nodes = await TwoNodes.start();
  for (let index = 0; index < 1_200; index++) await nodes.here.ban({ user: `troll-${index}`, room: "lobby" });
  const { log } = nodes;
  await until(async () => (await log.heads(["server:access"])).get("server:access")!.first > 1);
  // It asked for the snapshot when there was none, and for the events when they were in one.
  let isEarly = true;
  const late = new Proxy(log, {
    get(target, name) {
      const member = Reflect.get(target, name) as (...args: unknown[]) => unknown;
      if (name === "snapshot" && isEarly) {
        isEarly = false;
        return async () => null;
      }
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  const node = await startServer({ log: late, dev: false, auth: { secret: SECRET } });
  expect(await node.bans()).toHaveLength(1_200);
  await node.close();
});

it("AUTH-11: a ban is lifted by a node that has not heard of it", async () => {
  const hub = createMemoryHub();
  nodes = await TwoNodes.start({ clock: createFakeClock() }, () => deafBus(hub));
  const { here, there } = nodes;
  await here.ban({ user: "ada", room: "lobby" });
  expect(await there.unban({ user: "ada", room: "lobby" })).toBe(true);
  expect(await (await nodes.startAnother()).bans()).toEqual([]);
});

it("AUTH-11: a node that missed more decisions than the log keeps has them from a snapshot, and so has one that starts", async () => {
  const hub = createMemoryHub();
  const clock = createFakeClock();
  let letIn = (): void => {};
  const gate = new Promise<void>((resolve) => {
    letIn = resolve;
  });
  // A room that takes its time to let somebody in.
  const hall = defineNamespace({ name: "hall", messages: {}, onJoin: () => gate.then(() => undefined) });
  nodes = await TwoNodes.start({ clock, namespaces: [hall] }, () => deafBus(hub));
  const { here, there } = nodes;
  const ada = await nodes.open(there, "ada");
  await ada.join("lobby");
  const ben = await nodes.open(there, "ben");
  const entering = ben.ask("join_room", { roomId: "hall:a" });
  await ben.ask("ping", {});
  await here.ban({ user: "ada", room: "lobby" });
  await here.ban({ user: "ben", room: "hall:a" });
  for (let index = 0; index < 1_200; index++) await here.ban({ user: `troll-${index}`, room: "lobby" });
  expect(ada.received.some(({ type }) => type === "left_room")).toBe(false);
  // Until heads are compared; by then the log has let go of what the snapshot holds.
  await clock.advance(6_000);
  expect((await nodes.log.heads(["server:access"])).get("server:access")?.first).toBeGreaterThan(500);
  expect((await ada.next("left_room", 25_000)).payload).toEqual({ roomId: "chat:lobby", reason: "banned" });
  await until(async () => (await there.bans()).length === 1_202, 25_000);
  letIn();
  expect(await entering).toMatchObject({ success: false, error: { code: "access_denied" } });
  const later = await nodes.startAnother();
  expect(await later.bans()).toHaveLength(1_202);
  expect(await later.unban({ user: "ada", room: "lobby" })).toBe(true);
});

import { afterEach, describe, expect, it } from "vitest";
import type { Schema } from "../../src/protocol/index.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { RawClient, startServer, until } from "../harness.ts";
import { Siege } from "./siege.ts";

const NEVER = new Promise<never>(() => {});
const fail = (): never => {
  throw new Error("a canary of the application");
};
const failLater = async (): Promise<never> => fail();
const schema = (validate: () => unknown) =>
  ({ "~standard": { version: 1, vendor: "test", validate } }) as unknown as Schema;

describe("callbacks of the application that throw, or never come back", () => {
  let siege: Siege | null = null;
  let server: Awaited<ReturnType<typeof startServer>> | null = null;
  afterEach(async () => {
    await siege?.end();
    await server?.close();
    siege = server = null;
  });

  it("[case 59] a throwing one is counted, and no room is named in a metric: clients choose their names", async () => {
    const broken = defineNamespace({ name: "broken", messages: {}, open: () => ({ advanced: fail, reading: fail }) });
    server = await startServer({ namespaces: [broken] });
    const eve = await RawClient.open(server, "eve");
    for (const name of ["canary-1", "canary-2"]) {
      await eve.ask("join_room", { roomId: `broken:${name}` });
      await server.room(`broken:${name}`).publish("news", {});
    }
    const metrics = await server.metrics();
    expect(metrics).not.toContain("canary");
    expect(metrics).toMatch(/yamabiko_failures_total\{where="what a namespace keeps of a room"\} [4-9]/);
  });

  it("[case 59] a throwing one costs its own message, whatever it is", async () => {
    const broken = defineNamespace({
      name: "broken",
      messages: {
        handler: { handle: fail },
        later: { handle: failLater },
        schema: { payload: schema(fail), handle: () => ({}) },
        event: { handle: (context) => context.event("done", {}) },
        state: { handle: async (context) => void (await context.state("value").set("key", 1)) },
      },
      state: { value: { event: "changed", change: fail } },
      gauges: { yjs_folds: fail },
      open: () => ({ advanced: fail, stateChanged: fail, jumped: fail, heard: fail, close: fail }),
    });
    const closed = defineNamespace({ name: "closed", messages: {}, open: fail });
    const shy = defineNamespace({ name: "shy", messages: {}, onJoin: failLater });
    const unfair = defineNamespace({ name: "unfair", messages: {}, access: failLater });
    siege = await Siege.start({ namespaces: [broken, closed, shy, unfair] });
    const eve = await RawClient.open(siege.server, "eve");
    const codes: unknown[] = [];
    for (const type of ["handler", "later", "schema", "event", "state"]) {
      // Each in a room of its own: what is refused for now holds up what comes behind it (ACK-5).
      await eve.ask("join_room", `broken:${type}`);
      const { success, error } = await eve.ask(type, { roomId: `broken:${type}` });
      codes.push([type, success ? "done" : error!.code]);
      expect(JSON.stringify(error ?? {})).not.toContain("canary");
    }
    expect(codes).toEqual([
      ["handler", "internal"],
      ["later", "internal"],
      ["schema", "internal"],
      ["event", "done"],
      ["state", "done"],
    ]);
    for (const roomId of ["closed:room", "shy:room", "unfair:room"]) {
      expect(await eve.ask("join_room", { roomId })).toMatchObject({ success: false });
    }
    expect(await eve.ask("send_message", { roomId: "broken:room", content: "x" })).toMatchObject({ success: false });
    expect(await siege.server.metrics()).toContain("yamabiko_rooms ");
    expect(siege.lines.filter((line) => line.includes("failure")).length).toBeGreaterThan(3);
    eve.close();
    await siege.calm([
      "handling a message",
      "what a namespace keeps",
      "reading the gauge",
      "asking an access rule",
      "flushing",
      "closing",
    ]);
  });

  it("[case 59] one that never comes back costs its own connection, and waits only where others would wait for it", async () => {
    const clock = createFakeClock();
    const silent = defineNamespace({
      name: "silent",
      messages: {
        handler: { handle: () => NEVER },
        schema: { payload: schema(() => NEVER), handle: () => ({}) },
        fast: { joined: false, handle: () => ({ done: true }) },
      },
    });
    const shy = defineNamespace({ name: "shy", messages: {}, onJoin: () => NEVER });
    const unfair = defineNamespace({ name: "unfair", messages: {}, access: () => NEVER });
    let opening = 0;
    const closed = defineNamespace({ name: "closed", messages: {}, open: () => (++opening < 3 ? NEVER : {}) });
    const auth = (token: string) =>
      token === "hang" ? NEVER : Promise.resolve({ id: token, name: token, claims: {}, expiresAt: 10 ** 15 });
    server = await startServer({ clock, namespaces: [silent, shy, unfair, closed], auth });
    const enter = async (user: string) =>
      RawClient.open(server!, undefined, { headers: { Authorization: `Bearer ${user}` } });
    const [eve, ada] = [await enter("eve"), await enter("ada")];
    await eve.join("silent:room");
    await ada.join("silent:room");
    eve.send("handler", { roomId: "silent:room" }, "h");
    eve.send("schema", { roomId: "silent:room" }, "s");
    eve.send("join_room", { roomId: "shy:room" }, "j");
    const denied = eve.ask("join_room", { roomId: "unfair:room" });
    const first = eve.ask("join_room", { roomId: "closed:room" });
    // Others in the same room, and the same user's other rooms, go on.
    expect(await ada.ask("fast", { roomId: "silent:room" })).toMatchObject({ done: true });
    expect(await eve.ask("fast", { roomId: "silent:other" })).toMatchObject({ done: true });
    const hanging = fetch(`${server.url}/api/rooms/lobby/members`, { headers: { Authorization: "Bearer hang" } });
    const upgrading = new RawClient(server.wsUrl, [], { headers: { Authorization: "Bearer hang" } });
    await until(() => opening === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await clock.advance(6_000);
    expect(await denied).toMatchObject({ error: { code: "access_denied" } });
    expect((await hanging).status).toBe(503);
    await upgrading.closed;
    await clock.advance(6_000);
    expect(await first).toMatchObject({ error: { code: "unavailable" } });
    const second = ada.ask("join_room", { roomId: "closed:room" });
    await until(() => opening === 2);
    await clock.advance(12_000);
    expect(await second).toMatchObject({ error: { code: "unavailable" } });
    expect(await ada.ask("join_room", { roomId: "closed:room" })).toMatchObject({ success: true });
    expect(await ada.ask("fast", { roomId: "silent:room" })).toMatchObject({ done: true });
    eve.socket.terminate();
    await until(() => server!.connections === 1);
  });
});

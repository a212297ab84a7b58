import { afterEach, describe, expect, it } from "vitest";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { until } from "../harness.ts";
import { EventFrames } from "../transports/event-frames.ts";
import { Stage } from "../transports/stage.ts";

describe("a token that is about to end", () => {
  let stage: Stage;
  let clock: FakeClock;
  const begin = async () => {
    clock = createFakeClock();
    stage = await Stage.start({ clock });
  };
  afterEach(() => stage?.end());

  it.each(["websocket", "msgpack", "sse"] as const)(
    "AUTH-9: a client is told over %s a minute before, once",
    async (name) => {
      await begin();
      const ada = await stage.open(name, "ada", { expiresInMs: 300_000 });
      await ada.join("room");
      await clock.advance(238_000);
      expect(ada.told()).not.toContain("token_expiring");
      await clock.advance(3_000);
      const { payload } = await ada.next("token_expiring");
      expect((payload as { expiresAt: number }).expiresAt - clock.now()).toBe(59_000);
      await clock.advance(20_000);
      expect(ada.told().filter((type) => type === "token_expiring")).toHaveLength(1);
    },
  );

  it("AUTH-9: a hanging poll is answered with it", async () => {
    await begin();
    const token = await stage.token("ada", { expiresInMs: 300_000 });
    await clock.advance(230_000);
    const body = { messages: [{ type: "join_room", payload: { roomId: "room" } }] };
    const { body: first } = await stage.ask("/api/messages/wait?timeoutMs=0", { token, body });
    const { cursor } = first as { cursor: string };
    const poll = stage.ask("/api/messages/wait?timeoutMs=25000", { token, body: { cursor } });
    await until(async () => (await stage.metric("readers")) === 1);
    await clock.advance(11_000);
    expect(await poll).toMatchObject({ status: 200, body: { messages: [{ type: "token_expiring" }] } });
  });

  it("AUTH-9: the token that takes its place starts the time anew", async () => {
    await begin();
    const ada = await stage.open("websocket", "ada", { expiresInMs: 120_000 });
    await clock.advance(61_000);
    await ada.next("token_expiring");
    const token = await stage.token("ada", { expiresInMs: 300_000 });
    expect(await ada.send("authenticate", { token })).toMatchObject({ success: true });
    await clock.advance(120_000);
    expect(ada.ended).toBeNull();
    expect(ada.told().filter((type) => type === "token_expiring")).toHaveLength(1);
    await clock.advance(121_000);
    await ada.next("token_expiring");
    await clock.advance(65_000);
    expect(await ada.end()).toMatchObject({ code: 4401, reason: "the token expired" });
  });

  it("AUTH-9: one that is good for less than two minutes is told of when half of that is over", async () => {
    await begin();
    const ada = await stage.open("websocket", "ada", { expiresInMs: 40_000 });
    await clock.advance(19_000);
    expect(ada.told()).not.toContain("token_expiring");
    await clock.advance(2_000);
    await ada.next("token_expiring");
  });

  it("AUTH-9: an EventSource is told, and a GET poll waits on", async () => {
    await begin();
    const token = await stage.token("ada", { expiresInMs: 90_000 });
    const stream = stage.ask("/api/events?roomId=room", { token });
    const poll = stage.ask("/api/messages/wait?roomId=room&timeoutMs=60000", { token });
    await until(async () => (await stage.metric("readers")) === 2);
    await clock.advance(50_000);
    await stage.fill(1);
    expect(await poll).toMatchObject({ status: 200, body: { messages: [{ seq: 1 }] } });
    await clock.advance(45_000);
    const frames = new EventFrames().read((await stream).text);
    expect(frames.map(({ event }) => event).filter((event) => event !== null)).toEqual(
      expect.arrayContaining(["token_expiring", "closed"]),
    );
  });
});

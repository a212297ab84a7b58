import { afterEach, describe, expect, it } from "vitest";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";
import { createWorld, FakeSender, hello, type Node, subscription, type WorldOptions } from "./world.ts";

describe("push", () => {
  const clock = createFakeClock();
  let world: ReturnType<typeof createWorld>;
  let sender: FakeSender;
  const start = (options: WorldOptions = {}): Node => {
    sender = new FakeSender();
    world = createWorld({ clock, push: sender, ...options });
    return world.start();
  };
  const subscribe = (node: Node, endpoint?: string, userId = "ada") =>
    node.send(userId, "subscribe_push", { subscription: subscription(endpoint) });
  afterEach(() => world.close());

  it("INB-14 goes to every subscription of a user whose devices say nothing for 5 s", async () => {
    const node = start();
    await subscribe(node);
    await subscribe(node, "https://push.example.com/send/2");
    const { id, seq } = await node.service.notify("ada", { ...hello(), category: "people" });
    await clock.advance(4_900);
    expect(sender.sent).toEqual([]);
    await clock.advance(200);
    expect(sender.sent.map(({ endpoint }) => endpoint)).toEqual([
      "https://push.example.com/send/1",
      "https://push.example.com/send/2",
    ]);
    expect(sender.payloads[0]).toEqual({
      id,
      seq,
      type: "greeting",
      title: "Hello",
      body: "It is me.",
      url: "/messages/1",
      category: "people",
      tag: id,
    });
    expect(sender.sent[0]!.message).toMatchObject({ ttlSeconds: 28 * 24 * 60 * 60, topic: null });
    expect(node.service.pushesWaiting).toBe(0);
  });

  it("INB-13 INB-14 does not go where a device has received it", async () => {
    const node = start();
    await subscribe(node);
    const { seq } = await node.service.notify("ada", hello());
    await clock.advance(1_000);
    expect(await node.send("ada", "received_notifications", { upTo: seq })).toEqual({ upTo: seq });
    await clock.advance(10_000);
    expect(sender.sent).toEqual([]);
    expect(await world.events("ada")).toHaveLength(1);
  });

  it("INB-13 a receipt is no promise for what comes later", async () => {
    const node = start();
    await subscribe(node);
    await node.service.notify("ada", hello());
    expect(await node.send("ada", "received_notifications", { upTo: 1_000 })).toEqual({ upTo: 1 });
    await node.service.notify("ada", hello({ title: "Later" }) as never);
    await clock.advance(6_000);
    expect(sender.payloads).toMatchObject([{ title: "Later" }]);
  });

  it.each([
    ["read", "read_notifications"],
    ["seen", "seen_notifications"],
    ["archived", "archive_notifications"],
  ])("INB-14 does not go where it was %s, on whichever node", async (_, type) => {
    const node = start();
    await subscribe(node);
    const { id } = await node.service.notify("ada", hello());
    await world.start().send("ada", type, { ids: [id] });
    await clock.advance(6_000);
    expect(sender.sent).toEqual([]);
  });

  it("INB-14 a repetition is not pushed again, nor is what has expired or was replaced", async () => {
    const node = start();
    await subscribe(node);
    await node.service.notify("ada", { ...hello(), dedupKey: "d", title: "Once" });
    await node.service.notify("ada", { ...hello(), dedupKey: "d" });
    await node.service.notify("ada", { ...hello(), title: "Brief", expiresAt: clock.now() + 3_000 });
    await node.service.notify("ada", { ...hello(), title: "Old", collapseKey: "c" });
    await node.service.notify("ada", { ...hello(), title: "New", collapseKey: "c", expiresAt: clock.now() + 60_500 });
    await clock.advance(6_000);
    expect(sender.payloads.map(({ title }) => title)).toEqual(["Once", "New"]);
    const { message } = sender.sent[1]!;
    expect(message.ttlSeconds).toBe(55);
    expect(message.topic).toMatch(/^[\w-]{32}$/);
    expect(sender.payloads[1]!.tag).toBe(message.topic);
  });

  it("INB-14 only goes to the user's own subscriptions, and costs nothing where there are none", async () => {
    const node = start();
    await subscribe(node, "https://push.example.com/ben", "ben");
    await node.service.notify(["ada", "ben"], hello());
    await clock.advance(6_000);
    expect(sender.sent.map(({ endpoint }) => endpoint)).toEqual(["https://push.example.com/ben"]);
  });

  it("INB-15 a subscription that is gone is forgotten", async () => {
    const node = start();
    await subscribe(node);
    await subscribe(node, "https://push.example.com/dead");
    sender.answer = (endpoint) => ({ kind: endpoint.endsWith("dead") ? "gone" : "sent" });
    await node.service.notify("ada", hello());
    await clock.advance(6_000);
    await node.service.notify("ada", hello());
    await clock.advance(6_000);
    expect(sender.sent.filter(({ endpoint }) => endpoint.endsWith("dead"))).toHaveLength(1);
    expect(sender.sent).toHaveLength(3);
    expect((await world.events("ada", "push")).at(-1)).toMatchObject({
      type: "push_unsubscribed",
      payload: { endpoint: "https://push.example.com/dead" },
    });
  });

  it("INB-14 what a push service cannot take now is tried again, a few times, later and later", async () => {
    const node = start();
    await subscribe(node);
    sender.answer = () => ({ kind: "retry" });
    await node.service.notify("ada", hello());
    await clock.advance(5_500);
    expect(sender.sent).toHaveLength(1);
    await clock.advance(1_300);
    expect(sender.sent).toHaveLength(2);
    await clock.advance(300_000);
    expect(sender.sent).toHaveLength(4);
    expect(clock.pendingTimers).toBeLessThanOrEqual(1);
  });

  it("INB-14 a push service that says when is asked then, and no more once somebody has it", async () => {
    const node = start();
    await subscribe(node);
    sender.answer = () => ({ kind: "retry", afterMs: 60_000 });
    const { seq } = await node.service.notify("ada", hello());
    await clock.advance(60_000);
    expect(sender.sent).toHaveLength(1);
    await clock.advance(25_000);
    expect(sender.sent).toHaveLength(2);
    await node.send("ada", "received_notifications", { upTo: seq });
    await clock.advance(300_000);
    expect(sender.sent).toHaveLength(2);
  });

  it("INB-14 one endpoint that fails keeps no other waiting, and is the only one tried again", async () => {
    const node = start();
    await subscribe(node, "https://push.example.com/slow");
    await subscribe(node);
    let fails = 1;
    sender.answer = (endpoint) => {
      if (endpoint.endsWith("slow") && fails-- > 0) throw new Error("no route");
      return { kind: "sent" };
    };
    await node.service.notify("ada", hello());
    await clock.advance(10_000);
    expect(sender.sent.map(({ endpoint }) => endpoint.split("/").at(-1))).toEqual(["slow", "1", "slow"]);
    expect(node.failures).toMatchObject([{ where: "sending a push message" }]);
  });

  it("INB-14 has no more under way at once than it may", async () => {
    const node = start({ options: { pushInFlight: 3 } });
    const users = Array.from({ length: 20 }, (_, index) => `u${index}`);
    for (const userId of users) await subscribe(node, `https://push.example.com/${userId}`, userId);
    sender.answer = () => new Promise((resolve) => clock.setTimer(() => resolve({ kind: "sent" }), 100));
    await node.service.notify(users, hello());
    await clock.advance(5_500);
    expect(sender.mostAtOnce).toBe(3);
    await clock.advance(5_000);
    expect(sender.sent).toHaveLength(20);
    expect(sender.mostAtOnce).toBe(3);
  });

  it("INB-15 the same subscription again is no event, other keys are, and after 20 the oldest goes", async () => {
    const node = start();
    expect(await subscribe(node)).toEqual({ subscriptions: 1 });
    expect(await world.start().send("ada", "subscribe_push", { subscription: subscription() })).toEqual({
      subscriptions: 1,
    });
    expect(await world.events("ada", "push")).toHaveLength(1);
    const other = subscription();
    other.keys.auth = Buffer.alloc(16, 1).toString("base64url");
    await node.send("ada", "subscribe_push", { subscription: other });
    expect(await world.events("ada", "push")).toHaveLength(2);
    for (let i = 0; i < 20; i++) await subscribe(node, `https://push.example.com/new/${i}`);
    await node.service.notify("ada", hello());
    await clock.advance(6_000);
    expect(sender.sent).toHaveLength(20);
    expect(sender.sent.every(({ endpoint }) => endpoint.includes("/new/"))).toBe(true);
    expect(await node.send("ada", "unsubscribe_push", { endpoint: "https://push.example.com/new/3" })).toEqual({
      subscriptions: 19,
    });
    expect(await node.send("ada", "unsubscribe_push", { endpoint: "https://push.example.com/none" })).toEqual({
      subscriptions: 19,
    });
  });

  it("INB-15 subscriptions survive retention by their snapshots", async () => {
    const node = start();
    await subscribe(node);
    for (let i = 0; i < 700; i++) {
      await subscribe(node, "https://push.example.com/x");
      await node.send("ada", "unsubscribe_push", { endpoint: "https://push.example.com/x" });
    }
    await world.log.trim("push:ada", { maxEvents: 1_000 });
    const restarted = world.start();
    await restarted.service.notify("ada", hello());
    await clock.advance(6_000);
    expect(sender.sent.map(({ endpoint }) => endpoint)).toEqual(["https://push.example.com/send/1"]);
    expect(restarted.failures).toEqual([]);
  });

  it.each([
    "http://push.example.com/x",
    "https://localhost/x",
    "https://app.localhost/x",
    "https://127.0.0.1/x",
    "https://2130706433/x",
    "https://0x7f.1/x",
    "https://[::1]/x",
    "https://[::ffff:10.0.0.1]/x",
    "https://10.1.2.3/x",
    "https://169.254.169.254/latest/meta-data",
    "https://8.8.8.8/x",
    "https://redis/x",
    "https://redis:6379/x",
    "https://push.example.com:8443/x",
    "https://metadata.google.internal/x",
    "https://printer.local./x",
    "https://user:secret@push.example.com/x",
    "file:///etc/passwd",
    "push.example.com",
  ])("INB-15 refuses to send to %s", async (endpoint) => {
    const node = start();
    await expect(subscribe(node, endpoint)).rejects.toMatchObject({ code: "invalid_message" });
    // Nor when it got into the log by another way.
    await node.room("push:ada").publish("push_subscribed", subscription(endpoint));
    await node.service.notify("ada", hello());
    await clock.advance(6_000);
    expect(sender.sent).toEqual([]);
  });

  it.each([
    [{ endpoint: "https://push.example.com/x" }],
    [{ ...subscription(), keys: { p256dh: "AAAA", auth: subscription().keys.auth } }],
    [{ ...subscription(), keys: { p256dh: subscription().keys.p256dh, auth: "not base64url!" } }],
  ])("INB-15 refuses what is no subscription: %j", async (broken) => {
    const node = start();
    await expect(node.send("ada", "subscribe_push", { subscription: broken } as never)).rejects.toMatchObject({
      code: "invalid_message",
    });
  });

  it("INB-15 a server that pushes nothing says so", async () => {
    const node = start({ push: null });
    expect(node.service.pushKey).toBeNull();
    await expect(subscribe(node)).rejects.toMatchObject({ code: "unknown_type" });
    expect(await node.send("ada", "received_notifications", { upTo: 1 })).toEqual({ upTo: 0 });
    await node.service.notify("ada", hello());
    expect(node.service.pushesWaiting).toBe(0);
  });

  it("INB-14 closing gives up what waits and leaves no timer", async () => {
    const own = createFakeClock();
    const node = start({ clock: own });
    await subscribe(node);
    await node.service.notify("ada", hello());
    await node.service.notify("ada", { ...hello(), expiresAt: own.now() + 60_000 });
    expect(node.service.pushesWaiting).toBe(2);
    node.close();
    expect(own.pendingTimers).toBe(0);
    await own.advance(100_000);
    expect(sender.sent).toEqual([]);
  });
});

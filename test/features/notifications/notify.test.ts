import { afterEach, describe, expect, it } from "vitest";
import { notifications } from "../../../src/features/index.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../../src/testing/faulty-log.ts";
import { createWorld, hello, type WorldOptions } from "./world.ts";

describe("notify", () => {
  let world: ReturnType<typeof createWorld>;
  const start = (options: WorldOptions = {}) => {
    world = createWorld(options);
    return world.start();
  };
  afterEach(() => world.close());

  it("INB-2 is an event in the user's room, named by its cursor", async () => {
    const { service } = start();
    const notified = await service.notify("ada", { ...hello(), category: "people" });
    const [event] = await world.events("ada");
    expect(event).toEqual({
      seq: 1,
      type: "notification",
      payload: {
        id: notified.id,
        type: "greeting",
        title: "Hello",
        body: "It is me.",
        url: "/messages/1",
        category: "people",
        timestamp: "2024-01-01T00:00:00.000Z",
        unread: 1,
        unseen: 1,
      },
    });
    const { epoch } = (await world.log.heads(["user:ada"])).get("user:ada")!;
    expect(notified).toEqual({ userId: "ada", id: `${epoch}:1`, seq: 1, duplicate: false });
  });

  it("INB-2 the origin's call works: a number as the user, a path as the url", async () => {
    const { service } = start();
    const notification = { type: "new_message", title: "新しいメッセージがあります", body: "…", url: "/messages/456" };
    expect(await service.notify(123, notification)).toMatchObject({ userId: "123", seq: 1 });
    expect(await world.events("123")).toHaveLength(1);
  });

  it.each([
    ["a title that is blank", { title: " \u200b" }],
    ["a title of 201 characters", { title: "a".repeat(201) }],
    ["a body of 4,001 characters", { body: "a".repeat(4_001) }],
    ["a url that runs", { url: "javascript:alert(1)" }],
    ["a url that runs, in disguise", { url: "JaVaScRiPt://x/%0aalert(1)" }],
    ["a url that runs after a tab", { url: "java\tscript:alert(1)" }],
    ["a url with data", { url: "data:text/html,x" }],
    ["a url of another origin that looks like a path", { url: "//evil.example" }],
    ["a url of another origin that looks like a path to people", { url: "/\\evil.example" }],
    ["a url of 2,001 characters", { url: `/${"a".repeat(2_000)}` }],
    ["a relative url", { url: "messages/1" }],
    ["no type", { type: undefined }],
    ["an unpaired surrogate", { body: "\ud800" }],
    ["a member nobody knows", { expiresAtMs: 1 }],
    ["an expiry in the past", { expiresAt: 1 }],
  ])("INB-2 refuses %s", async (_, more) => {
    const { service } = start();
    await expect(service.notify("ada", { ...hello(), ...more } as never)).rejects.toMatchObject({
      code: "invalid_message",
    });
    expect(await world.events("ada")).toEqual([]);
  });

  it.each(["/", "/a?b#c", "https://shop.example/x", "http://x", "HTTPS://x/日本"])(
    "INB-2 takes %s as a url",
    async (url) => {
      await expect(start().service.notify("ada", { ...hello(), url })).resolves.toMatchObject({ seq: 1 });
    },
  );

  it("INB-2 counts characters as people do: 200 emoji are a title", async () => {
    await expect(start().service.notify("ada", hello({ title: "😀".repeat(200) }) as never)).resolves.toBeDefined();
    await expect(world.start().service.notify("ada", hello({ title: "😀".repeat(201) }) as never)).rejects.toThrow();
  });

  it("INB-7 the same dedupKey for the same user is one notification, on every node", async () => {
    const first = await start().service.notify("ada", { ...hello(), dedupKey: "order 7" });
    const again = await world.start().service.notify("ada", { ...hello(), title: "Other", dedupKey: "order 7" });
    expect(again).toEqual({ ...first, duplicate: true });
    expect(await world.events("ada")).toHaveLength(1);
    expect(await world.start().service.notify("ben", { ...hello(), dedupKey: "order 7" })).toMatchObject({
      duplicate: false,
    });
  });

  it("INB-7 the same dedupKey at once is one notification, and a long key is as good as a short one", async () => {
    const { service } = start();
    const dedupKey = "ü".repeat(200);
    const all = await Promise.all(Array.from({ length: 10 }, () => service.notify("ada", { ...hello(), dedupKey })));
    expect(all.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
  });

  it("INB-7 a user's own messageId is no dedupKey", async () => {
    const node = start();
    const { id } = await node.service.notify("ada", { ...hello(), dedupKey: "k" });
    const [event] = (await world.log.read("user:ada", 0, 1)).events;
    const stolen = event!.messageId!;
    expect(await node.send("ada", "read_notifications", { ids: [id] }, stolen)).toMatchObject({ duplicate: false });
    await node.send("ben", "read_notifications", { all: true }, stolen);
    expect(await node.service.notify("ben", { ...hello(), dedupKey: "k" })).toMatchObject({ duplicate: false });
  });

  it("INB-8 a newer one of the same collapseKey takes the place of older ones", async () => {
    const { service, send } = start();
    const first = await service.notify("ada", { ...hello(), collapseKey: "cart" });
    const other = await service.notify("ada", hello());
    await service.notify("ada", { ...hello(), collapseKey: "cart", title: "Again" });
    const events = await world.events("ada");
    expect(events.at(-1)!.payload).toMatchObject({ replaces: [first.id], unread: 2, unseen: 2 });
    const { notifications } = await service.inbox("ada");
    expect(notifications.map(({ title }) => title)).toEqual(["Again", "Hello"]);
    expect((await service.inbox("ada", { archived: true })).notifications.map(({ id }) => id)).toEqual([first.id]);
    await send("ada", "archive_notifications", { all: true });
    await service.notify("ada", { ...hello(), collapseKey: "cart" });
    expect((await world.events("ada")).at(-1)!.payload).not.toHaveProperty("replaces");
    expect(other.seq).toBe(2);
  });

  it("INB-9 an expired one is gone: it is noticed by the clock", async () => {
    const clock = createFakeClock();
    const { service } = start({ clock });
    const { id } = await service.notify("ada", { ...hello(), expiresAt: clock.now() + 60_000 });
    await service.notify("ada", hello());
    await clock.advance(59_000);
    expect(await world.events("ada")).toHaveLength(2);
    await clock.advance(2_000);
    const events = await world.events("ada");
    expect(events.at(-1)).toMatchObject({
      seq: 3,
      type: "inbox_state",
      payload: { op: "expired", ids: [id], unread: 1, unseen: 1, changed: 1 },
    });
    expect(await service.inbox("ada")).toMatchObject({ unread: 1, unseen: 1, notifications: [{ seq: 2 }] });
  });

  it.each([
    ["by who joins", (node: ReturnType<typeof start>) => node.join("ada")],
    ["by who lists", (node: ReturnType<typeof start>) => node.service.inbox("ada")],
    ["by who notifies", (node: ReturnType<typeof start>) => node.service.notify("ada", hello())],
    ["by who marks", (node: ReturnType<typeof start>) => node.send("ada", "read_notifications", { all: true })],
  ])("INB-9 an expired one is noticed %s after a restart", async (_, come) => {
    const clock = createFakeClock();
    const first = start({ clock });
    await first.service.notify("ada", { ...hello(), expiresAt: clock.now() + 60_000 });
    first.close();
    await clock.advance(61_000);
    expect(await world.events("ada")).toHaveLength(1);
    await come(world.start());
    expect((await world.events("ada"))[1]).toMatchObject({ payload: { op: "expired", unread: 0, unseen: 0 } });
  });

  it("INB-9 two nodes that notice it at once say so once", async () => {
    const clock = createFakeClock();
    const nodes = [start({ clock }), world.start()];
    await nodes[0]!.service.notify("ada", { ...hello(), expiresAt: clock.now() + 5_000 });
    await nodes[1]!.service.inbox("ada");
    await clock.advance(10_000);
    expect(await world.events("ada")).toHaveLength(2);
    expect(nodes.flatMap(({ failures }) => failures)).toEqual([]);
  });

  it("INB-12 an inbox is bounded by count: the oldest make room, archived ones first", async () => {
    const { service, send } = start({ options: { maxNotifications: 3 } });
    const made = [];
    for (const title of ["1", "2", "3"]) made.push(await service.notify("ada", { ...hello(), title }));
    await send("ada", "archive_notifications", { ids: [made[1]!.id] });
    await service.notify("ada", { ...hello(), title: "4" });
    expect((await service.inbox("ada", { archived: true })).notifications).toEqual([]);
    await service.notify("ada", { ...hello(), title: "5" });
    const page = await service.inbox("ada");
    expect(page.notifications.map(({ title }) => title)).toEqual(["5", "4", "3"]);
    expect(page).toMatchObject({ unread: 3, unseen: 3 });
  });

  it("INB-12 an inbox is bounded by what it says", async () => {
    const { service } = start({ options: { maxInboxSize: 10_000 } });
    for (let i = 0; i < 5; i++) await service.notify("ada", { ...hello(), body: "a".repeat(4_000) });
    expect((await service.inbox("ada")).notifications).toHaveLength(2);
  });

  it("INB-12 inboxes leave memory and come back as they were", async () => {
    const { service, send } = start({ options: { inboxes: 10 } });
    const users = Array.from({ length: 50 }, (_, index) => `u${index}`);
    await service.notify(users, hello());
    expect(service.inboxes).toBe(10);
    await send("u3", "seen_notifications", { all: true });
    await service.notify(users, hello());
    expect(service.inboxes).toBe(10);
    expect(await service.inbox("u3")).toMatchObject({ unread: 2, unseen: 1 });
  });

  it("INB-12 where retention was faster than a snapshot, it says so and goes on with what is there", async () => {
    const { service } = start();
    for (let i = 0; i < 5; i++) await service.notify("ada", hello());
    await world.log.trim("user:ada", { maxEvents: 2 });
    const restarted = world.start();
    expect(await restarted.service.inbox("ada")).toMatchObject({ unread: 2, notifications: [{ seq: 5 }, { seq: 4 }] });
    expect(restarted.failures).toMatchObject([{ where: "folding a log" }]);
    expect(await restarted.service.notify("ada", hello())).toMatchObject({ seq: 6 });
    // All of it gone: the log goes on where it was, not at its beginning.
    await world.log.trim("user:ada", { maxEvents: 0 });
    const emptied = world.start();
    expect(await emptied.service.inbox("ada")).toMatchObject({ unread: 0, notifications: [] });
    expect(await emptied.service.notify("ada", hello())).toMatchObject({ seq: 7 });
  });

  it("INB-12 a snapshot that cannot be read is left aside", async () => {
    const { service } = start();
    await service.notify("ada", hello());
    await world.log.putSnapshot("user:ada", 1, JSON.stringify({ items: [{ nonsense: true }] }));
    const restarted = world.start();
    expect(await restarted.service.inbox("ada")).toMatchObject({ unread: 1 });
    expect(restarted.failures).toHaveLength(1);
  });

  it("INB-3 what others publish to the room changes no counts and is in nobody's way", async () => {
    const node = start();
    await node.service.notify("ada", hello());
    await node.room("user:ada").publish("order_shipped", { number: 7 });
    await node.room("user:ada").publish("notification", { title: "by hand" });
    await node.room("user:ada").publish("inbox_state", { op: "read" });
    await node.room("user:ada").publish("inbox_state", { op: "__proto__", all: true });
    expect(await node.service.notify("ada", hello())).toMatchObject({ seq: 6 });
    expect(await node.service.inbox("ada")).toMatchObject({ unread: 2, unseen: 2 });
    expect(node.failures).toEqual([]);
  });

  it("INB-16 of many users each has its own result, and whoever is named twice is notified once", async () => {
    const { service } = start();
    const outcomes = await service.notify(["ada", "ben", "ada", "not a room"], { ...hello(), dedupKey: "d" });
    expect(outcomes).toMatchObject([
      { userId: "ada", seq: 1, duplicate: false },
      { userId: "ben", seq: 1, duplicate: false },
      { userId: "not a room", error: { code: "invalid_message", retryable: false } },
    ]);
    expect(await service.notify(["ada"], { ...hello(), dedupKey: "d" })).toMatchObject([{ duplicate: true }]);
  });

  it("INB-16 takes 10,000 users and no more", async () => {
    const { service } = start();
    const users = Array.from({ length: 10_000 }, (_, index) => `u${index}`);
    const outcomes = await service.notify(users, hello());
    expect(outcomes.every((outcome) => "seq" in outcome && outcome.seq === 1)).toBe(true);
    expect(outcomes.map(({ userId }) => userId)).toEqual(users);
    expect(service.inboxes).toBe(1_000);
    await expect(service.notify([...users, "one more"], hello())).rejects.toMatchObject({ code: "invalid_message" });
  });

  it("INB-16 a body names a user or users", async () => {
    const { service } = start();
    expect(await service.notifyRequest({ userId: 7, ...hello() })).toMatchObject({ userId: "7", seq: 1 });
    expect(await service.notifyRequest({ userIds: ["ada", "ben"], ...hello() })).toMatchObject({
      results: [{ userId: "ada" }, { userId: "ben" }],
    });
    for (const body of [null, [], "x", hello(), { userId: "a", userIds: ["b"], ...hello() }, { userIds: [] }]) {
      await expect(service.notifyRequest(body)).rejects.toMatchObject({ code: "invalid_message" });
    }
  });

  it("INB-16 one that the log did not take may be said again", async () => {
    const log = createFaultyLog(createMemoryLog());
    const { service } = start({ log });
    await service.notify("ada", hello());
    log.failAppends(1);
    await expect(service.notify("ada", { ...hello(), dedupKey: "d" })).rejects.toMatchObject({ code: "unavailable" });
    expect(await service.notify("ada", { ...hello(), dedupKey: "d" })).toMatchObject({ seq: 2, duplicate: false });
    // It took this one, and could not say so.
    log.loseReplies(1);
    await expect(service.notify("ada", { ...hello(), dedupKey: "e" })).rejects.toMatchObject({ code: "unavailable" });
    expect(await service.notify("ada", { ...hello(), dedupKey: "e" })).toMatchObject({ seq: 3, duplicate: true });
    expect(await service.notify("ada", hello())).toMatchObject({ seq: 4 });
    expect((await world.events("ada")).at(-1)!.payload).toMatchObject({ unread: 4, unseen: 4 });
  });

  it("INB-2 what is in the log is in the inbox, when the node died before it told anybody", async () => {
    const { service } = start();
    await service.notify("ada", hello());
    // Another process appended and was killed before it rang.
    const { epoch } = (await world.log.heads(["user:ada"])).get("user:ada")!;
    const words = { ...hello(), category: null, timestamp: "2024-01-01T00:00:00.000Z" };
    const data = JSON.stringify({ id: `${epoch}:2`, ...words, unread: 2, unseen: 2 });
    await world.log.append("user:ada", null, null, { type: "notification", data }, { expect: 1 });
    expect(await service.inbox("ada")).toMatchObject({ unread: 2, cursor: `${epoch}:2` });
    expect(await service.notify("ada", hello())).toMatchObject({ seq: 3 });
    expect((await world.events("ada")).at(-1)!.payload).toMatchObject({ unread: 3, unseen: 3 });
  });

  it("needs a server", async () => {
    start();
    await expect(notifications().service.notify("ada", hello())).rejects.toThrow(TypeError);
    expect(() => notifications({ maxEvents: 900 })).toThrow(RangeError);
    expect(() => notifications({ inboxes: 0 })).toThrow(RangeError);
  });
});

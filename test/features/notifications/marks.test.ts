import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatCursor } from "../../../src/protocol/index.ts";
import { createWorld, hello, type Node } from "./world.ts";

describe("marks", () => {
  let world: ReturnType<typeof createWorld>;
  let node: Node;
  let ids: string[];
  beforeEach(async () => {
    world = createWorld();
    node = world.start();
    ids = [];
    for (const title of ["1", "2", "3"]) ids.push((await node.service.notify("ada", { ...hello(), title })).id);
  });
  afterEach(() => world.close());

  const flags = async () => {
    const shown = [
      ...(await node.service.inbox("ada")).notifications,
      ...(await node.service.inbox("ada", { archived: true })).notifications,
    ].sort((a, b) => a.seq - b.seq);
    return shown.map(({ read, seen, archived }) => `${read ? "r" : "-"}${seen ? "s" : "-"}${archived ? "a" : "-"}`);
  };

  it("INB-5 reading is seeing", async () => {
    const ack = await node.send("ada", "read_notifications", { ids: [ids[0]!] });
    expect(ack).toMatchObject({ seq: 4, duplicate: false, unread: 2, unseen: 2, changed: 1 });
    expect(await flags()).toEqual(["rs-", "---", "---"]);
  });

  it("INB-5 what is unread again has been seen", async () => {
    await node.send("ada", "read_notifications", { all: true });
    const ack = await node.send("ada", "unread_notifications", { ids: [ids[1]!] });
    expect(ack).toMatchObject({ unread: 1, unseen: 0, changed: 1 });
    expect(await flags()).toEqual(["rs-", "-s-", "rs-"]);
  });

  it("INB-5 `upTo` is about those up to a seq, and about none that come later", async () => {
    expect(await node.send("ada", "seen_notifications", { upTo: 2 })).toMatchObject({ unread: 3, unseen: 1 });
    expect(await flags()).toEqual(["-s-", "-s-", "---"]);
    await node.send("ada", "seen_notifications", { upTo: 1_000_000 });
    await node.service.notify("ada", hello());
    expect(await flags()).toEqual(["-s-", "-s-", "-s-", "---"]);
    const state = (await world.events("ada"))[4]!;
    expect(state.payload).toEqual({ op: "seen", upTo: 4, unread: 3, unseen: 0, changed: 1 });
  });

  it("INB-5 what is archived counts neither way, is not in the list, and is left out of `all`", async () => {
    expect(await node.send("ada", "archive_notifications", { ids: [ids[2]!] })).toMatchObject({ unread: 2, unseen: 2 });
    expect((await node.service.inbox("ada")).notifications.map(({ id }) => id)).toEqual([ids[1], ids[0]]);
    expect(await node.send("ada", "read_notifications", { all: true })).toMatchObject({ changed: 2, unread: 0 });
    expect(await flags()).toEqual(["rs-", "rs-", "--a"]);
    expect(await node.send("ada", "read_notifications", { ids: [ids[2]!] })).toMatchObject({ changed: 1, unread: 0 });
  });

  it("INB-5 the event says who was changed, and by whom it was sent", async () => {
    await node.send("ada", "read_notifications", { ids: [ids[0]!, ids[0]!, "nobody's", ids[1]!] }, "m1");
    const { events } = await world.log.read("user:ada", 3, 1);
    expect(events[0]).toMatchObject({ type: "inbox_state", sender: "ada", messageId: "m1" });
    expect(JSON.parse(events[0]!.data)).toEqual({
      op: "read",
      ids: [ids[0], ids[1]],
      unread: 1,
      unseen: 1,
      changed: 2,
    });
  });

  it("INB-6 what changes nothing is no event", async () => {
    await node.send("ada", "read_notifications", { all: true });
    const ack = await node.send("ada", "read_notifications", { all: true });
    expect(ack).toEqual({ unread: 0, unseen: 0, changed: 0 });
    expect(await node.send("ada", "seen_notifications", { ids: ["nobody's"] })).toMatchObject({ changed: 0 });
    expect(await world.events("ada")).toHaveLength(4);
  });

  it("INB-6 the same messageId again gives the first answer and changes nothing, also on another node", async () => {
    const { epoch } = (await world.log.heads(["user:ada"])).get("user:ada")!;
    const first = await node.send("ada", "read_notifications", { all: true }, "m1");
    expect(first).toEqual({
      savedId: formatCursor(epoch, 4),
      seq: 4,
      epoch,
      duplicate: false,
      unread: 0,
      unseen: 0,
      changed: 3,
    });
    // Nothing to change: found in the log.
    expect(await node.send("ada", "read_notifications", { all: true }, "m1")).toEqual({ ...first, duplicate: true });
    await node.service.notify("ada", hello());
    // Something to change now: the log knows the message whatever is expected of its head.
    const again = await world.start().send("ada", "read_notifications", { all: true }, "m1");
    expect(again).toEqual({ ...first, duplicate: true });
    expect(await node.service.inbox("ada")).toMatchObject({ unread: 1, unseen: 1 });
  });

  it("INB-6 a message that changed nothing changes nothing when it is repeated", async () => {
    await node.send("ada", "read_notifications", { all: true });
    const first = await node.send("ada", "read_notifications", { all: true }, "m2");
    await node.service.notify("ada", hello());
    expect(await node.send("ada", "read_notifications", { all: true }, "m2")).toEqual(first);
    expect(await node.service.inbox("ada")).toMatchObject({ unread: 1 });
  });

  it("INB-6 a messageId whose event retention has removed is a repetition still", async () => {
    await node.send("ada", "read_notifications", { all: true }, "m1");
    await node.service.notify("ada", hello());
    await world.log.trim("user:ada", { maxEvents: 1 });
    expect(await node.send("ada", "read_notifications", { all: true }, "m1")).toMatchObject({
      seq: 4,
      duplicate: true,
      unread: 1,
      changed: 0,
    });
  });

  it.each([
    {},
    { ids: [] },
    { ids: ["a"], all: true },
    { all: false },
    { upTo: -1 },
    { upTo: 1.5 },
    { ids: ["a"], upTo: 1 },
    { ids: Array.from({ length: 1_001 }, (_, index) => String(index)) },
    { ids: [7] },
  ])("INB-5 refuses %j", async (payload) => {
    await expect(node.send("ada", "read_notifications", payload as never)).rejects.toMatchObject({
      code: "invalid_message",
    });
  });

  it("INB-4 marks of many devices at once are all in the counts", async () => {
    const other = world.start();
    const acks = await Promise.all([
      node.send("ada", "read_notifications", { ids: [ids[0]!] }),
      other.send("ada", "archive_notifications", { ids: [ids[1]!] }),
      node.service.notify("ada", hello()),
      other.send("ada", "seen_notifications", { ids: [ids[2]!] }),
    ]);
    expect(acks).toHaveLength(4);
    expect((await world.events("ada")).at(-1)!.payload).toMatchObject({ unread: 2, unseen: 1 });
    expect(await other.service.inbox("ada")).toMatchObject({ unread: 2, unseen: 1 });
  });

  it("INB-11 who joins is told the counts, and the seq they are true at", async () => {
    await node.send("ada", "seen_notifications", { ids: [ids[0]!] });
    expect(await world.start().join("ada")).toEqual({ unread: 3, unseen: 2, seq: 4 });
    expect(await node.join("ben")).toEqual({ unread: 0, unseen: 0, seq: 0 });
  });

  describe("the list", () => {
    const list = (query: string) => node.service.inboxRequest("ada", new URLSearchParams(query));

    it("INB-10 has the settled shape", async () => {
      await node.send("ada", "read_notifications", { ids: [ids[2]!] });
      const { epoch } = (await world.log.heads(["user:ada"])).get("user:ada")!;
      expect(await list("limit=1")).toEqual({
        notifications: [
          {
            id: ids[2],
            seq: 3,
            type: "greeting",
            title: "3",
            body: "It is me.",
            url: "/messages/1",
            category: null,
            timestamp: "2024-01-01T00:00:00.000Z",
            read: true,
            seen: true,
            archived: false,
          },
        ],
        more: true,
        unread: 2,
        unseen: 2,
        cursor: `${epoch}:4`,
      });
    });

    it("INB-10 is paged by `before`, newest first", async () => {
      const first = await list("limit=2");
      expect(first.notifications.map(({ seq }) => seq)).toEqual([3, 2]);
      const second = await list("limit=2&before=2");
      expect(second).toMatchObject({ more: false, notifications: [{ seq: 1 }], unread: 3 });
      for (let i = 0; i < 30; i++) await node.service.notify("ada", hello());
      expect((await list("")).notifications).toHaveLength(20);
    });

    it("INB-10 shows what is unread, archived, or of a category", async () => {
      await node.service.notify("ada", { ...hello(), category: "shop" });
      await node.send("ada", "read_notifications", { ids: [ids[0]!] });
      await node.send("ada", "archive_notifications", { ids: [ids[1]!] });
      const seqs = async (query: string) => (await list(query)).notifications.map(({ seq }) => seq);
      expect(await seqs("unread=1")).toEqual([4, 3]);
      expect(await seqs("unread=0")).toEqual([4, 3, 1]);
      expect(await seqs("archived=1")).toEqual([2]);
      expect(await seqs("category=shop")).toEqual([4]);
      expect(await seqs("category=none")).toEqual([]);
    });

    it.each(["limit=0", "limit=101", "limit=x", "before=0", "before=-1", "unread=maybe"])(
      "INB-10 refuses %s",
      async (query) => {
        await expect(list(query)).rejects.toMatchObject({ code: "invalid_message" });
      },
    );
  });
});

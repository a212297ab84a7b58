import { beforeEach, describe, expect, it } from "vitest";
import { events } from "../../../src/features/chat/schemas.ts";
import { chat } from "../../../src/features/index.ts";
import { createFixture, type Fixture, ROOM, say, stored } from "./fixture.ts";

let at: Fixture;
beforeEach(async () => {
  at = await createFixture();
});

describe("send_message", () => {
  it("CHAT-1 becomes a new_message of the authenticated user", async () => {
    const ack = await at.ann.send("send_message", { roomId: ROOM, content: "Hello!", userId: "bob" }, "m-1");
    expect(ack).toMatchObject({ success: true, seq: 1, duplicate: false, savedId: "e1:1" });
    expect(at.room.events).toEqual([
      {
        seq: 1,
        type: "new_message",
        sender: "ann",
        payload: { id: "m-1", userId: "ann", userName: "ANN", content: "Hello!", replyTo: null, mentions: [] },
      },
    ]);
  });

  it("CHAT-1 gives an id to a message without a messageId", async () => {
    await say(at.ann, "a");
    await say(at.ann, "b");
    const ids = at.room.events.map((event) => event.payload.id);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("ACK-3 a repeated messageId is one message", async () => {
    const first = await at.ann.send("send_message", { roomId: ROOM, content: "a" }, "m-1");
    const again = await at.ann.send("send_message", { roomId: ROOM, content: "a" }, "m-1");
    expect(again).toEqual({ ...first, duplicate: true });
    expect(at.room.events).toHaveLength(1);
  });

  it("CHAT-1 names each mentioned user once", async () => {
    const seq = await say(at.ann, "hey", { mentions: ["bob", "eve", "bob"] });
    expect(stored(at.room, seq)?.mentions).toEqual(["bob", "eve"]);
  });

  it("CHAT-1 replies to a message, also to a deleted one", async () => {
    const first = await say(at.ann, "a");
    expect(stored(at.room, await say(at.bob, "b", { replyTo: first }))?.replyTo).toBe(first);
    await at.ann.send("delete_message", { roomId: ROOM, seq: first });
    expect(stored(at.room, await say(at.bob, "c", { replyTo: first }))?.replyTo).toBe(first);
    expect(stored(at.room, await say(at.bob, "d", { replyTo: null }))?.replyTo).toBeNull();
  });

  it("CHAT-1 refuses a reply to what is no message of this room", async () => {
    const seq = await say(at.ann, "a");
    await at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" });
    for (const replyTo of [seq + 1, 99]) {
      await expect(say(at.bob, "x", { replyTo })).rejects.toMatchObject({ code: "invalid_message" });
    }
    at.room.trim(seq);
    await expect(say(at.bob, "x", { replyTo: seq })).rejects.toMatchObject({ code: "invalid_message" });
    expect(at.room.head).toBe(2);
  });

  it("[case 9] [article 2] CHAT-1 needs the room to be joined", async () => {
    const stranger = at.server.connect("stranger");
    await expect(say(stranger, "a")).rejects.toMatchObject({ code: "not_joined" });
  });

  it("CHAT-1 refuses blank and too long content and writes nothing", async () => {
    for (const content of ["", " \n\u200b", "x".repeat(4_001)]) {
      await expect(say(at.ann, content)).rejects.toMatchObject({ code: "invalid_message" });
    }
    expect(at.room.head).toBe(0);
    await say(at.ann, "x".repeat(4_000));
  });
});

describe("edit_message", () => {
  it("CHAT-2 changes what is stored and tells it", async () => {
    const seq = await say(at.ann, "a", { mentions: ["bob"] });
    await at.clock.advance(500);
    const ack = await at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" });
    expect(ack).toMatchObject({ success: true, seq: 2 });
    const editedAt = at.clock.now();
    expect(at.room.events[1]).toMatchObject({
      type: "message_edited",
      payload: { seq, content: "b", userId: "ann", editedAt },
    });
    expect(stored(at.room, seq)).toMatchObject({ content: "b", editedAt, mentions: ["bob"], userId: "ann" });
  });

  it("CHAT-2 is for the author alone, not even for an admin", async () => {
    const seq = await say(at.ann, "a");
    for (const other of [at.bob, at.admin]) {
      await expect(other.send("edit_message", { roomId: ROOM, seq, content: "b" })).rejects.toMatchObject({
        code: "access_denied",
      });
    }
    expect(stored(at.room, seq)?.content).toBe("a");
  });

  it("CHAT-2 trusts the log's sender, not a payload that claims an author", async () => {
    const seq = at.room.publish("new_message", { userId: "ann", content: "from the server" });
    await expect(at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" })).rejects.toMatchObject({
      code: "access_denied",
    });
  });

  it("CHAT-2 cannot bring back a deleted message", async () => {
    const seq = await say(at.ann, "a");
    await at.ann.send("delete_message", { roomId: ROOM, seq });
    await expect(at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" })).rejects.toMatchObject({
      code: "conflict",
    });
    expect(stored(at.room, seq)?.content).toBeNull();
  });

  it("CHAT-1 refuses a seq that is no message", async () => {
    for (const seq of [1, 0, -1, 1.5]) {
      await expect(at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" })).rejects.toMatchObject({
        code: "invalid_message",
      });
    }
  });

  it("ACK-3 repeated, it is the same event", async () => {
    const seq = await say(at.ann, "a");
    const first = await at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" }, "e-1");
    const again = await at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" }, "e-1");
    expect(again).toEqual({ ...first, duplicate: true });
    expect(at.room.head).toBe(2);
  });

  it("CHAT-2 empties the edit before it, which readers ignore", async () => {
    const seq = await say(at.ann, "a");
    const other = await say(at.ann, "other");
    const edit = async (target: number, content: string) =>
      (await at.ann.send("edit_message", { roomId: ROOM, seq: target, content })).seq as number;
    const first = await edit(seq, "b");
    const elsewhere = await edit(other, "other 2");
    await at.bob.send("add_reaction", { roomId: ROOM, seq, emoji: "👍" });
    const second = await edit(seq, "c");
    expect(stored(at.room, first)).toEqual({ seq, content: null, userId: "ann", superseded: true });
    expect(stored(at.room, second)).toMatchObject({ seq, content: "c" });
    expect(stored(at.room, elsewhere)).toMatchObject({ seq: other, content: "other 2" });
    for (const payload of [stored(at.room, first), stored(at.room, second)]) {
      expect(events.message_edited.safeParse(payload).success).toBe(true);
    }
  });

  it("CHAT-2 does so whether or not retention has removed that edit", async () => {
    const seq = await say(at.ann, "a");
    await at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" });
    at.room.remove(2);
    await at.ann.send("edit_message", { roomId: ROOM, seq, content: "c" });
    expect(stored(at.room, seq)).toMatchObject({ content: "c" });
  });

  it("ACK-3 repeated after somebody deleted the message, it is the first event", async () => {
    const seq = await say(at.ann, "a");
    const first = await at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" }, "e-1");
    await at.admin.send("delete_message", { roomId: ROOM, seq });
    const again = await at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" }, "e-1");
    expect(again).toEqual({ ...first, duplicate: true });
    await expect(at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" }, "e-2")).rejects.toMatchObject({
      code: "conflict",
    });
  });

  it("CHAT-2 a deletion that wins the race is not undone by the edit", async () => {
    const seq = await say(at.ann, "secret");
    const [deletion, edit] = await Promise.allSettled([
      at.admin.send("delete_message", { roomId: ROOM, seq }),
      at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" }),
    ]);
    expect(deletion.status).toBe("fulfilled");
    expect(edit).toMatchObject({ status: "rejected", reason: { code: "conflict" } });
    expect(stored(at.room, seq)).toMatchObject({ content: null, deleted: true });
  });
});

describe("delete_message", () => {
  it("CHAT-2 removes the content, mentions and reactions from what is stored", async () => {
    const seq = await say(at.ann, "secret", { mentions: ["bob"] });
    await at.bob.send("add_reaction", { roomId: ROOM, seq, emoji: "👍" });
    await at.ann.send("edit_message", { roomId: ROOM, seq, content: "still secret" });
    await at.ann.send("delete_message", { roomId: ROOM, seq });
    const payload = stored(at.room, seq);
    expect(payload).toEqual({
      id: payload?.id,
      userId: "ann",
      userName: "ANN",
      content: null,
      replyTo: null,
      mentions: [],
      deleted: true,
    });
    expect(at.room.events.at(-1)).toMatchObject({ type: "message_deleted", payload: { seq, userId: "ann" } });
  });

  it("CHAT-2 leaves the content in no event, however often it was edited", async () => {
    const seq = await say(at.ann, "secret 0");
    for (let edit = 1; edit <= 5; edit += 1) {
      await at.ann.send("edit_message", { roomId: ROOM, seq, content: `secret ${edit}` });
      expect(JSON.stringify(at.room.events).match(/secret \d/g)).toEqual([`secret ${edit}`, `secret ${edit}`]);
    }
    await at.admin.send("delete_message", { roomId: ROOM, seq });
    expect(JSON.stringify(at.room.events)).not.toContain("secret");
    expect(at.room.events.map(({ type }) => type)).toEqual([
      "new_message",
      ...Array(5).fill("message_edited"),
      "message_deleted",
    ]);
  });

  it("CHAT-2 leaves the content in no event when edits race with it", async () => {
    let touches = 0;
    at = await createFixture({}, { latencyTurns: () => 1 + (touches++ % 3) });
    const seq = await say(at.ann, "secret");
    const tabs = [at.ann, at.server.connect("ann"), at.server.connect("ann")];
    for (const tab of tabs) await tab.join(ROOM);
    const edits = tabs.map((tab, index) => tab.send("edit_message", { roomId: ROOM, seq, content: `secret ${index}` }));
    await Promise.allSettled([...edits, at.admin.send("delete_message", { roomId: ROOM, seq })]);
    expect(stored(at.room, seq)).toMatchObject({ deleted: true });
    expect(JSON.stringify(at.room.events)).not.toContain("secret");
  });

  it("CHAT-2 is for the author and for an admin", async () => {
    const seq = await say(at.ann, "a");
    await expect(at.bob.send("delete_message", { roomId: ROOM, seq })).rejects.toMatchObject({ code: "access_denied" });
    expect(stored(at.room, seq)?.content).toBe("a");
    await at.admin.send("delete_message", { roomId: ROOM, seq });
    expect(at.room.events.at(-1)?.payload).toEqual({ seq, userId: "admin" });
  });

  it("ACK-3 repeated, it is the same event; another deletion is none", async () => {
    const seq = await say(at.ann, "a");
    const first = await at.ann.send("delete_message", { roomId: ROOM, seq }, "d-1");
    expect(await at.ann.send("delete_message", { roomId: ROOM, seq }, "d-1")).toEqual({ ...first, duplicate: true });
    expect(await at.ann.send("delete_message", { roomId: ROOM, seq }, "d-2")).toEqual({ success: true });
    expect(at.room.head).toBe(2);
  });

  it("CHAT-2 twice is once", async () => {
    const seq = await say(at.ann, "a");
    await at.ann.send("delete_message", { roomId: ROOM, seq });
    expect(await at.ann.send("delete_message", { roomId: ROOM, seq })).toEqual({ success: true });
    expect(at.room.head).toBe(2);
    await expect(at.bob.send("delete_message", { roomId: ROOM, seq })).rejects.toMatchObject({ code: "access_denied" });
  });
});

describe("chat", () => {
  it("refuses numbers that are none", () => {
    for (const maxLength of [0, -1, 1.5, Number.NaN]) expect(() => chat({ maxLength })).toThrow(RangeError);
    expect(() => chat({ name: "Not A Name" })).toThrow(TypeError);
  });

  it("hands on what the server enforces", () => {
    const access = () => true;
    expect(chat({ name: "talk", access, messagesPerSecond: 5, retention: { maxEvents: 10 } })).toMatchObject({
      name: "talk",
      access,
      messagesPerSecond: 5,
      retention: { maxEvents: 10 },
    });
    expect(chat().name).toBe("chat");
  });
});

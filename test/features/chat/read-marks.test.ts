import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { createFixture, type Fixture, ROOM, say } from "./fixture.ts";

let at: Fixture;
beforeEach(async () => {
  at = await createFixture();
});

const rejoin = () => at.bob.join(ROOM);

describe("read marks", () => {
  it("CHAT-5 the first join sets the mark to the head", async () => {
    await say(at.ann, "a");
    await say(at.ann, "b");
    const late = at.server.connect("late");
    expect(await late.join(ROOM)).toEqual({ readUpTo: 2, unread: 0, mentions: 0 });
    expect(at.room.mark("read", "late")).toBe(2);
    await say(at.ann, "c");
    expect(await late.join(ROOM)).toEqual({ readUpTo: 2, unread: 1, mentions: 0 });
  });

  it("CHAT-5 an empty room is marked too", () => {
    expect(at.room.mark("read", "bob")).toBe(0);
  });

  it("CHAT-5 a mark made through another node is not moved by a join here", async () => {
    await say(at.ann, "a");
    at.room.moveMarkElsewhere("read", "far", 0);
    await say(at.ann, "b", { mentions: ["far"] });
    const far = at.server.connect("far");
    expect(await far.join(ROOM)).toEqual({ readUpTo: 0, unread: 2, mentions: 1 });
    expect(at.room.mark("read", "far")).toBe(0);
  });

  it("CHAT-4 read_messages moves the mark to the head, or to upTo, and tells it", async () => {
    for (const content of ["a", "b", "c"]) await say(at.ann, content);
    at.room.announced.length = 0;
    expect(await at.bob.send("read_messages", { roomId: ROOM, upTo: 2 })).toEqual({ success: true, readUpTo: 2 });
    expect(await at.bob.send("read_messages", { roomId: ROOM })).toEqual({ success: true, readUpTo: 3 });
    expect(at.room.announced).toEqual([
      { type: "messages_read", payload: { userId: "bob", upTo: 2 } },
      { type: "messages_read", payload: { userId: "bob", upTo: 3 } },
    ]);
    expect(await rejoin()).toEqual({ readUpTo: 3, unread: 0, mentions: 0 });
  });

  it("CHAT-4 a mark only moves forward", async () => {
    for (const content of ["a", "b", "c"]) await say(at.ann, content);
    await at.bob.send("read_messages", { roomId: ROOM });
    at.room.announced.length = 0;
    for (const upTo of [0, 1, 3]) {
      expect(await at.bob.send("read_messages", { roomId: ROOM, upTo })).toEqual({ success: true, readUpTo: 3 });
    }
    expect(at.room.announced).toEqual([]);
  });

  it("CHAT-4 upTo beyond the head is the head", async () => {
    await say(at.ann, "a");
    expect(await at.bob.send("read_messages", { roomId: ROOM, upTo: 1_000 })).toEqual({ success: true, readUpTo: 1 });
    await say(at.ann, "b");
    expect(await rejoin()).toMatchObject({ unread: 1 });
  });

  it("CHAT-4 refuses an upTo that is no seq", async () => {
    for (const upTo of [-1, 1.5, "1", null]) {
      await expect(at.bob.send("read_messages", { roomId: ROOM, upTo })).rejects.toMatchObject({
        code: "invalid_message",
      });
    }
  });

  it("CHAT-4 the mark is the user's, not the tab's", async () => {
    await say(at.ann, "a");
    await at.bob.send("read_messages", { roomId: ROOM });
    at.bob.leave(ROOM);
    expect(await at.server.connect("bob").join(ROOM)).toEqual({ readUpTo: 1, unread: 0, mentions: 0 });
  });
});

describe("unread", () => {
  it("CHAT-4 counts messages of others that are not deleted, and mentions among them", async () => {
    const gone = await say(at.ann, "gone", { mentions: ["bob"] });
    await say(at.ann, 'for "bob" and "deleted":true', { mentions: ["eve"] });
    await say(at.ann, "for bob", { mentions: ["eve", "bob"] });
    await say(at.bob, "my own", { mentions: ["bob"] });
    await at.ann.send("delete_message", { roomId: ROOM, seq: gone });
    at.room.publish("new_message", { content: "from the server" });
    expect(await rejoin()).toEqual({ readUpTo: 0, unread: 3, mentions: 1 });
  });

  it("CHAT-4 looks at no more than 1,000 events", async () => {
    for (let count = 0; count < 2_500; count += 1) at.room.publish("new_message", { content: "x" });
    at.room.cost.events = 0;
    expect(await rejoin()).toEqual({ readUpTo: 0, unread: 1_000, mentions: 0 });
    expect(at.room.cost.events).toBe(1_000);
  });

  it("CHAT-4 counts on where a read ended early, and after what retention removed", async () => {
    at = await createFixture({}, { readEvents: 7 });
    for (let count = 0; count < 50; count += 1) at.room.publish("new_message", { content: "x" });
    expect(await rejoin()).toMatchObject({ unread: 50 });
    at.room.trim(20);
    expect(await rejoin()).toMatchObject({ unread: 30 });
    at.room.trim(50);
    expect(await rejoin()).toMatchObject({ unread: 0 });
  });

  it("CHAT-4 equals a recount, whatever happened", async () => {
    const step = fc.record({
      who: fc.constantFrom("ann", "bob", "eve"),
      what: fc.constantFrom("say", "mention", "delete", "react", "read"),
      which: fc.nat(30),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        at = await createFixture({}, { readEvents: 3 });
        for (const { who, what, which } of steps) {
          const from = at[who as "ann"];
          if (what === "say") await say(from, "x");
          else if (what === "mention") await say(from, "x", { mentions: ["bob"] });
          else if (what === "read") await from.send("read_messages", { roomId: ROOM, upTo: which });
          else {
            const type = what === "delete" ? "delete_message" : "add_reaction";
            await from.send(type, { roomId: ROOM, seq: which + 1, emoji: "👍" }).catch(() => undefined);
          }
        }
        const readUpTo = at.room.mark("read", "bob") ?? -1;
        const unread = at.room.events.filter(
          ({ seq, type, payload }) =>
            seq > readUpTo && type === "new_message" && payload.userId !== "bob" && payload.content !== null,
        );
        const mentions = unread.filter(({ payload }) => (payload.mentions as string[]).includes("bob"));
        expect(await rejoin()).toEqual({ readUpTo, unread: unread.length, mentions: mentions.length });
      }),
      { numRuns: 60 },
    );
  });
});

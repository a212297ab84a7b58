import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { JsonObject } from "../../../src/protocol/index.ts";
import { createFixture, type Fixture, ROOM, say, stored } from "./fixture.ts";

let at: Fixture;
let seq: number;
beforeEach(async () => {
  at = await createFixture({ reactionsPerMessage: 3, reactionUsersPerMessage: 4 });
  seq = await say(at.ann, "a");
});

const react = (emoji: string) => ({ roomId: ROOM, seq, emoji });

describe("reactions", () => {
  it("CHAT-2 are an event and part of the stored message", async () => {
    const ack = await at.bob.send("add_reaction", react("👍"));
    expect(ack).toMatchObject({ success: true, seq: 2 });
    await at.eve.send("add_reaction", react("👍"));
    expect(at.room.events.at(-1)).toMatchObject({
      type: "reaction_changed",
      payload: { seq, emoji: "👍", userId: "eve", userName: "EVE", added: true },
    });
    expect(stored(at.room, seq)?.reactions).toEqual({ "👍": ["bob", "eve"] });
    await at.bob.send("remove_reaction", react("👍"));
    expect(stored(at.room, seq)?.reactions).toEqual({ "👍": ["eve"] });
    await at.eve.send("remove_reaction", react("👍"));
    expect(stored(at.room, seq)).not.toHaveProperty("reactions");
    expect(at.room.events.at(-1)?.payload).toMatchObject({ added: false, userId: "eve" });
  });

  it("CHAT-2 adding what is there and removing what is not is a plain ack", async () => {
    await at.bob.send("add_reaction", react("👍"));
    expect(await at.bob.send("add_reaction", react("👍"))).toEqual({ success: true });
    expect(await at.bob.send("remove_reaction", react("🎉"))).toEqual({ success: true });
    expect(await at.eve.send("remove_reaction", react("👍"))).toEqual({ success: true });
    expect(at.room.head).toBe(2);
  });

  it("CHAT-2 survive an edit", async () => {
    await at.bob.send("add_reaction", react("👍"));
    await at.ann.send("edit_message", { roomId: ROOM, seq, content: "b" });
    expect(stored(at.room, seq)).toMatchObject({ content: "b", reactions: { "👍": ["bob"] } });
  });

  it("CHAT-2 refuses to react to a deleted message", async () => {
    await at.ann.send("delete_message", { roomId: ROOM, seq });
    await expect(at.bob.send("add_reaction", react("👍"))).rejects.toMatchObject({ code: "conflict" });
    await expect(at.bob.send("remove_reaction", react("👍"))).rejects.toMatchObject({ code: "conflict" });
  });

  it("CHAT-1 refuses what is no emoji or no message", async () => {
    for (const emoji of ["", "a", "👍👍", "__proto__", "x".repeat(100)]) {
      await expect(at.bob.send("add_reaction", react(emoji))).rejects.toMatchObject({ code: "invalid_message" });
    }
    await expect(at.bob.send("add_reaction", { ...react("👍"), seq: 7 })).rejects.toMatchObject({
      code: "invalid_message",
    });
  });

  it("CHAT-2 has a bound by kinds and by number", async () => {
    for (const emoji of ["👍", "🎉", "❤️"]) await at.bob.send("add_reaction", react(emoji));
    await expect(at.bob.send("add_reaction", react("🔥"))).rejects.toMatchObject({ code: "conflict" });
    await at.eve.send("add_reaction", react("👍"));
    await expect(at.eve.send("add_reaction", react("🎉"))).rejects.toMatchObject({ code: "conflict" });
    await at.bob.send("remove_reaction", react("❤️"));
    await at.eve.send("add_reaction", react("🎉"));
    expect(stored(at.room, seq)?.reactions).toEqual({ "👍": ["bob", "eve"], "🎉": ["bob", "eve"] });
  });
});

describe("races", () => {
  const action = fc.record({
    who: fc.constantFrom("ann", "bob", "eve", "admin"),
    type: fc.constantFrom("add_reaction", "remove_reaction", "edit_message", "delete_message", "send_message"),
    emoji: fc.constantFrom("👍", "🎉"),
  });

  const latencies = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 20 });

  it("CHAT-2 what is stored is always what the events say, whoever won", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 16 }), latencies, async (actions, turns) => {
        let touches = 0;
        const race = await createFixture({}, { latencyTurns: () => turns[touches++ % turns.length]! });
        const { room } = race;
        const target = await say(race.ann, "a");
        const before = stored(room, target)!;
        const outcomes = await Promise.allSettled(
          actions.map(({ who, type, emoji }, index) =>
            race[who as "ann"].send(type, { roomId: ROOM, seq: target, emoji, content: `b${index}` }, `m${index}`),
          ),
        );
        for (const outcome of outcomes) {
          if (outcome.status === "rejected") {
            expect(["conflict", "access_denied"]).toContain(outcome.reason.code);
          }
        }
        const written = outcomes.flatMap((outcome) =>
          outcome.status === "fulfilled" && outcome.value.seq !== undefined ? [outcome.value.seq] : [],
        );
        expect(written.toSorted()).toEqual(
          room.events
            .slice(1)
            .map((event) => event.seq)
            .toSorted(),
        );
        expect(stored(room, target)).toEqual(fold(before, room.events));
      }),
      { numRuns: 150 },
    );
  });

  it("CHAT-2 five users react at once and nobody is lost", async () => {
    const free = await createFixture();
    const target = await say(free.ann, "a");
    const crowd = ["u1", "u2", "u3", "u4", "u5"].map((id) => free.server.connect(id));
    for (const user of crowd) await user.join(ROOM);
    await Promise.all(crowd.map((user) => user.send("add_reaction", { roomId: ROOM, seq: target, emoji: "👍" })));
    expect(stored(free.room, target)?.reactions).toEqual({ "👍": ["u1", "u2", "u3", "u4", "u5"] });
  });
});

/** What a client makes of the events; no event may say what it already knew. */
function fold(message: JsonObject, events: readonly { type: string; payload: JsonObject }[]): JsonObject {
  let folded: JsonObject = { ...message };
  const reactions = new Map<string, string[]>();
  for (const { type, payload } of events) {
    if (type === "message_edited") {
      expect(folded.deleted).toBeUndefined();
      if (payload.content === null) continue;
      folded = { ...folded, content: payload.content!, editedAt: payload.editedAt! };
    } else if (type === "message_deleted") {
      expect(folded.deleted).toBeUndefined();
      const { editedAt: _editedAt, ...rest } = folded;
      folded = { ...rest, content: null, deleted: true, mentions: [] };
      reactions.clear();
    } else if (type === "reaction_changed") {
      expect(folded.deleted).toBeUndefined();
      const emoji = String(payload.emoji);
      const users = reactions.get(emoji) ?? [];
      const userId = String(payload.userId);
      expect(users.includes(userId)).toBe(!payload.added);
      reactions.set(emoji, payload.added === true ? [...users, userId] : users.filter((user) => user !== userId));
      if (reactions.get(emoji)?.length === 0) reactions.delete(emoji);
    }
  }
  return reactions.size === 0 ? folded : { ...folded, reactions: Object.fromEntries(reactions) };
}

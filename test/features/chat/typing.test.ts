import { beforeEach, describe, expect, it } from "vitest";
import { createFixture, type Fixture, ROOM, say } from "./fixture.ts";

let at: Fixture;
beforeEach(async () => {
  at = await createFixture();
  at.room.announced.length = 0;
});

const told = () => at.room.announced.splice(0).map(({ type, payload }) => [type, payload.userId, payload.typing]);

describe("typing", () => {
  it.each(["typing", "typing_start"])("CHAT-3 %s tells the room", async (type) => {
    expect(await at.ann.send(type, { roomId: ROOM })).toEqual({ success: true });
    expect(at.room.announced).toEqual([
      { type: "user_typing", payload: { userId: "ann", userName: "ANN", typing: true, expiresInMs: 6_000 } },
    ]);
    expect(at.room.head).toBe(0);
  });

  it("CHAT-3 ends by itself after 6 s", async () => {
    await at.ann.send("typing_start", { roomId: ROOM });
    told();
    await at.clock.advance(5_999);
    expect(told()).toEqual([]);
    await at.clock.advance(1);
    expect(at.room.announced).toEqual([
      { type: "user_typing", payload: { userId: "ann", userName: "ANN", typing: false, expiresInMs: 0 } },
    ]);
    expect(at.clock.pendingTimers).toBe(0);
  });

  it("CHAT-3 ends after the time that was configured", async () => {
    at = await createFixture({ typingMs: 2_000 });
    await at.ann.send("typing_start", { roomId: ROOM });
    await at.clock.advance(2_000);
    expect(at.room.value("typing", "ann")).toBeNull();
  });

  it("CHAT-3 goes on while there are signs of it, and is told once a second at most", async () => {
    for (let keystroke = 0; keystroke < 100; keystroke += 1) {
      await at.ann.send("typing", { roomId: ROOM });
      await at.clock.advance(100);
    }
    const times = told();
    expect(times).toHaveLength(10);
    expect(times.every(([, , typing]) => typing === true)).toBe(true);
    await at.clock.advance(6_000);
    expect(told()).toEqual([["user_typing", "ann", false]]);
  });

  it("CHAT-3 goes on after the server's wall clock was set back", async () => {
    await at.ann.send("typing", { roomId: ROOM });
    at.clock.shiftWallClock(-3_600_000);
    await at.clock.advance(5_000);
    await at.ann.send("typing", { roomId: ROOM });
    await at.clock.advance(5_000);
    expect(at.room.value("typing", "ann")).not.toBeNull();
  });

  it("CHAT-3 ends on typing_end, once", async () => {
    await at.ann.send("typing_start", { roomId: ROOM });
    await at.ann.send("typing_end", { roomId: ROOM });
    await at.ann.send("typing_end", { roomId: ROOM });
    expect(told()).toEqual([
      ["user_typing", "ann", true],
      ["user_typing", "ann", false],
    ]);
    await at.ann.send("typing_start", { roomId: ROOM });
    expect(told()).toEqual([["user_typing", "ann", true]]);
  });

  it("CHAT-3 ends on sending", async () => {
    await at.ann.send("typing_start", { roomId: ROOM });
    await at.bob.send("typing_start", { roomId: ROOM });
    told();
    await say(at.ann, "a");
    expect(told()).toEqual([["user_typing", "ann", false]]);
  });

  it("CHAT-3 ends when its connection leaves or drops", async () => {
    await at.ann.send("typing_start", { roomId: ROOM });
    at.ann.leave(ROOM);
    expect(told()).toEqual([
      ["user_typing", "ann", true],
      ["user_typing", "ann", false],
    ]);
  });
});

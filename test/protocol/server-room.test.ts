import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RawClient, startServer } from "../harness.ts";

describe("a room as the server's own code uses it", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeEach(async () => {
    server = await startServer();
  });
  afterEach(() => server.close());

  it("ENV-1: takes only types and messageIds an envelope may have, and a refusal changes nothing", async () => {
    const room = server.room("feed:news");
    const refusal = { code: "invalid_message" };
    for (const type of ["", "two words", "x".repeat(65), "line\nbreak", "ünï", 5 as unknown as string]) {
      await expect(room.publish(type, {})).rejects.toMatchObject(refusal);
      await expect(room.signal(type, {})).rejects.toMatchObject(refusal);
    }
    for (const messageId of ["", "x".repeat(129), "a\u0000b"]) {
      await expect(room.publish("news", {}, { messageId })).rejects.toMatchObject(refusal);
    }
    expect((await room.view()).head).toBe(0);
    expect(await room.publish("news.v1:x_y-z", {}, { messageId: "m1" })).toMatchObject({ seq: 1 });
  });

  it("ENV-4: a room is the same by either of its names, before and after it was left", async () => {
    const ada = await RawClient.open(server, "ada");
    for (let round = 0; round < 2; round++) {
      await ada.ask("join_room", { roomId: "room" });
      for (const roomId of ["room", "chat:room", "room"]) {
        expect(await ada.ask("send_message", { roomId, content: "x" })).toMatchObject({ success: true });
      }
      await ada.ask("leave_room", { roomId: "chat:room" });
      expect(await ada.ask("send_message", { roomId: "room", content: "x" })).toMatchObject({
        error: { code: "not_joined" },
      });
    }
    expect((await server.room("room").view()).head).toBe(6);
  });
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { RawClient, startServer } from "../harness.ts";

const SECRET = "a secret of more than thirty-two bytes";

describe("rights that change", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeEach(async () => {
    server = await startServer({ dev: false, auth: { secret: SECRET } });
  });
  afterEach(() => server.close());

  const token = (rooms: Record<string, string[]>) => signToken(SECRET, { user: "ada", expiresInMs: 60_000, rooms });

  it("AUTH-2: a refreshed token that may read less leaves what it may not read, before the ack, and nothing more comes", async () => {
    const ada = await RawClient.open(server);
    ada.send("authenticate", { token: await token({ "chat:*": ["read", "write"] }) });
    await ada.join("chat:kept");
    await ada.join("chat:lost");
    await server.room("chat:lost").publish("note", { text: "before" });
    await ada.next((envelope) => envelope.roomId === "chat:lost" && envelope.seq === 1);

    const answer = await ada.ask("authenticate", { token: await token({ "chat:kept": ["read"] }) });
    expect(answer.success).toBe(true);
    const left = ada.received.filter((envelope) => envelope.type === "left_room");
    expect(left.map(({ payload }) => payload)).toEqual([{ roomId: "chat:lost", reason: "access_denied" }]);
    expect(ada.received.indexOf(left[0]!)).toBeLessThan(ada.received.findIndex((e) => e.type === "ack"));

    await server.room("chat:lost").publish("note", { text: "after" });
    await server.room("chat:kept").publish("note", { text: "still" });
    await ada.next((envelope) => envelope.roomId === "chat:kept" && envelope.seq === 1);
    expect(ada.events("chat:lost").map((event) => event.seq)).toEqual([1]);
    expect(await ada.ask("send_message", { roomId: "chat:kept", content: "no" })).toMatchObject({
      success: false,
      error: { code: "access_denied" },
    });
  });
});

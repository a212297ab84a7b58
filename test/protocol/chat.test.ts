import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { RawClient, startServer, until } from "../harness.ts";

describe("chat over the wire", () => {
  let clock: FakeClock;
  let server: Awaited<ReturnType<typeof startServer>>;
  let ada: RawClient;
  let ben: RawClient;
  beforeEach(async () => {
    clock = createFakeClock();
    server = await startServer({ clock });
    ada = await enter("ada");
    ben = await enter("ben");
  });
  afterEach(() => server.close());

  const enter = async (user: string) => {
    const client = await RawClient.open(server, user);
    await client.join("room");
    return client;
  };
  const ask = (client: RawClient, type: string, payload: Record<string, unknown> = {}) =>
    client.ask(type, { roomId: "room", ...payload });
  const typing = () =>
    ben.received
      .filter(({ type }) => type === "user_typing")
      .map(({ payload }) => (payload as { typing: boolean }).typing);

  it("CHAT-1: replies, edits, deletions and reactions name a new_message of this room by its seq", async () => {
    await ask(ada, "send_message", { content: "one" });
    await ask(ada, "add_reaction", { seq: 1, emoji: "👍" });
    for (const seq of [2, 3, 99]) {
      expect(await ask(ada, "send_message", { content: "x", replyTo: seq })).toMatchObject({ success: false });
      for (const type of ["edit_message", "delete_message", "add_reaction"]) {
        expect(await ask(ada, type, { seq, content: "x", emoji: "👍" })).toMatchObject({ success: false });
      }
    }
    expect(await ask(ben, "send_message", { content: "x", replyTo: 1 })).toMatchObject({ success: true });
  });

  it("CHAT-2: only the author edits and deletes, and history shows what is current", async () => {
    await ask(ada, "send_message", { content: "one" });
    await ask(ada, "send_message", { content: "two" });
    for (const type of ["edit_message", "delete_message"]) {
      expect(await ask(ben, type, { seq: 1, content: "x" })).toMatchObject({ error: { code: "access_denied" } });
    }
    await ask(ada, "edit_message", { seq: 1, content: "changed" });
    await ask(ada, "delete_message", { seq: 2 });
    await ben.next("message_deleted");
    const { messages } = (await ask(ben, "load_history")) as unknown as { messages: { payload: unknown }[] };
    expect(messages.map(({ payload }) => payload)).toMatchObject([
      { content: "changed", editedAt: clock.now() },
      { content: null, deleted: true },
    ]);
  });

  it("CHAT-3: typing ends after 6 s, on typing_end, on sending, on leaving and on a drop", async () => {
    const ends: (() => unknown)[] = [
      () => clock.advance(7_000),
      () => ada.send("typing_end", "room"),
      () => ada.send("send_message", { roomId: "room", content: "x" }),
      () => ada.send("leave_room", "room"),
      () => ada.socket.terminate(),
    ];
    for (const [index, end] of ends.entries()) {
      if (index === 4) ada = await enter("ada");
      ada.send("typing_start", "room");
      await until(() => typing().length === index * 2 + 1);
      await end();
      await until(() => typing().length === index * 2 + 2);
      expect(typing().at(-1)).toBe(false);
    }
  });

  it("CHAT-4: a read mark only moves forward and is the user's; joined_room.you counts what is unread", async () => {
    for (const content of ["one", "two", "three"]) await ask(ada, "send_message", { content, mentions: ["ben"] });
    await ask(ben, "read_messages", { upTo: 2 });
    await ada.next(({ type, payload }) => type === "messages_read" && (payload as { upTo: number }).upTo === 2);
    expect(await ask(ben, "read_messages", { upTo: 1 })).toMatchObject({ readUpTo: 2 });
    const tab = await RawClient.open(server, "ben");
    expect((await tab.join("room")).payload).toMatchObject({ you: { readUpTo: 2, unread: 1, mentions: 1 } });
  });

  it("CHAT-5: the first join sets the mark to the head; list_rooms lists the rooms with a mark", async () => {
    await ask(ada, "send_message", { content: "one" });
    const cy = await enter("cy");
    await ask(ada, "send_message", { content: "two" });
    await cy.next("new_message");
    const { rooms } = (await cy.ask("list_rooms", {})) as unknown as { rooms: unknown[] };
    expect(rooms).toEqual([{ roomId: "chat:room", head: 2, readUpTo: 1, unread: 1, mentions: 0 }]);
  });
});

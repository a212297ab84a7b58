import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { YamabikoError } from "../../../src/protocol/index.ts";
import { createFaultyLog, type FaultyLog } from "../../../src/testing/faulty-log.ts";
import { type AckPayload, RawClient, startServer } from "../../harness.ts";

const roomId = "chat:room";

describe("a message sent again", () => {
  let log: FaultyLog;
  let server: Awaited<ReturnType<typeof startServer>>;
  let ann: RawClient;
  let bob: RawClient;
  let seq: number;

  const joined = async (user: string) => {
    const client = await RawClient.open(server, user);
    await client.join(roomId);
    return client;
  };
  const say = async (client: RawClient) => (await client.ask("send_message", { roomId, content: "a" })).seq!;
  const head = async () => (await server.room(roomId).view()).head;

  beforeEach(async () => {
    log = createFaultyLog(createMemoryLog());
    server = await startServer({ log });
    ann = await joined("ann");
    bob = await joined("bob");
    seq = await say(ann);
  });
  afterEach(() => server.close());

  const cases: readonly (readonly [type: string, more: object, from: "ann" | "bob"])[] = [
    ["add_reaction", { emoji: "👍" }, "bob"],
    ["edit_message", { content: "b" }, "ann"],
  ];

  it.each(cases)("ACK-3 %s is the same event, though the message was deleted since", async (type, more, from) => {
    const client = from === "ann" ? ann : bob;
    const first = await client.ask(type, { roomId, seq, ...more }, "id");
    expect(first).toMatchObject({ success: true, seq: 2, duplicate: false });
    expect(await ann.ask("delete_message", { roomId, seq })).toMatchObject({ success: true, seq: 3 });

    const expected = { success: true, savedId: first.savedId, seq: 2, epoch: first.epoch, duplicate: true };
    expect(await client.ask(type, { roomId, seq, ...more }, "id")).toEqual(expected);
    const tab = await joined(from);
    expect(await tab.ask(type, { roomId, seq, ...more }, "id")).toEqual(expected);
    expect(await head()).toBe(3);
  });

  it.each(cases)("ACK-3 %s with another messageId is refused as before", async (type, more, from) => {
    await ann.ask("delete_message", { roomId, seq });
    const refused = await (from === "ann" ? ann : bob).ask(type, { roomId, seq, ...more }, "id");
    expect(refused).toMatchObject({ success: false, error: { code: "conflict", retryable: false } });
  });

  it("ACK-3 what changes nothing now is the event it was: a reaction, and its removal", async () => {
    const added = await bob.ask("add_reaction", { roomId, seq, emoji: "👍" }, "id-1");
    expect(await bob.ask("add_reaction", { roomId, seq, emoji: "👍" }, "id-1")).toEqual({ ...added, duplicate: true });
    const removed = await bob.ask("remove_reaction", { roomId, seq, emoji: "👍" }, "id-2");
    expect(await bob.ask("remove_reaction", { roomId, seq, emoji: "👍" }, "id-2")).toEqual({
      ...removed,
      duplicate: true,
    });
    // Sent again out of its time, it is still what it was, and not a reaction once more.
    expect(await bob.ask("add_reaction", { roomId, seq, emoji: "👍" }, "id-1")).toEqual({ ...added, duplicate: true });
    expect(await head()).toBe(3);
  });

  it("ACK-3 what never was an event is a plain ack each time", async () => {
    expect(await bob.ask("remove_reaction", { roomId, seq, emoji: "👍" }, "id")).toEqual({ success: true });
    expect(await bob.ask("remove_reaction", { roomId, seq, emoji: "👍" }, "id")).toEqual({ success: true });
  });

  it("ACK-3 another user's messageId is not the same", async () => {
    await bob.ask("add_reaction", { roomId, seq, emoji: "👍" }, "id");
    await ann.ask("delete_message", { roomId, seq });
    const refused = await ann.ask("add_reaction", { roomId, seq, emoji: "👍" }, "id");
    expect(refused).toMatchObject({ success: false, error: { code: "conflict" } });
  });

  it("ACK-3 a lost reply is made good for though the message was deleted since", async () => {
    log.loseReplies(1);
    const lost: AckPayload = await ann.ask("edit_message", { roomId, seq, content: "b" }, "id");
    expect(lost).toMatchObject({ success: false, error: { code: "unavailable", retryable: true } });
    const admin = await joined("ann");
    await admin.ask("delete_message", { roomId, seq });
    expect(await ann.ask("edit_message", { roomId, seq, content: "b" }, "id")).toMatchObject({
      success: true,
      seq: 2,
      duplicate: true,
    });
  });

  it("ACK-3 is answered `unavailable`, not refused for ever, while the log cannot tell", async () => {
    const first = await ann.ask("edit_message", { roomId, seq, content: "b" }, "id");
    await ann.ask("delete_message", { roomId, seq });
    vi.spyOn(log, "find").mockRejectedValueOnce(new YamabikoError("unavailable", "The log cannot take it now."));
    const unknown = await ann.ask("edit_message", { roomId, seq, content: "b" }, "id");
    expect(unknown).toMatchObject({ success: false, error: { code: "unavailable", retryable: true } });
    expect(await ann.ask("edit_message", { roomId, seq, content: "b" }, "id")).toEqual({ ...first, duplicate: true });
  });

  it("asks the log only when there is nothing to append", async () => {
    const find = vi.spyOn(log, "find");
    await ann.ask("send_message", { roomId, content: "b" });
    await ann.ask("edit_message", { roomId, seq, content: "b" });
    await ann.ask("load_history", { roomId });
    await ann.ask("read_messages", { roomId });
    ann.send("add_reaction", { roomId, seq, emoji: "👍" });
    ann.send("add_reaction", { roomId, seq, emoji: "👍" });
    await ann.ask("load_history", { roomId });
    expect(find).not.toHaveBeenCalled();
    await ann.ask("remove_reaction", { roomId, seq, emoji: "🎉" });
    expect(find).toHaveBeenCalledTimes(1);
  });
});

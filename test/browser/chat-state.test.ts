import { describe, expect, it } from "vitest";
import { mentionAt, mentionsIn, splitContent, suggestPeople } from "../../playground/src/chat/mention.ts";
import type { ChatEnvelope, PendingSend } from "../../playground/src/chat/message.ts";
import { applyState, dropTypists, replaceState } from "../../playground/src/chat/people.ts";
import { readRoomName } from "../../playground/src/chat/room-name.ts";
import { emptyView } from "../../playground/src/chat/room-view.ts";
import { buildRows, type MessageRow, type Row } from "../../playground/src/chat/rows.ts";
import {
  applyEvents,
  EMPTY_TIMELINE,
  joined,
  lastOwnMessage,
  loseHistory,
  MAX_ORPHANS,
  prepend,
  type Timeline,
} from "../../playground/src/chat/timeline.ts";
import { countUnread, firstUnread } from "../../playground/src/chat/unread.ts";

const start = Date.parse("2026-03-01T10:00:00.000Z");

function said(seq: number, userId: string, content = `m${seq}`, more: Record<string, unknown> = {}): ChatEnvelope {
  return {
    type: "new_message",
    seq,
    messageId: `id-${seq}`,
    timestamp: new Date(start + seq * 1_000).toISOString(),
    payload: { id: `e:${seq}`, userId, userName: userId, content, replyTo: null, mentions: [], ...more },
  };
}

function change(seq: number, type: string, payload: Record<string, unknown>): ChatEnvelope {
  return { type, seq, timestamp: new Date(start + seq * 1_000).toISOString(), payload };
}

function room(events: ChatEnvelope[], from = 0): Timeline {
  return applyEvents(joined(EMPTY_TIMELINE, "E", from), events);
}

function rowsOf(timeline: Timeline, more: Partial<Parameters<typeof buildRows>[0]> = {}): Row[] {
  return buildRows({ timeline, pending: [], userId: "me", userName: "Me", read: new Map(), unreadAt: null, ...more });
}

function messages(rows: Row[]): MessageRow[] {
  return rows.filter((row) => row.kind === "message");
}

function pending(type: string, payload: Record<string, unknown>, more: Partial<PendingSend> = {}): PendingSend {
  return { messageId: "p1", type, payload, state: "queued", at: start + 60_000, ...more };
}

describe("timeline", () => {
  it("applies edits, deletions and reactions to the message they name", () => {
    const timeline = room([
      said(1, "a"),
      said(2, "b"),
      change(3, "message_edited", { seq: 1, content: "better", editedAt: "t" }),
      change(4, "reaction_changed", { seq: 1, emoji: "👍", userId: "b", added: true }),
      change(5, "message_deleted", { seq: 2, userId: "b" }),
    ]);
    expect(timeline.messages.get(1)).toMatchObject({ content: "better", editedAt: "t", reactions: { "👍": ["b"] } });
    expect(timeline.messages.get(2)).toMatchObject({ deleted: true, content: "" });
    expect(timeline.order).toEqual([1, 2]);
    expect(timeline.newest).toBe(5);
  });

  it("ends the same when events are applied again", () => {
    const events = [
      said(1, "a"),
      change(2, "reaction_changed", { seq: 1, emoji: "👍", userId: "b", added: true }),
      change(3, "reaction_changed", { seq: 1, emoji: "👍", userId: "b", added: false }),
      change(4, "message_edited", { seq: 1, content: "x", editedAt: "t" }),
    ];
    const once = room(events);
    const twice = applyEvents(once, events);
    expect(twice.messages.get(1)).toEqual(once.messages.get(1));
    expect(twice.messages.get(1)?.reactions).toEqual({});
  });

  it("keeps a deleted message deleted whatever comes after", () => {
    const timeline = room([
      said(1, "a"),
      change(2, "message_deleted", { seq: 1 }),
      change(3, "message_edited", { seq: 1, content: "back" }),
      change(4, "reaction_changed", { seq: 1, emoji: "👍", userId: "b", added: true }),
    ]);
    expect(timeline.messages.get(1)).toMatchObject({ deleted: true, content: "", reactions: {} });
  });

  it("reads what history says of changes: tombstones, edits and reactions", () => {
    const timeline = room([
      said(1, "a", "x", { content: null, deleted: true }),
      said(2, "a", "y", { reactions: { "🎉": ["b", "c"] } }),
    ]);
    expect(timeline.messages.get(1)).toMatchObject({ deleted: true, content: "" });
    expect(timeline.messages.get(2)?.reactions).toEqual({ "🎉": ["b", "c"] });
  });

  it("applies a change that came before its message was loaded", () => {
    const live = room([said(51, "a"), change(52, "message_edited", { seq: 10, content: "new", editedAt: "t" })], 50);
    expect(live.orphans).toHaveLength(1);
    const whole = prepend(live, [said(9, "a"), said(10, "a", "old")], { more: true, nextBefore: 8 });
    expect(whole.messages.get(10)?.content).toBe("new");
    expect(whole.orphans).toHaveLength(0);
    expect(whole.order).toEqual([9, 10, 51]);
    expect(whole.oldest).toBe(8);
    expect(whole.complete).toBe(false);
    expect(prepend(whole, [], { more: false, nextBefore: 1 }).complete).toBe(true);
  });

  it("remembers only so many changes to messages it does not have", () => {
    const flood = Array.from({ length: MAX_ORPHANS + 20 }, (_, index) =>
      change(101 + index, "message_edited", { seq: 5, content: `${index}` }),
    );
    expect(room(flood, 100).orphans).toHaveLength(MAX_ORPHANS);
  });

  it("keeps what it has over a reconnect and drops it when the log is another", () => {
    const before = room([said(1, "a"), said(2, "a")]);
    expect(joined(before, "E", 2).order).toEqual([1, 2]);
    const after = joined(before, "F", 0);
    expect(after.order).toEqual([]);
    expect(after.lost).toEqual([{ after: 0, reason: "epoch", from: null, to: null }]);
  });

  it("finds the own message that can be edited", () => {
    const timeline = room([said(1, "me"), said(2, "me"), change(3, "message_deleted", { seq: 2 }), said(4, "a")]);
    expect(lastOwnMessage(timeline, "me")?.seq).toBe(1);
    expect(lastOwnMessage(timeline, "nobody")).toBeNull();
  });
});

describe("rows", () => {
  it("groups by author, time and day", () => {
    const late = { ...said(4, "a"), timestamp: new Date(start + 20 * 60_000).toISOString() };
    const next = { ...said(5, "a"), timestamp: new Date(start + 30 * 3_600_000).toISOString() };
    const rows = rowsOf(room([said(1, "a"), said(2, "a"), said(3, "b"), late, next]));
    expect(rows.filter((row) => row.kind === "day")).toHaveLength(2);
    expect(messages(rows).map((row) => row.first)).toEqual([true, false, true, true, true]);
    expect(rows[0]?.kind).toBe("beginning");
  });

  it("puts the unread line before the first unread message", () => {
    const rows = rowsOf(room([said(1, "a"), said(2, "a"), said(3, "a")]), { unreadAt: 2 });
    const at = rows.findIndex((row) => row.kind === "unread");
    expect(rows[at + 1]).toMatchObject({ kind: "message", first: true, message: { seq: 2 } });
  });

  it("puts a lost stretch where it was lost", () => {
    const timeline = applyEvents(loseHistory(room([said(1, "a")]), { after: 7, reason: "retention", from: 2, to: 7 }), [
      said(8, "a"),
    ]);
    expect(rowsOf(timeline).map((row) => row.kind)).toEqual(["beginning", "day", "message", "lost", "message"]);
  });

  it("shows a send at once and keeps its key when it is confirmed", () => {
    const send = pending("send_message", { content: "hello", replyTo: 1 });
    const waiting = messages(rowsOf(room([said(1, "a")]), { pending: [send] })).at(-1);
    expect(waiting).toMatchObject({ key: "p1", delivery: "queued", quoted: { seq: 1 }, message: { seq: 0 } });
    const confirmed = messages(rowsOf(room([said(1, "a"), { ...said(2, "me"), messageId: "p1" }]))).at(-1);
    expect(confirmed).toMatchObject({ key: "p1", delivery: "acked" });
  });

  it("shows changes on their way, but not failed ones, as done", () => {
    const timeline = room([said(1, "me"), said(2, "a")]);
    const edit = pending("edit_message", { seq: 1, content: "new" });
    const like = pending("add_reaction", { seq: 2, emoji: "👍" }, { messageId: "p2", state: "sent" });
    const [own, other] = messages(rowsOf(timeline, { pending: [edit, like] }));
    expect(own).toMatchObject({ message: { content: "new" }, delivery: "queued" });
    expect(other).toMatchObject({ message: { reactions: { "👍": ["me"] } }, delivery: null });
    const [failed] = messages(rowsOf(timeline, { pending: [{ ...edit, state: "failed" }] }));
    expect(failed).toMatchObject({ message: { content: "m1" }, delivery: "failed" });
  });

  it("places read marks at the newest message they cover", () => {
    const timeline = room([
      said(1, "me"),
      change(2, "reaction_changed", { seq: 1, emoji: "👍", userId: "a", added: true }),
      said(3, "me"),
    ]);
    const read = new Map([
      ["a", 2],
      ["me", 3],
      ["b", 99],
    ]);
    const [first, second] = messages(rowsOf(timeline, { read }));
    expect(first).toMatchObject({ readers: ["a"], delivery: "read" });
    expect(second).toMatchObject({ readers: ["b"], delivery: "read" });
  });
});

describe("unread", () => {
  const base = { head: 60, readUpTo: 20, unread: 35, mentions: 2 };

  it("counts exactly when everything after the mark is loaded", () => {
    const timeline = room([
      said(1, "a"),
      said(2, "me"),
      said(3, "a", "@me", { mentions: ["me"] }),
      change(4, "message_deleted", { seq: 1 }),
    ]);
    expect(countUnread(timeline, { head: 0, readUpTo: 0, unread: 0, mentions: 0 }, 0, "me")).toEqual({
      unread: 1,
      mentions: 1,
    });
    expect(countUnread(timeline, base, 3, "me")).toEqual({ unread: 0, mentions: 0 });
  });

  it("adds what came since to the server's count when it is not", () => {
    const timeline = room([said(51, "a"), said(60, "a"), said(61, "a"), said(62, "me")], 50);
    expect(countUnread(timeline, base, 20, "me")).toEqual({ unread: 36, mentions: 2 });
  });

  it("finds where the unread line stands", () => {
    expect(firstUnread(room([said(1, "a"), said(2, "me"), said(3, "a")]), 1, "me")).toBe(3);
    expect(firstUnread(room([said(1, "a")]), 1, "me")).toBeNull();
  });
});

describe("mentions", () => {
  const people = [
    { userId: "ai", userName: "Ai" },
    { userId: "aiko", userName: "Aiko" },
    { userId: "rs", userName: "Rin Stone" },
    { userId: "hanako", userName: "花子" },
  ];

  it("finds the name being typed", () => {
    expect(mentionAt("hi @ai", 6)).toEqual({ start: 3, query: "ai" });
    expect(mentionAt("mail a@b", 8)).toBeNull();
    expect(mentionAt("@ai ok", 6)).toBeNull();
    expect(mentionAt("@", 1)).toEqual({ start: 0, query: "" });
  });

  it("suggests names that start so first", () => {
    expect(suggestPeople(people, "st").map((one) => one.userId)).toEqual(["rs"]);
    expect(suggestPeople(people, "a").map((one) => one.userId)).toEqual(["ai", "aiko"]);
  });

  it("takes the longest name, whole words, and scripts without spaces", () => {
    expect(mentionsIn("@Aiko and @rin stone!", people)).toEqual(["aiko", "rs"]);
    expect(mentionsIn("@Airplane", people)).toEqual([]);
    expect(mentionsIn("@花子さん", people)).toEqual(["hanako"]);
  });

  it("splits links from text and leaves their closing punctuation out", () => {
    expect(splitContent("see https://example.com/a_b. @Ai", people)).toEqual([
      { kind: "text", text: "see " },
      { kind: "link", text: "https://example.com/a_b", href: "https://example.com/a_b" },
      { kind: "text", text: ". " },
      { kind: "mention", text: "@Ai", userId: "ai" },
    ]);
  });
});

describe("state", () => {
  it("follows people, typing and read marks", () => {
    let view = applyState(emptyView("chat:x"), "room_users", { count: 1, users: [{ userId: "a", userName: "A" }] }, 0);
    view = applyState(view, "user_joined", { userId: "b", userName: "B" }, 0);
    view = applyState(view, "user_typing", { userId: "b", userName: "B", typing: true, expiresInMs: 6_000 }, 1_000);
    expect(view.peopleCount).toBe(2);
    expect(view.typing.get("b")).toEqual({ userName: "B", until: 7_000 });
    expect(dropTypists(view, 7_000).typing.size).toBe(0);
    view = applyState(view, "messages_read", { userId: "b", upTo: 5 }, 0);
    expect(applyState(view, "messages_read", { userId: "b", upTo: 4 }, 0)).toBe(view);
    view = applyState(view, "user_left", { userId: "b" }, 0);
    expect(view).toMatchObject({ peopleCount: 1 });
    expect(view.typing.size).toBe(0);
    expect(view.names.get("b")).toBe("B");
  });

  it("is replaced whole by a join", () => {
    const view = replaceState(
      emptyView("chat:x"),
      { read: { a: 4, b: { upTo: 5 } }, typing: { a: { userName: "A" } } },
      0,
    );
    expect([...view.read]).toEqual([
      ["a", 4],
      ["b", 5],
    ]);
    expect(view.typing.get("a")?.userName).toBe("A");
    expect(replaceState(view, {}, 0).read.size).toBe(0);
  });
});

describe("room names", () => {
  it("reads what people type", () => {
    expect(readRoomName(" #team room ")).toEqual({ roomId: "chat:team-room" });
    expect(readRoomName("chat:日本")).toEqual({ roomId: "chat:日本" });
    expect(readRoomName(" ")).toEqual({ fault: "empty" });
    expect(readRoomName("game:x")).toEqual({ fault: "namespace" });
    expect(readRoomName("a<b")).toEqual({ fault: "characters" });
    expect(readRoomName("a/../b")).toEqual({ fault: "characters" });
    expect(readRoomName("あ".repeat(90))).toEqual({ fault: "long" });
  });
});

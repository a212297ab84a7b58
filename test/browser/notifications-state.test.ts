import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  applyEvent,
  applyMark,
  EMPTY_INBOX,
  type Inbox,
  type InboxEvent,
  type InboxItem,
  listItems,
} from "../../playground/src/notifications/inbox.ts";
import { InboxStore, type InboxView, UNDO_MS } from "../../playground/src/notifications/inbox-store.ts";
import { destinationOf } from "../../playground/src/notifications/safe-url.ts";
import { timeAgo } from "../../playground/src/notifications/time-ago.ts";
import { MAX_TOASTS, TOAST_MS, ToastStore } from "../../playground/src/notifications/toast-store.ts";

const START = Date.parse("2026-03-01T10:00:00.000Z");

function words(seq: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  const timestamp = new Date(START + seq * 1_000).toISOString();
  const named = { id: `e:${seq}`, type: "news", title: `n${seq}`, body: "", url: null, category: null, timestamp };
  return { ...named, ...more };
}

function came(seq: number, counts: [number, number], more: Record<string, unknown> = {}): InboxEvent {
  return {
    type: "notification",
    seq,
    payload: { ...words(seq), unread: counts[0], unseen: counts[1], ...more },
  };
}

function marked(seq: number, op: string, counts: [number, number], about: Record<string, unknown>): InboxEvent {
  return { type: "inbox_state", seq, payload: { op, unread: counts[0], unseen: counts[1], changed: 1, ...about } };
}

function folded(events: InboxEvent[], from: Inbox = EMPTY_INBOX): Inbox {
  return events.reduce(applyEvent, from);
}

function titles(inbox: Inbox): string[] {
  return listItems(inbox.items.values(), { kind: "all" }, 0).map(({ title }) => title);
}

describe("an inbox", () => {
  const three = folded([came(1, [1, 1]), came(2, [2, 2]), came(3, [3, 3])]);

  it("holds what came, newest first, with the counts the newest event says", () => {
    expect(titles(three)).toEqual(["n3", "n2", "n1"]);
    expect(three).toMatchObject({ unread: 3, unseen: 3, seq: 3 });
  });

  it("ends the same when events are applied again", () => {
    const marks = [marked(4, "read", [2, 2], { ids: ["e:2"] }), marked(5, "archived", [1, 1], { ids: ["e:1"] })];
    const once = folded(marks, three);
    expect(folded([came(3, [3, 3]), ...marks], once)).toBe(once);
    expect(titles(once)).toEqual(["n3", "n2"]);
    expect(once.items.get("e:2")).toMatchObject({ read: true, seen: true });
  });

  it("is marked up to an event or as a whole, without what is archived", () => {
    const archived = folded([marked(4, "archived", [2, 2], { ids: ["e:1"] })], three);
    const upTo = folded([marked(5, "read", [1, 1], { upTo: 2 })], archived);
    expect([...upTo.items.values()].map(({ read }) => read)).toEqual([false, true, false]);
    const all = folded([marked(6, "read", [0, 0], { all: true })], upTo);
    expect([...all.items.values()].map(({ read }) => read)).toEqual([false, true, true]);
  });

  it("lets a newer one take the place of others, and lets go of what has ended", () => {
    const replaced = folded([came(4, [1, 1], { replaces: ["e:1", "e:2", "e:3"] })], three);
    expect(titles(replaced)).toEqual(["n4"]);
    expect(titles(folded([marked(5, "expired", [0, 0], { ids: ["e:4"] })], replaced))).toEqual([]);
  });

  it("passes over what it does not know", () => {
    const odd = [
      { type: "inbox_state", seq: 4, payload: { op: "painted", all: true, unread: 3, unseen: 3 } },
      { type: "inbox_state", seq: 5, payload: null },
      { type: "notification", seq: 6, payload: { title: "no id" } },
    ];
    expect(titles(folded(odd, three))).toEqual(["n3", "n2", "n1"]);
  });

  it("shows a mark of this device before the server knows it, and the counts with it", () => {
    expect(applyMark(three, "read", { ids: ["e:1"] })).toMatchObject({ unread: 2, unseen: 2 });
    expect(applyMark(three, "archived", { ids: ["e:1", "e:2"] })).toMatchObject({ unread: 1, unseen: 1 });
    expect(applyMark(three, "seen", { upTo: 3 })).toMatchObject({ unread: 3, unseen: 0 });
    // Of 50 unread only three are known here.
    const many = { ...three, unread: 50, unseen: 50 };
    expect(applyMark(many, "read", { all: true })).toMatchObject({ unread: 0, unseen: 0 });
    const again = applyMark(applyMark(three, "read", { ids: ["e:1"] }), "unread", { ids: ["e:1"] });
    expect(again).toMatchObject({ unread: 3, unseen: 2 });
  });
});

/** A server with one inbox, as far as the store sees it. */
class FakeServer {
  inbox: Inbox = EMPTY_INBOX;
  readonly queries: Record<string, string>[] = [];
  readonly sent: [string, Record<string, unknown>][] = [];
  joinedAfter: string[] = [];
  fails = false;
  /** Answers to lists wait for `release`. */
  isSlow = false;
  #held: (() => void)[] = [];
  readonly #listeners = new Map<string, ((payload: unknown, envelope: { seq?: number }) => void)[]>();
  refuses = false;

  readonly store = new InboxStore({
    join: (cursor) => {
      this.joinedAfter.push(cursor);
      queueMicrotask(() => this.tell("joined", { head: this.inbox.seq }));
      return {
        on: (type, run) => {
          this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), run]);
          return () => {};
        },
        emitWithAck: async (type, payload) => {
          this.sent.push([type, payload]);
          if (this.refuses) throw new Error("refused");
          const op = { read: "read", unread: "unread", seen: "seen", archive: "archived" }[type.split("_")[0] ?? ""];
          if (op === undefined) return {};
          const { unread, unseen } = applyMark(this.inbox, op as "read", payload as { all: true });
          const event = marked(this.inbox.seq + 1, op, [unread, unseen], payload);
          this.inbox = applyEvent(this.inbox, event);
          queueMicrotask(() => this.deliver(event));
          return { seq: event.seq };
        },
      };
    },
    list: async (query) => {
      this.queries.push(query);
      const before = Number(query.before ?? Number.POSITIVE_INFINITY);
      const all = listItems(this.inbox.items.values(), { kind: "all" }, 0).filter(
        (item) =>
          item.seq < before &&
          (query.category === undefined || item.category === query.category) &&
          (query.unread === undefined || !item.read),
      );
      const limit = Number(query.limit);
      const { unread, unseen, seq } = this.inbox;
      const notifications = all.slice(0, limit).map((item) => ({ ...words(item.seq), ...item }));
      if (this.isSlow) await new Promise<void>((resolve) => this.#held.push(resolve));
      if (this.fails) throw new Error("no answer");
      return { notifications, more: all.length > limit, unread, unseen, cursor: `e:${seq}` };
    },
  });

  get view(): InboxView {
    return this.store.getSnapshot();
  }

  get titles(): string[] {
    return this.view.items.map(({ title }) => title);
  }

  deliver(event: InboxEvent): void {
    for (const run of this.#listeners.get(event.type) ?? []) run(event.payload, { seq: event.seq });
  }

  tell(type: string, payload: unknown): void {
    for (const run of this.#listeners.get(type) ?? []) run(payload, {});
  }

  /** A notification comes; it is delivered unless it says otherwise. */
  add(more: Record<string, unknown> = {}, isDelivered = true): void {
    const seq = this.inbox.seq + 1;
    const event = came(seq, [this.inbox.unread + 1, this.inbox.unseen + 1], more);
    this.inbox = applyEvent(this.inbox, event);
    if (isDelivered) this.deliver(event);
  }

  release(): void {
    for (const resolve of this.#held.splice(0)) resolve();
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }
}

describe("a device's inbox", () => {
  let server: FakeServer;

  beforeEach(() => {
    vi.useFakeTimers();
    server = new FakeServer();
  });

  afterEach(() => vi.useRealTimers());

  const start = async (count = 3): Promise<void> => {
    for (let number = 0; number < count; number++) server.add({}, false);
    await server.store.start();
    await server.settle();
  };

  it("is loaded, then followed from the cursor it was read at", async () => {
    await start();
    expect(server.joinedAfter).toEqual(["e:3"]);
    expect(server.titles).toEqual(["n3", "n2", "n1"]);
    const fresh: InboxItem[] = [];
    server.store.onNew((item) => fresh.push(item));
    server.add();
    expect(server.view).toMatchObject({ unread: 4, unseen: 4, status: "ready", seq: 4 });
    expect(fresh.map(({ title }) => title)).toEqual(["n4"]);
  });

  it("tells the server what it has received, once for several", async () => {
    await start();
    server.add();
    server.add();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.sent).toEqual([["received_notifications", { upTo: 5 }]]);
  });

  it("does not announce what had come while it was away", async () => {
    await start();
    const fresh: InboxItem[] = [];
    server.store.onNew((item) => fresh.push(item));
    server.tell("joined", { head: 5 });
    server.add();
    server.add();
    server.add();
    expect(fresh.map(({ seq }) => seq)).toEqual([6]);
  });

  it("shows a mark at once, and keeps it when the event comes", async () => {
    await start();
    server.store.mark("read", { ids: ["e:2"] });
    expect(server.view.unread).toBe(2);
    expect(server.inbox.unread).toBe(2);
    await server.settle();
    expect(server.view).toMatchObject({ unread: 2, seq: 4 });
    server.store.mark("read", { all: true });
    expect(server.view.unread).toBe(0);
    await server.settle();
    expect(server.view).toMatchObject({ unread: 0, unseen: 0 });
  });

  it("takes a refused mark back", async () => {
    await start();
    server.refuses = true;
    server.store.mark("read", { ids: ["e:2"] });
    expect(server.view.unread).toBe(2);
    await server.settle();
    expect(server.view.unread).toBe(3);
  });

  it("archives only when it cannot be taken back any more", async () => {
    await start();
    const [newest, second] = server.view.items as [InboxItem, InboxItem];
    server.store.archive(newest);
    expect(server.titles).toEqual(["n2", "n1"]);
    server.store.undo();
    expect(server.titles).toEqual(["n3", "n2", "n1"]);
    await vi.advanceTimersByTimeAsync(UNDO_MS * 2);
    expect(server.sent).toEqual([]);
    server.store.archive(newest);
    server.store.archive(second);
    expect(server.view).toMatchObject({ unread: 1, undoable: [{ title: "n3" }, { title: "n2" }] });
    await vi.advanceTimersByTimeAsync(UNDO_MS);
    expect(server.sent).toEqual([["archive_notifications", { ids: ["e:3", "e:2"] }]]);
    expect(server.titles).toEqual(["n1"]);
    expect(server.view.undoable).toEqual([]);
  });

  it("archives before the page goes", async () => {
    await start();
    server.store.archive(server.view.items[0] as InboxItem);
    server.store.flush();
    expect(server.sent).toEqual([["archive_notifications", { ids: ["e:3"] }]]);
  });

  it("marks what is here as seen, and nothing when there is nothing", async () => {
    await start();
    server.store.markSeen();
    await server.settle();
    server.store.markSeen();
    expect(server.sent).toEqual([["seen_notifications", { upTo: 3 }]]);
    expect(server.view).toMatchObject({ unread: 3, unseen: 0 });
  });

  it("is loaded page by page to the end", async () => {
    await start(45);
    expect(server.titles).toHaveLength(20);
    expect(server.view.more).toBe(true);
    await server.store.loadMore();
    expect(server.queries.at(-1)).toMatchObject({ before: "26" });
    await server.store.loadMore();
    expect(server.titles).toHaveLength(45);
    expect(server.view.more).toBe(false);
  });

  it("says when a page could not be loaded, and loads it when asked again", async () => {
    await start(45);
    server.fails = true;
    await server.store.loadMore();
    expect(server.view.page).toBe("failed");
    server.fails = false;
    await server.store.loadMore();
    expect(server.view).toMatchObject({ page: "idle" });
    expect(server.titles).toHaveLength(40);
  });

  it("loads what a filter asks for, and leaves out what does not belong", async () => {
    for (let number = 0; number < 60; number++) server.add({ category: number % 20 === 0 ? "rare" : "often" }, false);
    await server.store.start();
    expect(server.view.categories).toEqual(["often", "rare"]);
    server.store.look({ kind: "category", category: "rare" });
    await server.settle();
    expect(server.titles).toEqual(["n41", "n21", "n1"]);
    expect(server.view.more).toBe(false);
    server.store.look({ kind: "all" });
    expect(server.titles).toHaveLength(20);
    server.store.look({ kind: "unread" });
    await server.settle();
    server.store.mark("read", { ids: ["e:60"] });
    expect(server.titles[0]).toBe("n59");
  });

  it("brings a page up to date that was read before what came since", async () => {
    await start(45);
    server.isSlow = true;
    const loading = server.store.loadMore();
    await server.settle();
    server.store.mark("read", { all: true });
    await server.settle();
    server.release();
    await loading;
    expect(server.titles).toHaveLength(40);
    expect(server.view.items.every(({ read }) => read)).toBe(true);
    expect(server.view.unread).toBe(0);
  });

  it("loads everything anew when events are gone that it needs, and misses nothing that comes meanwhile", async () => {
    await start();
    for (let number = 0; number < 5; number++) server.add({}, false);
    server.isSlow = true;
    server.tell("history_lost", { from: 4, to: 8 });
    await server.settle();
    server.add();
    server.release();
    await server.settle();
    expect(server.titles).toEqual(["n9", "n8", "n7", "n6", "n5", "n4", "n3", "n2", "n1"]);
    expect(server.view).toMatchObject({ unread: 9, seq: 9, status: "ready" });
    expect(server.joinedAfter).toHaveLength(1);
  });

  it("says when it cannot be loaded, and is loaded when asked again", async () => {
    server.fails = true;
    await start();
    expect(server.view.status).toBe("failed");
    expect(server.joinedAfter).toEqual([]);
    server.fails = false;
    await server.store.start();
    expect(server.view.status).toBe("ready");
    await server.store.start();
    expect(server.queries).toHaveLength(2);
  });
});

describe("toasts", () => {
  let toasts: ToastStore<string>;
  const shown = (): string[] => toasts.getSnapshot().map(({ id }) => id);

  beforeEach(() => {
    vi.useFakeTimers();
    toasts = new ToastStore();
  });

  afterEach(() => vi.useRealTimers());

  it("show at most three, each for a while, none twice", () => {
    for (const id of ["a", "b", "c", "d", "d"]) toasts.add(id, id);
    expect(shown()).toEqual(["b", "c", "d"]);
    expect(shown()).toHaveLength(MAX_TOASTS);
    vi.advanceTimersByTime(TOAST_MS);
    expect(shown()).toEqual([]);
  });

  it("stay while they are held, and go on with what was left of their time", () => {
    toasts.add("a", "a");
    vi.advanceTimersByTime(TOAST_MS - 1_000);
    toasts.hold();
    toasts.add("b", "b");
    vi.advanceTimersByTime(60_000);
    expect(shown()).toEqual(["a", "b"]);
    toasts.release();
    vi.advanceTimersByTime(1_001);
    expect(shown()).toEqual(["b"]);
    vi.advanceTimersByTime(TOAST_MS);
    expect(shown()).toEqual([]);
  });
});

describe("what a notification shows", () => {
  it("leads to a page of this site or to another over HTTP, and nowhere else", () => {
    expect(destinationOf("/#/chat/lobby")).toEqual({ kind: "page", hash: "#/chat/lobby" });
    expect(destinationOf("/messages/456")).toEqual({ kind: "page", hash: "#/messages/456" });
    expect(destinationOf("https://example.com/x")).toEqual({ kind: "site", href: "https://example.com/x" });
    for (const url of [
      null,
      "",
      "javascript:alert(1)",
      "//evil.example",
      "/\\evil.example",
      "data:,x",
      "https://",
      "x",
    ]) {
      expect(destinationOf(url)).toBeNull();
    }
  });

  it("says how long ago it came", () => {
    const ago = (ms: number, locale = "en"): string => timeAgo(START - ms, START, locale, "now");
    expect(ago(10_000)).toBe("now");
    expect(ago(-5_000)).toBe("now");
    expect(ago(50_000)).toMatch(/^1 min/);
    expect(ago(3 * 3_600_000)).toMatch(/^3 hr/);
    expect(ago(2 * 86_400_000, "ja")).toBe("2 日前");
    expect(ago(30 * 86_400_000)).toMatch(/2026/);
  });
});

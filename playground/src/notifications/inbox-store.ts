import { Emitter } from "../chat/emitter.ts";
import { fieldsOf, numeric, text } from "../chat/message.ts";
import {
  applyEvent,
  applyMark,
  applyToItems,
  EMPTY_INBOX,
  type Filter,
  filterKey,
  type Inbox,
  type InboxEvent,
  type InboxItem,
  listItems,
  type Mark,
  readItem,
  type Target,
} from "./inbox.ts";

/** What the store needs of the joined room `user:<sub>`; the client's room is one. */
export interface InboxLink {
  on(type: string, run: (payload: unknown, envelope: { readonly seq?: number | undefined }) => void): () => void;
  emitWithAck(type: string, payload: Record<string, unknown>): Promise<unknown>;
}

/** What the store needs of the device it is on. */
export interface InboxHost {
  /** Joins the room from this cursor on. */
  join(after: string): InboxLink;
  /** `GET /api/notifications` with this query. Rejects when there is no answer. */
  list(query: Readonly<Record<string, string>>): Promise<unknown>;
}

/** Everything the page shows of an inbox, at one moment. */
export interface InboxView {
  readonly status: "loading" | "ready" | "failed";
  /** What the filter lets through, newest first. */
  readonly items: readonly InboxItem[];
  readonly filter: Filter;
  /** Every category that was seen, by name. */
  readonly categories: readonly string[];
  readonly unread: number;
  readonly unseen: number;
  /** Whether there are older ones of the filter. */
  readonly more: boolean;
  /** What becomes of the next page. */
  readonly page: "idle" | "loading" | "failed";
  /** The event up to which this is true. */
  readonly seq: number;
  /** Archived here, and not yet told the server: may be taken back. */
  readonly undoable: readonly InboxItem[];
}

/** A mark that the server's events do not show yet. */
interface Pending {
  readonly mark: Mark;
  readonly target: Target;
  /** The event it became, once that is known. */
  seq: number | null;
}

/** How far back a filter has been loaded. */
interface Reach {
  /** Everything of the filter from this seq on is here. */
  readonly oldest: number;
  readonly more: boolean;
}

const PAGE = 20;
/** Events kept to bring a page up to date that was read before they came. */
const KEPT_EVENTS = 500;
const RECEIVED_DELAY_MS = 300;
/** How long an archived notification can be taken back, ms. */
export const UNDO_MS = 6_000;

const SENDS: Readonly<Record<Mark, string>> = {
  read: "read_notifications",
  unread: "unread_notifications",
  seen: "seen_notifications",
  archived: "archive_notifications",
};

const ALL: Filter = { kind: "all" };

/** One device's inbox: loaded once, then followed event by event; what is marked here shows at once. */
export class InboxStore extends Emitter<InboxView> {
  readonly #host: InboxHost;
  readonly #newListeners = new Set<(item: InboxItem) => void>();
  #link: InboxLink | null = null;
  #inbox: Inbox = EMPTY_INBOX;
  #status: InboxView["status"] = "loading";
  #filter: Filter = ALL;
  #page: InboxView["page"] = "idle";
  readonly #reach = new Map<string, Reach>();
  readonly #categories = new Set<string>();
  #pending: Pending[] = [];
  /** Newest events, for pages that were read before they came. */
  #events: InboxEvent[] = [];
  /** While the whole is loaded anew: what comes meanwhile. */
  #meanwhile: InboxEvent[] | null = null;
  /** What came up to here had been there before this device was. */
  #head = 0;
  #undo: { pending: Pending; items: InboxItem[]; timer: ReturnType<typeof setTimeout> } | null = null;
  #receivedTimer: ReturnType<typeof setTimeout> | undefined;
  /** How often it was loaded: an answer to an earlier time is none. */
  #loads = 0;
  #isLoading = false;

  constructor(host: InboxHost) {
    super({
      status: "loading",
      items: [],
      filter: ALL,
      categories: [],
      unread: 0,
      unseen: 0,
      more: false,
      page: "idle",
      seq: 0,
      undoable: [],
    });
    this.#host = host;
  }

  /** Loads the newest page, then follows from there. Called again it does nothing, unless the last time failed. */
  async start(): Promise<void> {
    if (this.#status !== "ready" && !this.#isLoading) await this.#load();
  }

  /** Calls `run` for each notification that comes while this device is here. */
  onNew(run: (item: InboxItem) => void): () => void {
    this.#newListeners.add(run);
    return () => this.#newListeners.delete(run);
  }

  /** Marks notifications; it shows at once and reaches the server when the connection allows. */
  mark(mark: Mark, target: Target): void {
    const pending: Pending = { mark, target, seq: null };
    this.#pending.push(pending);
    this.#show();
    this.#send(pending);
  }

  /** Marks what is here as seen. */
  markSeen(): void {
    if (this.getSnapshot().unseen > 0) this.mark("seen", { upTo: this.#inbox.seq });
  }

  /** Archives a notification: told the server when it cannot be taken back any more. */
  archive(item: InboxItem): void {
    const items = [...(this.#undo?.items ?? []), item];
    this.#dropUndo();
    const pending: Pending = { mark: "archived", target: { ids: items.map(({ id }) => id) }, seq: null };
    this.#pending.push(pending);
    this.#undo = { pending, items, timer: setTimeout(() => this.flush(), UNDO_MS) };
    this.#show();
  }

  /** Takes back what was archived and is not told yet. */
  undo(): void {
    this.#dropUndo();
    this.#show();
  }

  /** Tells the server what can still be taken back. */
  flush(): void {
    const undo = this.#undo;
    if (undo === null) return;
    clearTimeout(undo.timer);
    this.#undo = null;
    this.#show();
    this.#send(undo.pending);
  }

  /** Looks at another part; loads it when it was not yet. */
  look(filter: Filter): void {
    if (filterKey(filter) === filterKey(this.#filter)) return;
    this.#filter = filter;
    this.#page = "idle";
    this.#show();
    if (this.#status === "ready" && !this.#reach.has(filterKey(filter))) void this.loadMore();
  }

  /** Loads the next page of what is looked at. */
  async loadMore(): Promise<void> {
    const filter = this.#filter;
    const key = filterKey(filter);
    const reach = this.#reach.get(key);
    if (this.#page === "loading" || reach?.more === false || this.#status !== "ready") return;
    this.#page = "loading";
    this.#show();
    const loads = this.#loads;
    try {
      const query = queryOf(filter);
      if (reach !== undefined) query.before = String(reach.oldest);
      const page = readPage(await this.#host.list(query));
      // Loaded anew meanwhile: this page belongs to none of what is shown.
      if (loads === this.#loads) this.#merge(key, page);
      if (filterKey(this.#filter) === key) this.#page = "idle";
    } catch {
      if (filterKey(this.#filter) === key) this.#page = "failed";
    }
    this.#show();
  }

  /** Loads everything anew. */
  async reload(): Promise<void> {
    await this.#load();
  }

  /** Says what has not been said yet, and lets go of timers. */
  close(): void {
    this.flush();
    clearTimeout(this.#receivedTimer);
  }

  async #load(): Promise<void> {
    const load = ++this.#loads;
    this.#isLoading = true;
    this.#meanwhile = [];
    if (this.#status === "failed") this.#status = "loading";
    this.#show();
    try {
      const filter = this.#filter;
      const all = readPage(await this.#host.list({ limit: String(PAGE) }));
      if (load !== this.#loads) return;
      this.#reach.clear();
      this.#events = [];
      this.#inbox = { items: byId(all.items), unread: all.unread, unseen: all.unseen, seq: seqOf(all.cursor) };
      this.#reach.set(filterKey(ALL), reachOf(all));
      this.#note(all.items);
      this.#status = "ready";
      const meanwhile: InboxEvent[] = this.#meanwhile ?? [];
      this.#meanwhile = null;
      for (const event of meanwhile) this.#take(event);
      this.#link ??= this.#follow(all.cursor);
      this.#settle();
      if (filter.kind !== "all") void this.loadMore();
    } catch {
      if (load !== this.#loads) return;
      this.#meanwhile = null;
      this.#status = "failed";
    }
    this.#isLoading = false;
    this.#show();
  }

  #follow(cursor: string): InboxLink {
    const link = this.#host.join(cursor);
    for (const type of ["notification", "inbox_state"]) {
      link.on(type, (payload, { seq }) => this.#received({ type, seq: seq ?? 0, payload }));
    }
    link.on("joined", (payload) => {
      this.#head = numeric(fieldsOf(payload).head) ?? this.#head;
    });
    // What is shown cannot be brought up to date from events that are gone.
    link.on("history_lost", () => void this.#load());
    link.on("error", () => {}); // whoever sent it finds out by its ack
    link.on("failed", () => {
      this.#status = "failed";
      this.#show();
    });
    return link;
  }

  #received(event: InboxEvent): void {
    if (this.#meanwhile !== null) this.#meanwhile.push(event);
    else this.#take(event);
    if (event.type !== "notification") return;
    this.#tellReceived();
    const item = readItem(fieldsOf(event.payload), event.seq);
    if (item !== null && event.seq > this.#head) for (const run of this.#newListeners) run(item);
  }

  #take(event: InboxEvent): void {
    const next = applyEvent(this.#inbox, event);
    if (next === this.#inbox) return;
    this.#inbox = next;
    this.#events.push(event);
    if (this.#events.length > KEPT_EVENTS) this.#events.shift();
    const item = next.items.get(text(fieldsOf(event.payload).id));
    if (item !== undefined) this.#note([item]);
    this.#settle();
    this.#show();
  }

  /** So that nothing is pushed to a device that has it. */
  #tellReceived(): void {
    clearTimeout(this.#receivedTimer);
    this.#receivedTimer = setTimeout(() => {
      this.#link?.emitWithAck("received_notifications", { upTo: this.#inbox.seq }).catch(() => {}); // at worst it is pushed
    }, RECEIVED_DELAY_MS);
  }

  /** Adds a page to what is known. */
  #merge(key: string, page: Page): void {
    const at = seqOf(page.cursor);
    // Read before the newest events were here: they are applied to it too. Read after: they will come, and change nothing.
    let items: ReadonlyMap<string, InboxItem> = byId(page.items);
    for (const event of this.#events) {
      if (event.seq > at && event.type === "inbox_state") items = applyToItems(items, event);
    }
    const known = this.#inbox.items;
    this.#inbox = { ...this.#inbox, items: new Map([...items, ...known]) };
    const before = this.#reach.get(key);
    const next = reachOf(page);
    this.#reach.set(key, { ...next, oldest: Math.min(next.oldest, before?.oldest ?? next.oldest) });
    this.#note(page.items);
  }

  #note(items: readonly InboxItem[]): void {
    for (const { category } of items) if (category !== null) this.#categories.add(category);
  }

  #send(pending: Pending): void {
    const sent = this.#link?.emitWithAck(SENDS[pending.mark], { ...pending.target });
    if (sent === undefined) return;
    sent.then(
      (ack) => {
        // Nothing changed: then no event says so.
        pending.seq = numeric(fieldsOf(ack).seq) ?? 0;
        this.#settle();
        this.#show();
      },
      () => {
        this.#pending = this.#pending.filter((one) => one !== pending);
        this.#show();
      },
    );
  }

  /** Lets go of marks that the events show by now. */
  #settle(): void {
    this.#pending = this.#pending.filter(({ seq }) => seq === null || seq > this.#inbox.seq);
  }

  #dropUndo(): void {
    const undo = this.#undo;
    if (undo === null) return;
    clearTimeout(undo.timer);
    this.#undo = null;
    this.#pending = this.#pending.filter((one) => one !== undo.pending);
  }

  #show(): void {
    const inbox = this.#pending.reduce((shown, { mark, target }) => applyMark(shown, mark, target), this.#inbox);
    const reach = this.#reach.get(filterKey(this.#filter));
    // Until its first page is here, a filter shows what is known of it.
    const oldest = reach === undefined || !reach.more ? 0 : reach.oldest;
    this.set({
      status: this.#status,
      items: listItems(inbox.items.values(), this.#filter, oldest),
      filter: this.#filter,
      categories: [...this.#categories].sort((a, b) => a.localeCompare(b)),
      unread: inbox.unread,
      unseen: inbox.unseen,
      more: reach?.more ?? false,
      page: this.#page,
      seq: inbox.seq,
      undoable: this.#undo?.items ?? [],
    });
  }
}

/** A page of the inbox as the server answers it. */
interface Page {
  readonly items: readonly InboxItem[];
  readonly more: boolean;
  readonly unread: number;
  readonly unseen: number;
  readonly cursor: string;
}

/** @throws {TypeError} when it is no page. */
function readPage(value: unknown): Page {
  const { notifications, more, unread, unseen, cursor } = fieldsOf(value);
  if (!Array.isArray(notifications) || typeof cursor !== "string") throw new TypeError("not a page of an inbox");
  const items = notifications.map((one) => readItem(fieldsOf(one))).filter((item) => item !== null);
  return { items, more: more === true, unread: numeric(unread) ?? 0, unseen: numeric(unseen) ?? 0, cursor };
}

function queryOf(filter: Filter): Record<string, string> {
  const limit = { limit: String(PAGE) };
  if (filter.kind === "unread") return { ...limit, unread: "1" };
  return filter.kind === "category" ? { ...limit, category: filter.category } : limit;
}

function reachOf({ items, more }: Page): Reach {
  return { oldest: items.at(-1)?.seq ?? 0, more };
}

function byId(items: readonly InboxItem[]): Map<string, InboxItem> {
  return new Map(items.map((item) => [item.id, item]));
}

function seqOf(cursor: string): number {
  const seq = Number(cursor.slice(cursor.lastIndexOf(":") + 1));
  return Number.isSafeInteger(seq) ? seq : 0;
}

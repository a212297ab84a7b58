import { fieldsOf, numeric, text } from "../chat/message.ts";

/** A notification as the page shows it. */
export interface InboxItem {
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  readonly title: string;
  readonly body: string;
  readonly url: string | null;
  readonly category: string | null;
  /** Ms since 1970. */
  readonly at: number;
  readonly read: boolean;
  readonly seen: boolean;
  readonly archived: boolean;
}

/** What a device knows of an inbox. Immutable. */
export interface Inbox {
  /** Every notification that was loaded or came, by id. */
  readonly items: ReadonlyMap<string, InboxItem>;
  readonly unread: number;
  readonly unseen: number;
  /** Up to which event of the room this is true. */
  readonly seq: number;
}

/** What a mark does. */
export type Mark = "read" | "unread" | "seen" | "archived";

/** Which notifications a mark is about: those named, all up to an event, or all; archived ones only when named. */
export type Target = { readonly ids: readonly string[] } | { readonly upTo: number } | { readonly all: true };

/** An event of the inbox's room. */
export interface InboxEvent {
  readonly type: string;
  readonly seq: number;
  readonly payload: unknown;
}

export const EMPTY_INBOX: Inbox = { items: new Map(), unread: 0, unseen: 0, seq: 0 };

/** What is read has been seen; what is unread again has been seen still. */
const FLAGS: Readonly<Record<Mark, Partial<Pick<InboxItem, "read" | "seen" | "archived">>>> = {
  read: { read: true, seen: true },
  unread: { read: false },
  seen: { seen: true },
  archived: { archived: true },
};

/** Applies the next event. One that was applied before changes nothing. The counts are those the event says. */
export function applyEvent(inbox: Inbox, event: InboxEvent): Inbox {
  if (event.seq <= inbox.seq) return inbox;
  const fields = fieldsOf(event.payload);
  const unread = numeric(fields.unread) ?? inbox.unread;
  const unseen = numeric(fields.unseen) ?? inbox.unseen;
  return { items: applyToItems(inbox.items, event), unread, unseen, seq: event.seq };
}

/** What an event makes of notifications that are known. */
export function applyToItems(items: ReadonlyMap<string, InboxItem>, event: InboxEvent): ReadonlyMap<string, InboxItem> {
  const fields = fieldsOf(event.payload);
  if (event.type === "notification") {
    const item = readItem(fields, event.seq);
    if (item === null) return items;
    const next = new Map(items);
    for (const id of textsOf(fields.replaces)) setFlags(next, id, FLAGS.archived);
    // A page that was read later may have brought it already, with what became of it since.
    return next.has(item.id) ? next : next.set(item.id, item);
  }
  if (event.type !== "inbox_state") return items;
  const target = targetOf(fields);
  if (target === null) return items;
  if (fields.op === "expired") {
    const next = new Map(items);
    if ("ids" in target) for (const id of target.ids) next.delete(id);
    return next;
  }
  return isMark(fields.op) ? markItems(items, fields.op, target) : items;
}

/**
 * What a mark that the server does not know of yet makes of the inbox. Counts move with the notifications that are known; for
 * all of them they are known to be 0.
 */
export function applyMark(inbox: Inbox, mark: Mark, target: Target): Inbox {
  const items = markItems(inbox.items, mark, target);
  if (items === inbox.items) return inbox;
  let { unread, unseen } = inbox;
  for (const [id, item] of items) {
    const before = inbox.items.get(id);
    if (before === undefined || before === item) continue;
    unread += Number(isUnread(item)) - Number(isUnread(before));
    unseen += Number(isUnseen(item)) - Number(isUnseen(before));
  }
  const isAll = "all" in target || ("upTo" in target && target.upTo >= inbox.seq);
  if (isAll && (mark === "read" || mark === "archived")) unread = 0;
  if (isAll && mark !== "unread") unseen = 0;
  return { ...inbox, items, unread: Math.max(0, unread), unseen: Math.max(0, unseen) };
}

/** The notifications a filter lets through, newest first. */
export function listItems(items: Iterable<InboxItem>, filter: Filter, oldest: number): InboxItem[] {
  return [...items]
    .filter((item) => !item.archived && item.seq >= oldest && matches(item, filter))
    .sort((a, b) => b.seq - a.seq);
}

/** What is looked at: everything, what is unread, or one category. */
export type Filter =
  | { readonly kind: "all" }
  | { readonly kind: "unread" }
  | { readonly kind: "category"; readonly category: string };

/** The name of a filter, the same for the same filter. */
export function filterKey(filter: Filter): string {
  return filter.kind === "category" ? `category:${filter.category}` : filter.kind;
}

function matches(item: InboxItem, filter: Filter): boolean {
  if (filter.kind === "unread") return !item.read;
  return filter.kind === "all" || item.category === filter.category;
}

function markItems(items: ReadonlyMap<string, InboxItem>, mark: Mark, target: Target): ReadonlyMap<string, InboxItem> {
  const next = new Map(items);
  let changed = false;
  if ("ids" in target) {
    for (const id of target.ids) changed = setFlags(next, id, FLAGS[mark]) || changed;
  } else {
    const upTo = "upTo" in target ? target.upTo : Number.POSITIVE_INFINITY;
    for (const { id, seq, archived } of items.values()) {
      if (seq <= upTo && !archived) changed = setFlags(next, id, FLAGS[mark]) || changed;
    }
  }
  return changed ? next : items;
}

function setFlags(items: Map<string, InboxItem>, id: string, flags: Partial<InboxItem>): boolean {
  const item = items.get(id);
  if (item === undefined) return false;
  const isSame = Object.entries(flags).every(([flag, value]) => item[flag as keyof InboxItem] === value);
  if (!isSame) items.set(id, { ...item, ...flags });
  return !isSame;
}

/** A notification as an event or a page says it; null when it is none. In an event it is new: unread and unseen. */
export function readItem(fields: Readonly<Record<string, unknown>>, seq = numeric(fields.seq)): InboxItem | null {
  const id = text(fields.id);
  if (id === "" || seq === null) return null;
  const at = Date.parse(text(fields.timestamp));
  return {
    id,
    seq,
    type: text(fields.type),
    title: text(fields.title),
    body: text(fields.body),
    url: typeof fields.url === "string" ? fields.url : null,
    category: typeof fields.category === "string" ? fields.category : null,
    at: Number.isNaN(at) ? Date.now() : at,
    read: fields.read === true,
    seen: fields.seen === true,
    archived: fields.archived === true,
  };
}

function targetOf(fields: Readonly<Record<string, unknown>>): Target | null {
  if (Array.isArray(fields.ids)) return { ids: textsOf(fields.ids) };
  const upTo = numeric(fields.upTo);
  if (upTo !== null) return { upTo };
  return fields.all === true ? { all: true } : null;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function isMark(op: unknown): op is Mark {
  return typeof op === "string" && Object.hasOwn(FLAGS, op);
}

function isUnread({ read, archived }: InboxItem): boolean {
  return !read && !archived;
}

function isUnseen({ seen, archived }: InboxItem): boolean {
  return !seen && !archived;
}

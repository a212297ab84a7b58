import type { Json, JsonObject } from "../../protocol/index.ts";
import type { Folded, FoldedEvent } from "./log-fold.ts";
import type { Mark } from "./schemas.ts";

/** A notification in an inbox, as `GET /api/notifications` shows it. */
export interface InboxItem {
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  readonly title: string;
  readonly body: string;
  readonly url: string | null;
  readonly category: string | null;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  readonly read: boolean;
  readonly seen: boolean;
  readonly archived: boolean;
}

/** How many notifications wait: neither counts what is archived. */
export type Counts = {
  unread: number;
  unseen: number;
};

/** Which notifications an operation is about. */
export interface Target {
  readonly ids?: readonly string[] | undefined;
  readonly upTo?: number | undefined;
  readonly all?: true | undefined;
}

export interface InboxBounds {
  /** Notifications. */
  readonly items: number;
  /** What they say, in UTF-16 units. */
  readonly size: number;
}

/** What a notification says, before it has an effect. */
export interface NewItem {
  readonly id: string;
  readonly type: string;
  readonly title: string;
  readonly body: string;
  readonly url: string | null;
  readonly category: string | null;
  readonly timestamp: string;
  readonly collapseKey: string | null;
  readonly expiresAt: number | null;
  readonly replaces: readonly string[];
}

type Kept = { -readonly [K in keyof InboxItem]: InboxItem[K] } & {
  collapseKey: string | null;
  expiresAt: number | null;
};

/**
 * What a user's log amounts to: the notifications that are kept, their marks, and the counts. The same events give the
 * same inbox on every node, so nothing here asks the time or looks anywhere else.
 */
export class Inbox implements Folded {
  readonly #bounds: InboxBounds;
  /** In the order of their seqs. */
  readonly #items = new Map<string, Kept>();
  #unread = 0;
  #unseen = 0;
  #size = 0;
  /** Found when it is asked for, since few notifications end by themselves. */
  #nextExpiry: number | null = null;

  /** @param snapshot what `toSnapshot` gave; null to begin. Throws a TypeError when it is something else. */
  constructor(bounds: InboxBounds, snapshot: Json) {
    this.#bounds = bounds;
    if (snapshot === null) return;
    const { items } = snapshot as { items?: unknown };
    if (!Array.isArray(items)) throw new TypeError("not a snapshot of an inbox");
    for (const item of items as unknown[]) {
      const read = readItem(item);
      if (read === null) throw new TypeError("not a snapshot of an inbox");
      this.#add(read);
    }
  }

  get counts(): Counts {
    return { unread: this.#unread, unseen: this.#unseen };
  }

  get size(): number {
    return this.#size;
  }

  get count(): number {
    return this.#items.size;
  }

  /** When the next notification ends by itself, ms since 1970; Infinity when none does. */
  get nextExpiry(): number {
    if (this.#nextExpiry === null) {
      let next = Infinity;
      for (const { expiresAt } of this.#items.values()) if (expiresAt !== null && expiresAt < next) next = expiresAt;
      this.#nextExpiry = next;
    }
    return this.#nextExpiry;
  }

  get(id: string): InboxItem | undefined {
    return this.#items.get(id);
  }

  /** What is known of a notification for those who push it. */
  keysOf(id: string): { collapseKey: string | null; expiresAt: number | null } | undefined {
    return this.#items.get(id);
  }

  /** The notifications, newest first. */
  *newestFirst(): Iterable<InboxItem> {
    // Copied, since a Map cannot be walked backwards; an inbox is bounded.
    const items = [...this.#items.values()];
    for (let index = items.length - 1; index >= 0; index--) yield shown(items[index]!);
  }

  // ---- what an event would do, so that it can say so itself

  /** The ids of those that a new one of this key takes the place of. */
  replacedBy(collapseKey: string): string[] {
    const ids: string[] = [];
    for (const item of this.#items.values()) {
      if (item.collapseKey === collapseKey && !item.archived) ids.push(item.id);
    }
    return ids;
  }

  /** The counts after a new notification. */
  countsAfter(item: NewItem): Counts {
    const { archived, removed } = this.#effectsOf(item);
    return this.#countsWithout([...archived, ...removed.filter((kept) => !archived.includes(kept))], 1);
  }

  /** What a mark would change, and the counts after it. `ids` are those that change. */
  marked(mark: Mark, target: Target): { changed: number; ids: string[]; counts: Counts } {
    const items = this.#changedBy(mark, target);
    const counts = this.counts;
    for (const item of items) {
      const after = { ...item, ...flagsAfter(mark) };
      counts.unread += Number(isUnread(after)) - Number(isUnread(item));
      counts.unseen += Number(isUnseen(after)) - Number(isUnseen(item));
    }
    return { changed: items.length, ids: items.map(({ id }) => id), counts };
  }

  /** Those that have ended by now, and the counts without them. */
  expired(now: number): { ids: string[]; counts: Counts } {
    if (this.nextExpiry > now) return { ids: [], counts: this.counts };
    const items = [...this.#items.values()].filter(({ expiresAt }) => expiresAt !== null && expiresAt <= now);
    return { ids: items.map(({ id }) => id), counts: this.#countsWithout(items) };
  }

  // ---- what an event does

  /** Takes the next event of the log. One that is none of this feature's changes nothing. */
  apply({ seq, type, payload }: FoldedEvent): void {
    if (type === "events_erased") {
      // The room is its user's alone, so all of it was erased, also what is no longer in the log.
      for (const item of [...this.#items.values()]) this.#remove(item);
    } else if (type === "notification") {
      const item = readNew(payload);
      // Whoever publishes to a user's room by hand may repeat an id; the first one has it.
      if (item !== null && !this.#items.has(item.id)) this.#receive(seq, item);
    } else if (type === "inbox_state") {
      const { op } = payload;
      const target = readTarget(payload);
      if (target === null) return;
      if (op === "expired") for (const id of target.ids ?? []) this.#remove(this.#items.get(id));
      else if (isMark(op)) for (const item of this.#changedBy(op, target)) this.#set(item, flagsAfter(op));
    }
  }

  toSnapshot(): Json {
    return { items: [...this.#items.values()].map((item) => ({ ...item })) };
  }

  #receive(seq: number, item: NewItem): void {
    const { archived, removed } = this.#effectsOf(item);
    for (const kept of archived) this.#set(kept, { archived: true });
    for (const kept of removed) this.#remove(kept);
    const { replaces: _replaces, ...rest } = item;
    this.#add({ ...rest, seq, read: false, seen: false, archived: false });
  }

  /** What a new notification does to the others: it takes the place of some, and the oldest make room, archived ones first. */
  #effectsOf(item: NewItem): { archived: Kept[]; removed: Kept[] } {
    const archived = item.replaces
      .map((id) => this.#items.get(id))
      .filter((kept): kept is Kept => kept !== undefined && !kept.archived);
    const removed: Kept[] = [];
    let items = this.#items.size + 1;
    let size = this.#size + sizeOf(item);
    const isOver = () => items > this.#bounds.items || size > this.#bounds.size;
    const makeRoom = (mayGo: (kept: Kept) => boolean): void => {
      for (const kept of this.#items.values()) {
        if (!isOver()) return;
        if (!mayGo(kept)) continue;
        removed.push(kept);
        items -= 1;
        size -= sizeOf(kept);
      }
    };
    const isArchived = (kept: Kept) => kept.archived || archived.includes(kept);
    if (isOver()) makeRoom(isArchived);
    if (isOver()) makeRoom((kept) => !isArchived(kept));
    return { archived, removed };
  }

  #changedBy(mark: Mark, { ids, upTo = Infinity }: Target): Kept[] {
    if (ids !== undefined) {
      const named = [...new Set(ids)].map((id) => this.#items.get(id));
      return named.filter((item): item is Kept => item !== undefined && isChangedBy(mark, item));
    }
    const items: Kept[] = [];
    for (const item of this.#items.values()) {
      if (item.seq > upTo) break;
      if (!item.archived && isChangedBy(mark, item)) items.push(item);
    }
    return items;
  }

  #countsWithout(items: readonly Kept[], more = 0): Counts {
    const counts: Counts = { unread: this.#unread + more, unseen: this.#unseen + more };
    for (const item of items) {
      counts.unread -= Number(isUnread(item));
      counts.unseen -= Number(isUnseen(item));
    }
    return counts;
  }

  #add(item: Kept): void {
    this.#items.set(item.id, item);
    this.#unread += Number(isUnread(item));
    this.#unseen += Number(isUnseen(item));
    this.#size += sizeOf(item);
    this.#nextExpiry = null;
  }

  #remove(item: Kept | undefined): void {
    if (item === undefined || !this.#items.delete(item.id)) return;
    this.#unread -= Number(isUnread(item));
    this.#unseen -= Number(isUnseen(item));
    this.#size -= sizeOf(item);
    this.#nextExpiry = null;
  }

  #set(item: Kept, flags: Flags): void {
    this.#unread -= Number(isUnread(item));
    this.#unseen -= Number(isUnseen(item));
    Object.assign(item, flags);
    this.#unread += Number(isUnread(item));
    this.#unseen += Number(isUnseen(item));
  }
}

interface Flags {
  read?: boolean;
  seen?: boolean;
  archived?: boolean;
}

/** What a mark makes of a notification. What is read has been seen; what is unread again has been seen still. */
const FLAGS: Readonly<Record<Mark, Flags>> = {
  read: { read: true, seen: true },
  unread: { read: false },
  seen: { seen: true },
  archived: { archived: true },
};

function flagsAfter(mark: Mark): Flags {
  return FLAGS[mark];
}

function isChangedBy(mark: Mark, item: Kept): boolean {
  return Object.entries(FLAGS[mark]).some(([flag, value]) => item[flag as keyof Flags] !== value);
}

function isMark(op: unknown): op is Mark {
  return typeof op === "string" && Object.hasOwn(FLAGS, op);
}

function isUnread({ read, archived }: Kept): boolean {
  return !read && !archived;
}

function isUnseen({ seen, archived }: Kept): boolean {
  return !seen && !archived;
}

function shown({ collapseKey: _key, expiresAt: _at, ...item }: Kept): InboxItem {
  return item;
}

/** What it costs besides its words is counted as a hundred characters. */
function sizeOf({ id, type, title, body, url, category }: NewItem | Kept): number {
  return 100 + id.length + type.length + title.length + body.length + (url?.length ?? 0) + (category?.length ?? 0);
}

// Anybody with an API key may publish anything to a user's room, so what does not fit is passed over, and costs no schema.

function readNew(payload: JsonObject): NewItem | null {
  const { id, type, title, body, timestamp, url = null, category = null } = payload;
  const { collapseKey = null, expiresAt = null, replaces = [] } = payload;
  if (typeof id !== "string" || typeof type !== "string" || typeof title !== "string") return null;
  if (typeof body !== "string" || typeof timestamp !== "string" || !isTextOrNull(url) || !isTextOrNull(category)) {
    return null;
  }
  if (!isTextOrNull(collapseKey) || (expiresAt !== null && typeof expiresAt !== "number") || !isTexts(replaces)) {
    return null;
  }
  return { id, type, title, body, url, category, timestamp, collapseKey, expiresAt, replaces };
}

function readItem(value: unknown): Kept | null {
  if (typeof value !== "object" || value === null) return null;
  const item = readNew(value as JsonObject);
  const { seq, read, seen, archived } = value as Record<string, unknown>;
  if (item === null || typeof seq !== "number" || typeof read !== "boolean") return null;
  if (typeof seen !== "boolean" || typeof archived !== "boolean") return null;
  const { replaces: _replaces, ...rest } = item;
  return { ...rest, seq, read, seen, archived };
}

function readTarget({ ids, upTo, all }: JsonObject): Target | null {
  if (isTexts(ids)) return { ids };
  if (typeof upTo === "number") return { upTo };
  return all === true ? { all } : null;
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

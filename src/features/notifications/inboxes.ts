import { createHash } from "node:crypto";
import type { z } from "zod";
import {
  type Clock,
  formatCursor,
  type Json,
  type JsonObject,
  parseRoomId,
  type Timer,
  toYamabikoError,
  type WireError,
  YamabikoError,
} from "../../protocol/index.ts";
import type { RoomView, StoredEvent } from "../../session/namespace.ts";
import { Folds } from "./folds.ts";
import type { NotificationsHost } from "./host.ts";
import { type Counts, Inbox, type InboxItem, type Target } from "./inbox.ts";
import { LogFold, type Put } from "./log-fold.ts";
import { DEFAULT_LIMIT, type Mark, type notificationInput } from "./schemas.ts";

/** What was made of a notification for one user. */
export type Notified = {
  readonly userId: string;
  /** Names it for ever: the cursor of its event. */
  readonly id: string;
  readonly seq: number;
  /** True when its `dedupKey` had been used for this user before; nothing was added then. */
  readonly duplicate: boolean;
};

/** The same, where it may have failed for one of many. */
export type NotifyOutcome = Notified | { readonly userId: string; readonly error: WireError };

/** Which part of an inbox. */
export interface InboxQuery {
  /** Only older than this seq. Default: from the newest. */
  readonly before?: number | undefined;
  /** 1 to 100. Default: 20. */
  readonly limit?: number | undefined;
  /** Only what is not read. Default: false. */
  readonly unread?: boolean | undefined;
  /** Only what is archived, instead of only what is not. Default: false. */
  readonly archived?: boolean | undefined;
  readonly category?: string | undefined;
}

/** A part of an inbox, newest first. */
export type InboxPage = Counts & {
  readonly notifications: readonly InboxItem[];
  /** Whether there are older ones of the kind asked for. */
  readonly more: boolean;
  /** Where the answer is true: who joins the room after it misses nothing. */
  readonly cursor: string;
};

/** A notification with its defaults. */
export type CheckedNotification = z.output<typeof notificationInput>;

export interface InboxesOptions {
  readonly maxNotifications: number;
  readonly maxInboxSize: number;
  readonly inboxes: number;
  readonly inboxesSize: number;
  readonly snapshotEvents: number;
}

/** How often an operation is tried when other nodes are faster. */
const TRIES = 20;
/** The answers to messages that changed nothing, kept per user. */
const MAX_ANSWERS = 64;
/** Expiries this close together are noticed together, ms. */
const EXPIRY_STEP_MS = 1_000;
/** The longest a timer waits, ms: longer ones are asked again. */
const MAX_TIMER_MS = 60 * 60 * 1_000;
/** Users notified at once. */
const AT_ONCE = 64;

/** The inboxes of all users, as far as this node has used them lately. */
export class Inboxes {
  readonly #host: NotificationsHost;
  readonly #roomOf: (userId: string) => string;
  readonly #options: InboxesOptions;
  readonly #folds: Folds<Inbox>;
  /** What was said to messages that changed nothing: repeated later, when they would, they must not. */
  readonly #answers = new WeakMap<LogFold<Inbox>, Map<string, JsonObject>>();
  #timer: Timer | null = null;
  #wakeAt = Infinity;
  #isClosed = false;

  constructor(host: NotificationsHost, roomOf: (userId: string) => string, options: InboxesOptions) {
    this.#host = host;
    this.#roomOf = roomOf;
    this.#options = options;
    this.#folds = new Folds((userId) => this.#open(userId), { count: options.inboxes, size: options.inboxesSize });
  }

  /** How many are in memory. */
  get count(): number {
    return this.#folds.count;
  }

  get #clock(): Clock {
    return this.#host.clock;
  }

  // ---- what is done to them

  /** Adds a notification; resolves when it is durable. Rejects with `unavailable` when the log cannot take it. */
  notify(userId: string, notification: CheckedNotification): Promise<Notified> {
    const { dedupKey, collapseKey, expiresAt, ...words } = notification;
    const messageId = dedupKey === undefined ? undefined : `dedup:${hash(dedupKey)}`;
    return this.#operate(userId, false, async (fold) => {
      const inbox = fold.state;
      const replaces = collapseKey === undefined ? [] : inbox.replacedBy(collapseKey);
      const item = {
        ...words,
        id: formatCursor(fold.epoch, fold.seq + 1),
        timestamp: new Date(this.#clock.now()).toISOString(),
        ...(collapseKey === undefined ? {} : { collapseKey }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      };
      const counts = inbox.countsAfter({
        ...item,
        collapseKey: collapseKey ?? null,
        expiresAt: expiresAt ?? null,
        replaces,
      });
      const payload = { ...item, ...(replaces.length === 0 ? {} : { replaces }), ...counts };
      const put = await fold.append("notification", payload, { messageId });
      if (put === null) return null;
      const { savedId, seq, duplicate } = put;
      return { userId, id: savedId, seq, duplicate };
    });
  }

  /** Adds it for each of many, a bounded number of them at once, in their order. */
  async notifyAll(
    userIds: readonly string[],
    notification: CheckedNotification,
    done: (notified: Notified) => void,
  ): Promise<NotifyOutcome[]> {
    const outcomes: NotifyOutcome[] = new Array(userIds.length);
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let index = next++; index < userIds.length; index = next++) {
        const userId = userIds[index]!;
        try {
          const notified = await this.notify(userId, notification);
          done(notified);
          outcomes[index] = notified;
        } catch (error) {
          const typed = toYamabikoError(error);
          if (typed.code === "internal") this.#host.failure("notifying a user", error);
          outcomes[index] = { userId, error: typed.toWire() };
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, userIds.length) }, worker));
    return outcomes;
  }

  /**
   * Marks notifications. Gives the members of the ack; `savedId` and `seq` are among them when something changed.
   * @param messageId of the client's message: the same one again gets the first answer and changes nothing.
   */
  mark(userId: string, mark: Mark, target: Target, messageId: string | null): Promise<JsonObject> {
    return this.#operate(userId, true, async (fold, view) => {
      const answers = this.#answersOf(fold);
      const known = messageId === null ? undefined : answers.get(messageId);
      if (known !== undefined) return known;
      const { changed, ids, counts } = fold.state.marked(mark, target);
      if (changed === 0) {
        const first = messageId === null ? null : await view.find(userId, messageId);
        if (first !== null) return repeated(first, await eventAt(view, first.seq), counts);
        const answer = { ...counts, changed };
        if (messageId !== null) remember(answers, messageId, answer);
        return answer;
      }
      const about = described(target, ids, fold.seq);
      const payload = { ...counts, op: mark, ...about, changed };
      const put = await fold.append("inbox_state", payload, { sender: userId, messageId: messageId ?? undefined });
      if (put === null) return null;
      if (put.duplicate) return repeated(put, await eventAt(view, put.seq), fold.state.counts);
      return { ...saved(put), ...counts, changed };
    });
  }

  // ---- what is asked of them

  /** A part of a user's inbox, as the log has it now. */
  page(userId: string, query: InboxQuery): Promise<InboxPage> {
    const { before = Infinity, limit = DEFAULT_LIMIT, unread = false, archived = false, category } = query;
    return this.#operate(userId, true, async (fold) => {
      const notifications: InboxItem[] = [];
      let more = false;
      for (const item of fold.state.newestFirst()) {
        if (item.seq >= before || item.archived !== archived) continue;
        if ((unread && item.read) || (category !== undefined && item.category !== category)) continue;
        more = notifications.length === limit;
        if (more) break;
        notifications.push(item);
      }
      return { notifications, more, ...fold.state.counts, cursor: formatCursor(fold.epoch, fold.seq) };
    });
  }

  /** The counts, and the seq after which they are true. */
  counts(userId: string): Promise<Counts & { seq: number }> {
    return this.#operate(userId, true, async (fold, view) => {
      // Somebody was faster: who joins now would begin after that, with the counts of before.
      if (view.head > fold.seq) return null;
      return { ...fold.state.counts, seq: fold.seq };
    });
  }

  /** A notification that its user has neither seen, read nor archived, and what is known of it; null for any other. */
  unnoticed(
    userId: string,
    id: string,
  ): Promise<(InboxItem & { collapseKey: string | null; expiresAt: number | null }) | null> {
    return this.#operate(userId, true, async (fold) => {
      const item = fold.state.get(id);
      if (item === undefined || item.seen || item.read || item.archived) return { found: null };
      return { found: { ...item, ...fold.state.keysOf(id)! } };
    }).then(({ found }) => found);
  }

  /** Lets go of the timer. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  // ---- how

  /**
   * Does something to a user's inbox as the log has it. `work` runs again when it gives null, which it does when the log
   * has moved on under it.
   * @param isFresh asks the log first in any case: for what does not find out by appending.
   */
  #operate<T>(
    userId: string,
    isFresh: boolean,
    work: (fold: LogFold<Inbox>, view: RoomView) => Promise<T | null>,
  ): Promise<T> {
    // Before anything is made for a user who cannot be.
    parseRoomId(this.#roomOf(userId));
    return this.#folds.run(userId, async (fold) => {
      for (let attempt = 0; attempt < TRIES; attempt++) {
        const view = await fold.sync(isFresh || attempt > 0);
        if (!(await this.#expire(fold))) continue;
        const result = await work(fold, view);
        if (result === null) continue;
        this.#watch(fold);
        return result;
      }
      throw new YamabikoError("unavailable", "Others write to this inbox faster than this.");
    });
  }

  /** Takes out what has ended. False when the log has moved on under it. */
  async #expire(fold: LogFold<Inbox>): Promise<boolean> {
    const { ids, counts } = fold.state.expired(this.#clock.now());
    if (ids.length === 0) return true;
    const put = await fold.append("inbox_state", { ...counts, op: "expired", ids, changed: ids.length }, {});
    return put !== null;
  }

  #open(userId: string): LogFold<Inbox> {
    const { maxNotifications, maxInboxSize, snapshotEvents } = this.#options;
    return new LogFold({
      room: this.#host.room(this.#roomOf(userId)),
      make: (snapshot: Json) => new Inbox({ items: maxNotifications, size: maxInboxSize }, snapshot),
      snapshotEvents,
      failure: (where, error) => this.#host.failure(where, error),
    });
  }

  #answersOf(fold: LogFold<Inbox>): Map<string, JsonObject> {
    let answers = this.#answers.get(fold);
    if (answers === undefined) {
      answers = new Map();
      this.#answers.set(fold, answers);
    }
    return answers;
  }

  /** One timer for all inboxes in memory. */
  #watch(fold: LogFold<Inbox>): void {
    const at = fold.state.nextExpiry;
    if (at < this.#wakeAt) this.#arm(at);
  }

  #arm(at: number): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#wakeAt = at;
    if (this.#isClosed || at === Infinity) return;
    const delay = Math.min(MAX_TIMER_MS, Math.max(EXPIRY_STEP_MS, at - this.#clock.now()));
    this.#timer = this.#clock.setTimer(() => this.#wake(), delay);
  }

  #wake(): void {
    const now = this.#clock.now();
    let next = Infinity;
    for (const [userId, fold] of this.#folds.entries()) {
      const at = fold.state.nextExpiry;
      // Who comes next finds it again if this fails.
      if (at <= now) this.counts(userId).catch((error: unknown) => this.#host.failure("ending notifications", error));
      else if (at < next) next = at;
    }
    this.#arm(next);
  }
}

/** An operation as the event says it: what is named are those that changed; a seq is one that was there. */
function described(
  { ids, upTo }: Target,
  changed: string[],
  head: number,
): { ids?: string[]; upTo?: number; all?: true } {
  if (ids !== undefined) return { ids: changed };
  return upTo === undefined ? { all: true } : { upTo: Math.min(upTo, head) };
}

function saved({ savedId, seq, epoch, duplicate }: Put): JsonObject {
  return { savedId, seq, epoch, duplicate };
}

/** The first answer to a message, from the event it made; the counts of now when retention has taken that. */
function repeated(
  { epoch, seq }: { epoch: string; seq: number },
  event: StoredEvent | null,
  counts: Counts,
): JsonObject {
  const first: JsonObject = event?.type === "inbox_state" ? (JSON.parse(event.data) as JsonObject) : {};
  const { unread = counts.unread, unseen = counts.unseen, changed = 0 } = first;
  return { savedId: formatCursor(epoch, seq), seq, epoch, duplicate: true, unread, unseen, changed };
}

async function eventAt(view: RoomView, seq: number): Promise<StoredEvent | null> {
  const [event] = await view.read(seq - 1, 1);
  return event?.seq === seq ? event : null;
}

function remember(answers: Map<string, JsonObject>, messageId: string, answer: JsonObject): void {
  if (answers.size >= MAX_ANSWERS) answers.delete(answers.keys().next().value!);
  answers.set(messageId, answer);
}

/** A key of any length and characters as one a messageId may have. */
function hash(key: string): string {
  return createHash("sha256").update(key).digest("base64url");
}

import { Emitter } from "./emitter.ts";
import { type ChatEnvelope, fieldsOf, numeric, type PendingSend, text } from "./message.ts";
import { OrderCheck } from "./order-check.ts";
import { applyState, dropTypists, named, replaceState, withoutTypist } from "./people.ts";
import type { OutgoingSend, RoomLink } from "./room-link.ts";
import { emptyView, type RoomView } from "./room-view.ts";
import { applyEvents, joined, loseHistory, prepend } from "./timeline.ts";
import { countUnread, type UnreadCount } from "./unread.ts";

/** What a room tells the connection panel. */
export interface Witness {
  /** Events came. */
  received(count: number, gaps: number, repeats: number): void;
  /** The room was joined again and this many events follow. */
  resumed(behind: number): void;
}

const EVENTS = ["new_message", "message_edited", "message_deleted", "reaction_changed", "events_erased"] as const;
const STATES = ["room_users", "user_joined", "user_left", "user_typing", "messages_read"] as const;
const SENDS: ReadonlySet<string> = new Set([
  "send_message",
  "edit_message",
  "delete_message",
  "add_reaction",
  "remove_reaction",
]);
const PAGE = 50;
const TYPING_EVERY_MS = 3_000;
const READ_DELAY_MS = 250;

/** One chat room: follows what the client delivers and turns it into views; sends what the page asks. */
export class RoomStore extends Emitter<RoomView> {
  readonly #link: RoomLink;
  readonly #me: string;
  readonly #witness: Witness;
  readonly #order = new OrderCheck();
  /** Sends that were acked and whose event has not come yet. */
  readonly #acked = new Map<string, PendingSend>();
  readonly #watched = new WeakSet<Promise<unknown>>();
  #queue: ChatEnvelope[] = [];
  #watching = false;
  #typingTold = 0;
  #readTimer: ReturnType<typeof setTimeout> | undefined;
  #typistTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(link: RoomLink, me: string, witness: Witness) {
    super(emptyView(link.roomId));
    this.#link = link;
    this.#me = me;
    this.#witness = witness;
    for (const type of EVENTS) link.on(type, (_payload, envelope) => this.#enqueue(envelope));
    for (const type of STATES) link.on(type, (payload) => this.#applyState(type, payload));
    link.on("joined", (payload) => this.#joined(payload));
    link.on("room_state", (payload) => this.#replaceState(fieldsOf(payload).state));
    link.on("history_lost", (payload) => this.#historyLost(payload));
    link.on("error", (payload) => this.#refused(payload));
    link.on("outbox", () => this.#readOutbox());
    this.#readOutbox();
  }

  /** What this user has not read here. */
  unread(): UnreadCount {
    const view = this.getSnapshot();
    if (view.base === null) return { unread: 0, mentions: 0 };
    return countUnread(view.timeline, view.base, view.readUpTo, this.#me);
  }

  /** Says something. It shows at once and is delivered once, whenever the connection allows. */
  say(content: string, replyTo: number | null, mentions: readonly string[]): void {
    const view = this.getSnapshot();
    this.#typingTold = 0;
    if (view.lineAfter !== null) this.set({ ...view, lineAfter: null });
    this.#link.send("send_message", { content, replyTo, mentions: [...mentions] });
    this.#readOutbox();
  }

  /** Changes the content of an own message. */
  edit(seq: number, content: string): void {
    this.#change("edit_message", { seq, content });
  }

  /** Deletes an own message. */
  remove(seq: number): void {
    this.#change("delete_message", { seq });
  }

  /** Puts a reaction on a message or takes it off. */
  react(seq: number, emoji: string, added: boolean): void {
    this.#change(added ? "add_reaction" : "remove_reaction", { seq, emoji });
  }

  /** Tries a failed send again. */
  retry(messageId: string): void {
    this.#find(messageId)
      ?.retry()
      .catch(() => {}); // its state tells
    this.#readOutbox();
  }

  /** Gives a failed send up. */
  discard(messageId: string): void {
    this.#find(messageId)?.discard();
    this.#readOutbox();
  }

  /** Tells the room that this user writes (or no longer does). Says so at most every three seconds. */
  typing(active: boolean): void {
    const now = Date.now();
    if (active) {
      if (now - this.#typingTold < TYPING_EVERY_MS) return;
      this.#typingTold = now;
      this.#link.volatile("typing_start", {});
    } else if (this.#typingTold > 0) {
      this.#typingTold = 0;
      this.#link.volatile("typing_end", {});
    }
  }

  /** Leaves the room: nothing comes any more, and what still waits to be sent is given up. */
  leave(): void {
    this.watch(false);
    clearTimeout(this.#typistTimer);
    this.#link.leave();
  }

  /** Whether the user sees the newest messages now. While so, what comes is read; when not, an unread line is drawn. */
  watch(watching: boolean): void {
    if (watching === this.#watching) return;
    this.#watching = watching;
    if (watching) {
      this.#markRead();
      return;
    }
    clearTimeout(this.#readTimer);
    this.#readTimer = undefined;
    // Once everything is read, the line has done its work.
    const view = this.getSnapshot();
    if (view.lineAfter !== null && this.unread().unread === 0) this.set({ ...view, lineAfter: null });
  }

  /** Loads a page of what came before. */
  async loadEarlier(limit = PAGE): Promise<void> {
    const { timeline, history, status } = this.getSnapshot();
    if (status !== "joined" || history === "loading" || timeline.complete || timeline.oldest === null) return;
    this.set({ ...this.getSnapshot(), history: "loading" });
    try {
      const ack = fieldsOf(await this.#link.emitWithAck("load_history", { before: timeline.oldest, limit }));
      this.#flush();
      const page = (Array.isArray(ack.messages) ? ack.messages : []) as ChatEnvelope[];
      const view = this.getSnapshot();
      // Another epoch meanwhile is another log: this page belongs to none of what is shown.
      const same = view.timeline.epoch === timeline.epoch;
      const people = page.map((one) => fieldsOf(one.payload)).map(personOf);
      const nextBefore = numeric(ack.nextBefore);
      const moved = (nextBefore ?? page[0]?.seq ?? timeline.oldest) < timeline.oldest;
      const next = same
        ? prepend(view.timeline, page, { more: ack.more === true && moved, nextBefore })
        : view.timeline;
      this.set(named({ ...view, history: "idle", timeline: next }, people));
    } catch {
      this.set({ ...this.getSnapshot(), history: "failed" });
    }
  }

  /** Loads pages until the message is there; false when it cannot be reached. */
  async reach(seq: number): Promise<boolean> {
    for (let page = 0; page < 40; page++) {
      const { timeline } = this.getSnapshot();
      if (timeline.messages.has(seq)) return true;
      if (timeline.complete || timeline.oldest === null || timeline.oldest <= seq) return false;
      await this.loadEarlier(200);
      if (this.getSnapshot().history === "failed") return false;
    }
    return false;
  }

  #change(type: string, payload: Record<string, unknown>): void {
    this.#link.send(type, payload);
    this.#readOutbox();
  }

  #find(messageId: string): OutgoingSend | undefined {
    return this.#link.outbox.find((send) => send.messageId === messageId);
  }

  /** Events of one turn are applied together: one view, one render. */
  #enqueue(envelope: ChatEnvelope): void {
    if (envelope.seq === undefined) return;
    const { gap, repeat } = this.#order.see(envelope.seq);
    this.#witness.received(1, gap, repeat);
    if (repeat > 0) return;
    this.#queue.push(envelope);
    if (this.#queue.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const events = this.#queue;
    if (events.length === 0) return;
    this.#queue = [];
    let view = this.getSnapshot();
    const readBefore = this.unread().unread === 0;
    view = { ...view, timeline: applyEvents(view.timeline, events), cursor: this.#link.cursor };
    view = named(
      view,
      events.map((event) => personOf(fieldsOf(event.payload))),
    );
    for (const event of events) {
      if (event.type === "new_message") view = withoutTypist(view, text(fieldsOf(event.payload).userId));
    }
    if (!this.#watching && view.base !== null && (view.lineAfter === null || readBefore)) {
      view = { ...view, lineAfter: view.readUpTo };
    }
    this.set({ ...view, pending: this.#pending(view) });
    this.#markRead();
  }

  #joined(payload: unknown): void {
    this.#flush();
    const fields = fieldsOf(payload);
    const cursor = text(fields.cursor);
    const from = seqOf(cursor);
    const head = numeric(fields.head) ?? from;
    const epoch = text(fields.epoch, cursor.split(":")[0]);
    let view = this.getSnapshot();
    const again = view.status === "joined" || view.timeline.oldest !== null;
    this.#order.start(from);
    if (again) this.#witness.resumed(Math.max(0, head - from));
    const you = fieldsOf(fields.you);
    const readUpTo = Math.max(numeric(you.readUpTo) ?? 0, view.readUpTo);
    const base = {
      head,
      readUpTo: numeric(you.readUpTo) ?? head,
      unread: numeric(you.unread) ?? 0,
      mentions: numeric(you.mentions) ?? 0,
    };
    view = { ...view, status: "joined", error: null, base, timeline: joined(view.timeline, epoch, from) };
    view = { ...view, readUpTo: you.readUpTo === undefined ? Math.max(head, readUpTo) : readUpTo, cursor };
    if (base.unread > 0 && view.lineAfter === null) view = { ...view, lineAfter: readUpTo };
    view = replaceState(view, fields.state, Date.now());
    this.set(view);
    this.#scheduleTypists();
    this.#readOutbox();
    this.#markRead();
  }

  #refused(payload: unknown): void {
    const view = this.getSnapshot();
    if (this.#link.status !== "failed") return;
    const error = payload instanceof Error ? payload.message : text(fieldsOf(payload).message);
    this.set({ ...view, status: "refused", error });
  }

  #historyLost(payload: unknown): void {
    this.#flush();
    const fields = fieldsOf(payload);
    const after = seqOf(text(fields.cursor)) || (numeric(fields.to) ?? 0);
    this.#order.start(after);
    const view = this.getSnapshot();
    // What a new epoch took with it was noted when it was joined.
    if (fields.reason === "epoch" && view.timeline.lost.some((stretch) => stretch.reason === "epoch")) return;
    const reason = fields.reason === "epoch" ? "epoch" : "retention";
    const stretch = { after, reason, from: numeric(fields.from), to: numeric(fields.to) } as const;
    this.set({ ...view, timeline: loseHistory(view.timeline, stretch) });
  }

  #applyState(type: string, payload: unknown): void {
    let view = applyState(this.getSnapshot(), type, payload, Date.now());
    const fields = fieldsOf(payload);
    if (text(fields.userId) === this.#me) {
      if (type === "user_typing") view = withoutTypist(view, this.#me);
      const upTo = numeric(fields.upTo);
      if (type === "messages_read" && upTo !== null && upTo > view.readUpTo) view = { ...view, readUpTo: upTo };
    }
    this.set(view);
    if (type === "user_typing") this.#scheduleTypists();
  }

  #replaceState(state: unknown): void {
    this.set(replaceState(this.getSnapshot(), state, Date.now()));
    this.#scheduleTypists();
  }

  /** A typing that nobody ends, because its end was lost, ends here too. */
  #scheduleTypists(): void {
    clearTimeout(this.#typistTimer);
    const ends = [...this.getSnapshot().typing.values()].map((typist) => typist.until);
    if (ends.length === 0) return;
    this.#typistTimer = setTimeout(
      () => {
        this.set(dropTypists(this.getSnapshot(), Date.now()));
        this.#scheduleTypists();
      },
      Math.max(50, Math.min(...ends) - Date.now()),
    );
  }

  #readOutbox(): void {
    for (const send of this.#link.outbox) {
      if (!SENDS.has(send.type) || this.#watched.has(send.ack)) continue;
      this.#watched.add(send.ack);
      send.ack.then(
        (ack) => {
          // Until its event comes the send stays where it is, so that nothing flickers.
          this.#acked.set(send.messageId, { ...pendingOf(send), state: "acked", seq: ack.seq });
          this.#refreshPending();
        },
        () => this.#refreshPending(),
      );
    }
    this.#refreshPending();
  }

  #refreshPending(): void {
    const view = this.getSnapshot();
    this.set({ ...view, pending: this.#pending(view), cursor: this.#link.cursor ?? view.cursor });
  }

  #pending(view: RoomView): readonly PendingSend[] {
    const { timeline } = view;
    const shown = new Set<string>();
    for (const message of timeline.messages.values()) {
      if (message.messageId !== undefined && message.userId === this.#me) shown.add(message.messageId);
    }
    for (const [messageId, send] of this.#acked) {
      if (send.seq === undefined || send.seq <= timeline.newest || shown.has(messageId)) this.#acked.delete(messageId);
    }
    const waiting = this.#link.outbox.filter((send) => SENDS.has(send.type) && send.state !== "acked").map(pendingOf);
    return [...this.#acked.values(), ...waiting].filter((send) => !shown.has(send.messageId));
  }

  #markRead(): void {
    if (!this.#watching || this.#readTimer !== undefined) return;
    this.#readTimer = setTimeout(() => {
      this.#readTimer = undefined;
      const view = this.getSnapshot();
      const upTo = view.timeline.order.at(-1) ?? 0;
      if (!this.#watching || view.status !== "joined" || upTo <= view.readUpTo) return;
      this.set({ ...view, readUpTo: upTo });
      this.#link.emitWithAck("read_messages", { upTo }).catch(() => {}); // the next mark covers this one
    }, READ_DELAY_MS);
  }
}

function pendingOf(send: OutgoingSend): PendingSend {
  const { messageId, type, payload, state, createdAt } = send;
  return { messageId, type, payload, state, at: createdAt, error: send.error?.message };
}

function personOf(fields: Readonly<Record<string, unknown>>): { userId: string; userName: string } {
  return { userId: text(fields.userId), userName: text(fields.userName) };
}

function seqOf(cursor: string): number {
  const seq = Number(cursor.slice(cursor.lastIndexOf(":") + 1));
  return Number.isSafeInteger(seq) ? seq : 0;
}

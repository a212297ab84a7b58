import { FinalLog } from "./final-log.ts";
import type {
  AckedRecord,
  AskedRecord,
  DeliveredRecord,
  ExpelledRecord,
  HistoryRecord,
  JoinedRecord,
  LostRecord,
  MembersRecord,
  RefusedRecord,
  SentRecord,
  ToldRecord,
  UnknownRecord,
} from "./history.ts";

/** What a history can do wrong. */
export const VIOLATIONS = {
  lost: "an acknowledged message is not in the log where its ack says",
  repeated_in_log: "a message is in the log more than once",
  hole_in_log: "the seqs of a log are not first … head",
  phantom: "the log has an event nobody sent, or one that was refused",
  altered: "the log has other content than was sent",
  ack_changed: "two acks of one message disagree",
  reordered: "messages of one client in one room are not in the order it sent them",
  overtaken: "a message sent after another was acknowledged stands before it",
  logs_differ: "the log read another way is another",
  gap: "a reader was handed an event that is not the next",
  repeated: "a reader was handed an event again",
  wrong_content: "a reader was handed something else than the log has",
  foretold: "a reader was handed a message before it was sent",
  expelled: "a reader was handed an event after it was taken out of the room",
  stale: "a read did not show what was acknowledged before it began",
  not_joined: "a reader was handed an event without having joined",
  behind: "a reader that stayed was not handed everything",
  cursor_moved: "a join moved a reader without telling that something was lost",
  false_loss: "a reader was told that something is lost that is not, or in a wrong range",
  unresolved: "a message was never answered",
  members_differ: "the members of a room are not those who are in it",
  no_log: "there is no final log of a room",
} as const;

/** The name of something that went wrong. */
export type ViolationKind = keyof typeof VIOLATIONS;

/** What the checker found. */
export interface Verdict {
  /** Whether nothing went wrong. */
  readonly ok: boolean;
  /** How often each kind of violation was found; kinds not found are absent. */
  readonly violations: { readonly [kind in ViolationKind]?: number };
  /** The first violations in words, at most 5 of a kind. */
  readonly examples: readonly string[];
  readonly counts: {
    readonly sent: number;
    /** Messages with at least one ack. */
    readonly acked: number;
    /** Acks that said `duplicate`. */
    readonly duplicates: number;
    readonly refused: number;
    /** Unanswered messages that are in the log all the same. */
    readonly unknownInLog: number;
    readonly inLog: number;
    readonly delivered: number;
    readonly joins: number;
    readonly losses: number;
  };
}

const EXAMPLES_PER_KIND = 5;

/** What is known of one message. */
interface Message {
  readonly client: string;
  readonly hash: string;
  readonly sentAt: number;
  firstAck: AckedRecord | null;
  ackedAt: number;
  newAcks: number;
  isRefused: boolean;
  isUnknown: boolean;
}

/** Where one reader of one room is. */
interface Place {
  readonly reader: string;
  readonly roomId: string;
  epoch: string;
  seq: number;
  /** A join said that something is lost; what is not told yet. */
  owesLoss: boolean;
  hasLeft: boolean;
  /** It was taken out of the room, and nothing after this seq is for it; null when it was not. */
  expelledAt: number | null;
}

/**
 * Judges a history: whether nothing acknowledged was lost, nothing is twice, order was kept, and every reader was handed
 * everything exactly once and in order. Knows nothing of the server but the format of the history.
 *
 * Keeps the messages and one reading of the log, not the deliveries, so `records` may be more than memory holds. They are gone
 * through once, in the order of time; the final logs and members, and which logs were recreated, are taken from `finals`, which is
 * gone through first and by default is the same.
 */
export function checkHistory(records: Iterable<HistoryRecord>, finals: Iterable<HistoryRecord> = records): Verdict {
  return new Checker().run(records, finals);
}

class Checker {
  readonly #violations: { [kind in ViolationKind]?: number } = {};
  readonly #examples: string[] = [];
  /** By room, then by user and messageId. */
  readonly #messages = new Map<string, Map<string, Message>>();
  readonly #logs = new Map<string, FinalLog>();
  readonly #members: MembersRecord[] = [];
  readonly #places = new Map<string, Place>();
  readonly #recreated = new Set<string | null>();
  /** By room and epoch, the highest seq acknowledged so far. */
  readonly #acked = new Map<string, number>();
  /** By reader and room, what of `#acked` a read under way must show: its epochs and seqs. */
  readonly #asked = new Map<string, ReadonlyMap<string, number>>();
  /** How many records were gone through: the time. */
  #now = 0;
  readonly #counts = {
    sent: 0,
    acked: 0,
    duplicates: 0,
    refused: 0,
    unknownInLog: 0,
    inLog: 0,
    delivered: 0,
    joins: 0,
    losses: 0,
  };

  run(records: Iterable<HistoryRecord>, finals: Iterable<HistoryRecord>): Verdict {
    for (const record of finals) this.#takeFinal(record);
    for (const record of records) {
      this.#take(record);
      this.#now++;
    }
    for (const [roomId, messages] of this.#messages) this.#checkMessages(roomId, messages);
    for (const [roomId, log] of this.#logs) this.#checkLog(roomId, log);
    for (const place of this.#places.values()) this.#checkEnd(place);
    for (const members of this.#members) this.#checkMembers(members);
    const ok = Object.keys(this.#violations).length === 0;
    return { ok, violations: this.#violations, examples: this.#examples, counts: this.#counts };
  }

  #violated(kind: ViolationKind, example: string): void {
    const count = (this.#violations[kind] ?? 0) + 1;
    this.#violations[kind] = count;
    if (count <= EXAMPLES_PER_KIND) this.#examples.push(`${kind}: ${example}`);
  }

  #takeFinal(record: HistoryRecord): void {
    if (record.kind === "head") this.#logRead(record.roomId, record.via).takeHead(record);
    else if (record.kind === "log") this.#logRead(record.roomId, record.via).takeEvent(record);
    else if (record.kind === "members") this.#members.push(record);
    // What is right before a log was deleted depends on whether it was.
    else if (record.kind === "fault" && record.what === "recreated") this.#recreated.add(record.roomId);
  }

  #logRead(roomId: string, via: string): FinalLog {
    let log = this.#logs.get(roomId);
    if (log === undefined) {
      log = new FinalLog(via);
      this.#logs.set(roomId, log);
    }
    return log;
  }

  /** The final log, when it was told where it stands. */
  #logOf(roomId: string): ReadLog | undefined {
    const log = this.#logs.get(roomId);
    return log !== undefined && hasHead(log) ? log : undefined;
  }

  #isRecreated(roomId: string): boolean {
    return this.#recreated.has(null) || this.#recreated.has(roomId);
  }

  #take(record: HistoryRecord): void {
    switch (record.kind) {
      case "sent":
        return this.#takeSent(record);
      case "acked":
        return this.#takeAck(record);
      case "refused":
        return this.#takeRefusal(record);
      case "unknown":
        return this.#takeUnknown(record);
      case "joined":
        return this.#join(record);
      case "delivered":
        return this.#deliver(record);
      case "lost":
        return this.#lose(record);
      case "left": {
        const place = this.#places.get(placeKey(record));
        if (place !== undefined) place.hasLeft = true;
        return;
      }
      case "expelled":
        return this.#expel(record);
      case "asked":
        return this.#ask(record);
      case "told":
        return this.#tell(record);
      case "fault":
        if (record.what === "recreated") this.#recreated.add(record.roomId);
    }
  }

  // ---- what was said

  #takeSent({ client, hash, roomId, user, messageId }: SentRecord): void {
    this.#counts.sent++;
    this.#ofRoom(roomId).set(keyOf({ user, messageId }), {
      client,
      hash,
      sentAt: this.#now,
      firstAck: null,
      ackedAt: Number.POSITIVE_INFINITY,
      newAcks: 0,
      isRefused: false,
      isUnknown: false,
    });
  }

  #takeRefusal(record: RefusedRecord): void {
    const message = this.#ofRoom(record.roomId).get(keyOf(record));
    if (message === undefined) return;
    message.isRefused = true;
    this.#counts.refused++;
  }

  #takeUnknown(record: UnknownRecord): void {
    const message = this.#ofRoom(record.roomId).get(keyOf(record));
    if (message !== undefined) message.isUnknown = true;
  }

  #takeAck(ack: AckedRecord): void {
    const message = this.#ofRoom(ack.roomId).get(keyOf(ack));
    if (ack.duplicate) this.#counts.duplicates++;
    if (message === undefined) {
      this.#violated("phantom", `${nameOf(ack)} was acknowledged and never sent`);
      return;
    }
    if (!ack.duplicate && ++message.newAcks === 2) {
      this.#violated("ack_changed", `${nameOf(ack)} was acknowledged as new twice`);
    }
    const before = message.firstAck;
    if (before === null) {
      message.firstAck = ack;
      message.ackedAt = this.#now;
      this.#counts.acked++;
      const log = epochKey(ack);
      this.#acked.set(log, Math.max(ack.seq, this.#acked.get(log) ?? 0));
    } else if (before.seq !== ack.seq || before.epoch !== ack.epoch) {
      this.#violated("ack_changed", `${nameOf(ack)} has seq ${before.seq}, then ${ack.seq}`);
    }
  }

  #ofRoom(roomId: string): Map<string, Message> {
    let messages = this.#messages.get(roomId);
    if (messages === undefined) {
      messages = new Map();
      this.#messages.set(roomId, messages);
    }
    return messages;
  }

  // ---- what was read at once

  #ask({ reader, roomId }: AskedRecord): void {
    const known = Array.from(this.#acked).filter(([log]) => log.startsWith(`${roomId}\n`));
    this.#asked.set(placeKey({ reader, roomId }), new Map(known));
  }

  #tell(told: ToldRecord): void {
    const due = this.#asked.get(placeKey(told))?.get(epochKey(told)) ?? 0;
    // Of a log that lost its end, what is left may be read before that is found out.
    if (told.head >= due || this.#isRecreated(told.roomId)) return;
    this.#violated("stale", `${told.reader} was told that ${told.roomId} is at ${told.head}, ${due} was acknowledged`);
  }

  // ---- the final logs

  #checkLog(roomId: string, log: FinalLog): void {
    if (!hasHead(log)) return this.#violated("no_log", roomId);
    for (const via of log.differing()) this.#violated("logs_differ", `${roomId} through ${log.via} and through ${via}`);
    const { first, head } = log.head;
    const seen = new Map<string, number>();
    let due = first;
    for (const event of log.events) {
      this.#counts.inLog++;
      if (event.seq !== due) this.#violated("hole_in_log", `${roomId}: ${event.seq} stands where ${due} is due`);
      due = event.seq + 1;
      if (event.messageId === null) continue;
      const key = keyOf({ user: event.user ?? "", messageId: event.messageId });
      const before = seen.get(key);
      if (before !== undefined)
        this.#violated("repeated_in_log", `${nameOf(event)} has seq ${before} and ${event.seq}`);
      seen.set(key, event.seq);
      const message = this.#messages.get(roomId)?.get(key);
      if (message === undefined) this.#violated("phantom", `${nameOf(event)} was never sent`);
      else if (message.isRefused) this.#violated("phantom", `${nameOf(event)} was refused and has seq ${event.seq}`);
      else if (message.hash !== event.hash) this.#violated("altered", `${nameOf(event)} at seq ${event.seq}`);
      if (message?.isUnknown === true && message.firstAck === null) this.#counts.unknownInLog++;
    }
    if (due !== head + 1) this.#violated("hole_in_log", `${roomId} ends with ${due - 1}, its head is ${head}`);
    this.#checkRealTime(roomId, log);
  }

  /** No message stands before one whose ack its sender could have seen before it was sent. */
  #checkRealTime(roomId: string, log: FinalLog): void {
    let latestSentAt = -1;
    let latest = "";
    for (const event of log.events) {
      if (event.messageId === null) continue;
      const message = this.#messages.get(roomId)?.get(keyOf({ user: event.user ?? "", messageId: event.messageId }));
      if (message === undefined) continue;
      // An ack of a log that was deleted says nothing of this one.
      if (message.ackedAt < latestSentAt && message.firstAck?.epoch === log.head?.epoch) {
        this.#violated("overtaken", `${nameOf(event)} was acknowledged before ${latest}, which precedes it, was sent`);
      }
      if (message.sentAt > latestSentAt) {
        latestSentAt = message.sentAt;
        latest = nameOf(event);
      }
    }
  }

  #checkMessages(roomId: string, messages: ReadonlyMap<string, Message>): void {
    const log = this.#logOf(roomId);
    if (log === undefined) {
      this.#violated("no_log", roomId);
      return;
    }
    /** The last acknowledged place per client and epoch. Messages are in the order they were sent. */
    const last = new Map<string, AckedRecord>();
    for (const message of messages.values()) {
      const ack = message.firstAck;
      if (ack === null) {
        if (!message.isRefused && !message.isUnknown)
          this.#violated("unresolved", `a message of ${message.client} to ${roomId}`);
        continue;
      }
      this.#checkAcked(ack, message, log);
      const key = `${message.client}\n${ack.epoch}`;
      const before = last.get(key);
      if (before !== undefined && before.seq >= ack.seq) {
        this.#violated("reordered", `${nameOf(before)} has seq ${before.seq}, ${nameOf(ack)} after it ${ack.seq}`);
      }
      last.set(key, ack);
    }
  }

  #checkAcked(ack: AckedRecord, message: Message, log: ReadLog): void {
    if (ack.epoch !== log.head.epoch) {
      if (!this.#isRecreated(ack.roomId)) {
        this.#violated("lost", `${nameOf(ack)} is of epoch ${ack.epoch}, the log of ${log.head.epoch}`);
      }
      return;
    }
    if (ack.seq < log.head.first) return;
    const event = log.event(ack.seq);
    if (event === undefined) this.#violated("lost", `${nameOf(ack)} was acknowledged with seq ${ack.seq}`);
    else if (event.messageId !== ack.messageId || event.user !== ack.user) {
      this.#violated("lost", `${nameOf(ack)} was acknowledged with seq ${ack.seq}, where ${nameOf(event)} is`);
    } else if (event.hash !== message.hash) this.#violated("altered", `${nameOf(ack)} at seq ${ack.seq}`);
  }

  // ---- the readers

  #join(joined: JoinedRecord): void {
    this.#counts.joins++;
    const { reader, roomId, epoch, seq } = joined;
    const place = this.#places.get(placeKey(joined));
    if (place === undefined || place.hasLeft || place.expelledAt !== null) {
      const start = joined.after ?? { epoch, seq };
      const kept: Place = { reader, roomId, ...start, owesLoss: false, hasLeft: false, expelledAt: null };
      this.#places.set(placeKey(joined), kept);
      if (joined.after !== null) this.#rejoin(kept, joined);
    } else this.#rejoin(place, joined);
  }

  #expel(expelled: ExpelledRecord): void {
    const place = this.#places.get(placeKey(expelled));
    if (place !== undefined) place.expelledAt = expelled.seq;
  }

  /** The reader stays where it is: what follows is judged from there, whatever the server says. */
  #rejoin(place: Place, { reader, roomId, epoch, seq, recovered }: JoinedRecord): void {
    if (!recovered) place.owesLoss = true;
    else if (epoch !== place.epoch || seq !== place.seq) {
      this.#violated("cursor_moved", `${reader} in ${roomId} from ${place.epoch}:${place.seq} to ${epoch}:${seq}`);
    }
  }

  #deliver(delivered: DeliveredRecord): void {
    this.#counts.delivered++;
    const { reader, roomId, epoch, seq } = delivered;
    const place = this.#places.get(placeKey(delivered));
    if (place === undefined || place.hasLeft) {
      this.#violated("not_joined", `${reader} in ${roomId}: ${seq}`);
      return;
    }
    if (place.expelledAt !== null && seq > place.expelledAt) {
      this.#violated("expelled", `${reader} in ${roomId}: ${seq}, taken out at ${place.expelledAt}`);
    }
    if (place.owesLoss) {
      this.#violated("cursor_moved", `${reader} in ${roomId} was not told what it lost before ${seq}`);
      place.owesLoss = false;
    }
    if (epoch !== place.epoch) {
      this.#violated("gap", `${reader} in ${roomId}: epoch ${epoch} where ${place.epoch} is due`);
    } else if (seq <= place.seq) {
      this.#violated("repeated", `${reader} in ${roomId}: ${seq} after ${place.seq}`);
      return;
    } else if (seq !== place.seq + 1) {
      this.#violated("gap", `${reader} in ${roomId}: ${seq} after ${place.seq}`);
    }
    place.epoch = epoch;
    place.seq = seq;
    this.#checkContent(delivered);
  }

  #checkContent(delivered: DeliveredRecord): void {
    const { reader, roomId, seq, messageId, user } = delivered;
    if (messageId !== null && this.#messages.get(roomId)?.has(keyOf({ user: user ?? "", messageId })) !== true) {
      this.#violated("foretold", `${reader} in ${roomId}: ${seq}, ${nameOf(delivered)}`);
    }
    const log = this.#logOf(roomId);
    if (log === undefined) {
      this.#violated("no_log", delivered.roomId);
      return;
    }
    if (delivered.epoch !== log.head.epoch || delivered.seq < log.head.first) {
      this.#checkGone(delivered, log);
      return;
    }
    const event = log.event(delivered.seq);
    if (
      event === undefined ||
      event.messageId !== delivered.messageId ||
      event.user !== delivered.user ||
      event.hash !== delivered.hash
    ) {
      this.#violated("wrong_content", `${delivered.reader} in ${delivered.roomId}: ${delivered.seq}`);
    }
  }

  /** What the log no longer has is held against what was sent. */
  #checkGone(delivered: DeliveredRecord, log: ReadLog): void {
    const { roomId, epoch, messageId, user, hash, seq, reader } = delivered;
    if (epoch !== log.head.epoch && !this.#isRecreated(roomId)) {
      this.#violated("wrong_content", `${reader} in ${roomId}: ${seq} of an epoch that never was`);
    }
    if (messageId === null) return;
    const message = this.#messages.get(roomId)?.get(keyOf({ user: user ?? "", messageId }));
    if (message?.hash !== hash) this.#violated("wrong_content", `${reader} in ${roomId}: ${seq}`);
  }

  #lose(lost: LostRecord): void {
    this.#counts.losses++;
    const { reader, roomId, reason, from, to, epoch, seq } = lost;
    const place = this.#places.get(placeKey(lost));
    if (place === undefined || place.hasLeft) {
      this.#violated("not_joined", `${reader} in ${roomId}: history_lost`);
      return;
    }
    const log = this.#logOf(roomId);
    const isRight =
      reason === "epoch"
        ? // With less of the same epoch when nobody but the reader knows that there was more.
          (epoch !== place.epoch || seq < place.seq) && this.#isRecreated(roomId)
        : epoch === place.epoch &&
          from === place.seq + 1 &&
          to !== null &&
          to >= from &&
          seq === to &&
          log !== undefined &&
          (log.head.epoch !== epoch || log.head.first > to);
    if (!isRight) {
      this.#violated("false_loss", `${reader} in ${roomId} at ${place.seq}: ${reason} ${from} to ${to}, then ${seq}`);
    }
    place.owesLoss = false;
    place.epoch = epoch;
    place.seq = seq;
  }

  #checkEnd(place: Place): void {
    if (place.hasLeft || place.expelledAt !== null) return;
    const log = this.#logOf(place.roomId);
    if (log === undefined) this.#violated("no_log", place.roomId);
    else if (place.owesLoss || place.epoch !== log.head.epoch || place.seq !== log.head.head) {
      this.#violated(
        "behind",
        `${place.reader} in ${place.roomId} at ${place.epoch}:${place.seq} of ${log.head.epoch}:${log.head.head}`,
      );
    }
  }

  #checkMembers({ via, roomId, readers }: MembersRecord): void {
    const due = Array.from(this.#places.values())
      .filter((place) => place.roomId === roomId && !place.hasLeft && place.expelledAt === null)
      .map(({ reader }) => reader);
    const missing = due.filter((reader) => !readers.includes(reader));
    const tooMany = readers.filter((reader) => !due.includes(reader));
    if (missing.length + tooMany.length === 0) return;
    this.#violated(
      "members_differ",
      `${roomId} through ${via}: without ${missing.join(", ")}; with ${tooMany.join(", ")}`,
    );
  }
}

type ReadLog = FinalLog & { head: NonNullable<FinalLog["head"]> };

function hasHead(log: FinalLog): log is ReadLog {
  return log.head !== null;
}

function keyOf({ user, messageId }: { user: string; messageId: string }): string {
  return `${user}\n${messageId}`;
}

function nameOf({ user, messageId }: { user: string | null; messageId: string | null }): string {
  return `${user ?? "the server"}'s ${messageId ?? "event"}`;
}

function placeKey({ reader, roomId }: { reader: string; roomId: string }): string {
  return `${reader}\n${roomId}`;
}

function epochKey({ roomId, epoch }: { roomId: string; epoch: string }): string {
  return `${roomId}\n${epoch}`;
}

import type { ViolationKind } from "../../src/testing/checker.ts";
import type { HistoryRecord } from "../../src/testing/history.ts";
import { between, type Random } from "./random.ts";

type Kind = HistoryRecord["kind"];
type Of<K extends Kind> = Extract<HistoryRecord, { kind: K }>;

/** A mistake put into a right history. */
export interface Mutation {
  readonly name: string;
  /** The kinds of violation of which at least one must be found. */
  readonly caughtAs: readonly ViolationKind[];
  /** The history with the mistake, or null when this history has no place for it. */
  apply(records: readonly HistoryRecord[], random: Random): HistoryRecord[] | null;
}

/** Makes a mistake at one record of a kind that fits. */
function at<K extends Kind>(
  name: string,
  kind: K,
  caughtAs: readonly ViolationKind[],
  change: (record: Of<K>, records: readonly HistoryRecord[], index: number) => HistoryRecord[] | null,
): Mutation {
  return {
    name,
    caughtAs,
    apply(records, random) {
      const places = records.flatMap((record, index) => (record.kind === kind ? [index] : []));
      const from = between(random, 0, Math.max(0, places.length - 1));
      for (const index of [...places.slice(from), ...places.slice(0, from)]) {
        const changed = change(records[index] as Of<K>, records, index);
        if (changed !== null) return changed;
      }
      return null;
    },
  };
}

const without = (records: readonly HistoryRecord[], index: number) => records.toSpliced(index, 1);
const instead = (records: readonly HistoryRecord[], index: number, ...other: HistoryRecord[]) =>
  records.toSpliced(index, 1, ...other);

/** In both readings of the log, so that only what is wrong with the log itself gives it away. */
function changeLog(
  records: readonly HistoryRecord[],
  { roomId, seq }: Of<"log">,
  change: (event: Of<"log">) => HistoryRecord[],
): HistoryRecord[] {
  return records.flatMap((record) =>
    record.kind === "log" && record.roomId === roomId && record.seq === seq ? change(record) : [record],
  );
}

function isAcked(records: readonly HistoryRecord[], { roomId, seq }: { roomId: string; seq: number }): boolean {
  return records.some((record) => record.kind === "acked" && record.roomId === roomId && record.seq === seq);
}

function keptFrom(records: readonly HistoryRecord[], roomId: string): { first: number; epoch: string } {
  const head = records.find((record) => record.kind === "head" && record.roomId === roomId) as Of<"head">;
  return head;
}

/** Every mistake the checker must find. */
export const MUTATIONS: readonly Mutation[] = [
  at("an event is not delivered", "delivered", ["gap", "behind", "false_loss"], (record, records, index) =>
    // Who is taken out is owed nothing more, nor is anything owed of a log that was deleted.
    record.reader === "mallory" || record.epoch === "old" ? null : without(records, index),
  ),
  at("an event is delivered twice", "delivered", ["repeated"], (record, records, index) =>
    instead(records, index, record, record),
  ),
  at("an event is delivered again later", "delivered", ["repeated"], (record, records) => {
    const end = records.findLastIndex(({ kind }) => kind === "delivered");
    return record === records[end] || record.epoch === "old" ? null : records.toSpliced(end + 1, 0, record);
  }),
  at("two deliveries are swapped", "delivered", ["gap"], (record, records, index) => {
    const next = records[index + 1];
    if (next?.kind !== "delivered" || next.reader !== record.reader || next.roomId !== record.roomId) return null;
    return records.toSpliced(index, 2, next, record);
  }),
  at("an event is delivered with other content", "delivered", ["wrong_content"], (record, records, index) =>
    instead(records, index, { ...record, hash: "0000000000000000" }),
  ),
  at("an event is delivered as another's", "delivered", ["wrong_content"], (record, records, index) =>
    instead(records, index, { ...record, user: "eve" }),
  ),
  at("an event is delivered that is not in the log", "delivered", ["wrong_content"], (record, records) => {
    const { reader, roomId, epoch } = record;
    const place = { kind: "delivered", reader, roomId, epoch, user: "eve", messageId: "eve-1", hash: "1" } as const;
    const end = records.findLastIndex(
      (other) => other.kind === "delivered" && other.reader === reader && other.roomId === roomId,
    );
    return records.toSpliced(end + 1, 0, { ...place, seq: (records[end] as Of<"delivered">).seq + 1 });
  }),
  at("an event is delivered under another seq", "delivered", ["gap"], (record, records, index) =>
    instead(records, index, { ...record, seq: record.seq + 1 }),
  ),
  at("an event is delivered after leaving", "left", ["not_joined"], (record, records, index) => {
    const { reader, roomId } = record;
    const other = records.find((delivered) => delivered.kind === "delivered" && delivered.roomId === roomId);
    return other === undefined ? null : records.toSpliced(index + 1, 0, { ...other, reader } as HistoryRecord);
  }),
  at("an acknowledged event is missing at the log's end", "head", ["lost"], (head, records) => {
    const { roomId } = head;
    if (!isAcked(records, { roomId, seq: head.head }) || head.head < head.first) return null;
    return records.flatMap((record): HistoryRecord[] => {
      if (record.kind === "head" && record.roomId === roomId) return [{ ...record, head: record.head - 1 }];
      return record.kind === "log" && record.roomId === roomId && record.seq === head.head ? [] : [record];
    });
  }),
  at("an event is missing in the log", "log", ["hole_in_log"], (record, records) =>
    changeLog(records, record, () => []),
  ),
  at("a message is in the log twice", "log", ["repeated_in_log"], (event, records) => {
    const { roomId } = event;
    const head = keptFrom(records, roomId) as Of<"head">;
    return records.flatMap((record): HistoryRecord[] => {
      if (record.kind === "head" && record.roomId === roomId) return [{ ...record, head: record.head + 1 }];
      if (record.kind !== "log" || record.roomId !== roomId || record.seq !== head.head) return [record];
      return [record, { ...event, via: record.via, seq: head.head + 1 }];
    });
  }),
  at("two events of the log are swapped", "log", ["lost"], (record, records) => {
    const next = records.find(
      (other) => other.kind === "log" && other.roomId === record.roomId && other.seq === record.seq + 1,
    ) as Of<"log"> | undefined;
    if (next === undefined || !(isAcked(records, record) || isAcked(records, next))) return null;
    const swapped = changeLog(records, record, (event) => [{ ...next, via: event.via, seq: -1 }]);
    return changeLog(swapped, next, (event) => [{ ...record, via: event.via, seq: next.seq }]).map((event) =>
      event.kind === "log" && event.seq === -1 ? { ...event, seq: record.seq } : event,
    );
  }),
  at("the log has other content than was sent", "log", ["altered"], (record, records) =>
    changeLog(records, record, (event) => [{ ...event, hash: "0000000000000000" }]),
  ),
  at("the log has an event nobody sent", "log", ["phantom"], (record, records) =>
    changeLog(records, record, (event) => [{ ...event, messageId: "nobody-1" }]),
  ),
  at("a refused message is in the log", "refused", ["phantom"], (refused, records) => {
    const sent = records.find(
      (record) => record.kind === "sent" && record.messageId === refused.messageId,
    ) as Of<"sent">;
    const { roomId, user, messageId } = refused;
    return records.flatMap((record): HistoryRecord[] => {
      if (record.kind !== "head" || record.roomId !== roomId) return [record];
      const { via, head } = record;
      const event = { kind: "log", via, roomId, seq: head + 1, user, messageId, hash: sent.hash } as const;
      // After the others of its log: the order in the file is the order of the log.
      return [{ ...record, head: head + 1 }, event];
    });
  }),
  at("the log is another through another node", "log", ["logs_differ"], (record, records, index) =>
    record.via === "a" ? null : instead(records, index, { ...record, hash: "0000000000000000" }),
  ),
  at("the log is shorter through another node", "head", ["logs_differ"], (record, records, index) => {
    const last = records.findIndex(
      (other) =>
        other.kind === "log" && other.via === "b" && other.roomId === record.roomId && other.seq === record.head,
    );
    if (record.via === "a" || last === -1) return null;
    return without(instead(records, index, { ...record, head: record.head - 1 }), last);
  }),
  at("an ack of a message that is not in the log", "refused", ["phantom", "lost"], (refused, records, index) => {
    const { user, roomId, messageId } = refused;
    const { epoch } = keptFrom(records, roomId);
    return instead(records, index, { kind: "acked", user, roomId, messageId, epoch, seq: 100_000, duplicate: false });
  }),
  at("an ack with another seq", "acked", ["lost", "ack_changed", "reordered"], (record, records, index) =>
    record.seq < keptFrom(records, record.roomId).first || record.epoch === "old"
      ? null
      : instead(records, index, { ...record, seq: record.seq + 1 }),
  ),
  at("an ack with another epoch", "acked", ["lost", "ack_changed"], (record, records, index) =>
    record.roomId === "chat:three" ? null : instead(records, index, { ...record, epoch: "elsewhere" }),
  ),
  at("a repeated ack with another seq", "acked", ["ack_changed"], (record, records, index) =>
    instead(records, index, record, { ...record, duplicate: true, seq: record.seq + 1 }),
  ),
  at("a repetition that is acknowledged as new", "acked", ["ack_changed"], (record, records, index) =>
    record.duplicate ? null : instead(records, index, record, record),
  ),
  at("an ack of a message nobody sent", "acked", ["phantom"], (record, records, index) =>
    instead(records, index, record, { ...record, messageId: "nobody-2" }),
  ),
  at("a message is never answered", "unknown", ["unresolved"], (_, records, index) => without(records, index)),
  at("two messages of a client are appended in the wrong order", "sent", ["reordered"], (record, records, index) => {
    const other = records.findIndex(
      (later, place) =>
        place > index && later.kind === "sent" && later.client === record.client && later.roomId === record.roomId,
    );
    const later = records[other];
    const acked = (messageId: string) =>
      records.some((ack) => ack.kind === "acked" && ack.messageId === messageId && ack.epoch !== "old");
    if (later?.kind !== "sent" || !acked(record.messageId) || !acked(later.messageId)) return null;
    // Sent the other way round: the log and the acks stay as they are.
    return without(records, other).toSpliced(index, 0, later);
  }),
  at("a message overtakes one that was acknowledged before it was sent", "sent", ["overtaken"], (sent, records) => {
    const event = records.find((record) => record.kind === "log" && record.messageId === sent.messageId) as
      | Of<"log">
      | undefined;
    const next = records.find(
      (record) => record.kind === "log" && record.roomId === sent.roomId && record.seq === (event?.seq ?? 0) + 1,
    ) as Of<"log"> | undefined;
    const ack = records.find((record) => record.kind === "acked" && record.messageId === next?.messageId);
    const own = records.filter((record) => record.kind === "acked" && record.messageId === sent.messageId);
    if (next === undefined || ack === undefined || own.length === 0 || next.user === sent.user) return null;
    // It was sent, and acknowledged, only after the ack of what stands behind it.
    const rest = records.filter((record) => record !== sent && !own.includes(record));
    return rest.toSpliced(rest.indexOf(ack) + 1, 0, sent, ...own);
  }),
  at("a join jumps ahead without a word", "joined", ["cursor_moved"], (record, records, index) => {
    if (!record.recovered || record.after !== null || record.reader === "guest") return null;
    const isFirst = !records
      .slice(0, index)
      .some((other) => other.kind === "joined" && other.reader === record.reader && other.roomId === record.roomId);
    return isFirst ? null : instead(records, index, { ...record, seq: record.seq + 1 });
  }),
  at("a loss is not told", "lost", ["cursor_moved", "behind", "gap", "false_loss"], (_, records, index) =>
    without(records, index),
  ),
  at("a loss is told with a wrong range", "lost", ["false_loss"], (record, records, index) =>
    record.reason === "epoch" ? null : instead(records, index, { ...record, from: (record.from ?? 0) + 1 }),
  ),
  at("a hole is hidden by a false loss", "delivered", ["false_loss"], (record, records, index) => {
    const { reader, roomId, epoch, seq } = record;
    if (epoch === "old" || seq < keptFrom(records, roomId).first) return null;
    const range = { from: seq, to: seq };
    return instead(records, index, { kind: "lost", reader, roomId, reason: "retention", ...range, epoch, seq });
  }),
  at("a false change of epoch", "joined", ["false_loss"], (record, records, index) => {
    const { reader, roomId } = record;
    if (roomId === "chat:three" || reader === "guest") return null;
    const lost = { kind: "lost", reader, roomId, reason: "epoch", from: null, to: null, epoch: "x", seq: 0 } as const;
    return records.toSpliced(index + 1, 0, lost);
  }),
  at("an event is delivered after its reader was taken out", "expelled", ["expelled"], (expelled, records) => {
    const { reader, roomId, seq } = expelled;
    const event = records.find((record) => record.kind === "log" && record.roomId === roomId && record.seq === seq + 1);
    if (event?.kind !== "log") return null;
    const { user, messageId, hash } = event;
    const late = {
      kind: "delivered",
      reader,
      roomId,
      epoch: expelled.epoch,
      seq: seq + 1,
      user,
      messageId,
      hash,
    } as const;
    return [...records, late];
  }),
  at("an event is delivered before it was sent", "sent", ["foretold"], (sent, records, index) => {
    const first = records.findIndex(
      (record) => record.kind === "delivered" && record.messageId === sent.messageId && record.user === sent.user,
    );
    if (first === -1) return null;
    // It was sent only after that.
    return without(records.toSpliced(first + 1, 0, sent), index);
  }),
  at("a read does not show what was acknowledged", "told", ["stale"], (told, records, index) => {
    const asked = records.findLastIndex(
      (record, place) =>
        place < index && record.kind === "asked" && record.reader === told.reader && record.roomId === told.roomId,
    );
    const acked = records
      .slice(0, asked)
      .flatMap((record) => (record.kind === "acked" && record.roomId === told.roomId ? [record.seq] : []));
    return acked.length === 0 ? null : instead(records, index, { ...told, head: Math.max(...acked) - 1 });
  }),
  at("a member is missing", "members", ["members_differ"], (members, records, index) =>
    instead(records, index, { ...members, readers: members.readers.slice(1) }),
  ),
  at("a member stays who has gone", "members", ["members_differ"], (members, records, index) =>
    instead(records, index, { ...members, readers: [...members.readers, "guest"] }),
  ),
  at("there is no final log of a room", "head", ["no_log"], (record, records) =>
    records.filter((other) => !(other.kind === "head" && other.roomId === record.roomId)),
  ),
];

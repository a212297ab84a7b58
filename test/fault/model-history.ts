import { type HistoryRecord, hashOf } from "../../src/testing/history.ts";
import { between, pick, seededRandom } from "./random.ts";

const ROOMS = ["chat:one", "chat:two"];
const CLIENTS = ["ann", "ben", "cy"];
const READERS = ["tablet", "desk", "hall"];
const MESSAGES = 40;
/** As many events of a room are kept when its log is trimmed. */
const KEPT = 8;

interface Event {
  readonly user: string;
  readonly messageId: string;
  readonly hash: string;
}

/**
 * The history of a system that does everything right, under every fault the checker must tell from a mistake: drops, lost
 * acks and their duplicates, refusals, sends nobody waits for any more, retention that overtakes a reader, a log that was
 * deleted (`chat:three`), readers that come late, keep a cursor, leave, or are taken out, and reads of where a room stands. The same seed gives the same history.
 */
export function modelHistory(seed: number): HistoryRecord[] {
  const random = seededRandom(seed);
  const records: HistoryRecord[] = [];
  const logs = new Map(ROOMS.map((roomId) => [roomId, { first: 1, events: [] as Event[] }]));
  const places = new Map<string, number>();
  let sends = 0;

  const logOf = (roomId: string) => logs.get(roomId)!;
  const epochOf = (roomId: string) => `epoch-of-${roomId}`;

  function join(reader: string, roomId: string, after: { epoch: string; seq: number } | null = null): void {
    const { first, events } = logOf(roomId);
    const key = `${reader} ${roomId}`;
    const cursor = places.get(key) ?? after?.seq ?? events.length;
    const recovered = cursor + 1 >= first;
    const seq = recovered ? cursor : first - 1;
    const epoch = epochOf(roomId);
    records.push({ kind: "joined", reader, roomId, after, epoch, seq, recovered });
    if (!recovered) {
      const range = { from: cursor + 1, to: first - 1 };
      records.push({ kind: "lost", reader, roomId, reason: "retention", ...range, epoch, seq });
    }
    places.set(key, seq);
  }

  function deliver(reader: string, roomId: string, most: number): void {
    const key = `${reader} ${roomId}`;
    const { first, events } = logOf(roomId);
    let seq = places.get(key);
    if (seq === undefined || seq + 1 < first) return;
    for (let given = 0; given < most && seq < events.length; given++) {
      seq++;
      const event = events[seq - 1]!;
      records.push({ kind: "delivered", reader, roomId, epoch: epochOf(roomId), seq, ...event });
    }
    places.set(key, seq);
  }

  function send(client: string, roomId: string): void {
    const messageId = `${client}-${++sends}`;
    const hash = hashOf(`said by ${messageId}`);
    const id = { user: client, roomId, messageId };
    records.push({ kind: "sent", client, ...id, hash });
    const fate = random();
    if (fate < 0.05) {
      records.push({ kind: "refused", ...id, code: "access_denied" });
      return;
    }
    if (fate < 0.1) {
      records.push({ kind: "unknown", ...id });
      if (random() < 0.5) logOf(roomId).events.push({ user: client, messageId, hash });
      return;
    }
    const { events } = logOf(roomId);
    events.push({ user: client, messageId, hash });
    const ack = { kind: "acked", ...id, epoch: epochOf(roomId), seq: events.length } as const;
    const isAckLost = fate > 0.8;
    if (isAckLost) records.push({ kind: "connection", client, event: "closed", code: 1006 });
    records.push({ ...ack, duplicate: isAckLost });
    if (fate > 0.95) records.push({ ...ack, duplicate: true });
  }

  function ask(reader: string, roomId: string): void {
    records.push({ kind: "asked", reader, roomId });
    records.push({ kind: "told", reader, roomId, epoch: epochOf(roomId), head: logOf(roomId).events.length });
  }

  /** Comes, is given something, and is taken out; the rest is not for it. */
  function expel(roomId: string): void {
    const [reader, epoch, { first, events }] = ["mallory", epochOf(roomId), logOf(roomId)];
    const seq = Math.max(first - 1, events.length - 2);
    join(reader, roomId, { epoch, seq });
    deliver(reader, roomId, 1);
    records.push({ kind: "expelled", reader, roomId, epoch, seq: events.length });
    places.delete(`${reader} ${roomId}`);
  }

  for (const reader of READERS) for (const roomId of ROOMS) if (random() < 0.7) join(reader, roomId);
  for (let step = 0; step < MESSAGES * ROOMS.length; step++) {
    send(pick(random, CLIENTS), pick(random, ROOMS));
    const [reader, roomId] = [pick(random, READERS), pick(random, ROOMS)];
    if (random() < 0.5) deliver(reader, roomId, between(random, 1, 5));
    if (random() < 0.2 && places.has(`${reader} ${roomId}`)) join(reader, roomId);
    if (random() < 0.2) ask(pick(random, READERS), pick(random, ROOMS));
    if (step === MESSAGES) expel(pick(random, ROOMS));
    if (random() < 0.02) {
      const log = logOf(roomId);
      log.first = Math.max(log.first, log.events.length - KEPT + 1);
      records.push({ kind: "fault", what: "trimmed", roomId });
    }
  }
  records.push(...deletedLog());
  for (const roomId of ROOMS) {
    join("late", roomId, { epoch: epochOf(roomId), seq: logOf(roomId).first - 1 });
    for (const reader of [...READERS, "late"]) {
      if (!places.has(`${reader} ${roomId}`)) join(reader, roomId, { epoch: epochOf(roomId), seq: 0 });
      join(reader, roomId);
      deliver(reader, roomId, MESSAGES * ROOMS.length);
    }
    records.push({
      kind: "joined",
      reader: "guest",
      roomId,
      after: null,
      epoch: epochOf(roomId),
      seq: 0,
      recovered: true,
    });
    records.push({ kind: "left", reader: "guest", roomId });
  }
  for (const via of ["a", "b"]) {
    for (const roomId of ROOMS) records.push({ kind: "members", via, roomId, readers: [...READERS, "late"] });
    for (const [roomId, { first, events }] of logs) {
      const stands = { epoch: epochOf(roomId), first, head: events.length };
      records.push({ kind: "head", via, roomId, ...stands });
      for (let seq = first; seq <= events.length; seq++)
        records.push({ kind: "log", via, roomId, seq, ...events[seq - 1]! });
    }
  }
  return records;
}

/** A room whose log was deleted once: the reader is told, and goes on in the new one. */
function deletedLog(): HistoryRecord[] {
  const roomId = "chat:three";
  const event = (number: number) => ({ user: "dee", messageId: `dee-${number}`, hash: hashOf(`dee ${number}`) });
  const reader = "hall";
  const sent = (number: number, epoch: string, seq: number): HistoryRecord[] => [
    { kind: "sent", client: "dee", roomId, ...event(number) },
    { kind: "acked", user: "dee", messageId: `dee-${number}`, roomId, epoch, seq, duplicate: false },
    { kind: "delivered", reader, roomId, epoch, seq, ...event(number) },
  ];
  return [
    { kind: "joined", reader, roomId, after: null, epoch: "old", seq: 0, recovered: false },
    ...sent(1, "old", 1),
    { kind: "fault", what: "recreated", roomId },
    { kind: "joined", reader, roomId, after: null, epoch: "new", seq: 0, recovered: false },
    { kind: "lost", reader, roomId, reason: "epoch", from: null, to: null, epoch: "new", seq: 0 },
    ...sent(2, "new", 1),
    { kind: "head", via: "a", roomId, epoch: "new", first: 1, head: 1 },
    { kind: "log", via: "a", roomId, seq: 1, ...event(2) },
  ];
}

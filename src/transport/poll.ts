import {
  type Envelope,
  formatRoomCursor,
  formatRoomCursors,
  type JsonObject,
  type Timer,
  YamabikoError,
} from "../protocol/index.ts";
import type { Fanout, Flushable } from "../room/fanout.ts";
import type { Format } from "../room/sink.ts";
import type { Connection } from "../session/connection.ts";
import type { Membership } from "../session/membership.ts";
import { stateFor } from "../session/reader.ts";
import type { Session } from "../session/session.ts";
import { type Caller, closedError, introduce, isKnown, rateKey } from "./caller.ts";
import { enterRooms } from "./enter-rooms.ts";
import { pollEvents, pollJson } from "./http-formats.ts";
import type { ReadRequest } from "./read-request.ts";
import { refusalIn } from "./refusal.ts";
import type { RequestParts } from "./send.ts";

/** An answer with this much of rooms in it is given, whatever else there is, bytes. */
const ANSWER_BYTES = 256 * 1024;
/** How many events an answer holds at most. */
const ANSWER_EVENTS = 1_000;
/** How long an answer waits for what the log owes, beyond its own time, ms. */
const READ_MS = 5_000;

/** What polls stand on. */
export interface PollParts extends RequestParts {
  readonly fanout: Fanout;
}

/**
 * One poll: what its rooms have after a cursor, at once or as soon as there is something, within `waitMs` (HTTP-6 to HTTP-10).
 * A poll is a short connection: it joins, reads, and is gone, and its cursor is all that is left of it.
 *
 * @param leave told when the client has gone; then nobody reads the answer.
 * @throws {YamabikoError} when nothing can be read.
 */
export async function poll(
  request: ReadRequest,
  waitMs: number,
  caller: Caller,
  leave: Leave,
  parts: PollParts,
): Promise<Buffer> {
  const connection = new PollConnection(request, waitMs, parts);
  const session = parts.sessions.open(connection, {
    rates: parts.rates.of(rateKey(caller)),
    isMember: isKnown(caller),
    address: caller.address,
  });
  leave.onGone(() => {
    session.end("aborted");
    connection.finish();
  });
  try {
    connection.session = session;
    introduce(session, caller, parts.guests);
    connection.checkOpen();
    await enterRooms(session, request, connection, parts.sessions);
    await connection.collect(waitMs);
    return connection.answer();
  } finally {
    connection.end();
    session.end("normal");
  }
}

/** Whether the client has left. An AbortSignal would say the same and cost more than the rest of the request's beginning. */
export interface Leave {
  /** Calls `run` when the client goes; at once when it has gone. */
  onGone(run: () => void): void;
}

/** A client that listens for the time of one answer. */
class PollConnection implements Connection, Flushable {
  readonly transport = "poll";
  readonly isDuplex = false;
  readonly isCongested = false;
  readonly format: Format;
  readonly waitsMs: number;
  session: Session | null = null;
  readonly #request: ReadRequest;
  readonly #parts: PollParts;
  #lines: Buffer[] = [];
  #bytes = 0;
  /** Of these, what rooms delivered. */
  #roomBytes = 0;
  #eventsLeft: number;
  #isOver = false;
  #isTimeOver = false;
  #isMarked = false;
  #timer: Timer | null = null;
  #done: (() => void) | null = null;
  #refusal: YamabikoError | null = null;
  #isClosed = false;
  /** Where each room stood when the server closed it; null while it has not. */
  #lastCursor: string | null = null;

  constructor(request: ReadRequest, waitMs: number, parts: PollParts) {
    this.waitsMs = waitMs;
    this.#request = request;
    this.#parts = parts;
    this.format = request.wants === "events" ? pollEvents : pollJson;
    this.#eventsLeft = request.limit ?? ANSWER_EVENTS;
  }

  get heardAt(): number {
    return this.#parts.clock.monotonic();
  }

  get eventsLeft(): number {
    return this.#eventsLeft;
  }

  get writable(): boolean {
    // What is said on the way in does not count: a state as large as an answer, told anew by every node, would leave no room
    // for events, and the cursor would never move.
    return !this.#isOver && this.#eventsLeft > 0 && this.#roomBytes < ANSWER_BYTES;
  }

  /** @throws {YamabikoError} why it was not let in. */
  checkOpen(): void {
    if (this.#isClosed) throw this.#refusal;
  }

  deliver(bytes: Buffer): void {
    if (this.#isOver) return;
    if (bytes.length > 0) {
      this.#lines.push(bytes);
      this.#bytes += bytes.length;
      this.#roomBytes += bytes.length;
      this.#eventsLeft = Math.max(0, this.#eventsLeft - countLines(bytes));
    }
    // Asked again even for nothing: state that is not told in lines may be news all the same.
    this.#mark();
  }

  send(envelope: Envelope): void {
    if (this.#isOver) return;
    if (this.#request.wants === "events") this.#hear(envelope);
    else if (envelope.type !== "welcome" || this.#request.welcome) this.#say(envelope);
  }

  #say(envelope: Envelope): void {
    const line = pollJson.envelope(envelope);
    this.#lines.push(line);
    this.#bytes += line.length;
    this.#mark();
  }

  /** Where only events are wanted, a refusal is the answer to the whole request. */
  #hear(envelope: Envelope): void {
    if (envelope.type === "left_room") {
      this.#refusal ??= new YamabikoError("access_denied", "You may not read this room.");
    } else this.#refusal ??= refusalIn(envelope);
    this.#mark();
  }

  close(code: number, reason: string): void {
    this.#isClosed = true;
    // The session is about to leave its rooms.
    this.#lastCursor ??= this.#cursor();
    this.#refusal ??= closedError(code, reason);
    if (this.#request.wants === "envelopes") this.#say({ type: "closed", payload: { code, reason } });
    this.finish();
  }

  ping(): boolean {
    return false;
  }

  pauseReading(): void {}

  /** Resolves when there is something to answer with, or the time is over. */
  collect(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#done = resolve;
      for (const { subscription } of this.session!.memberships.values()) {
        subscription.onSettled = () => this.#look();
      }
      this.#timer = this.#parts.clock.setTimer(() => this.#timeOver(waitMs), waitMs);
      if (this.#isOver || this.#isClosed) this.#done();
      else this.#look();
    });
  }

  /** The time is over; what the log still owes is waited for a little longer. */
  #timeOver(waitMs: number): void {
    this.#isTimeOver = true;
    this.#look();
    if (!this.#isOver) this.#timer = this.#parts.clock.setTimer(() => this.finish(), Math.max(0, READ_MS - waitMs));
  }

  /** Answers at the end of the turn, so that what became ready together leaves together. */
  #mark(): void {
    if (this.#isMarked || this.#done === null) return;
    this.#isMarked = true;
    this.#parts.fanout.markSink(this);
  }

  flush(): void {
    this.#isMarked = false;
    this.#look();
  }

  #look(): void {
    if (this.#isOver || this.#done === null) return;
    if (this.#refusal !== null) this.finish();
    else if (!this.writable) this.finish();
    else if (this.#isSettled() && (this.#isTimeOver || this.#hasNews())) this.finish();
  }

  #isSettled(): boolean {
    for (const { subscription } of this.session!.memberships.values()) if (!subscription.isWaiting) return false;
    return true;
  }

  #hasNews(): boolean {
    return this.#bytes > 0 || (this.#request.state && this.#changedRooms().length > 0);
  }

  /** Ends the waiting: the answer is what there is. */
  finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.cancel();
    this.#done?.();
  }

  end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  /** The rooms whose state is newer than what the cursor named. */
  #changedRooms(): Membership[] {
    const known = new Map(this.#request.resumed.map(({ address, from }) => [address.roomId, from.revision]));
    return Array.from(this.session!.memberships.values()).filter(
      ({ room }) => room.knownRevision(known.get(room.roomId) ?? null) !== room.state.rev,
    );
  }

  #stateOf({ room, options }: Membership): JsonObject {
    const { id, user } = this.session!;
    return stateFor(room, { user: user!, connectionId: id, options, resumed: true });
  }

  #cursor(): string {
    const { wants, state, resumed } = this.#request;
    const hasRevisions = wants === "envelopes" || state;
    const rooms = new Map<string, string>();
    // Closed on its way in: the rooms it did not come to stay where they were.
    if (this.#done === null) {
      for (const { address, from } of resumed) {
        const { epoch, seq } = from.cursor;
        rooms.set(address.roomId, epoch === null ? String(seq) : formatRoomCursor(epoch, seq, from.revision));
      }
    }
    for (const { room, subscription } of this.session?.memberships.values() ?? []) {
      const { epoch, seq } = subscription.position;
      rooms.set(room.roomId, formatRoomCursor(epoch, seq, hasRevisions ? room.revision(subscription.rev) : null));
    }
    return formatRoomCursors(rooms);
  }

  /** @throws {YamabikoError} when the request was refused, or could not be served. */
  answer(): Buffer {
    const isEvents = this.#request.wants === "events";
    if (isEvents && this.#refusal !== null) throw this.#refusal;
    const rest: Record<string, unknown> = { cursor: this.#lastCursor ?? this.#cursor() };
    if (isEvents && this.#request.state) {
      const changed = this.#changedRooms();
      rest.state = Object.fromEntries(changed.map((membership) => [membership.room.roomId, this.#stateOf(membership)]));
      rest.users = Object.fromEntries(changed.map(({ room }) => [room.roomId, room.users()]));
    }
    const lines = Buffer.concat(this.#lines, this.#bytes);
    // Lines become elements: every line break stands between two messages.
    for (let at = lines.indexOf(LINE_BREAK); at !== -1; at = lines.indexOf(LINE_BREAK, at + 1)) lines[at] = COMMA;
    const elements = lines.length === 0 ? lines : lines.subarray(0, -1);
    return Buffer.concat([Buffer.from('{"messages":['), elements, Buffer.from(`],${JSON.stringify(rest).slice(1)}`)]);
  }
}

const LINE_BREAK = 0x0a;
const COMMA = 0x2c;

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_BREAK); at !== -1; at = bytes.indexOf(LINE_BREAK, at + 1)) count++;
  return count;
}

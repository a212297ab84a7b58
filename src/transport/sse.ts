import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Observer } from "../observe/observer.ts";
import { type Envelope, formatCursor, formatRoomCursors, YamabikoError } from "../protocol/index.ts";
import { type Format, joinMessages, oneMessage } from "../room/sink.ts";
import type { Connection } from "../session/connection.ts";
import type { Session } from "../session/session.ts";
import { takesGzip } from "./accept-encoding.ts";
import { type Caller, closedError, introduce } from "./caller.ts";
import { GZIP_HEAD } from "./deflate.ts";
import { enterRooms } from "./enter-rooms.ts";
import { gzippedFormat, sseJson } from "./http-formats.ts";
import { Outflow, type OutflowOwner } from "./outflow.ts";
import type { PollParts } from "./poll.ts";
import type { ReadRequest } from "./read-request.ts";
import { refusalIn } from "./refusal.ts";

/**
 * After how long a silent stream says something, ms, so that it does at least every 20 s: connections are looked at once a
 * second, and once to ask and once to hear. Proxies and firewalls forget what is silent for a minute or less.
 */
const COMMENT_MS = 18_000;
/** When an EventSource comes back by itself, ms. */
const RETRY_MS = 1_000;
/** How long the other side has to take the last bytes, ms. */
const GOODBYE_MS = 2_000;

/** What streams stand on. */
export interface SseParts extends PollParts {
  readonly heartbeatMs: number;
  readonly observer: Observer;
  /** Whether streams are compressed for those who take gzip. */
  readonly compression: boolean;
}

/** A stream as it is asked for. */
export interface SseRequest extends ReadRequest {
  /** How messages look in it. Default: every event of the log goes to `onmessage`. */
  readonly format?: Format;
}

/**
 * Server-sent events (WHATWG HTML section 9.2): streams from a cursor (HTTP-11, HTTP-12). Resolves when the stream has begun; it
 * ends with its socket.
 * @throws {YamabikoError} when it is refused; then nothing has been written.
 */
export async function serveSse(
  request: SseRequest,
  caller: Caller,
  response: ServerResponse,
  parts: SseParts,
): Promise<void> {
  const { socket } = response;
  if (socket === null) {
    // Requests before it on this socket are not answered yet, and a stream never ends.
    throw new YamabikoError("invalid_message", "A stream cannot be asked for behind another request.");
  }
  // Gone while its credential was checked: nothing would ever tell that it ended.
  if (socket.destroyed) return;
  const takesSmall = parts.compression && takesGzip(response.req.headers["accept-encoding"]);
  const connection = new SseConnection(request, socket, takesSmall, parts);
  const session = parts.sessions.open(connection, { address: caller.address });
  connection.listen(session);
  try {
    introduce(session, caller, parts.guests);
    connection.checkOpen();
    // A client of ours is told of each room; anybody else of none, when one of them may not be read.
    if (request.wants === "envelopes") connection.begin(response);
    await enterRooms(session, request, connection, parts.sessions);
    connection.checkOpen();
    if (request.wants === "events") connection.begin(response);
  } catch (error) {
    if (!connection.hasBegun) {
      connection.abandon();
      session.end("normal");
      throw error;
    }
    connection.refuse(error);
    session.close("try_later", "the rooms could not be read");
  }
}

/** A client that listens to a stream. Its bytes go to the socket as they are: the body ends where the connection does. */
class SseConnection implements Connection, OutflowOwner {
  readonly transport = "sse";
  readonly isDuplex = false;
  readonly format: Format;
  readonly quietMs: number;
  readonly #socket: Socket;
  readonly #parts: SseParts;
  readonly #wantsEvents: boolean;
  /** Where the reader of several rooms is in each, for the ids; null for one room, whose events carry their own. */
  readonly #positions: Map<string, string> | null;
  readonly #isGzipped: boolean;
  #out: Outflow | null = null;
  /** What was said before the answer could begin. */
  #early: Buffer[] = [];
  #refusal: YamabikoError | null = null;
  #session: Session | null = null;
  #heardAt: number;
  #isEnded = false;

  constructor(request: SseRequest, socket: Socket, takesSmall: boolean, parts: SseParts) {
    this.quietMs = Math.min(parts.heartbeatMs, COMMENT_MS);
    this.#socket = socket;
    this.#parts = parts;
    this.#wantsEvents = request.wants === "events";
    const rooms = request.resumed.length + request.messages.length;
    this.#positions = this.#wantsEvents && rooms > 1 ? new Map() : null;
    const format = request.format ?? sseJson;
    // The ids of several rooms are made for each stream, and so would be what is compressed.
    this.#isGzipped = takesSmall && this.#positions === null;
    this.format = this.#isGzipped ? gzippedFormat(format) : format;
    this.#heardAt = parts.clock.monotonic();
  }

  /** Whether the answer has begun, so that no other can be given. */
  get hasBegun(): boolean {
    return this.#out !== null;
  }

  listen(session: Session): void {
    this.#session = session;
    this.#socket.on("close", this.#closed);
  }

  readonly #drained = (): void => this.#out?.drained();

  onWritable(): void {
    this.#session?.wake();
  }

  readonly #closed = (): void => {
    this.#isEnded = true;
    this.#out?.end();
    this.#session?.end("aborted");
  };

  /** @throws {YamabikoError} why it was not let in. */
  checkOpen(): void {
    if (this.#refusal !== null) throw this.#refusal;
  }

  /** Writes the head, and what was said until now. */
  begin(response: ServerResponse): void {
    if (this.#isEnded) return;
    response.useChunkedEncodingByDefault = false;
    response.shouldKeepAlive = false;
    response.writeHead(200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-store, no-transform",
      "X-Accel-Buffering": "no",
      ...(this.#isGzipped ? { "Content-Encoding": "gzip" } : {}),
      Connection: "close",
    });
    response.flushHeaders();
    this.#socket.setNoDelay(true);
    const { fanout, limits } = this.#parts;
    this.#out = new Outflow(this.#socket, fanout, limits.outboxBytes, this);
    this.#socket.on("drain", this.#drained);
    if (this.#isGzipped) this.#out.deliver(GZIP_HEAD);
    this.#write(Buffer.from(`retry: ${RETRY_MS}\n\n`));
    for (const { room, subscription } of this.#session!.memberships.values()) {
      const { epoch, seq } = subscription.position;
      const position = formatCursor(epoch, seq);
      this.#positions?.set(room.roomId, position);
      // An EventSource that drops before its first event would come back without a cursor, to a head that has moved on.
      if (this.#wantsEvents && this.#positions === null) this.#write(idOnly(position));
    }
    if (this.#positions !== null) this.#write(idOnly(formatRoomCursors(this.#positions)));
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) this.#out.deliver(bytes);
    this.#session!.wake();
  }

  /** Writes what is in no format yet. */
  #write(bytes: Buffer): void {
    this.#out?.deliver(joinMessages(this.format, [bytes]));
  }

  /** It is answered in another way. */
  abandon(): void {
    this.#isEnded = true;
    this.#socket.off("close", this.#closed);
  }

  /** What was asked for could not be done. */
  refuse(error: unknown): void {
    this.#session?.refuse(undefined, error);
  }

  get heardAt(): number {
    const out = this.#out;
    // It never speaks. That it takes what it is given is all there is to hear, and all that matters.
    const takesAll = out !== null && out.bytes === 0 && this.#session?.askedAt != null;
    if (takesAll || out?.tookSome() === true) this.#heardAt = this.#parts.clock.monotonic();
    return this.#heardAt;
  }

  get writable(): boolean {
    return this.#out?.writable ?? false;
  }

  get pendingBytes(): number {
    return this.#out?.bytes ?? 0;
  }

  get isCongested(): boolean {
    return this.#out?.isCongested ?? false;
  }

  deliver(bytes: Buffer): void {
    const given = this.#positions === null ? bytes : this.#withAllPositions(bytes, this.#positions);
    if (this.#out === null) this.#early.push(given);
    else this.#out.deliver(given);
  }

  send(envelope: Envelope): void {
    if (this.#wantsEvents && !this.hasBegun) this.#hear(envelope);
    // It joined by its address, and awaits no answer.
    if (this.#wantsEvents && envelope.type === "ack") return;
    this.deliver(oneMessage(this.format, envelope));
    if (envelope.type === "left_room" && this.#wantsEvents) this.#left(envelope.roomId);
  }

  #left(roomId: string | undefined): void {
    this.#positions?.delete(roomId ?? "");
    // Said from inside the session's own work.
    if (this.#session?.memberships.size === 0) {
      queueMicrotask(() => this.#session?.close("forbidden", "there is no room left to read"));
    }
  }

  #hear(envelope: Envelope): void {
    this.#refusal ??= refusalIn(envelope);
  }

  ping(): boolean {
    if (this.#out === null || this.#out.isClosed) return false;
    this.#write(COMMENT);
    return true;
  }

  pauseReading(): void {}

  close(code: number, reason: string): void {
    this.#refusal ??= closedError(code, reason);
    if (this.#out === null || this.#isEnded) return;
    this.#isEnded = true;
    this.#out.deliver(oneMessage(this.format, { type: "closed", payload: { code, reason } }));
    this.#out.end();
    const socket = this.#socket;
    socket.end();
    const timer = setTimeout(() => socket.destroy(), GOODBYE_MS);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
  }

  /** Every `id` becomes the cursor of all rooms: an EventSource remembers only the last one. */
  #withAllPositions(bytes: Buffer, positions: Map<string, string>): Buffer {
    const parts: Buffer[] = [];
    let at = 0;
    while (at < bytes.length) {
      const next = bytes.indexOf("\n\n", at) + 2;
      const block = bytes.subarray(at, next);
      at = next;
      if (!block.subarray(0, ID.length).equals(ID)) {
        parts.push(block);
        continue;
      }
      const lineEnd = block.indexOf("\n");
      positions.set(roomIdOf(block), block.subarray(ID.length, lineEnd).toString());
      parts.push(Buffer.from(`id: ${formatRoomCursors(positions)}`), block.subarray(lineEnd));
    }
    return Buffer.concat(parts);
  }
}

/** The room of an event's block: `roomId` is the last member but one of its envelope, and has no quotes in it. */
function roomIdOf(block: Buffer): string {
  const start = block.lastIndexOf(ROOM_ID) + ROOM_ID.length;
  return block.subarray(start, block.indexOf('"', start)).toString();
}

/** Remembered by an EventSource, and no event: it has no data. */
function idOnly(id: string): Buffer {
  return Buffer.from(`id: ${id}\n\n`);
}

const ID = Buffer.from("id: ");
const ROOM_ID = Buffer.from('"roomId":"');
const COMMENT = Buffer.from(":\n\n");

import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Identity } from "../auth/identity.ts";
import type { Codec } from "../codec/codec.ts";
import { jsonCodec } from "../codec/json.ts";
import { msgpackCodec } from "../codec/msgpack.ts";
import type { CloseReason, Observer, TransportName } from "../observe/observer.ts";
import {
  CLOSE,
  CLOSE_CODES,
  type Clock,
  type CloseName,
  type Envelope,
  type Limits,
  SUBPROTOCOLS,
  type Timer,
} from "../protocol/index.ts";
import type { Fanout } from "../room/fanout.ts";
import { type Format, oneMessage } from "../room/sink.ts";
import type { Connection } from "../session/connection.ts";
import type { Session } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import { closeFrame, frameBytes, OPCODE } from "./frame.ts";
import { type FrameBounds, type FrameFault, type FrameListener, FrameReader } from "./frame-reader.ts";
import { answerHandshake, type Handshake } from "./handshake.ts";
import { Outflow, type OutflowOwner } from "./outflow.ts";
import { type WebSocketSpeech, webSocketFormat } from "./websocket-formats.ts";

/** How long the other side has to answer our close frame, ms. */
const CLOSE_MS = 2_000;
/** How long it has to take the rest and to hang up, when it closed first or broke a rule, ms. */
const HANG_UP_MS = 30_000;

export interface WebSocketParts {
  readonly sessions: Sessions;
  readonly fanout: Fanout;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Whether permessage-deflate is offered (RFC 7692). */
  readonly compression: boolean;
}

/** WebSocket (RFC 6455) over a socket that left HTTP. */
export class WebSocketTransport {
  readonly #parts: WebSocketParts;
  readonly #plain: FrameBounds;
  readonly #deflated: FrameBounds;

  constructor(parts: WebSocketParts) {
    this.#parts = parts;
    const { messageBytes } = parts.limits;
    this.#plain = { messageBytes, deflated: false };
    this.#deflated = { messageBytes, deflated: true };
  }

  /**
   * Answers 101 and serves the client. The caller has checked path, origin, limits and credentials.
   * @param head what came behind the request.
   * @param identity who the handshake's own credential named; null when there was none.
   * @throws {YamabikoError} `invalid_message` for a handshake that is none; then nothing was answered.
   */
  accept(request: IncomingMessage, socket: Socket, head: Buffer, identity: Identity | null): void {
    const handshake = answerHandshake(request, this.#parts.compression);
    const connection = this.#connect("websocket", request, socket, handshake);
    const session = this.#parts.sessions.open(connection);
    connection.serve(session);
    // The answer, and what is said first, leave in one write.
    connection.begin(handshake.answer, head);
    if (identity !== null) session.identify(identity);
  }

  /**
   * Answers 101 and sends every message back: for conformance suites, through the same parser, limits and writer.
   * @throws {YamabikoError} as `accept`.
   */
  echo(request: IncomingMessage, socket: Socket, head: Buffer): Connection {
    const handshake = answerHandshake(request, this.#parts.compression);
    const connection = this.#connect("echo", request, socket, handshake);
    this.#parts.observer.connectionOpened("echo");
    connection.begin(handshake.answer, head);
    return connection;
  }

  #connect(
    transport: TransportName,
    request: IncomingMessage,
    socket: Socket,
    handshake: Handshake,
  ): WebSocketConnection {
    socket.setNoDelay(true);
    // A connection that was kept for another request would be ended for its silence.
    socket.setTimeout(0);
    const bounds = handshake.deflated ? this.#deflated : this.#plain;
    return new WebSocketConnection(transport, socket, this.#parts, speechOf(request, handshake), bounds);
  }
}

/** How the client of a handshake wants to be spoken to. */
function speechOf(request: IncomingMessage, { subprotocol, deflated }: Handshake): WebSocketSpeech {
  // Ours are made for the whole window; a message may always come as it is (RFC 7692 section 6).
  const wantsSmaller = request.headers["sec-websocket-extensions"]?.includes("server_max_window_bits") === true;
  return {
    binary: subprotocol === SUBPROTOCOLS.msgpack,
    deflated: deflated && !wantsSmaller,
    batched: /[?&]batch=1(&|$)/.test(request.url ?? ""),
  };
}

/** Where a socket's connection is found: one listener of each kind serves all, where each would have its own. */
const CONNECTION = Symbol("connection");

/** A socket with a connection on it. */
interface ServedSocket extends Socket {
  [CONNECTION]?: WebSocketConnection;
}

function handleData(this: ServedSocket, chunk: Buffer): void {
  this[CONNECTION]?.handleData(chunk);
}

function handleDrain(this: ServedSocket): void {
  this[CONNECTION]?.handleDrain();
}

function handleEnd(this: ServedSocket): void {
  this[CONNECTION]?.handleEnd();
}

function handleClose(this: ServedSocket): void {
  this[CONNECTION]?.handleClose();
  this[CONNECTION] = undefined;
}

/** One client. Without a session it is an echo. */
class WebSocketConnection implements Connection, FrameListener, OutflowOwner {
  readonly transport: TransportName;
  readonly format: Format;
  readonly #codec: Codec;
  readonly #socket: ServedSocket;
  readonly #parts: WebSocketParts;
  readonly #out: Outflow;
  readonly #in: FrameReader;
  #session: Session | null = null;
  #heardAt: number;
  #bytesRead = 0;
  #isPaused = false;
  #isPausedBySession = false;
  #isPausedByOutbox = false;
  /** Why it ends, as far as the other side said. */
  #reason: CloseReason = "aborted";
  /** Whether our close frame is on its way. */
  #isClosing = false;
  #hangUpTimer: Timer | null = null;

  constructor(
    transport: TransportName,
    socket: Socket,
    parts: WebSocketParts,
    speech: WebSocketSpeech,
    bounds: FrameBounds,
  ) {
    this.transport = transport;
    this.format = webSocketFormat(speech);
    this.#codec = speech.binary ? msgpackCodec : jsonCodec;
    this.#socket = socket;
    this.#parts = parts;
    this.#heardAt = parts.clock.monotonic();
    this.#out = new Outflow(socket, parts.fanout, parts.limits.outboxBytes, this);
    this.#in = new FrameReader(this, bounds);
  }

  get isDuplex(): boolean {
    return true;
  }

  serve(session: Session): void {
    this.#session = session;
  }

  /** Answers the handshake, and reads. */
  begin(answer: string, head: Buffer): void {
    const socket = this.#socket;
    this.#out.deliver(Buffer.from(answer, "latin1"));
    socket[CONNECTION] = this;
    if (head.length > 0) socket.unshift(head);
    socket.on("data", handleData);
    socket.on("drain", handleDrain);
    socket.on("end", handleEnd);
    socket.on("close", handleClose);
  }

  // ---- in

  handleData(chunk: Buffer): void {
    this.#in.read(chunk);
  }

  received(bytes: Buffer, isBinary: boolean): void {
    const session = this.#session;
    if (session === null) {
      this.#parts.observer.messageReceived(bytes.length);
      this.deliver(frameBytes(bytes, isBinary ? OPCODE.binary : OPCODE.text));
      return;
    }
    if (isBinary !== this.#codec.binary) {
      session.close("unsupported_data", isBinary ? "this connection speaks text" : "this connection speaks binary");
      return;
    }
    let value: unknown;
    try {
      value = this.#codec.decode(bytes, this.#parts.limits);
    } catch (error) {
      session.refuseInput(error, bytes.length);
      return;
    }
    session.receive(value, bytes.length);
  }

  pinged(payload: Buffer): void {
    // Conformance suites count the answers.
    if (this.#session === null) this.deliver(frameBytes(payload, OPCODE.pong));
    // Answering the newest is enough (RFC 6455 section 5.5.3).
    else if (this.#session.receivePing()) this.#out.deliverNewest(frameBytes(payload, OPCODE.pong));
  }

  closed(code: number | null): void {
    this.#reason = reasonOf(code);
    this.#sayGoodbye(code, "", HANG_UP_MS);
    this.#hangUp();
  }

  broke(fault: FrameFault): void {
    this.#reason = fault;
    this.#sayGoodbye(CLOSE[fault], "", HANG_UP_MS);
    this.#hangUp();
  }

  handleEnd(): void {
    this.#out.end();
    this.#socket.end();
  }

  handleClose(): void {
    this.#hangUpTimer?.cancel();
    this.#in.stop();
    this.#out.end();
    if (this.#session !== null) this.#session.end(this.#reason);
    else this.#parts.observer.connectionClosed("echo", this.#reason);
  }

  get heardAt(): number {
    const { bytesRead } = this.#socket;
    const isHeard = bytesRead !== this.#bytesRead;
    // One who reads slowly lives, though our ping waits behind what it has not read yet. So does one we do not listen to,
    // unless that is because it does not read.
    const tookSome = this.#out.tookSome();
    if (isHeard || tookSome || (this.#isPausedBySession && !this.#out.isCongested)) {
      this.#bytesRead = bytesRead;
      this.#heardAt = this.#parts.clock.monotonic();
    }
    return this.#heardAt;
  }

  // ---- out

  get writable(): boolean {
    return this.#out.writable;
  }

  get isCongested(): boolean {
    return this.#out.isCongested;
  }

  deliver(bytes: Buffer): void {
    this.#out.deliver(bytes);
    if (!this.#isPausedByOutbox && this.#out.isCongested) {
      this.#isPausedByOutbox = true;
      this.#parts.observer.limited("outboxBytes");
      this.#applyPause();
    }
  }

  send(envelope: Envelope): void {
    this.deliver(oneMessage(this.format, envelope));
  }

  ping(): boolean {
    if (this.#out.isClosed) return false;
    this.deliver(PING);
    return true;
  }

  handleDrain(): void {
    this.#out.drained();
  }

  onWritable(): void {
    if (this.#isPausedByOutbox) {
      this.#isPausedByOutbox = false;
      this.#applyPause();
    }
    this.#session?.wake();
  }

  // ---- the flow

  pauseReading(paused: boolean): void {
    this.#isPausedBySession = paused;
    this.#applyPause();
  }

  #applyPause(): void {
    const shouldPause = this.#isPausedBySession || this.#isPausedByOutbox;
    if (shouldPause === this.#isPaused) return;
    this.#isPaused = shouldPause;
    if (shouldPause) this.#socket.pause();
    else this.#socket.resume();
  }

  // ---- the end

  close(code: number, reason: string): void {
    this.#sayGoodbye(code, reason, CLOSE_MS);
  }

  /**
   * Sends our close frame behind what was delivered before; nothing leaves after it.
   * @param waitMs how long the other side may then take to be gone.
   */
  #sayGoodbye(code: number | null, reason: string, waitMs: number): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    // The other side's close frame, or its end, must be read even if nothing else was.
    this.#isPausedBySession = false;
    this.#isPausedByOutbox = false;
    this.#applyPause();
    this.#out.deliver(closeFrame(code, reason));
    this.#out.end();
    this.#hangUpTimer = this.#parts.clock.setTimer(() => this.#socket.destroy(), waitMs);
  }

  /** Both sides have said that it is over: the server hangs up first (RFC 6455 section 7.1.1). */
  #hangUp(): void {
    this.#socket.end();
  }
}

const PING = frameBytes(Buffer.alloc(0), OPCODE.ping);

/** What the table calls a code of the other side's; one without a code is done. */
function reasonOf(code: number | null): CloseReason {
  if (code === null) return "normal";
  for (const [name, entry] of Object.entries(CLOSE_CODES)) if (entry.code === code) return name as CloseName;
  return "aborted";
}

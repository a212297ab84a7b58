import type { Socket } from "node:net";
import type { CloseReason, Observer } from "../observe/observer.ts";
import { CLOSE, type Clock, type CloseName, type Limits, type Timer } from "../protocol/index.ts";
import type { Fanout } from "../room/fanout.ts";
import { closeFrame, frameBytes, OPCODE } from "./frame.ts";
import { type FrameBounds, type FrameFault, type FrameListener, FrameReader } from "./frame-reader.ts";
import { Outflow, type OutflowOwner } from "./outflow.ts";
import type { Slices } from "./slices.ts";

/** How long the other side has to answer our close frame, ms. */
const CLOSE_MS = 2_000;
/** How long it has to take the rest and to hang up, when it closed first or broke a rule, ms. */
const HANG_UP_MS = 30_000;
/** How often a connection is pinged only to know how far away it is, ms. */
const MEASURE_MS = 10_000;

export interface FramedSocketParts {
  readonly fanout: Fanout;
  /** What comes in on all sockets. */
  readonly intake: Slices;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly observer: Observer;
}

/** Where a socket's connection is found: one listener of each kind serves all, where each would have its own. */
const CONNECTION = Symbol("connection");

/** A socket with a connection on it. */
interface ServedSocket extends Socket {
  [CONNECTION]?: FramedSocket;
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

/** A socket that speaks in the frames of RFC 6455, whatever its messages mean: in and out, its pauses, and its end. */
export abstract class FramedSocket implements FrameListener, OutflowOwner {
  readonly #socket: ServedSocket;
  readonly #parts: FramedSocketParts;
  readonly #out: Outflow;
  readonly #in: FrameReader;
  #heardAt: number;
  /** When it was last seen to have taken everything, or some of what waited. */
  #tookAt: number;
  #bytesRead = 0;
  /** When the newest ping left. */
  #pingedAt = Number.NEGATIVE_INFINITY;
  #isPongAwaited = false;
  #latencyMs: number | null = null;
  #isPaused = false;
  #isPausedByOwner = false;
  #isPausedByOutbox = false;
  #isPausedByIntake = false;
  /** Why it ends, as far as the other side said. */
  #reason: CloseReason = "aborted";
  /** Whether our close frame is on its way. */
  #isClosing = false;
  #hangUpTimer: Timer | null = null;

  constructor(socket: Socket, parts: FramedSocketParts, bounds: FrameBounds) {
    this.#socket = socket;
    this.#parts = parts;
    this.#heardAt = parts.clock.monotonic();
    this.#tookAt = this.#heardAt;
    this.#out = new Outflow(socket, parts.fanout, parts.limits.outboxBytes, this);
    this.#in = new FrameReader(this, bounds);
  }

  /** Answers the handshake, and reads. */
  begin(answer: string, head: Buffer): void {
    const socket = this.#socket;
    socket.setNoDelay(true);
    // A connection that was kept for another request would be ended for its silence.
    socket.setTimeout(0);
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
    const { intake } = this.#parts;
    if (intake.mayStart()) {
      this.#in.read(chunk);
      return;
    }
    // Others have something to say as well. Nothing more comes before this was read, so no more of it waits than one chunk.
    this.#isPausedByIntake = true;
    this.#applyPause();
    intake.later(() => {
      this.#isPausedByIntake = false;
      this.#in.read(chunk);
      this.#applyPause();
    });
  }

  abstract received(bytes: Buffer, isBinary: boolean): void;

  abstract pinged(payload: Buffer): void;

  /** The socket is gone. Called once. */
  protected abstract gone(reason: CloseReason): void;

  /** The other side takes bytes again. */
  protected abstract wake(): void;

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
    this.#hangUp();
    // What the other side does not take keeps the socket; no heartbeat would find out, because nothing more can be asked.
    if (!this.#isClosing) this.#destroyIn(HANG_UP_MS);
  }

  handleClose(): void {
    this.#hangUpTimer?.cancel();
    this.#in.stop();
    this.#out.end();
    this.gone(this.#reason);
  }

  /** As `Connection.heardAt`. */
  get heardAt(): number {
    const { bytesRead } = this.#socket;
    const isHeard = bytesRead !== this.#bytesRead;
    // One who reads slowly lives, though our ping waits behind what it has not read yet. So does one we do not listen to,
    // unless that is because it does not read.
    const tookSome = this.#out.tookSome();
    if (tookSome || !this.#out.isWaiting) this.#tookAt = this.#parts.clock.monotonic();
    if (isHeard || tookSome || (this.#isPausedByOwner && !this.#out.isCongested)) {
      this.#bytesRead = bytesRead;
      this.#heardAt = this.#parts.clock.monotonic();
    }
    return this.#heardAt;
  }

  /** As `Connection.takesNothingForMs`. */
  get takesNothingForMs(): number {
    return this.#out.isWaiting ? this.#parts.clock.monotonic() - this.#tookAt : 0;
  }

  // ---- out

  get writable(): boolean {
    return this.#out.writable;
  }

  get pendingBytes(): number {
    return this.#out.bytes;
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

  /** Answers a ping. The newest is enough (RFC 6455 section 5.5.3). */
  protected pong(payload: Buffer): void {
    this.#out.deliverNewest(frameBytes(payload, OPCODE.pong));
  }

  ping(): boolean {
    if (this.#out.isClosed) return false;
    if (!this.#isPongAwaited) this.#pingedAt = this.#parts.clock.monotonic();
    this.#isPongAwaited = true;
    this.deliver(PING);
    return true;
  }

  ponged(): void {
    if (this.#isPongAwaited) this.#latencyMs = this.#parts.clock.monotonic() - this.#pingedAt;
    this.#isPongAwaited = false;
  }

  /** As `Connection.measure`. */
  measure(): void {
    if (this.#parts.clock.monotonic() - this.#pingedAt >= MEASURE_MS) this.ping();
  }

  /** As `Connection.latencyMs`. */
  get latencyMs(): number | null {
    return this.#latencyMs;
  }

  handleDrain(): void {
    this.#out.drained();
  }

  onWritable(): void {
    if (this.#isPausedByOutbox) {
      this.#isPausedByOutbox = false;
      this.#applyPause();
    }
    this.wake();
  }

  // ---- the flow

  pauseReading(paused: boolean): void {
    this.#isPausedByOwner = paused;
    this.#applyPause();
  }

  #applyPause(): void {
    const shouldPause = this.#isPausedByOwner || this.#isPausedByOutbox || this.#isPausedByIntake;
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
    this.#isPausedByOwner = false;
    this.#isPausedByOutbox = false;
    this.#applyPause();
    this.#out.deliver(closeFrame(code, reason));
    this.#out.end();
    this.#destroyIn(waitMs);
  }

  /** Ends the socket, unless it is gone by then. */
  #destroyIn(waitMs: number): void {
    this.#hangUpTimer?.cancel();
    this.#hangUpTimer = this.#parts.clock.setTimer(() => this.#socket.destroy(), waitMs);
  }

  /** Both sides have said that it is over: the server hangs up first (RFC 6455 section 7.1.1). */
  #hangUp(): void {
    this.#socket.end();
  }
}

const PING = frameBytes(Buffer.alloc(0), OPCODE.ping);

/** What the other side can say of its own: a code of the server's, or of an application, is a goodbye like any other. */
const SAID_BY_CLIENTS: readonly CloseName[] = [
  "going_away",
  "protocol_error",
  "unsupported_data",
  "invalid_payload",
  "too_big",
  "heartbeat_timeout",
];

/** Why the other side says it ends. */
function reasonOf(code: number | null): CloseReason {
  return SAID_BY_CLIENTS.find((name) => CLOSE[name] === code) ?? "normal";
}

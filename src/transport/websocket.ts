import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { Identity } from "../auth/identity.ts";
import type { Codec } from "../codec/codec.ts";
import { jsonCodec } from "../codec/json.ts";
import { msgpackCodec } from "../codec/msgpack.ts";
import type { CloseReason, Observer, TransportName } from "../observe/observer.ts";
import {
  CLOSE_CODES,
  type Clock,
  type CloseName,
  type Envelope,
  type Limits,
  SUBPROTOCOLS,
  YamabikoError,
} from "../protocol/index.ts";
import type { Fanout } from "../room/fanout.ts";
import { type Format, oneMessage } from "../room/sink.ts";
import type { Connection } from "../session/connection.ts";
import type { Session } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import { frameBytes, OPCODE } from "./frame.ts";
import { Outflow } from "./outflow.ts";
import { type WebSocketSpeech, webSocketFormat } from "./websocket-formats.ts";

/** How long the other side has to answer a close frame, ms. */
const CLOSE_MS = 2_000;

export interface WebSocketParts {
  readonly sessions: Sessions;
  readonly fanout: Fanout;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Whether permessage-deflate is offered (RFC 7692). */
  readonly compression: boolean;
  /** Answers a handshake that is none, and ends its socket. */
  onBadHandshake(socket: Socket, error: YamabikoError): void;
}

/** WebSocket (RFC 6455): `ws` for the handshake and for reading, our own framing for the way out. */
export class WebSocketTransport {
  readonly #parts: WebSocketParts;
  readonly #server: WebSocketServer;

  constructor(parts: WebSocketParts) {
    this.#parts = parts;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Nothing taken over from one message to the next, in either direction: no connection keeps a window, and one
      // compressed message serves everybody.
      perMessageDeflate: parts.compression && { serverNoContextTakeover: true, clientNoContextTakeover: true },
      maxPayload: parts.limits.messageBytes,
      autoPong: false,
      handleProtocols: (offered) => chooseSubprotocol(offered),
    });
    // What is wrong with the handshake itself is found by `ws`; it is answered like every other refusal.
    this.#server.on("wsClientError", (error, socket) => {
      parts.onBadHandshake(socket as Socket, new YamabikoError("invalid_message", `${error.message}.`));
    });
  }

  /**
   * Answers 101 and serves the client. The caller has checked path, origin, limits and credentials.
   * @param identity who the handshake's own credential named; null when there was none.
   */
  accept(request: IncomingMessage, socket: Socket, head: Buffer, identity: Identity | null): void {
    this.#upgrade(request, socket, head, (webSocket) => {
      const connection = new WebSocketConnection(webSocket, socket, this.#parts, speechOf(request, webSocket));
      const session = this.#parts.sessions.open(connection);
      connection.serve(session);
      if (identity !== null) session.identify(identity);
    });
  }

  /**
   * Answers 101 and sends every message back: for conformance suites, through the same parser, limits and writer.
   * Returns the connection; null when the handshake was none.
   */
  echo(request: IncomingMessage, socket: Socket, head: Buffer): Connection | null {
    let connection: WebSocketConnection | null = null;
    this.#upgrade(request, socket, head, (webSocket) => {
      connection = new WebSocketConnection(webSocket, socket, this.#parts, speechOf(request, webSocket), "echo");
      connection.echo();
    });
    return connection;
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer, serve: (webSocket: WebSocket) => void): void {
    socket.setNoDelay(true);
    this.#server.handleUpgrade(request, socket, head, serve);
  }
}

function chooseSubprotocol(offered: Set<string>): string | false {
  for (const name of offered) if (name === SUBPROTOCOLS.json || name === SUBPROTOCOLS.msgpack) return name;
  return false;
}

/** How the client of a handshake wants to be spoken to. */
function speechOf(request: IncomingMessage, webSocket: WebSocket): WebSocketSpeech {
  // Ours are made for the whole window; a message may always come as it is (RFC 7692 section 6).
  const wantsSmaller = request.headers["sec-websocket-extensions"]?.includes("server_max_window_bits") === true;
  return {
    binary: webSocket.protocol === SUBPROTOCOLS.msgpack,
    deflated: webSocket.extensions.includes("permessage-deflate") && !wantsSmaller,
    batched: /[?&]batch=1(&|$)/.test(request.url ?? ""),
  };
}

class WebSocketConnection implements Connection {
  readonly transport: TransportName;
  readonly isDuplex = true;
  readonly format: Format;
  readonly #codec: Codec;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #parts: WebSocketParts;
  readonly #out: Outflow;
  #session: Session | null = null;
  #heardAt: number;
  #bytesRead = 0;
  #isPausedBySession = false;
  #isPausedByOutbox = false;
  #isClosing = false;

  constructor(
    webSocket: WebSocket,
    socket: Socket,
    parts: WebSocketParts,
    speech: WebSocketSpeech,
    transport: TransportName = "websocket",
  ) {
    this.transport = transport;
    this.format = webSocketFormat(speech);
    this.#codec = speech.binary ? msgpackCodec : jsonCodec;
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#parts = parts;
    this.#heardAt = parts.clock.monotonic();
    this.#out = new Outflow(socket, parts.fanout, parts.limits.outboxBytes, () => this.#onWritable());
    // `ws` answers a close frame, and a broken rule, by calling close: what was delivered before must leave before.
    const close = webSocket.close.bind(webSocket);
    webSocket.close = (code, reason) => {
      this.#out.end();
      close(code, reason);
    };
  }

  serve(session: Session): void {
    this.#session = session;
    const { limits } = this.#parts;
    this.#webSocket.on("message", (raw, isBinary) => {
      const bytes = raw as Buffer;
      if (isBinary !== this.#codec.binary) {
        session.close("unsupported_data", isBinary ? "this connection speaks text" : "this connection speaks binary");
        return;
      }
      let value: unknown;
      try {
        value = this.#codec.decode(bytes, limits);
      } catch (error) {
        session.refuseInput(error, bytes.length);
        return;
      }
      session.receive(value, bytes.length);
    });
    this.#webSocket.on("ping", (payload) => {
      // Answering the newest is enough (RFC 6455 section 5.5.3).
      if (session.receivePing()) this.#out.deliverNewest(frameBytes(payload, OPCODE.pong));
    });
    this.#listen((reason) => session.end(reason));
  }

  echo(): void {
    const { observer } = this.#parts;
    observer.connectionOpened("echo");
    this.#webSocket.on("message", (raw, isBinary) => {
      const bytes = raw as Buffer;
      observer.messageReceived(bytes.length);
      this.deliver(frameBytes(bytes, isBinary ? OPCODE.binary : OPCODE.text));
    });
    // Conformance suites count the answers.
    this.#webSocket.on("ping", (payload) => this.deliver(frameBytes(payload, OPCODE.pong)));
    let isOpen = true;
    this.#listen((reason) => {
      if (isOpen) observer.connectionClosed("echo", reason);
      isOpen = false;
    });
  }

  #listen(end: (reason: CloseReason) => void): void {
    let fault: CloseReason | null = null;
    // The parser found a broken rule; `ws` answers with the right close code by itself.
    this.#webSocket.on("error", (error) => {
      const { code } = error as Error & { code?: string };
      fault = FAULTS[code ?? ""] ?? "aborted";
    });
    this.#webSocket.on("close", (code) => {
      this.#out.end();
      end(fault ?? reasonOf(code));
    });
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

  pauseReading(paused: boolean): void {
    this.#isPausedBySession = paused;
    this.#applyPause();
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    // The answer to the close frame must be read even if nothing else was.
    this.#isPausedBySession = false;
    this.#isPausedByOutbox = false;
    this.#applyPause();
    this.#webSocket.close(code, reason);
    const timer = this.#parts.clock.setTimer(() => this.#webSocket.terminate(), CLOSE_MS);
    this.#webSocket.once("close", () => timer.cancel());
  }

  #onWritable(): void {
    if (this.#isPausedByOutbox) {
      this.#isPausedByOutbox = false;
      this.#applyPause();
    }
    this.#session?.wake();
  }

  #applyPause(): void {
    const shouldPause = this.#isPausedBySession || this.#isPausedByOutbox;
    if (shouldPause === this.#webSocket.isPaused) return;
    if (shouldPause) this.#webSocket.pause();
    else this.#webSocket.resume();
  }
}

const PING = frameBytes(Buffer.alloc(0), OPCODE.ping);

/** What the errors of the parser are in the table of close codes. */
const FAULTS: Readonly<Record<string, CloseName>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: "too_big",
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: "too_big",
  WS_ERR_INVALID_UTF8: "invalid_payload",
  WS_ERR_INVALID_CLOSE_CODE: "protocol_error",
  WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH: "protocol_error",
  WS_ERR_EXPECTED_FIN: "protocol_error",
  WS_ERR_EXPECTED_MASK: "protocol_error",
  WS_ERR_INVALID_OPCODE: "protocol_error",
  WS_ERR_UNEXPECTED_RSV_1: "protocol_error",
  WS_ERR_UNEXPECTED_RSV_2_3: "protocol_error",
};

function reasonOf(code: number): CloseReason {
  for (const [name, entry] of Object.entries(CLOSE_CODES)) if (entry.code === code) return name as CloseName;
  return code === 1005 ? "normal" : "aborted";
}

import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Identity } from "../auth/identity.ts";
import type { Codec } from "../codec/codec.ts";
import { jsonCodec } from "../codec/json.ts";
import { msgpackCodec } from "../codec/msgpack.ts";
import type { CloseReason, TransportName } from "../observe/observer.ts";
import { type Envelope, SUBPROTOCOLS } from "../protocol/index.ts";
import { type Format, oneMessage } from "../room/sink.ts";
import type { Connection } from "../session/connection.ts";
import type { Session, SessionOptions } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import { frameBytes, OPCODE } from "./frame.ts";
import type { FrameBounds } from "./frame-reader.ts";
import { FramedSocket, type FramedSocketParts } from "./framed-socket.ts";
import { answerHandshake, type Handshake } from "./handshake.ts";
import { type WebSocketSpeech, webSocketFormat } from "./websocket-formats.ts";

export interface WebSocketParts extends FramedSocketParts {
  readonly sessions: Sessions;
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
   * @param address the address it comes from.
   * @param options how the session is opened.
   * @throws {YamabikoError} `invalid_message` for a handshake that is none; then nothing was answered.
   */
  accept(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    identity: Identity | null,
    address: string,
    options?: SessionOptions,
  ): void {
    const handshake = answerHandshake(request, this.#parts.compression);
    const connection = this.#connect("websocket", request, socket, handshake);
    const session = this.#parts.sessions.open(connection, { ...options, address });
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

/** One client. Without a session it is an echo. */
class WebSocketConnection extends FramedSocket implements Connection {
  readonly transport: TransportName;
  readonly format: Format;
  readonly #codec: Codec;
  readonly #parts: WebSocketParts;
  readonly #openedAt: number;
  #session: Session | null = null;

  constructor(
    transport: TransportName,
    socket: Socket,
    parts: WebSocketParts,
    speech: WebSocketSpeech,
    bounds: FrameBounds,
  ) {
    super(socket, parts, bounds);
    this.transport = transport;
    this.format = webSocketFormat(speech);
    this.#codec = speech.binary ? msgpackCodec : jsonCodec;
    this.#parts = parts;
    this.#openedAt = parts.clock.monotonic();
  }

  get isDuplex(): boolean {
    return true;
  }

  serve(session: Session): void {
    this.#session = session;
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
    else if (this.#session.receivePing()) this.pong(payload);
  }

  protected gone(reason: CloseReason): void {
    if (this.#session !== null) {
      this.#session.end(reason);
      return;
    }
    const { clock, observer } = this.#parts;
    observer.connectionClosed({
      transport: "echo",
      reason,
      isDraining: false,
      isBehind: false,
      ageMs: clock.monotonic() - this.#openedAt,
      address: null,
      connectionId: "echo",
      userId: null,
    });
  }

  protected wake(): void {
    this.#session?.wake();
  }

  send(envelope: Envelope): void {
    this.deliver(oneMessage(this.format, envelope));
  }
}

import type { Socket } from "node:net";
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import type { Identity } from "../../auth/identity.ts";
import type { CloseReason, TransportName } from "../../observe/observer.ts";
import { CLOSE, type Timer, YamabikoError } from "../../protocol/index.ts";
import type { Format } from "../../room/sink.ts";
import { headerBytes, OPCODE, writeHeader } from "../frame.ts";
import { authenticated, type ClientMessage, closed, permissionDenied, readClientMessage, syncStatus } from "./body.ts";
import { type ChannelOwner, YjsChannel, type YjsParts } from "./channel.ts";
import { bodiesOf, HOCUSPOCUS } from "./formats.ts";
import { YjsSocket } from "./yjs-socket.ts";

/** Messages of one byte, which are about no document. */
const PING = 9;
const PONG = 10;

/** How long a connection may be without a document, once it had one, ms. */
const IDLE_MS = 60_000;
/** The longest key of a document: its name, a zero, and the id of the provider, in characters. */
const MAX_KEY = 512;
/** The most keys of which it is remembered that they were closed. */
const CLOSED_KEYS = 1_000;

/** The codes that end one document; the others end the connection. */
const OF_ONE_DOCUMENT: ReadonlySet<number> = new Set([CLOSE.unauthenticated, CLOSE.forbidden]);

/** The socket of providers of Hocuspocus: many documents, each with a token of its own. */
export class HocuspocusConnection extends YjsSocket {
  readonly #parts: YjsParts;
  readonly #identity: Identity | null;
  /** By the key that stands before its messages. */
  readonly #documents = new Map<string, HocuspocusDocument>();
  /** Keys that only a new token opens again. */
  readonly #closedKeys = new Set<string>();
  #idleTimer: Timer | null = null;

  /** @param identity who the handshake's own credential named, for providers without a token. */
  constructor(socket: Socket, parts: YjsParts, identity: Identity | null, address: string) {
    super(socket, parts, address);
    this.#parts = parts;
    this.#identity = identity;
    this.#waitForDocument(parts.limits.authenticateMs);
  }

  protected take(bytes: Buffer): void {
    if (bytes.length === 1 && bytes[0] === PING) this.deliver(Buffer.of(0x80 | OPCODE.binary, 1, PONG));
    if (bytes.length === 1 && (bytes[0] === PING || bytes[0] === PONG)) return;
    let key: string;
    let message: ClientMessage;
    try {
      const decoder = decoding.createDecoder(bytes);
      key = decoding.readVarString(decoder);
      message = readClientMessage(decoder);
      if (key.length > MAX_KEY) throw new RangeError("the name is too long");
    } catch {
      this.close(CLOSE.invalid_payload, "this is no message of Hocuspocus");
      return;
    }
    this.#receive(key, message, bytes.length);
  }

  #receive(key: string, message: ClientMessage, bytes: number): void {
    const document = this.#documents.get(key);
    if (message.kind === "close") {
      document?.channel.leave("normal");
      this.#forget(key);
    } else if (document === undefined) this.#open(key, message, bytes);
    else if (message.kind === "token") document.channel.authenticate(this.#credential(message.token));
    else document.channel.receive(message, bytes);
  }

  #open(key: string, message: Exclude<ClientMessage, { kind: "close" }>, bytes: number): void {
    const token = message.kind === "token" ? message.token : "";
    // A provider that was sent away goes on talking; only a token lets it in again.
    if (message.kind !== "token" && (this.#closedKeys.has(key) || this.#closedKeys.size >= CLOSED_KEYS)) return;
    let document: HocuspocusDocument;
    try {
      this.#checkRoom();
      document = new HocuspocusDocument(key, this, this.#parts);
    } catch (error) {
      const reason = error instanceof YamabikoError ? error.message : "The document cannot be opened.";
      this.deliver(frameFor(prefixOf(key), permissionDenied(reason)));
      return;
    }
    this.#closedKeys.delete(key);
    this.#idleTimer?.cancel();
    this.#documents.set(key, document);
    document.channel.enter(this.#credential(token));
    if (message.kind !== "token") document.channel.receive(message, bytes);
  }

  /** @throws {YamabikoError} `too_many_rooms`, `too_many_connections`. */
  #checkRoom(): void {
    const { limits, observer, sessions } = this.#parts;
    if (this.#documents.size >= limits.roomsPerConnection) {
      observer.limited("roomsPerConnection");
      throw new YamabikoError("too_many_rooms", `At most ${limits.roomsPerConnection} documents per connection.`);
    }
    if (!sessions.hasRoom) {
      observer.limited("connections");
      throw new YamabikoError("too_many_connections", "The server is full.");
    }
  }

  #credential(token: string) {
    return { identity: this.#identity, token: token === "" ? null : token };
  }

  /** A document was closed, by this side or the other. */
  #forget(key: string): void {
    if (this.#closedKeys.size < CLOSED_KEYS) this.#closedKeys.add(key);
    if (this.#documents.delete(key) && this.#documents.size === 0) this.#waitForDocument(IDLE_MS);
  }

  /** For `HocuspocusDocument` only. */
  shut(key: string, code: number, reason: string, isEntered: boolean): void {
    const isFinal = OF_ONE_DOCUMENT.has(code);
    if (isFinal) this.deliver(frameFor(prefixOf(key), isEntered ? closed(reason) : permissionDenied(reason)));
    this.#forget(key);
    if (!isFinal) this.close(code, reason);
  }

  #waitForDocument(waitMs: number): void {
    this.#idleTimer?.cancel();
    this.#idleTimer = this.#parts.clock.setTimer(() => this.close(CLOSE.try_later, "no document in time"), waitMs);
  }

  protected gone(reason: CloseReason): void {
    this.#idleTimer?.cancel();
    const documents = Array.from(this.#documents.values());
    this.#documents.clear();
    for (const { channel } of documents) channel.leave(reason);
  }

  protected wake(): void {
    for (const { channel } of this.#documents.values()) channel.wake();
  }
}

/** One document of such a socket. */
class HocuspocusDocument implements ChannelOwner {
  readonly transport: TransportName = "hocuspocus";
  readonly format: Format = HOCUSPOCUS;
  readonly channel: YjsChannel;
  readonly #key: string;
  readonly #prefix: Buffer;
  readonly #socket: HocuspocusConnection;
  #isEntered = false;

  /** @throws {YamabikoError} `invalid_message` for what cannot be the name of a document. */
  constructor(key: string, socket: HocuspocusConnection, parts: YjsParts) {
    const end = key.indexOf("\0");
    this.#key = key;
    this.#prefix = prefixOf(key);
    this.#socket = socket;
    this.channel = new YjsChannel(end === -1 ? key : key.slice(0, end), socket, this, parts);
  }

  tell(body: Uint8Array): void {
    this.#socket.deliver(frameFor(this.#prefix, body));
  }

  deliver(bytes: Buffer): void {
    for (const body of bodiesOf(bytes)) this.tell(body);
  }

  entered(mayWrite: boolean): void {
    this.#isEntered = true;
    this.tell(authenticated(mayWrite));
  }

  saved(): void {
    this.tell(syncStatus(true));
  }

  dropped(): void {
    this.tell(syncStatus(false));
  }

  shut(code: number, reason: string): void {
    this.#socket.shut(this.#key, code, reason, this.#isEntered);
  }
}

/** What stands before every message about a document. */
function prefixOf(key: string): Buffer {
  const encoder = encoding.createEncoder();
  encoding.writeVarString(encoder, key);
  return Buffer.from(encoding.toUint8Array(encoder));
}

function frameFor(prefix: Buffer, body: Uint8Array): Buffer {
  const length = prefix.length + body.length;
  const header = headerBytes(length);
  const frame = Buffer.allocUnsafe(header + length);
  writeHeader(frame, OPCODE.binary, length);
  frame.set(prefix, header);
  frame.set(body, header + prefix.length);
  return frame;
}

import type { Identity } from "../../auth/identity.ts";
import type { CloseReason, TransportName } from "../../observe/observer.ts";
import { type CloseName, type Envelope, parseRoomId, type WireError } from "../../protocol/index.ts";
import type { Format } from "../../room/sink.ts";
import type { Connection } from "../../session/connection.ts";
import { Bucket } from "../../session/limits.ts";
import type { Session } from "../../session/session.ts";
import type { Sessions } from "../../session/sessions.ts";
import type { FramedSocketParts } from "../framed-socket.ts";
import { type AwarenessEntry, awareness, type ClientMessage, syncStep1, syncStep2 } from "./body.ts";
import { awarenessOf, HISTORY_LOST } from "./formats.ts";
import { QUIET_MS, type YjsSocket } from "./yjs-socket.ts";

/** The namespace of documents. */
const NAMESPACE = "document";

export interface YjsParts extends FramedSocketParts {
  readonly sessions: Sessions;
}

/** How a client says who it is. */
export interface Credential {
  /** Who the handshake's own credential named. */
  readonly identity: Identity | null;
  /** A token to check. */
  readonly token: string | null;
}

/** What the dialects have different words for. */
export interface ChannelOwner {
  readonly transport: TransportName;
  readonly format: Format;
  /** Sends a body as one message about this document. */
  tell(body: Uint8Array): void;
  /** Delivers what a room made in the format. */
  deliver(bytes: Buffer): void;
  /** The client was let in, or has shown another token. */
  entered(mayWrite: boolean): void;
  /** An update of the client is durable, or brought nothing new. */
  saved(): void;
  /** An update was dropped: the client may not write. */
  dropped(reason: string): void;
  /** The document is closed to the client, with a code of the table. Called once. */
  shut(code: number, reason: string): void;
}

/** The refusals after which the provider is given the document no more; what is refused otherwise is tried again with a new connection. */
const FINAL: ReadonlySet<string> = new Set([
  "access_denied",
  "conflict",
  "payload_too_large",
  "unknown_type",
  "too_many_rooms",
]);

/** One document of one provider: for everybody behind it a connection like any other, which joins the document's room. */
export class YjsChannel implements Connection {
  readonly transport: TransportName;
  readonly format: Format;
  readonly isDuplex = true;
  readonly joinsDefaultRoom = false;
  readonly quietMs: number = QUIET_MS;
  readonly #socket: YjsSocket;
  readonly #owner: ChannelOwner;
  readonly #roomId: string;
  readonly #session: Session;
  readonly #now: () => number;
  #nextId = 0;
  /** Null until it is let in. */
  #mayWrite: boolean | null = null;
  #isClosed = false;

  /** @throws {YamabikoError} `invalid_message` for what cannot be the name of a document. */
  constructor(documentId: string, socket: YjsSocket, owner: ChannelOwner, { sessions, clock }: YjsParts) {
    this.#roomId = parseRoomId(`${NAMESPACE}:${documentId}`).roomId;
    this.#socket = socket;
    this.#owner = owner;
    this.transport = owner.transport;
    this.format = owner.format;
    this.#now = () => clock.now();
    // The socket sees to the rates of all its documents.
    const none = new Bucket(0, clock);
    this.#session = sessions.open(this, { rates: { messages: none, bytes: none }, address: socket.address });
  }

  /** Lets the client in. */
  enter(credential: Credential): void {
    this.authenticate(credential);
    this.#receive("join_room", "join", { snapshot: false });
  }

  /** The client says who it is, again. */
  authenticate({ identity, token }: Credential): void {
    if (token !== null) this.#session.receive({ type: "authenticate", payload: { token }, messageId: "token" }, 0);
    else if (identity !== null && this.#session.user === null) {
      // The socket may be older than the credential was good for.
      if (identity.expiresAt <= this.#now()) this.#end("unauthenticated", "the token expired");
      else this.#session.identify(identity);
    }
  }

  /** What the client says about the document. */
  receive(message: Exclude<ClientMessage, { kind: "token" | "close" }>, bytes: number): void {
    if (message.kind === "sync") {
      this.#receive("yjs_sync", "sync", { stateVector: base64(message.stateVector) }, bytes);
    } else if (message.kind === "update") {
      // The log remembers it, so it is one that nobody ever had.
      const id = `update ${this.#session.id} ${this.#nextId++}`;
      this.#receive("yjs_update", id, { update: base64(message.update) }, bytes);
    } else if (message.kind === "awareness") {
      this.#receive("yjs_awareness", "awareness", { states: message.states }, bytes);
    } else if (message.kind === "query_awareness") {
      this.#receive("yjs_query_awareness", "awareness", {}, bytes);
    } else this.#receive("yjs_stateless", "stateless", { payload: message.payload }, bytes);
  }

  #receive(type: string, messageId: string, payload: object, bytes = 0): void {
    this.#session.receive({ type, payload: { roomId: this.#roomId, ...payload }, messageId }, bytes);
  }

  // ---- out

  deliver(bytes: Buffer): void {
    if (bytes === HISTORY_LOST) this.#restart("the document has moved on");
    else if (bytes.length > 0) this.#owner.deliver(bytes);
  }

  send({ type, payload, messageId }: Envelope): void {
    if (type === "ack") this.#answered(messageId!, payload as { success: boolean; error?: WireError });
    else if (type === "joined_room") this.#joined(payload as { you?: { access?: string }; state?: unknown });
    else if (type === "yjs_synced") {
      const { update, stateVector } = payload as { update: string; stateVector: string };
      this.#owner.tell(syncStep2(Buffer.from(update, "base64")));
      this.#owner.tell(syncStep1(Buffer.from(stateVector, "base64")));
    } else if (type === "yjs_awareness_states") {
      this.#owner.tell(awareness((payload as { states: AwarenessEntry[] }).states));
    } else if (type === "left_room") this.#end("forbidden", "you were taken out of this document");
  }

  #joined({ you, state }: { you?: { access?: string }; state?: unknown }): void {
    this.#mayWrite = you?.access === "write";
    this.#owner.entered(this.#mayWrite);
    const others = awarenessOf(state);
    if (others.length > 0) this.#owner.tell(awareness(others));
  }

  #answered(messageId: string, { success, error }: { success: boolean; error?: WireError }): void {
    const isUpdate = messageId.startsWith("update ");
    if (success) {
      if (isUpdate) this.#owner.saved();
      else if (messageId === "token" && this.#mayWrite !== null) this.#owner.entered(this.#mayWrite);
      return;
    }
    const { code, message, retryable } = error!;
    if (isUpdate && code === "access_denied") this.#owner.dropped(message);
    else if (code === "unauthenticated" || code === "token_expired") this.#end("unauthenticated", message);
    else if (code === "invalid_message") this.#end("invalid_payload", message);
    else if (messageId === "awareness" || messageId === "stateless") this.#owner.dropped(message);
    else if (retryable) this.#restart(message);
    else if (FINAL.has(code)) this.#end("forbidden", message);
  }

  /** The provider comes back, and is given what it needs then. */
  #restart(reason: string): void {
    this.#end("try_later", reason);
  }

  #end(name: CloseName, reason: string): void {
    this.#session.close(name, reason);
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.pauseFor(this, false);
    this.#owner.shut(code, reason);
  }

  /** The client is gone, or wants the document no more. */
  leave(reason: CloseReason): void {
    this.#isClosed = true;
    this.#socket.pauseFor(this, false);
    this.#session.end(reason);
  }

  // ---- the socket

  get heardAt(): number {
    return this.#socket.heardAt;
  }

  get writable(): boolean {
    return this.#socket.writable;
  }

  get pendingBytes(): number {
    return this.#socket.pendingBytes;
  }

  get latencyMs(): number | null {
    return this.#socket.latencyMs;
  }

  measure(): void {
    this.#socket.measure();
  }

  get isCongested(): boolean {
    return this.#socket.isCongested;
  }

  ping(): boolean {
    this.#owner.tell(SIGN_OF_LIFE);
    return this.#socket.ping();
  }

  pauseReading(paused: boolean): void {
    if (!this.#isClosed) this.#socket.pauseFor(this, paused);
  }

  wake(): void {
    this.#session.wake();
  }
}

const SIGN_OF_LIFE = awareness([]);

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Identity } from "../../auth/identity.ts";
import { answerHandshake } from "../handshake.ts";
import type { Credential, YjsParts } from "./channel.ts";
import { HocuspocusConnection } from "./hocuspocus.ts";
import { YWebsocketConnection } from "./y-websocket.ts";

/** The providers of Yjs, over sockets that left HTTP. The caller has checked path, origin, limits and credentials. */
export class YjsTransport {
  readonly #parts: YjsParts;

  constructor(parts: YjsParts) {
    this.#parts = parts;
  }

  /**
   * Answers 101 and serves a provider of `y-websocket`.
   * @throws {YamabikoError} `invalid_message` for a handshake that is none, or a document that cannot be; then nothing was answered.
   */
  acceptYWebsocket(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    documentId: string,
    credential: Credential,
    address: string,
  ): void {
    const { answer } = answerHandshake(request, false);
    const connection = new YWebsocketConnection(documentId, socket, this.#parts, address);
    connection.begin(answer, head);
    connection.enter(credential);
  }

  /**
   * Answers 101 and serves providers of Hocuspocus. Returns the way to end the connection.
   * @throws {YamabikoError} `invalid_message` for a handshake that is none; then nothing was answered.
   */
  acceptHocuspocus(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    identity: Identity | null,
    address: string,
  ): (code: number, reason: string) => void {
    const { answer } = answerHandshake(request, false);
    const connection = new HocuspocusConnection(socket, this.#parts, identity, address);
    connection.begin(answer, head);
    return (code, reason) => connection.close(code, reason);
  }
}

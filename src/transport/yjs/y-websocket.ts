import type { Socket } from "node:net";
import * as decoding from "lib0/decoding";
import type { CloseReason, TransportName } from "../../observe/observer.ts";
import { CLOSE } from "../../protocol/index.ts";
import type { Format } from "../../room/sink.ts";
import { frameBytes, OPCODE } from "../frame.ts";
import { type ClientMessage, permissionDenied, readClientMessage } from "./body.ts";
import { type ChannelOwner, type Credential, YjsChannel, type YjsParts } from "./channel.ts";
import { Y_WEBSOCKET } from "./formats.ts";
import { YjsSocket } from "./yjs-socket.ts";

/** A provider of `y-websocket`: one document, named by the address of the connection. */
export class YWebsocketConnection extends YjsSocket implements ChannelOwner {
  readonly transport: TransportName = "y-websocket";
  readonly format: Format = Y_WEBSOCKET;
  readonly #channel: YjsChannel;
  /** What was dropped is told once. */
  #isTold = false;

  /** @throws {YamabikoError} `invalid_message` for what cannot be the name of a document. */
  constructor(documentId: string, socket: Socket, parts: YjsParts, address: string) {
    super(socket, parts, address);
    this.#channel = new YjsChannel(documentId, this, this, parts);
  }

  enter(credential: Credential): void {
    this.#channel.enter(credential);
  }

  protected take(bytes: Buffer): void {
    let message: ClientMessage;
    try {
      message = readClientMessage(decoding.createDecoder(bytes));
    } catch {
      this.close(CLOSE.invalid_payload, "this is no message of y-websocket");
      return;
    }
    if (message.kind !== "token" && message.kind !== "close") this.#channel.receive(message, bytes.length);
  }

  tell(body: Uint8Array): void {
    this.deliver(frameBytes(body, OPCODE.binary));
  }

  entered(): void {}

  saved(): void {}

  dropped(reason: string): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.tell(permissionDenied(reason));
  }

  shut(code: number, reason: string): void {
    this.close(code, reason);
  }

  protected gone(reason: CloseReason): void {
    this.#channel.leave(reason);
  }

  protected wake(): void {
    this.#channel.wake();
  }
}

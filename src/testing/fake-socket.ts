import type { Envelope } from "../protocol/envelope.ts";

/** One WebSocket of a {@link FakeNetwork}: the client holds it, the test plays the server. Speaks JSON. */
export interface FakeSocket {
  readonly url: string;
  readonly protocols: readonly string[];
  /** What the client sent and the test has not taken yet, in order. */
  readonly sent: Envelope[];
  /** The code the client closed with; 1005 without one; null while it has not closed. */
  readonly closedWith: number | null;
  /** What the platform says is still unsent, bytes. */
  bufferedAmount: number;
  /** Completes the handshake. */
  open(): void;
  /** A message from the server. */
  receive(envelope: Partial<Envelope>): void;
  /** A raw frame from the server. */
  receiveRaw(data: string | ArrayBuffer): void;
  /** The server, or the network (1006), ends it. */
  serverClose(code: number, reason?: string): void;
  /** Takes what the client sent since the last call. */
  take(): Envelope[];
}

/** A network of fake WebSockets. */
export interface FakeNetwork {
  /** For the option `WebSocket`. */
  readonly WebSocket: new (
    url: string,
    protocols: string[],
  ) => FakeSocket & {
    binaryType: string;
    readonly readyState: number;
    onopen: ((event: never) => void) | null;
    onmessage: ((event: never) => void) | null;
    onclose: ((event: never) => void) | null;
    onerror: ((event: never) => void) | null;
    send(data: string | Uint8Array<ArrayBuffer>): void;
    close(code?: number, reason?: string): void;
  };
  /** Every socket made, oldest first. */
  readonly sockets: readonly FakeSocket[];
  /** The newest socket. Throws when there is none. */
  readonly socket: FakeSocket;
}

/**
 * Makes a network. `onSocket` runs when the client has made a socket and set its listeners; `onSend` for everything the client
 * sends. Without them the test opens sockets and reads `sent` itself.
 */
export function createFakeNetwork(
  hooks: { onSocket?(socket: FakeSocket): void; onSend?(socket: FakeSocket, envelope: Envelope): void } = {},
): FakeNetwork {
  const sockets: FakeSocket[] = [];

  class Socket implements FakeSocket {
    binaryType = "blob";
    readyState = 0;
    bufferedAmount = 0;
    closedWith: number | null = null;
    sent: Envelope[] = [];
    onopen: ((event: never) => void) | null = null;
    onmessage: ((event: never) => void) | null = null;
    onclose: ((event: never) => void) | null = null;
    onerror: ((event: never) => void) | null = null;
    readonly url: string;
    readonly protocols: readonly string[];

    constructor(url: string, protocols: string[]) {
      this.url = url;
      this.protocols = protocols;
      sockets.push(this);
      queueMicrotask(() => hooks.onSocket?.(this));
    }

    send(data: string | Uint8Array<ArrayBuffer>): void {
      const text = typeof data === "string" ? data : new TextDecoder().decode(data);
      const envelope = JSON.parse(text) as Envelope;
      this.sent.push(envelope);
      hooks.onSend?.(this, envelope);
    }

    close(code = 1005): void {
      this.closedWith ??= code;
      this.readyState = 3;
    }

    open(): void {
      if (this.readyState !== 0) return;
      this.readyState = 1;
      this.onopen?.({} as never);
    }

    receive(envelope: Partial<Envelope>): void {
      this.receiveRaw(JSON.stringify(envelope));
    }

    receiveRaw(data: string | ArrayBuffer): void {
      if (this.readyState === 1) this.onmessage?.({ data } as never);
    }

    serverClose(code: number, reason = ""): void {
      if (this.readyState === 3) return;
      this.readyState = 3;
      this.onclose?.({ code, reason } as never);
    }

    take(): Envelope[] {
      return this.sent.splice(0);
    }
  }

  return {
    WebSocket: Socket,
    sockets,
    get socket() {
      const socket = sockets.at(-1);
      if (socket === undefined) throw new Error("The client has made no socket.");
      return socket;
    },
  };
}

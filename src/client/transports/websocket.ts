import { ABNORMAL } from "../close-code.ts";
import type { ClientCodec } from "../codec.ts";
import { absolute, type ClientTransport } from "./transport.ts";

/** The part of a WebSocket the client uses: the browser's, Node's and `ws`'s all have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Only `ws` has it: ends without a closing handshake. */
  terminate?(): void;
}

/** Makes a {@link WebSocketLike}. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

const OPEN = 1;

/** `http(s)` and page-relative addresses as the WebSocket address they stand for. */
export function webSocketUrl(url: string): string {
  return absolute(url).href.replace(/^http/, "ws");
}

/** One WebSocket per link, one envelope per frame. Without `WebSocket` it is the global one. */
export function webSocketTransport({
  codec,
  WebSocket = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket,
}: {
  readonly codec: ClientCodec;
  readonly WebSocket?: WebSocketConstructor | undefined;
}): ClientTransport {
  return {
    name: "websocket",
    open({ url }, events) {
      let socket: WebSocketLike | null = null;
      const detach = (): WebSocketLike | null => {
        const ended = socket;
        socket = null;
        if (ended) {
          ended.onopen = ended.onmessage = ended.onclose = null;
          // `ws` throws an error event nobody listens to, so this one stays.
          ended.onerror = () => {};
        }
        return ended;
      };
      try {
        socket = new WebSocket!(webSocketUrl(url), [codec.subprotocol]);
        socket.binaryType = "arraybuffer";
        socket.onopen = () => events.opened();
        socket.onmessage = (event: { data: string | ArrayBuffer }) => {
          let value: unknown;
          try {
            value = codec.decode(event.data);
          } catch {
            value = undefined;
          }
          events.received(value);
        };
        socket.onclose = (event: { code: number; reason: string }) => {
          detach();
          events.closed(event.code, event.reason);
        };
        socket.onerror = () => {}; // a close event always follows and says more
      } catch (thrown) {
        queueMicrotask(() => events.closed(ABNORMAL, (thrown as Error).message));
      }
      return {
        send(envelopes) {
          for (const envelope of envelopes) {
            // Not open any more: the close event is on its way, and what needs an answer is sent again after it.
            if (socket?.readyState !== OPEN) return;
            socket.send(codec.encode(envelope) as string | Uint8Array<ArrayBuffer>);
          }
        },
        get backlogBytes() {
          return socket?.bufferedAmount ?? 0;
        },
        close: (code, reason) => detach()?.close(code, reason),
        drop() {
          const ended = detach();
          if (ended?.terminate) ended.terminate();
          else ended?.close();
        },
      };
    },
  };
}

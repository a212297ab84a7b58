import { WebSocket } from "ws";
import type { Client } from "./client.ts";
import type { Contracts } from "./contract.ts";
import { createClient as createBrowserClient } from "./index.ts";
import type { ClientOptions } from "./options.ts";
import type { WebSocketConstructor } from "./transports/websocket.ts";

export * from "./index.ts";

/** As in the browser, with `ws` where Node has no `WebSocket` of its own (before version 22). */
export function createClient<All extends Contracts = Contracts>(url: string, options: ClientOptions = {}): Client<All> {
  const own = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  return createBrowserClient(url, {
    ...options,
    WebSocket: options.WebSocket ?? own ?? (WebSocket as unknown as WebSocketConstructor),
  });
}

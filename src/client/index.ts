/** `yamabiko/client`: the client for browsers, and for anything else that has a `WebSocket` or `fetch`. */

import { type Client, createClientBy } from "./client.ts";
import type { Contracts } from "./contract.ts";
import type { ClientOptions } from "./options.ts";
import { anyTransport } from "./transports/ladder.ts";

export * from "./core.ts";

/**
 * Makes a client and, unless `autoConnect` is false, connects it: by WebSocket, or by the best transport that gets
 * through.
 */
export function createClient<All extends Contracts = Contracts>(url: string, options?: ClientOptions): Client<All> {
  return createClientBy(anyTransport, url, options);
}

import { type Client, type ClientOptions, createClient } from "../client/node.ts";
import { type Terminal, UsageError } from "./terminal.ts";

/** The address of a server started with the defaults. */
export const DEFAULT_URL = "ws://127.0.0.1:8080/ws";

/** Connects as `--url` and `--token`, or the variables YAMABIKO_URL and YAMABIKO_TOKEN, say. */
export function connect(
  { url, token }: { url?: string | undefined; token?: string | undefined },
  terminal: Terminal,
  options: ClientOptions = {},
): Client {
  return createClient(endpointOf(url ?? (terminal.env.YAMABIKO_URL || DEFAULT_URL)), {
    ...options,
    token: token ?? (terminal.env.YAMABIKO_TOKEN || null),
  });
}

/**
 * The web address of the server that `--url` or YAMABIKO_URL name, without a trailing slash.
 * @throws {UsageError}
 */
export function webAddressOf(url: string | undefined, { env }: Terminal): string {
  const address = new URL(endpointOf(url ?? (env.YAMABIKO_URL || DEFAULT_URL)));
  address.protocol = address.protocol === "wss:" ? "https:" : "http:";
  return `${address.origin}${address.pathname.replace(/\/(ws)?$/, "")}`;
}

/**
 * The WebSocket address of a server that may be given as its web address.
 * @throws {UsageError}
 */
export function endpointOf(text: string): string {
  const remedy = "Use an address like ws://127.0.0.1:8080 or https://chat.example.com";
  if (!URL.canParse(text)) throw new UsageError(`${text} is not an address.`, remedy);
  const url = new URL(text);
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new UsageError(`${text} is not the address of a server.`, remedy);
  }
  if (url.pathname === "/") url.pathname = "/ws";
  return url.href;
}

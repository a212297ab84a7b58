import { type Client, type ClientOptions, createClient, type TransportName } from "../client/node.ts";
import { type Terminal, UsageError } from "./terminal.ts";

/** The address of a server started with the defaults. */
export const DEFAULT_URL = "ws://127.0.0.1:8080/ws";

/** The flags of every command that connects. */
export const CONNECT_FLAGS = {
  url: { type: "string" },
  token: { type: "string" },
  transport: { type: "string" },
} as const;

/** What was said with them. */
export type ConnectFlags = { readonly [flag in keyof typeof CONNECT_FLAGS]?: string | undefined };

const TRANSPORTS: readonly TransportName[] = ["websocket", "sse", "long-polling", "polling"];

/** The flags that say where and how, for a command's help. */
export const connectHelp = `  --url URL        the server; default: YAMABIKO_URL, then ${DEFAULT_URL}
  --token TOKEN    who you are; default: YAMABIKO_TOKEN, then a guest
  --transport T    ${TRANSPORTS.join(", ")};
                   default: the first of them that gets through`;

/**
 * Connects as `--url`, `--token` and `--transport`, or the variables YAMABIKO_URL and YAMABIKO_TOKEN, say.
 * @throws {UsageError}
 */
export function connect(
  { url, token, transport }: ConnectFlags,
  terminal: Terminal,
  options: ClientOptions = {},
): Client {
  return createClient(endpointOf(url ?? (terminal.env.YAMABIKO_URL || DEFAULT_URL)), {
    ...options,
    transports: transport === undefined ? undefined : [transportOf(transport)],
    token: token ?? (terminal.env.YAMABIKO_TOKEN || null),
  });
}

function transportOf(text: string): TransportName {
  const found = TRANSPORTS.find((name) => name === text);
  if (found !== undefined) return found;
  throw new UsageError(`There is no transport ${text}.`, `Use one of ${TRANSPORTS.join(", ")}.`);
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

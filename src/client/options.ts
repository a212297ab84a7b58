import { type Clock, systemClock } from "../protocol/clock.ts";
import { type ClientCodec, jsonClientCodec } from "./codec.ts";
import type { OutboxStorage } from "./outbox-storage.ts";
import type { ClientTransport, TransportName } from "./transports/transport.ts";
import type { WebSocketConstructor } from "./transports/websocket.ts";

/** A token, or a function that is asked for one at every attempt and before it expires; null means a guest. */
export type TokenSource = string | null | (() => string | null | Promise<string | null>);

/** Options of `createClient`. */
export interface ClientOptions {
  /** A token, or where to get one at every attempt and 60 s before it expires. Default: none, a guest. */
  token?: TokenSource | undefined;
  /** The wait before the first reconnect, ms; doubles with every attempt, × 0.5 to 1. Default 1000. */
  reconnectInterval?: number | undefined;
  /** The longest wait, ms. Default 30,000. */
  maxReconnectInterval?: number | undefined;
  /** After as many failed attempts in a row it gives up. Default: never. */
  maxReconnectAttempts?: number | undefined;
  /** A message not acked after this time is sent again, ms. Default 5000. */
  ackTimeoutMs?: number | undefined;
  /** After this silence the client pings, ms. Default: what the server says in `welcome`. */
  heartbeatMs?: number | undefined;
  /** As many messages are kept, failed ones included; beyond it `send` fails with `unavailable`. Default 1000. */
  outboxLimit?: number | undefined;
  /** Where the outbox survives a reload, e.g. `webStorage(sessionStorage, "outbox")`. Default: nowhere. */
  storage?: OutboxStorage | undefined;
  /**
   * By which transports it may come, best first; with one it is that one alone. Default: `websocket`, `sse`,
   * `long-polling`, `polling`. `yamabiko/client/core` has only the first.
   */
  transports?: readonly TransportName[] | undefined;
  /** The wait between two reads of the transport `polling`, ms. Default 2000. */
  pollIntervalMs?: number | undefined;
  /**
   * On a transport that is not the best, how long until it looks whether a better one works again, ms; grows to twice as
   * much. Default 20,000.
   */
  probeIntervalMs?: number | undefined;
  /** Of WebSocket messages. Default JSON; `msgpack()` comes from `yamabiko/client/msgpack`. */
  codec?: ClientCodec | undefined;
  /** Default: the global one. */
  WebSocket?: WebSocketConstructor | undefined;
  /** Default: the global one. */
  fetch?: typeof globalThis.fetch | undefined;
  /** For tests. */
  clock?: Clock | undefined;
  /** For tests: 0 inclusive to 1 exclusive. */
  random?: (() => number) | undefined;
  /** Connect at once. Default true. */
  autoConnect?: boolean | undefined;
}

/** The options with their defaults, as every part of the client reads them. */
export type Settings = Filled & { readonly transport: ClientTransport };

/** Makes the transport of a client: where the doors of the package differ. */
export type TransportChoice = (options: Filled) => ClientTransport;

/** Fills in the defaults. An option that is `undefined` counts as not given. */
export function toSettings(url: string, options: ClientOptions, choose: TransportChoice): Settings {
  const settings: Filled = {
    url,
    reconnectInterval: 1000,
    maxReconnectInterval: 30_000,
    maxReconnectAttempts: Number.POSITIVE_INFINITY,
    ackTimeoutMs: 5000,
    outboxLimit: 1000,
    pollIntervalMs: 2000,
    probeIntervalMs: 20_000,
    codec: jsonClientCodec,
    clock: systemClock,
    random: Math.random,
    autoConnect: true,
  };
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) Object.assign(settings, { [name]: value });
  }
  return { ...settings, transport: choose(settings) };
}

/** Options that have no default here. */
type Bare = "token" | "heartbeatMs" | "storage" | "WebSocket" | "fetch" | "transports";

type Filled = { readonly url: string } & Readonly<Pick<ClientOptions, Bare>> & {
    readonly [name in Exclude<keyof ClientOptions, Bare>]: NonNullable<ClientOptions[name]>;
  };

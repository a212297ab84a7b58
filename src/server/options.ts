import type { Server } from "node:http";
import type { ApiKey } from "../auth/api-keys.ts";
import type { VerifyToken } from "../auth/identity.ts";
import type { TokenVerifierOptions } from "../auth/jwt.ts";
import type { Bus } from "../bus/bus.ts";
import type { PushSender } from "../features/index.ts";
import type { Log, Retention } from "../log/log.ts";
import type { Logger } from "../observe/logger.ts";
import type { TracingOptions } from "../observe/open-telemetry.ts";
import type { Clock, Limits } from "../protocol/index.ts";
import type { AccessRule, Namespace } from "../session/namespace.ts";
import type { AdminOptions } from "./admin/options.ts";
import type { AlertOptions } from "./disconnect-alerts.ts";
import type { PushOptions } from "./notifications.ts";

/** What `createServer` takes. Everything has a default; production needs `auth`. */
export interface ServerOptions {
  /** Attach to this `node:http` server instead of making one. Its other routes and upgrades stay its own. */
  readonly server?: Server | undefined;
  /** Default: 8080. 0 takes any free port. */
  readonly port?: number | undefined;
  /** Default: 127.0.0.1 with `dev`, else all addresses. */
  readonly host?: string | undefined;
  /**
   * `sqlite:PATH`, `redis://…` (`rediss:`, several hosts for a cluster, `redis+sentinel:`), `postgres://…`, `memory:`, or a log of your own.
   * Default: `sqlite:./data/yamabiko.db`.
   */
  readonly log?: string | Log | undefined;
  /** What an acknowledged event survives: `full` (default) a power cut, `normal` a crash of the process. SQLite only. */
  readonly sqliteSynchronous?: "full" | "normal" | undefined;
  /** `redis://…`, `postgres://…`, `memory:` or a bus of your own. Default: the server of the log, `memory:` where it is inside. */
  readonly bus?: string | Bus | undefined;
  /** How tokens are checked: with a key, or by a function of your own. */
  readonly auth?: Omit<TokenVerifierOptions, "clock" | "onRefused" | "onKnown"> | VerifyToken | undefined;
  /** Keys that back ends of the application show, each with what it may do; one given as text may do everything. Default: none. */
  readonly apiKeys?: readonly (string | ApiKey)[] | undefined;
  /** The kinds of room. Default: `chat`, `user`, `dashboard`, `document` and `feed`. Given ones are added; one of the same name replaces. */
  readonly namespaces?: readonly Namespace[] | undefined;
  /**
   * How notifications reach closed tabs: the keys for Web Push (`npx web-push generate-vapid-keys`), or a way of your own.
   * Default: not at all.
   */
  readonly push?: PushOptions | PushSender | undefined;
  /** Asked about every room, besides the namespace's own rule. */
  readonly access?: AccessRule | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** How much of each room is kept, where the namespace does not say. Default: everything. */
  readonly retention?: Retention | undefined;
  /** Development: guests, tokens for the asking, no per-IP and rate limits, loopback only. Default: false. */
  readonly dev?: boolean | undefined;
  /** Let clients without a token in. Default: as `dev`. */
  readonly guests?: boolean | undefined;
  /**
   * Metrics, health and the admin console on an address and with a credential of their own. It is listening when `listen` has
   * resolved, also with an attached `server`. Default: none.
   */
  readonly admin?: AdminOptions | undefined;
  /** Every connection joins this room by itself, and messages without a room go to it. Default: none. */
  readonly defaultRoom?: string | undefined;
  /** Origins besides the server's own whose pages may connect, e.g. `https://app.example`. `*` is any. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Proxies whose `X-Forwarded-For` is believed, as addresses or CIDR ranges. Default: none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** A directory of built pages to serve. Default: none. */
  readonly staticDir?: string | undefined;
  /**
   * Compress what WebSocket clients (permessage-deflate) and streams (gzip) that can take it are sent, from 1 KiB on, once for all
   * readers of a room. WebSocket clients then compress what they send, which costs the server some 0.1 ms per message.
   * Answers to requests are compressed whatever this says. Default: false.
   */
  readonly compression?: boolean | undefined;
  /** A path that echoes frames, for conformance suites. Default: none. */
  readonly echoPath?: string | undefined;
  /** How long a connection may be silent before it is pinged, ms. Default: 20,000. */
  readonly heartbeatMs?: number | undefined;
  /**
   * How long `close` only says `not ready` on `/readyz` and serves on, ms, so that load balancers send nobody any more. Default: 0;
   * for `yamabiko serve` 1,000, with `--dev` 0.
   */
  readonly readyGraceMs?: number | undefined;
  /** When and where the operator is told that connections end badly. Default: from 5 on; in the log, and by `server.on`. */
  readonly alerts?: AlertOptions | undefined;
  /**
   * Tell OpenTelemetry the way of every message: spans `receive`, `append` and `deliver`, by the package `@opentelemetry/api` and whatever
   * SDK the application sets up in this process, which also samples. Where the package is not installed there is a warning and no span.
   * Default: false.
   */
  readonly tracing?: boolean | TracingOptions | undefined;
  /** Where to log. Default: JSON lines of level `warn` and above on standard error. */
  readonly logger?: Logger | undefined;
  /** For tests. */
  readonly clock?: Clock | undefined;
}

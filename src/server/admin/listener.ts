import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { operatorIdentity } from "../../auth/operator.ts";
import type { Observer } from "../../observe/observer.ts";
import { type Clock, type Limits, YamabikoError } from "../../protocol/index.ts";
import type { WebSocketTransport } from "../../transport/websocket.ts";
import { ClientAddress } from "../client-address.ts";
import { createHttp } from "../http.ts";
import { isLoopbackAddress, isLoopbackHost, isOriginAllowed } from "../origin.ts";
import { addressOf, closeHttp, createOwnHttp, listenOn } from "../own-http.ts";
import { requestUrl } from "../request-url.ts";
import type { Route, RouteRequest } from "../route.ts";
import type { StaticHandler } from "../static.ts";
import { refuseUpgrade } from "../upgrade.ts";
import { UpgradedSockets } from "../upgraded-sockets.ts";
import { AdminCredential } from "./credential.ts";
import type { AdminOptions } from "./options.ts";
import { sessionRoutes } from "./routes/session.ts";

/** The most connections at once: operators are few, and the clients' port needs the descriptors. */
export const MOST_OPERATOR_CONNECTIONS = 128;

/** How long a shutdown waits for requests, and then for close handshakes, ms. */
const CLOSE_MS = 1_000;

/** What a proxy adds to a request that it hands on. */
const FORWARDED = ["forwarded", "x-forwarded-for", "x-real-ip", "via"] as const;

export interface AdminListenerParts {
  readonly options: AdminOptions;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly observer: Observer;
  /** What anybody who reaches the listener may ask: whether the server is well. */
  readonly openRoutes: readonly Route[];
  /** What operators may ask, below `/api/`. */
  readonly operatorRoutes: readonly Route[];
  metrics(): Promise<{ type: string; text: string }>;
  /** The pages of the console; null where they were not built. */
  readonly pages: StaticHandler | null;
  /** What serves the console's own connection. Rejects when the server cannot serve. */
  webSocket(): Promise<WebSocketTransport>;
  /** A name for the next operator's connection, unlike any user's. */
  newOperatorId(): string;
}

/** The admin listener: an address, a credential and routes of its own. Nothing of it is reached by the server's other port. */
export interface AdminListener {
  /** Rejects when the port is taken. */
  listen(): Promise<{ url: string; port: number }>;
  close(): Promise<void>;
}

/**
 * Makes the admin listener.
 * @throws {TypeError} for a secret that cannot be one, and without one where others than this machine can reach it.
 */
export function createAdminListener(parts: AdminListenerParts): AdminListener {
  const { options, limits, clock, observer } = parts;
  const { port = 0, host = "127.0.0.1", secret = null, metricsSecret = null } = options;
  const credential = new AdminCredential({ secret, metricsSecret, clock });
  const isLoopback = isLoopbackAddress(host);
  if (!isLoopback && !credential.isSet) {
    throw new TypeError(
      `The admin listener on ${host} can be reached by others, and has no secret. Set YAMABIKO_ADMIN_SECRET (option \`admin.secret\`), or leave its host at 127.0.0.1.`,
    );
  }
  const clientAddress = new ClientAddress([]);
  let isClosing = false;
  /** Whether a program of this machine asks, and nobody for somebody else. */
  const isDirect = (request: IncomingMessage): boolean =>
    isLoopback && isLoopbackHost(request) && FORWARDED.every((name) => request.headers[name] === undefined);
  const metrics: Route = {
    method: "GET",
    path: "/metrics",
    async handle({ request }) {
      if (!isDirect(request)) credential.checkMetrics(request);
      return { status: 200, ...(await parts.metrics()) };
    },
  };
  const ofOperators = (route: Route): Route => ({
    ...route,
    handle: async (asked: RouteRequest) => {
      credential.checkOperator(asked.request);
      return route.handle(asked);
    },
  });
  const { handle } = createHttp({
    routes: [
      ...parts.openRoutes,
      metrics,
      ...sessionRoutes({ credential, limits }),
      ...parts.operatorRoutes.map(ofOperators),
    ],
    allowedOrigins: [],
    dev: isLoopback,
    clientAddress,
    ipLimits: { ask() {} },
    observer,
    pages: parts.pages,
    isClosing: () => isClosing,
  });
  const http = createOwnHttp(limits, handle);
  http.maxConnections = MOST_OPERATOR_CONNECTIONS;
  const notAccepted = (error: unknown): void => observer.failure("accepting connections of operators", error);
  http.on("drop", () => notAccepted(new Error(`There are ${MOST_OPERATOR_CONNECTIONS} connections already.`)));
  const sockets = new UpgradedSockets();
  const open = async (request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> => {
    if (requestUrl(request).pathname !== "/ws") throw new YamabikoError("unknown_type", "There is nothing here.");
    if (!isOriginAllowed(request, []) || (isLoopback && !isLoopbackHost(request))) {
      throw new YamabikoError("access_denied", "Pages of this origin may not connect.");
    }
    const expiresAt = credential.checkOperator(request);
    const webSocket = await parts.webSocket();
    if (socket.destroyed) return;
    const operator = operatorIdentity(parts.newOperatorId(), expiresAt);
    webSocket.accept(request, socket, head, operator, clientAddress.of(request), { isMember: false });
    sockets.serve(socket);
  };
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refuse = (error: unknown): void => refuseUpgrade(socket as Socket, error, observer);
    sockets.add(socket as Socket, () => refuse(new YamabikoError("unavailable", "The server is closing.")));
    open(request, socket as Socket, head).catch(refuse);
  });
  return {
    async listen() {
      await listenOn(http, port, host);
      // What the system refuses ends nothing.
      http.on("error", notAccepted);
      return addressOf(http, host);
    },
    async close() {
      isClosing = true;
      const closed = close(http);
      sockets.end();
      await sockets.gone(CLOSE_MS);
      await closed;
    },
  };
}

function close(http: HttpServer): Promise<void> {
  return http.listening ? closeHttp(http, CLOSE_MS) : Promise.resolve();
}

import { randomBytes } from "node:crypto";
import type { Server as HttpServer, IncomingMessage, RequestListener } from "node:http";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";
import { createAccess } from "../auth/access.ts";
import { loadDevSecret } from "../auth/dev.ts";
import { createGuestTokens } from "../auth/guests.ts";
import type { Identity, VerifyToken } from "../auth/identity.ts";
import { createTokenVerifier, MAX_TOKEN_LIFETIME_MS } from "../auth/jwt.ts";
import { OPERATOR_NAMESPACE } from "../auth/operator.ts";
import { type Ban, Revocations } from "../auth/revocations.ts";
import { createTickets } from "../auth/tickets.ts";
import type { Bus } from "../bus/bus.ts";
import {
  chat,
  documents,
  game,
  type InboxPage,
  type InboxQuery,
  type NotificationInput,
  type NotificationService,
  type Notified,
  type NotifyOutcome,
} from "../features/index.ts";
import type { Log } from "../log/log.ts";
import { createLogger, type Logger } from "../observe/logger.ts";
import { aggregateMetrics, createMetricsObserver, createRegistry } from "../observe/metrics.ts";
import type { GaugeName, Observer } from "../observe/observer.ts";
import { createTracing } from "../observe/open-telemetry.ts";
import { watchStalls } from "../observe/stall-watch.ts";
import { createTally } from "../observe/tally.ts";
import type { Tracing } from "../observe/tracing.ts";
import { deadline } from "../protocol/deadline.ts";
import {
  type Clock,
  type Json,
  type Limits,
  parseRoomId,
  resolveLimits,
  systemClock,
  YamabikoError,
} from "../protocol/index.ts";
import { Rooms } from "../room/rooms.ts";
import { ConnectionList, type ConnectionPage, type ConnectionQuery } from "../session/connection-list.ts";
import { defineNamespace, type Namespace } from "../session/namespace.ts";
import { Router } from "../session/router.ts";
import { Sessions } from "../session/sessions.ts";
import { RequestRates } from "../transport/request-rates.ts";
import { Slices } from "../transport/slices.ts";
import type { SseParts } from "../transport/sse.ts";
import { WebSocketTransport } from "../transport/websocket.ts";
import { YjsTransport } from "../transport/yjs/yjs.ts";
import { AccessLog, SERVER_NAMESPACE } from "./access-log.ts";
import { createAdminListener, MOST_OPERATOR_CONNECTIONS } from "./admin/listener.ts";
import { Operations } from "./admin/operations.ts";
import { createConsolePages } from "./admin/pages.ts";
import { operationsRoutes } from "./admin/routes/operations.ts";
import { operatorNamespace } from "./admin/trace.ts";
import { ClientAddress } from "./client-address.ts";
import { createBackEnds } from "./credentials.ts";
import { attachDashboards, dashboardNamespace } from "./dashboards.ts";
import { arenaGames, createTicker, TICKER_ROOM } from "./demo.ts";
import { spareDescriptors } from "./descriptors.ts";
import { createDisconnectAlerts } from "./disconnect-alerts.ts";
import { type Erasure, erasePerson } from "./erasure.ts";
import { createEvents, type ServerEvents } from "./events.ts";
import { HalfOpen } from "./half-open.ts";
import { createHttp } from "./http.ts";
import { IpLimits } from "./ip-limits.ts";
import { Link } from "./links.ts";
import { type BanQuery, type Expulsion, Moderation, type NewBan, type Revocation } from "./moderation.ts";
import { attachNotifications, notificationNamespaces, PUSH_NAMESPACE } from "./notifications.ts";
import type { ServerOptions } from "./options.ts";
import { addressOf, closeHttp, createOwnHttp, listenOn } from "./own-http.ts";
import type { Route } from "./route.ts";
import { dashboardRoutes } from "./routes/dashboards.ts";
import { documentsRoutes } from "./routes/documents.ts";
import { messageRoutes } from "./routes/messages.ts";
import { moderationRoutes, type TokenSigner } from "./routes/moderation.ts";
import { notificationRoutes } from "./routes/notifications.ts";
import { healthRoutes, operationRoutes } from "./routes/operations.ts";
import { recordRoutes } from "./routes/records.ts";
import { roomRoutes } from "./routes/rooms.ts";
import { ServerDashboard } from "./server-dashboard.ts";
import { ServerRoom } from "./server-room.ts";
import { documentRoutes } from "./spec/document-routes.ts";
import { createStatic } from "./static.ts";
import { busFor, chooseStores, DEFAULT_LOG, sqlitePathOf } from "./stores.ts";
import { createUpgrade } from "./upgrade.ts";
import { UpgradedSockets } from "./upgraded-sockets.ts";
import { VERSION } from "./version.ts";

/** How long what comes in is taken in one turn, ms: timers, answers and deliveries are late by little more. */
const INTAKE_MS = 4;
/** When clients are told to come back after a shutdown, ms: the first after so long, the others spread over so much more. */
const FIRST_BACK_MS = 100;
const BACK_WITHIN_MS = 1_000;
/** How long a shutdown waits for what is under way, ms. */
const CLOSE_MS = 5_000;
/** How long it then waits for close handshakes, ms. */
const GOODBYE_MS = 2_500;
/** How long a shutdown then waits for spans to be sent on, ms. */
const SPANS_MS = 500;
/** How long a check of tokens by the application's own function may take, ms. */
const VERIFY_MS = 5_000;

/** A running server. */
export interface YamabikoServer {
  /**
   * Opens the log and listens. With an attached `server` it only opens the log.
   * Rejects when the log cannot be opened or a port is taken; then call it again with another, or `close`.
   * `adminUrl` is where the admin listener is; null where there is none.
   */
  listen(port?: number, host?: string): Promise<{ url: string; port: number; adminUrl: string | null }>;
  /**
   * Says `not ready` for `readyGraceMs` and serves on, so that load balancers look away. Then takes nothing more, tells
   * clients when to come back, finishes and answers what was accepted (for at most 5 s), and lets go of everything; all this
   * within 8 s. Called again, it gives the same promise.
   */
  close(): Promise<void>;
  /** A room, for the server's own code. */
  room(roomId: string): ServerRoom;
  /**
   * Saves a notification in a user's inbox and delivers it; resolves when it is durable.
   * Rejects with `invalid_message` for what does not fit, with `unavailable` when the log cannot take it; with a `dedupKey`
   * it may be said again.
   */
  notify(userId: string | number, notification: NotificationInput): Promise<Notified>;
  /** The same for up to 10,000 users: what became of it for each, in their order. Who is named twice is notified once. */
  notify(userIds: readonly (string | number)[], notification: NotificationInput): Promise<NotifyOutcome[]>;
  /** A part of a user's inbox, newest first. */
  inbox(userId: string, query?: InboxQuery): Promise<InboxPage>;
  /**
   * Erases what a person said, from the logs of all rooms, and what is kept for them (PROTOCOL.md section 18): closes their
   * connections, and resolves when it is durable. May be asked for again. Reads the whole log: for a request of a person, not
   * for every day. Rejects with `unavailable` when the log cannot take it.
   */
  erase(userId: string): Promise<Erasure>;
  /** Closes a user's connections with 4403, on all nodes, whatever they came by. They may come again, unless a rule says otherwise. */
  disconnect(userId: string): Promise<void>;
  /**
   * Takes back the access of a `user`, a `token` or a `connection`: its connections end with 4401 within a second, on all nodes and whatever
   * they came by, and its tokens are not accepted any more, also after restarts. A token issued later is.
   * Resolves to false for a connection that is not there, else to true, when it is durable.
   * Rejects with `invalid_message`; with `unavailable` when the log cannot take it, and then may be said again.
   */
  revoke(revocation: Revocation): Promise<boolean>;
  /** Takes a user out of a room, on all nodes (`room(roomId).kick`). It may join again, unless it is banned or a rule says otherwise. */
  kick(expulsion: Expulsion): Promise<void>;
  /** Takes a user out of a room and does not let it in again, for `forMs` or until `unban`. Durable, and on all nodes. Rejects as `revoke`. */
  ban(ban: NewBan): Promise<Ban>;
  /** Lifts a ban; resolves to whether there was one. Rejects as `revoke`. */
  unban(expulsion: Expulsion): Promise<boolean>;
  /** The bans in force, of one room or one user where that is said, the oldest first. */
  bans(query?: BanQuery): Promise<Ban[]>;
  /**
   * What the access rules look at has changed: asks them again about everybody who is in a room, or about one user, on all nodes. Who may
   * not read a room any more leaves it (`left_room` with the reason `access_denied`). Resolves when this node is done.
   */
  recheckAccess(user?: string): Promise<void>;
  /** A dashboard, for the server's own code: `await server.dashboard("shop").set({ orders: 12 })`. */
  dashboard(name: string): ServerDashboard;
  /** The metrics in Prometheus' text format. */
  metrics(): Promise<string>;
  /**
   * Tells the application what happens: `server.on("abnormal_disconnects", ({ class, count, likelyCause, message }) => …)`.
   * Returns the way to take it back.
   */
  on<Name extends keyof ServerEvents>(name: Name, listener: (event: ServerEvents[Name]) => void): () => void;
  /** How many clients are connected to this node. */
  readonly connections: number;
  /**
   * The connections of all nodes, a page at a time: who, by which transport, since when, in which rooms, how far away.
   * Rejects with `invalid_message` for a `limit` that is not 1 to 1,000.
   */
  listConnections(query?: ConnectionQuery): Promise<ConnectionPage>;
}

/**
 * Makes a server.
 *
 * @throws {TypeError} with a remedy when the options cannot work; above all, production without a key.
 */
export function createServer(options: ServerOptions = {}): YamabikoServer {
  return createNode(options, {});
}

/** What a node has in common with the other processes of its machine (`serve --workers`). */
export interface NodeShared {
  /** The node's id. Default: a random one. */
  readonly nodeId?: string | undefined;
  /** The secret of development mode. Default: the one kept beside the data. */
  readonly devSecret?: string | undefined;
  /** What guests are known again by, where no other secret is. Default: a random one. */
  readonly guestSecret?: string | undefined;
  /** Whether they are measured together. Default: false. */
  readonly isWorker?: boolean;
}

/**
 * Makes a server that may be one of several processes.
 *
 * @throws {TypeError} as `createServer`.
 */
export function createNode(options: ServerOptions, shared: NodeShared): YamabikoServer {
  // What is traced, nodes tell each other; only the one that an operator came to has its rooms.
  const traces = operatorNamespace((roomId, target) => {
    opened.then(
      ({ operations }) => operations.trace(roomId, target),
      () => {},
    );
  });
  const { dev = false, clock = systemClock, heartbeatMs = 20_000, readyGraceMs = 0 } = options;
  const letGuestsIn = options.guests ?? dev;
  const limits = resolveLimits(options.limits, dev);
  const logger = options.logger ?? createLogger({ level: "warn" });
  const registry = createRegistry({ process: true });
  const { nodeId = createNodeId(), isWorker = false } = shared;
  const counting = createMetricsObserver(registry, logger, clock);
  const events = createEvents((error) => counting.failure("telling the application", error));
  const { alerts: alertOptions = {} } = options;
  const alerts = createDisconnectAlerts({
    alerts: alertOptions,
    node: nodeId,
    clock,
    logger,
    observer: counting,
    events,
  });
  const { observer, totals } = createTally(alerts.observer);

  // The pages of development show it.
  const ticker = dev && options.staticDir !== undefined ? createTicker({ room: () => room(TICKER_ROOM), clock }) : null;
  const own = [
    ...(ticker === null ? [] : [ticker.namespace, arenaGames()]),
    ...(options.admin === undefined ? [] : [traces]),
  ];
  const namespaces = collectNamespaces(options, limits, own);
  for (const { gauges = {} } of namespaces.values()) {
    for (const [name, read] of Object.entries(gauges)) observer.gauge(name as GaugeName, read);
  }
  const devSecret = shared.devSecret ?? devSecretOf(options);
  const verifyToken = chooseVerifier(options, devSecret, clock, logger, observer);
  if (verifyToken === null && !letGuestsIn) {
    throw new TypeError(
      "There is no key to check tokens with. Set YAMABIKO_JWT_SECRET, YAMABIKO_JWT_PUBLIC_KEY or YAMABIKO_JWKS_URL (option `auth`), or start with --dev on your own machine.",
    );
  }
  const guests = letGuestsIn ? createGuestTokens(devSecret ?? sharedSecret(options) ?? shared.guestSecret) : null;
  const revocations = new Revocations(() => clock.now());
  observer.gauge("revocations", () => revocations.count);
  observer.gauge("bans", () => revocations.banCount);
  const can = createAccess({
    isBanned: (roomId, userId) => revocations.banOf(roomId, userId) !== null,
    namespaces: namespaces.values(),
    rule: options.access,
    clock,
    onFailure: (error) => observer.failure("asking an access rule", error),
  });
  const tickets = createTickets({
    limit: limits.tickets,
    clock,
    nodeId,
    async elsewhere(issuer, ticket) {
      const { rooms } = await opened;
      if (!rooms.otherNodes.includes(issuer)) return null;
      return (await rooms.words.ask(issuer, "ticket", ticket)) as Identity | null;
    },
  });
  observer.gauge("tickets", () => tickets.count);
  const clientAddress = new ClientAddress(options.trustedProxies ?? []);
  const ipLimits = new IpLimits(limits, clock, observer);
  const defaultRoom = options.defaultRoom === undefined ? null : parseRoomId(options.defaultRoom);
  const allowedOrigins = options.allowedOrigins ?? [];
  const backEnds = createBackEnds(options.apiKeys ?? [], dev);
  const serverName = `yamabiko/${VERSION}`;

  const links = { log: new Link("log", logger, observer), bus: new Link("bus", logger, observer) };
  const openStores = chooseStores({ options, clock, links });
  let stores: { readonly log: Log; readonly bus: Bus } | null = null;
  let isReady = false;
  let isLeaving = false;
  let isDraining = false;
  let isClosed = false;

  const pages = options.staticDir === undefined ? null : createStatic(options.staticDir);

  const open = async () => {
    const tracing = await openTracing(options, logger, observer);
    stores = await openStores();
    const rooms = new Rooms({ ...stores, nodeId, observer, tracing, clock, limits });
    ipLimits.attach(rooms);
    rooms.words.answer("ticket", (ticket) => tickets.redeem(ticket) as Json);
    rooms.words.answer("metrics", () => registry.getMetricsAsJSON() as Promise<unknown> as Promise<Json>);
    rooms.words.on("received", (said) => {
      const { userId, upTo } = said as { userId: string; upTo: number };
      service?.hearReceived(userId, upTo);
    });
    const router = new Router({
      serverName,
      rooms,
      namespaces,
      can,
      verifyToken,
      guests,
      revocations,
      defaultRoom,
      heartbeatMs,
      limits,
      clock,
      observer,
      tracing,
    });
    const sessions = new Sessions(router, `${nodeId}-`);
    const accessLog = await AccessLog.open({
      rooms,
      revocations,
      observer,
      onDecided: (decision) => sessions.enforce(decision),
    });
    const connectionList = new ConnectionList({
      nodeId,
      words: rooms.words,
      otherNodes: () => rooms.otherNodes,
      sessions: () => sessions.all(),
    });
    const intake = new Slices(INTAKE_MS);
    observer.gauge("intake_waiting", () => intake.waiting);
    const webSocket = new WebSocketTransport({
      sessions,
      fanout: rooms.fanout,
      intake,
      limits,
      clock,
      observer,
      compression: options.compression ?? false,
    });
    const yjs = new YjsTransport({ sessions, fanout: rooms.fanout, intake, limits, clock, observer });
    isReady = true;
    alerts.start();
    const rates = new RequestRates(limits, clock);
    observer.gauge("request_rates", () => rates.count);
    const byHttp: SseParts = {
      sessions,
      guests,
      rates,
      limits,
      clock,
      fanout: rooms.fanout,
      heartbeatMs,
      observer,
      compression: options.compression ?? false,
    };
    const operations = new Operations({
      nodeId,
      version: VERSION,
      rooms,
      sessions,
      namespaces,
      operatorNamespace: traces,
      registry,
      clock,
      observer,
      isDraining: () => isDraining,
      drain: (draining) => {
        isDraining = draining;
      },
    });
    return { rooms, sessions, accessLog, connectionList, operations, webSocket, yjs, byHttp, tracing };
  };
  // Last, so that options that cannot work leave nothing open.
  const opened = open();
  // Told by `listen`, and by whoever uses a room; a failure that nobody asks about is no crash.
  opened.catch(() => {});

  const { auth } = options;
  const tokenLifetimeMs = (typeof auth === "function" ? undefined : auth?.maxLifetimeMs) ?? MAX_TOKEN_LIFETIME_MS;
  const moderation = new Moderation({ nodeId, revocations, tokenLifetimeMs, clock, opened });

  const serving = async () => {
    const parts = await opened.catch(() => null);
    if (parts === null || isClosed) throw notServing();
    return parts;
  };
  const metrics = async (): Promise<string> => {
    if (!isWorker) return registry.metrics();
    const { rooms } = await opened;
    const others = await Promise.all(rooms.otherNodes.map((other) => rooms.words.ask(other, "metrics", null)));
    const all = [await registry.getMetricsAsJSON(), ...others.filter((each) => each !== null)];
    return aggregateMetrics(all as object[]);
  };
  const kick = async (userId: string, roomId: string) => (await opened).sessions.kick(userId, roomId);
  const room = (roomId: string) => new ServerRoom(roomId, async () => (await opened).rooms, namespaces, kick);
  const service = attachNotifications({
    namespaces,
    room,
    clock,
    observer,
    push: options.push,
    tellReceived: (userId, upTo) => {
      if (options.push !== undefined)
        void opened.then(
          ({ rooms }) => rooms.words.say("received", { userId, upTo }),
          () => {},
        );
    },
  });
  const dashboards = attachDashboards({
    namespaces,
    rooms: async () => (await opened).rooms,
    totals,
    clock,
    observer,
    node: isAlone(options) ? null : nodeId,
  });
  const credentials = { verifyToken, tickets, revocations, guests, dev };
  const messages = {
    ...credentials,
    serving: async () => (await serving()).byHttp,
    defaultRoom,
    limits,
    ipLimits,
    observer,
  };
  const erase = async (userId: string): Promise<Erasure> => {
    const { rooms, sessions } = await opened;
    sessions.disconnect(userId, "forbidden", "your data are being erased");
    return erasePerson(userId, { log: stores!.log, rooms, namespaces });
  };
  const roomParts = {
    ...credentials,
    rooms: async () => (await serving()).rooms,
    namespaces,
    can,
    limits,
    backEnds,
    room,
    erase,
    log: async () => {
      await serving();
      return stores!.log;
    },
  };
  const health = healthRoutes({
    isReady: () => isReady && !isLeaving && !isDraining,
    links: () => ({ log: links.log.state, bus: links.bus.state }),
  });
  const metricsText = async () => ({ type: registry.contentType, text: await metrics() });
  const routes: Route[] = [
    ...health,
    ...operationRoutes({
      ...credentials,
      devSecret,
      limits,
      clock,
      ipLimits,
      metrics: dev ? metricsText : null,
    }),
    ...documentRoutes({
      namespaces: Array.from(namespaces.values()).filter((namespace) => namespace !== traces),
      version: VERSION,
      limits,
      guests: letGuestsIn,
      dev,
      defaultRoom: defaultRoom?.roomId,
    }),
    ...messageRoutes(messages),
    ...moderationRoutes({
      moderation,
      backEnds,
      limits,
      clock,
      signer: signerOf(options, devSecret, tokenLifetimeMs),
      listConnections: async (query) => (await serving()).connectionList.page(query),
    }),
    ...roomRoutes(roomParts),
    ...recordRoutes(roomParts),
    ...documentsRoutes(roomParts),
    ...(service === null ? [] : notificationRoutes({ ...messages, service, can, backEnds })),
    ...(dashboards === null
      ? []
      : dashboardRoutes({ ...credentials, service: dashboards.service, can, limits, backEnds })),
  ];
  const { handle, isOurs } = createHttp({
    routes,
    allowedOrigins,
    dev,
    clientAddress,
    ipLimits,
    observer,
    pages,
    isClosing: () => isLeaving,
  });

  const admin =
    options.admin === undefined
      ? null
      : createAdminListener({
          options: options.admin,
          limits,
          clock,
          observer,
          openRoutes: health,
          operatorRoutes: operationsRoutes({
            operations: async () => (await serving()).operations,
            moderation,
            limits,
          }),
          metrics: metricsText,
          pages: createConsolePages(),
          webSocket: async () => (await serving()).webSocket,
          newOperatorId: () => `@operator-${createNodeId()}`,
        });

  const ownHttp = options.server === undefined ? createOwnHttp(limits, handle) : null;
  const http: HttpServer = options.server ?? ownHttp!;
  const detach = ownHttp === null ? attachRequests(http, handle, isOurs) : () => {};
  const halfOpen = ownHttp === null ? null : new HalfOpen(ownHttp, clientAddress, limits, observer);
  const sockets = new UpgradedSockets();
  const upgrade = createUpgrade({
    opened,
    sockets,
    verifyToken,
    tickets,
    revocations,
    clientAddress,
    ipLimits,
    allowedOrigins,
    echoPath: options.echoPath ?? null,
    dev,
    isAttached: ownHttp === null,
    observer,
    isClosed: () => isClosed || isDraining,
  });
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void =>
    upgrade(request, socket as Socket, head);
  http.on("upgrade", onUpgrade);

  const close = async (): Promise<void> => {
    isLeaving = true;
    alerts.stop();
    if (readyGraceMs > 0 && http.listening) await pause(clock, readyGraceMs);
    isClosed = true;
    detach();
    if (ownHttp === null) http.off("upgrade", onUpgrade);
    const httpClosed = ownHttp === null ? null : closeHttp(ownHttp, CLOSE_MS);
    const adminClosed = admin?.close();
    halfOpen?.end();
    sockets.end();
    const parts = await opened.catch(() => null);
    if (parts !== null) {
      await atMost(parts.sessions.settle(FIRST_BACK_MS, BACK_WITHIN_MS), CLOSE_MS);
      parts.sessions.close();
    }
    await sockets.gone(GOODBYE_MS);
    await httpClosed;
    await adminClosed;
    stopWatching();
    service?.close();
    dashboards?.close();
    ticker?.close();
    alerts.close();
    parts?.operations.close();
    parts?.rooms.close();
    // What is being appended, and leads that are given back, are still told to the other nodes.
    await stores?.log.close();
    await stores?.bus.close();
    if (parts?.tracing) await atMost(parts.tracing.flush(), SPANS_MS);
  };
  const stopWatching = watchStalls(observer);
  let closing: Promise<void> | null = null;

  let adminUrl: string | null = null;
  let sessionsNow: Sessions | null = null;
  opened.then(
    ({ sessions }) => {
      sessionsNow = sessions;
    },
    () => {},
  );

  return {
    get connections() {
      return sessionsNow?.count ?? 0;
    },

    async listen(port = options.port ?? 8080, host = options.host ?? (dev ? "127.0.0.1" : undefined)) {
      await opened;
      adminUrl ??= admin === null ? null : (await admin.listen()).url;
      if (ownHttp !== null) {
        await listenOn(ownHttp, port, host);
        spareDescriptors(ownHttp, observer, admin === null ? 0 : MOST_OPERATOR_CONNECTIONS);
      }
      return { ...addressOf(http, host), adminUrl };
    },

    close() {
      closing ??= close();
      return closing;
    },

    room,

    // Which overload it is, the service finds out.
    notify: async (to: never, notification: NotificationInput): Promise<never> =>
      withService(service).notify(to, notification) as Promise<never>,

    inbox: async (userId, query) => withService(service).inbox(userId, query),

    dashboard: (name) => new ServerDashboard(name, dashboards?.service ?? null),

    listConnections: async (query) => (await opened).connectionList.page(query),

    revoke: (revocation) => moderation.revoke(revocation),

    kick: (expulsion) => moderation.kick(expulsion),

    ban: (ban) => moderation.ban(ban),

    unban: (expulsion) => moderation.unban(expulsion),

    bans: (query) => moderation.bans(query),

    recheckAccess: (user) => moderation.recheck(user),
    erase,

    async disconnect(userId) {
      (await opened).sessions.disconnect(userId, "forbidden", "disconnected by the server");
    },

    metrics,

    on: events.on,
  };
}

/** The namespaces every server has: chat, each user's own room, dashboards, documents, and what back ends publish. */
function collectNamespaces(
  options: ServerOptions,
  limits: Limits,
  more: readonly Namespace[],
): ReadonlyMap<string, Namespace> {
  const builtIn: Namespace[] = [
    chat(),
    ...notificationNamespaces(),
    dashboardNamespace(),
    documents({ maxLength: limits.documentLength, yjs: { maxBytes: limits.yjsDocumentBytes } }),
    defineNamespace({ name: "feed", messages: {} }),
    game(),
    ...more,
  ];
  const taken = options.admin === undefined ? OWN_NAMESPACES : [...OWN_NAMESPACES, OPERATOR_NAMESPACE];
  for (const { name } of options.namespaces ?? []) {
    if (!taken.includes(name)) continue;
    throw new TypeError(`The namespace "${name}" is the server's own. Call yours something else.`);
  }
  const namespaces = new Map<string, Namespace>();
  for (const namespace of [...builtIn, ...(options.namespaces ?? [])]) {
    const retention = namespace.retention ?? options.retention;
    namespaces.set(namespace.name, retention === undefined ? namespace : { ...namespace, retention });
  }
  return namespaces;
}

/** The namespaces that no application may replace. */
const OWN_NAMESPACES: readonly string[] = [PUSH_NAMESPACE, SERVER_NAMESPACE];

/** The secret of development mode; null where there is a key, or where it is production. */
export function devSecretOf(options: ServerOptions): string | null {
  return options.dev === true && !hasKey(options) ? loadDevSecret(devDirectory(options.log)) : null;
}

function hasKey({ auth }: ServerOptions): boolean {
  if (typeof auth === "function") return true;
  return auth?.secret !== undefined || auth?.publicKey !== undefined || auth?.jwksUrl !== undefined;
}

/** The secret of tokens, where there is one. */
function sharedSecret({ auth }: ServerOptions): string | undefined {
  return typeof auth === "function" ? undefined : auth?.secret;
}

/** How tokens are signed for back ends: with the secret they are checked with, where that is how. */
function signerOf({ auth }: ServerOptions, devSecret: string | null, maxLifetimeMs: number): TokenSigner | null {
  if (devSecret !== null) return { secret: devSecret, maxLifetimeMs };
  if (typeof auth === "function" || auth?.secret === undefined) return null;
  const { secret, issuer, audience, algorithms } = auth;
  if (algorithms !== undefined && !algorithms.includes("HS256")) return null;
  return { secret, issuer, audience, maxLifetimeMs };
}

function chooseVerifier(
  options: ServerOptions,
  devSecret: string | null,
  clock: Clock,
  logger: Logger,
  observer: Observer,
): VerifyToken | null {
  const { auth } = options;
  if (typeof auth === "function") return inTime(auth, clock, observer);
  const onKnown = (count: () => number): void => void observer.gauge("tokens_known", count);
  if (devSecret !== null) return createTokenVerifier({ secret: devSecret, clock, onKnown });
  if (!hasKey(options)) return null;
  return createTokenVerifier({
    ...auth,
    clock,
    onKnown,
    onRefused: (reason) => logger.info({ reason }, "token refused"),
  });
}

/** A check of the application's own that is silent would hold the place of whoever waits for it. */
function inTime(verify: VerifyToken, clock: Clock, observer: Observer): VerifyToken {
  return async (token) => {
    try {
      return await deadline(verify(token), VERIFY_MS, clock, "Checking the token takes too long.");
    } catch (error) {
      if (error instanceof YamabikoError && error.code === "unavailable") observer.failure("checking a token", error);
      throw error;
    }
  };
}

/** Whether there can be no other node. */
function isAlone({ bus, log = DEFAULT_LOG }: Pick<ServerOptions, "bus" | "log">): boolean {
  return (bus ?? (typeof log === "string" ? busFor(log) : "memory:")) === "memory:";
}

/** Development keeps its key beside the data, so that a reload after a restart still is the same user. */
function devDirectory(log: string | Log = DEFAULT_LOG): string | null {
  const path = typeof log === "string" ? sqlitePathOf(log) : null;
  return path === null || path === ":memory:" ? null : dirname(path);
}

/** Names a node, unlike any other. */
export function createNodeId(): string {
  return randomBytes(6).toString("base64url");
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(resolve, ms));
}

/** Waits for something, but not for ever. */
/** What tells the way of messages; null where nobody asked, or where it cannot. */
async function openTracing({ tracing }: ServerOptions, logger: Logger, observer: Observer): Promise<Tracing | null> {
  if (tracing === undefined || tracing === false) return null;
  const { rooms } = tracing === true ? {} : tracing;
  const onFailure = (error: unknown): void => observer.failure("telling OpenTelemetry", error);
  const found = await createTracing({ version: VERSION, rooms, onFailure });
  if (found === null) {
    logger.warn(
      {},
      "nothing is traced: the package @opentelemetry/api is not installed. Run `npm i @opentelemetry/api`",
    );
  }
  return found;
}

async function atMost(work: Promise<void>, waitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs);
  });
  await Promise.race([work, over]);
  clearTimeout(timer);
}

/** Takes the requests that are ours from a server that has others too. Returns the way to take it back. */
function attachRequests(http: HttpServer, handle: RequestListener, isOurs: (request: IncomingMessage) => boolean) {
  const { emit } = http;
  let isTaking = true;
  // Before its listeners, whenever they were added: two that answer one request would be one too many.
  const emitOthers = function (this: HttpServer, name: string, ...rest: unknown[]): boolean {
    const request = rest[0] as IncomingMessage;
    if (!isTaking || name !== "request" || !isOurs(request))
      return Reflect.apply(emit, this, [name, ...rest]) as boolean;
    handle(request, rest[1] as Parameters<RequestListener>[1]);
    return true;
  };
  http.emit = emitOthers;
  return () => {
    isTaking = false;
    // Somebody who came later may stand before it.
    if (http.emit === emitOthers) http.emit = emit;
  };
}

/** @throws {YamabikoError} `unknown_type` when the application has put a namespace of its own in the place of inboxes. */
function withService(service: NotificationService | null): NotificationService {
  if (service === null) throw new YamabikoError("unknown_type", 'The namespace "user" has no notifications.');
  return service;
}

function notServing(): YamabikoError {
  return new YamabikoError("unavailable", "The server is not serving now.", { retryAfterMs: 1_000 });
}

import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { VerifyToken } from "../auth/identity.ts";
import type { Revocations } from "../auth/revocations.ts";
import type { Tickets } from "../auth/tickets.ts";
import type { Observer } from "../observe/observer.ts";
import { CLOSE_CODES, ERRORS, toYamabikoError, YamabikoError } from "../protocol/index.ts";
import type { Sessions } from "../session/sessions.ts";
import { Slices } from "../transport/slices.ts";
import type { WebSocketTransport } from "../transport/websocket.ts";
import type { YjsTransport } from "../transport/yjs/yjs.ts";
import type { ClientAddress } from "./client-address.ts";
import { identify } from "./credentials.ts";
import type { IpLimits } from "./ip-limits.ts";
import { isLoopbackHost, isOriginAllowed } from "./origin.ts";
import { requestUrl } from "./request-url.ts";
import type { UpgradedSockets } from "./upgraded-sockets.ts";

/** How long handshakes are answered in one turn, ms. */
const SLICE_MS = 5;

/** What serves connections. */
interface Transports {
  readonly webSocket: WebSocketTransport;
  readonly yjs: YjsTransport;
  readonly sessions: Sessions;
}

export interface UpgradeParts {
  /** What serves connections, once the log is open. */
  readonly opened: Promise<Transports>;
  readonly sockets: UpgradedSockets;
  readonly verifyToken: VerifyToken | null;
  readonly tickets: Tickets;
  readonly revocations: Revocations;
  readonly clientAddress: ClientAddress;
  readonly ipLimits: IpLimits;
  readonly allowedOrigins: readonly string[];
  readonly echoPath: string | null;
  readonly dev: boolean;
  /** True when the HTTP server is somebody else's, who answers for other paths. */
  readonly isAttached: boolean;
  readonly observer: Observer;
  /** Whether the server ends. */
  isClosed(): boolean;
}

/** Answers WebSocket handshakes: everything is checked before the 101 (CON-1), and a refusal gives back what it took. */
export function createUpgrade(parts: UpgradeParts): (request: IncomingMessage, socket: Socket, head: Buffer) => void {
  const slices = new Slices(SLICE_MS);
  parts.observer.gauge("handshakes_waiting", () => slices.waiting);
  return (request, socket, head) => {
    const url = urlOf(request);
    const open = url === null ? null : doorOf(url.pathname, parts);
    if (open === null && parts.isAttached) return;
    const refuse = (error: unknown): void => refuseUpgrade(socket, error, parts.observer);
    parts.sockets.add(socket, () => refuse(closing()));
    if (open !== null)
      answer({ request, socket, head, url: url!, address: parts.clientAddress.of(request) }, open, slices, parts).catch(
        refuse,
      );
    else if (url === null) refuse(new YamabikoError("invalid_message", "The address of the request is not one."));
    else refuse(new YamabikoError("unknown_type", "There is nothing here."));
  };
}

/** What a request asks for; null when its address is none. */
function urlOf(request: IncomingMessage): URL | null {
  try {
    return requestUrl(request);
  } catch {
    return null;
  }
}

/** A request for an upgrade. */
interface Asked {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  /** What came behind it. */
  readonly head: Buffer;
  readonly url: URL;
  /** The address it comes from, for the limits. */
  readonly address: string;
}

/** Checks a credential, and gives what answers 101 and serves; that returns what ends the socket at the server's end, if nothing else does. */
type Door = (asked: Asked, parts: UpgradeParts) => Promise<(transports: Transports) => (() => void) | undefined>;

/** The door at a path; null when there is none. */
function doorOf(path: string, { echoPath, isAttached }: UpgradeParts): Door | null {
  if (path === echoPath) return openEcho;
  if (path === "/ws" || (path === "/" && !isAttached)) return openWebSocket;
  if (path.startsWith(YJS_PATH)) return openYWebsocket;
  return path === "/hocuspocus" ? openHocuspocus : null;
}

/** What stands before the name of a document. */
const YJS_PATH = "/yjs/";

const openEcho: Door =
  async ({ request, socket, head }) =>
  ({ webSocket }) => {
    const connection = webSocket.echo(request, socket, head);
    return () => connection.close(CLOSE_CODES.restart.code, "the server is closing");
  };

const openWebSocket: Door = async ({ request, socket, head, url, address }, parts) => {
  const identity = await identify(request, url, parts);
  return ({ webSocket }) => void webSocket.accept(request, socket, head, identity, address);
};

/** A provider can say who it is only in the address (YJS-2), and learns only from a close frame that it need not come back. */
const openYWebsocket: Door = async ({ request, socket, head, url, address }, parts) => {
  const token = url.searchParams.get("token");
  url.searchParams.delete("token");
  const identity = await identify(request, url, parts);
  const documentId = decodePath(url.pathname.slice(YJS_PATH.length));
  return ({ yjs }) => void yjs.acceptYWebsocket(request, socket, head, documentId, { identity, token }, address);
};

const openHocuspocus: Door = async ({ request, socket, head, url, address }, parts) => {
  const identity = await identify(request, url, parts);
  return ({ yjs }) => {
    const close = yjs.acceptHocuspocus(request, socket, head, identity, address);
    return () => close(CLOSE_CODES.restart.code, "the server is closing");
  };
};

/** @throws {YamabikoError} `invalid_message`. */
function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new YamabikoError("invalid_message", "The address of the request is not one.");
  }
}

async function answer(asked: Asked, open: Door, slices: Slices, parts: UpgradeParts): Promise<void> {
  const { request, socket, address } = asked;
  if (!isOriginAllowed(request, parts.allowedOrigins)) {
    throw new YamabikoError("access_denied", "Pages of this origin may not connect.", {
      remedy: "Add the origin to `allowedOrigins`.",
    });
  }
  if (parts.dev && !isLoopbackHost(request)) {
    throw new YamabikoError("access_denied", "In development mode the server is reached as localhost only.");
  }
  const release = parts.ipLimits.take(address);
  parts.sockets.hold(socket, release);
  try {
    const transports = await parts.opened.catch(() => Promise.reject(closing()));
    checkRoom(transports.sessions, parts);
    // Two slices, because checking a credential may wait for others.
    const accept = await slices.run(() => open(asked, parts));
    await slices.run(() => {
      // From here to the 101 nothing waits. Others may have come in, or this one may have gone, while the credential was checked.
      checkRoom(transports.sessions, parts);
      if (socket.destroyed) release();
      else parts.sockets.serve(socket, accept(transports));
    });
  } catch (error) {
    release();
    throw error;
  }
}

function checkRoom(sessions: Sessions, { observer, isClosed }: UpgradeParts): void {
  if (isClosed()) throw closing();
  if (sessions.hasRoom) return;
  observer.limited("connections");
  throw new YamabikoError("too_many_connections", "The server is full.", { retryAfterMs: 1_000 });
}

function closing(): YamabikoError {
  return new YamabikoError("unavailable", "The server is not serving now.", { retryAfterMs: 1_000 });
}

/** Answers a handshake with an error of the table and its HTTP status, and ends the socket. */
export function refuseUpgrade(socket: Socket, error: unknown, observer: Observer): void {
  const typed = toYamabikoError(error);
  if (typed.code === "internal") observer.failure("answering a handshake", typed.cause);
  observer.refused(typed.code);
  if (socket.destroyed || socket.writableEnded) return;
  const { status } = ERRORS[typed.code];
  const body = JSON.stringify({ error: typed.toWire() });
  const retry = typed.retryAfterMs === undefined ? "" : `Retry-After: ${Math.ceil(typed.retryAfterMs / 1000)}\r\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json\r\nSec-WebSocket-Version: 13\r\n${retry}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  socket.once("finish", () => socket.destroy());
}

import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { VerifyToken } from "../auth/identity.ts";
import type { Tickets } from "../auth/tickets.ts";
import type { Observer } from "../observe/observer.ts";
import { CLOSE_CODES, ERRORS, toYamabikoError, YamabikoError } from "../protocol/index.ts";
import type { Sessions } from "../session/sessions.ts";
import { Slices } from "../transport/slices.ts";
import type { WebSocketTransport } from "../transport/websocket.ts";
import type { ClientAddress } from "./client-address.ts";
import { identify } from "./credentials.ts";
import type { IpLimits } from "./ip-limits.ts";
import { isLoopbackHost, isOriginAllowed } from "./origin.ts";
import { requestUrl } from "./request-url.ts";
import type { UpgradedSockets } from "./upgraded-sockets.ts";

/** How long handshakes are answered in one turn, ms. */
const SLICE_MS = 5;

export interface UpgradeParts {
  /** What serves connections, once the log is open. */
  readonly opened: Promise<{ readonly webSocket: WebSocketTransport; readonly sessions: Sessions }>;
  readonly sockets: UpgradedSockets;
  readonly verifyToken: VerifyToken | null;
  readonly tickets: Tickets;
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
    const path = url?.pathname ?? null;
    const isEcho = path !== null && path === parts.echoPath;
    const isOurs = isEcho || path === "/ws" || (path === "/" && !parts.isAttached);
    if (!isOurs && parts.isAttached) return;
    const refuse = (error: unknown): void => refuseUpgrade(socket, error, parts.observer);
    parts.sockets.add(socket, () => refuse(closing()));
    if (isOurs) answer({ request, socket, head, url: url! }, isEcho, slices, parts).catch(refuse);
    else if (path === null) refuse(new YamabikoError("invalid_message", "The address of the request is not one."));
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

interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
  readonly url: URL;
}

async function answer(
  { request, socket, head, url }: UpgradeRequest,
  isEcho: boolean,
  slices: Slices,
  parts: UpgradeParts,
): Promise<void> {
  if (!isOriginAllowed(request, parts.allowedOrigins)) {
    throw new YamabikoError("access_denied", "Pages of this origin may not connect.", {
      remedy: "Add the origin to `allowedOrigins`.",
    });
  }
  if (parts.dev && !isLoopbackHost(request)) {
    throw new YamabikoError("access_denied", "In development mode the server is reached as localhost only.");
  }
  const release = parts.ipLimits.take(parts.clientAddress.of(request));
  parts.sockets.hold(socket, release);
  try {
    const { sessions, webSocket } = await parts.opened.catch(() => Promise.reject(closing()));
    checkRoom(sessions, parts);
    // Two slices, because checking a credential may wait for others.
    const identity = isEcho ? null : await slices.run(() => identify(request, url, parts));
    await slices.run(() => {
      // From here to the 101 nothing waits. Others may have come in, or this one may have gone, while the credential was checked.
      checkRoom(sessions, parts);
      if (socket.destroyed) {
        release();
      } else if (isEcho) {
        const connection = webSocket.echo(request, socket, head);
        parts.sockets.serve(socket, () => connection.close(CLOSE_CODES.restart.code, "the server is closing"));
      } else {
        webSocket.accept(request, socket, head, identity);
        // Its session closes it.
        parts.sockets.serve(socket);
      }
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
function refuseUpgrade(socket: Socket, error: unknown, observer: Observer): void {
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

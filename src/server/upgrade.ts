import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { VerifyToken } from "../auth/identity.ts";
import type { Tickets } from "../auth/tickets.ts";
import type { Observer } from "../observe/observer.ts";
import { ERRORS, toYamabikoError, YamabikoError } from "../protocol/index.ts";
import type { Sessions } from "../session/sessions.ts";
import type { WebSocketTransport } from "../transport/websocket.ts";
import type { ClientAddress } from "./client-address.ts";
import { identify } from "./credentials.ts";
import type { IpLimits } from "./ip-limits.ts";
import { isLoopbackHost, isOriginAllowed } from "./origin.ts";
import { requestUrl } from "./request-url.ts";

export interface UpgradeParts {
  /** Resolves when the server can serve. */
  readonly ready: Promise<unknown>;
  readonly webSocket: WebSocketTransport;
  readonly sessions: Sessions;
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
}

/** Answers WebSocket handshakes: everything is checked before the 101 (CON-1), and a refusal gives back what it took. */
export function createUpgrade(parts: UpgradeParts): (request: IncomingMessage, socket: Socket, head: Buffer) => void {
  return (request, socket, head) => {
    // From the upgrade on nobody else listens for the socket's errors.
    const swallow = (): void => {};
    socket.on("error", swallow);
    const served = (): void => void socket.off("error", swallow);
    let url: URL;
    try {
      url = requestUrl(request);
    } catch (error) {
      if (parts.isAttached) served();
      else refuseUpgrade(socket, error, parts.observer);
      return;
    }
    const isEcho = url.pathname === parts.echoPath;
    if (!isEcho && url.pathname !== "/ws" && (parts.isAttached || url.pathname !== "/")) {
      if (!parts.isAttached)
        refuseUpgrade(socket, new YamabikoError("unknown_type", "There is nothing here."), parts.observer);
      else served();
      return;
    }
    answer(request, socket, head, url, isEcho, parts).then(served, (error: unknown) =>
      refuseUpgrade(socket, error, parts.observer),
    );
  };
}

async function answer(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  url: URL,
  isEcho: boolean,
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
  checkRoom(parts);
  const release = parts.ipLimits.take(parts.clientAddress.of(request));
  try {
    await parts.ready;
    if (isEcho) {
      parts.webSocket.echo(request, socket, head, release);
      return;
    }
    const identity = await identify(request, url, parts.verifyToken, parts.tickets);
    // Others may have come in while the credential was checked.
    checkRoom(parts);
    if (socket.destroyed) release();
    else parts.webSocket.accept(request, socket, head, identity, release);
  } catch (error) {
    release();
    throw error;
  }
}

function checkRoom({ sessions, observer }: UpgradeParts): void {
  if (sessions.hasRoom) return;
  observer.limited("connections");
  throw new YamabikoError("too_many_connections", "The server is full.", { retryAfterMs: 1_000 });
}

/** Answers a handshake with an error of the table and its HTTP status, and ends the socket. */
export function refuseUpgrade(socket: Socket, error: unknown, observer: Observer): void {
  const typed = toYamabikoError(error);
  if (typed.code === "internal") observer.failure("answering a handshake", typed.cause);
  observer.refused(typed.code);
  if (socket.destroyed) return;
  const { status } = ERRORS[typed.code];
  const body = JSON.stringify({ error: typed.toWire() });
  const retry = typed.retryAfterMs === undefined ? "" : `Retry-After: ${Math.ceil(typed.retryAfterMs / 1000)}\r\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json\r\nSec-WebSocket-Version: 13\r\n${retry}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  socket.once("finish", () => socket.destroy());
}

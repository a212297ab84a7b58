import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { Limits } from "../protocol/index.ts";

/** How many connections may wait to be accepted: when a server comes back, all its clients come at once. */
const BACKLOG = 4_096;
/** How long a whole request may take, ms. */
const REQUEST_MS = 30_000;
/** How often requests whose headers or body take too long are looked for, ms. */
const CHECK_MS = 1_000;

/** Makes an HTTP server that lets nobody dawdle over a request. */
export function createOwnHttp({ handshakeMs }: Limits, handle: RequestListener): HttpServer {
  const options = {
    headersTimeout: handshakeMs,
    requestTimeout: Math.max(REQUEST_MS, handshakeMs),
    // Node looks for requests that take too long only so often; its default is every 30 s.
    connectionsCheckingInterval: Math.min(CHECK_MS, handshakeMs),
  };
  return createHttpServer(options, handle);
}

/** Listens. Rejects when the address cannot be had; then it may be called again with another. */
export function listenOn(http: HttpServer, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once("error", reject);
    http.listen({ port, host, backlog: BACKLOG }, () => {
      http.off("error", reject);
      resolve();
    });
  });
}

/** Where a server listens, as somebody on this machine calls it. */
export function addressOf(http: HttpServer, host: string | undefined): { url: string; port: number } {
  const port = (http.address() as AddressInfo | null)?.port ?? 0;
  const isAny = host === undefined || host === "0.0.0.0" || host === "::";
  const shownHost = isAny ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return { port, url: `http://${shownHost}:${port}` };
}

/** Stops taking connections, and lets requests finish, for a while. */
export function closeHttp(http: HttpServer, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => http.closeAllConnections(), waitMs);
    http.close(() => {
      clearTimeout(timer);
      resolve();
    });
    http.closeIdleConnections();
  });
}

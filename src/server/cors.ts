import type { IncomingMessage, ServerResponse } from "node:http";
import { YamabikoError } from "../protocol/index.ts";
import { isLoopbackHost, isOriginAllowed } from "./origin.ts";

/** How long a browser may remember what it was allowed, seconds. */
const MAX_AGE_SECONDS = 7_200;

/**
 * Checks that the page a request comes from may ask (CON-3, HTTP-2), and tells its browser so.
 * @param dev whether only this machine's own names are served.
 * @throws {YamabikoError} `access_denied`.
 */
export function checkPage(
  request: IncomingMessage,
  response: ServerResponse,
  allowedOrigins: readonly string[],
  dev: boolean,
): void {
  response.appendHeader("Vary", "Origin");
  // A page may ask without reading the answer, and then does not say where it comes from; its browser does.
  const isHidden = request.headers.origin === undefined && request.headers["sec-fetch-site"] === "cross-site";
  if (isHidden || !isOriginAllowed(request, allowedOrigins) || (dev && !isLoopbackHost(request))) {
    throw new YamabikoError("access_denied", "Pages of this origin may not ask.", {
      remedy: "Add the origin to `allowedOrigins`.",
    });
  }
  const { origin } = request.headers;
  if (origin === undefined) return;
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Access-Control-Expose-Headers", "ETag, Retry-After");
}

/** Whether a browser asks if it may ask (a preflight). */
export function isPreflight(request: IncomingMessage): boolean {
  return request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
}

/** Answers a preflight. */
export function answerPreflight(response: ServerResponse, methods: Iterable<string>): void {
  response.setHeader("Access-Control-Allow-Methods", Array.from(methods).join(", "));
  response.setHeader(
    "Access-Control-Allow-Headers",
    "Authorization, Content-Type, If-None-Match, Last-Event-ID, Traceparent",
  );
  response.setHeader("Access-Control-Max-Age", String(MAX_AGE_SECONDS));
  response.writeHead(204).end();
}

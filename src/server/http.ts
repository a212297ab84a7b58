import type { IncomingMessage, ServerResponse } from "node:http";
import { issueDevToken } from "../auth/dev.ts";
import type { VerifyToken } from "../auth/identity.ts";
import type { Tickets } from "../auth/tickets.ts";
import { jsonCodec } from "../codec/json.ts";
import type { Observer } from "../observe/observer.ts";
import { type Clock, ERRORS, type Limits, toYamabikoError, YamabikoError } from "../protocol/index.ts";
import { identify } from "./credentials.ts";
import { isLoopbackHost, isOriginAllowed } from "./origin.ts";
import { requestUrl } from "./request-url.ts";

export interface HttpParts {
  readonly verifyToken: VerifyToken | null;
  readonly tickets: Tickets;
  /** The key that signs development tokens; null in production. */
  readonly devSecret: string | null;
  readonly allowedOrigins: readonly string[];
  readonly limits: Limits;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Counts a request for a ticket or a token. Throws `rate_limited`. */
  limitCredentials(request: IncomingMessage): void;
  /** Whether the server can serve now. */
  isReady(): boolean;
  /** The metrics as text; null where they are not served here. */
  readonly metrics: (() => Promise<{ type: string; text: string }>) | null;
  /** Serves pages; calls `next` for what is not there. Null for none. */
  readonly pages: ((request: IncomingMessage, response: ServerResponse, next: () => void) => void) | null;
}

type Answer = { status: number; body: unknown } | { status: number; type: string; text: string };

/** Answers HTTP requests. Returns false for a path that is not ours, when `isAttached`. */
export function createHttp(parts: HttpParts): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    response.setHeader("X-Content-Type-Options", "nosniff");
    answer(request, parts)
      .then((answered) => {
        if (answered !== null) send(response, answered);
        else if (parts.pages !== null)
          parts.pages(request, response, () => sendError(response, notFound(), parts.observer));
        else sendError(response, notFound(), parts.observer);
      })
      .catch((error: unknown) => sendError(response, error, parts.observer));
  };
}

async function answer(request: IncomingMessage, parts: HttpParts): Promise<Answer | null> {
  const url = requestUrl(request);
  switch (`${request.method} ${url.pathname}`) {
    case "GET /healthz":
      return { status: 200, body: { status: "ok" } };
    case "GET /readyz":
      return parts.isReady()
        ? { status: 200, body: { status: "ready" } }
        : { status: 503, body: { status: "not ready" } };
    case "GET /metrics": {
      if (parts.metrics === null) return null;
      const { type, text } = await parts.metrics();
      return { status: 200, type, text };
    }
    case "POST /api/tickets": {
      checkPage(request, parts);
      parts.limitCredentials(request);
      const identity = await identify(request, url, parts.verifyToken, parts.tickets);
      if (identity === null) {
        throw new YamabikoError("unauthenticated", "A ticket is given for a token.", {
          remedy: "Send `Authorization: Bearer <token>`.",
        });
      }
      return { status: 200, body: parts.tickets.issue(identity) };
    }
    case "POST /api/dev/token": {
      if (parts.devSecret === null) return null;
      checkPage(request, parts);
      parts.limitCredentials(request);
      return {
        status: 200,
        body: await issueDevToken(parts.devSecret, await readBody(request, parts.limits), parts.clock),
      };
    }
    default:
      if (url.pathname.startsWith("/api/")) throw notFound();
      return null;
  }
}

/** A request that a foreign page made its visitor's browser send is refused. */
function checkPage(request: IncomingMessage, parts: HttpParts): void {
  if (!isOriginAllowed(request, parts.allowedOrigins) || (parts.devSecret !== null && !isLoopbackHost(request))) {
    throw new YamabikoError("access_denied", "Pages of this origin may not ask.");
  }
}

/** Reads a JSON body, within the size limit. */
async function readBody(request: IncomingMessage, limits: Limits): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += (chunk as Buffer).length;
      if (bytes > limits.messageBytes) {
        throw new YamabikoError("payload_too_large", `A body may have ${limits.messageBytes} bytes.`);
      }
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof YamabikoError) throw error;
    throw new YamabikoError("invalid_message", "The body broke off.", { cause: error });
  }
  return jsonCodec.decode(Buffer.concat(chunks), limits);
}

function notFound(): YamabikoError {
  return new YamabikoError("unknown_type", "There is nothing here.");
}

function send(response: ServerResponse, answered: Answer): void {
  const isText = "text" in answered;
  response.writeHead(answered.status, {
    "Content-Type": isText ? answered.type : "application/json; charset=utf-8",
    "Cache-Control": "no-store",
  });
  response.end(isText ? answered.text : JSON.stringify(answered.body));
}

function sendError(response: ServerResponse, error: unknown, observer: Observer): void {
  const typed = toYamabikoError(error);
  if (typed.code === "internal") observer.failure("answering a request", typed.cause);
  observer.refused(typed.code);
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (typed.retryAfterMs !== undefined) response.setHeader("Retry-After", Math.ceil(typed.retryAfterMs / 1000));
  // A body that was not read to its end would be taken for the next request.
  if (typed.code === "payload_too_large") response.setHeader("Connection", "close");
  send(response, { status: ERRORS[typed.code].status, body: { error: typed.toWire() } });
}

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Observer } from "../observe/observer.ts";
import { ERRORS, toYamabikoError, YamabikoError } from "../protocol/index.ts";
import type { ClientAddress } from "./client-address.ts";
import { compressAnswer } from "./compress.ts";
import { answerPreflight, checkPage, isPreflight } from "./cors.ts";
import type { IpLimits } from "./ip-limits.ts";
import { requestUrl } from "./request-url.ts";
import type { Answer, Match, Route } from "./route.ts";
import { RouteTable } from "./route.ts";

/** How long the other side has to take an answer, ms. */
const TAKE_MS = 30_000;
/** Up to this size it is worth making text of an answer, bytes. */
const ONE_WRITE_BYTES = 16 * 1024;

export interface HttpParts {
  readonly routes: readonly Route[];
  readonly allowedOrigins: readonly string[];
  /** Whether only this machine's own names are served. */
  readonly dev: boolean;
  readonly clientAddress: ClientAddress;
  readonly ipLimits: Pick<IpLimits, "ask">;
  readonly observer: Observer;
  /** Serves pages; calls `next` for what is not there. Null for none. */
  readonly pages: ((request: IncomingMessage, response: ServerResponse, next: () => void) => void) | null;
  /** Whether the server ends: then a socket is not kept for another request. */
  isClosing(): boolean;
}

/** Answers HTTP requests. */
export interface Http {
  /** Whether the request asks for something of ours; for servers that serve other things as well. */
  isOurs(request: IncomingMessage): boolean;
  handle(request: IncomingMessage, response: ServerResponse): void;
}

/** Makes what answers HTTP requests. */
export function createHttp(parts: HttpParts): Http {
  const table = new RouteTable(parts.routes);
  /** Sockets whose answer is under way: a stream's never ends, and what is asked behind it would wait for ever. */
  const busy = new WeakMap<Socket, ServerResponse>();
  return {
    isOurs: (request) => {
      const path = pathOf(request);
      return path?.startsWith("/api/") === true && table.find(path) !== null;
    },
    handle(request, response) {
      parts.observer.requested();
      if (isStreaming(busy.get(request.socket))) {
        request.socket.destroy();
        return;
      }
      busy.set(request.socket, response);
      response.setHeader("X-Content-Type-Options", "nosniff");
      answer(request, response, table, parts)
        .then(async (answered) => {
          if (answered === "page") {
            const missing = (): void => sendError(request, response, notFound(), parts);
            if (parts.pages === null) missing();
            else parts.pages(request, response, missing);
          } else if (answered !== null) await send(request, response, answered, parts);
        })
        .catch((error: unknown) => sendError(request, response, error, parts));
    },
  };
}

function isStreaming(response: ServerResponse | undefined): boolean {
  return (
    response?.headersSent === true &&
    !response.writableEnded &&
    String(response.getHeader("Content-Type")).startsWith("text/event-stream")
  );
}

/** Null when it has been answered, `page` when it is no request of a route. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  table: RouteTable,
  parts: HttpParts,
): Promise<Answer | "page" | null> {
  const url = requestUrl(request);
  const match = table.find(url.pathname);
  const isApi = url.pathname.startsWith("/api/");
  const address = parts.clientAddress.of(request);
  if (isApi) {
    checkPage(request, response, parts.allowedOrigins, parts.dev);
    parts.ipLimits.ask(address);
    if (match === null) throw notFound();
  }
  if (match === null) return "page";
  if (isApi && isPreflight(request)) {
    answerPreflight(response, match.methods.keys());
    return null;
  }
  const route = match.methods.get(request.method ?? "");
  if (route === undefined) return methodNotAllowed(request, match);
  return route.handle({ request, response, url, params: match.params, address });
}

function methodNotAllowed(request: IncomingMessage, { methods }: Match): Answer {
  const allowed = Array.from(methods.keys()).join(", ");
  const error = new YamabikoError("unknown_type", `${request.method} is not known here.`, {
    remedy: `Use ${allowed}.`,
  });
  return { status: 405, body: { error: error.toWire() }, headers: { Allow: allowed } };
}

function pathOf(request: IncomingMessage): string | null {
  try {
    return requestUrl(request).pathname;
  } catch {
    return null;
  }
}

function notFound(): YamabikoError {
  return new YamabikoError("unknown_type", "There is nothing here.");
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  { isClosing }: Pick<HttpParts, "isClosing">,
): Promise<void> {
  const { status, body, text, type, headers = {}, retryAfterMs } = answer;
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (retryAfterMs !== undefined) response.setHeader("Retry-After", Math.ceil(retryAfterMs / 1000));
  if (isClosing()) response.setHeader("Connection", "close");
  response.setTimeout(TAKE_MS, () => response.destroy());
  if (status === 304) {
    response.writeHead(status, headers).end();
    return;
  }
  const plain = text ?? JSON.stringify(body);
  const length = Buffer.byteLength(plain);
  const small = await compressAnswer(request, plain, length);
  response.appendHeader("Vary", "Accept-Encoding");
  if (small !== null) response.setHeader("Content-Encoding", "gzip");
  response.writeHead(status, {
    "Content-Type": type ?? "application/json; charset=utf-8",
    "Content-Length": small?.length ?? length,
    "Cache-Control": "no-store",
    ...headers,
  });
  // Text leaves in one write with the head, bytes in two.
  response.end(small ?? (length < ONE_WRITE_BYTES ? plain.toString() : plain));
}

function sendError(request: IncomingMessage, response: ServerResponse, error: unknown, parts: HttpParts): void {
  const { observer } = parts;
  const typed = toYamabikoError(error);
  if (typed.code === "internal") observer.failure("answering a request", typed.cause);
  observer.refused(typed.code);
  // A body that was not read to its end would be taken for the next request.
  if (!request.complete && !response.headersSent) response.setHeader("Connection", "close");
  const { status } = ERRORS[typed.code];
  const answer = { status, body: { error: typed.toWire() }, retryAfterMs: typed.retryAfterMs };
  send(request, response, answer, parts).catch(() => response.destroy());
}

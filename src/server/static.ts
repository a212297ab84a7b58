import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import type { Readable } from "node:stream";
import sirv from "sirv";
import { ConfigError } from "./config-error.ts";

/** Answers a request, or calls `next` when it is not for this handler. */
export type StaticHandler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/** What bundlers put into the name of a file whose content never changes, e.g. `index-BvX3k2aQ.js`. */
const HASHED = /[.-][A-Za-z0-9_-]{8,}\.[a-z0-9]+$/;

const YEAR_SECONDS = 31_536_000;

/** Paths of the server itself: an unknown one of them is a mistake, not a page. */
const NOT_PAGES = /^\/(api|ws|echo|metrics|healthz|readyz|openapi\.json|asyncapi\.json)(\/|$)/;

/**
 * Serves a built page: its files, and `index.html` for every other path that looks like a page of it, so that links into a
 * single-page application work. Only GET and HEAD; nothing outside `directory`, no dotfiles. Files with a hash in their
 * name may be kept for a year, everything else is asked for again each time.
 * @throws {ConfigError} when there is no `index.html` in `directory`.
 */
export function createStatic(directory: string): StaticHandler {
  if (!existsSync(join(directory, "index.html"))) {
    throw new ConfigError(`There is no index.html in ${directory}.`, "Build the page first, or leave --static out.");
  }
  const headers = securityHeaders(readFileSync(join(directory, "index.html"), "utf8"));
  const serve = sirv(directory, {
    etag: true,
    single: true,
    dotfiles: false,
    ignores: [NOT_PAGES, /\/\./],
    setHeaders(response, pathname) {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      const immutable = pathname.startsWith("/assets/") && HASHED.test(pathname);
      response.setHeader("Cache-Control", immutable ? `public, max-age=${YEAR_SECONDS}, immutable` : "no-cache");
    },
  });
  return (request, response, next) => {
    if (request.method !== "GET" && request.method !== "HEAD") return next();
    // sirv hands a range to the file system unchecked (`bytes=5-2` throws), and listens to no error of the file it
    // reads, so that one removed by a new build would end the process.
    delete request.headers.range;
    response.once("pipe", (file: Readable) => file.once("error", () => response.destroy()));
    serve(request, response, next);
  };
}

function securityHeaders(page: string): Record<string, string> {
  // Scripts written into the page are allowed by their hash, so nothing injected later is.
  const hashes = [...page.matchAll(/<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/gi)].map(
    ([, code = ""]) => `'sha256-${createHash("sha256").update(code).digest("base64")}'`,
  );
  return {
    "Content-Security-Policy": [
      "default-src 'self'",
      // 'self' covers ws: and wss: of the same host and port too (CSP3).
      "connect-src 'self'",
      "img-src 'self' data: blob:",
      // React writes style attributes.
      "style-src 'self' 'unsafe-inline'",
      ["script-src 'self'", ...hashes].join(" "),
      "object-src 'none'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ].join("; "),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
  };
}

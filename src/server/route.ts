import type { IncomingMessage, ServerResponse } from "node:http";

/** One request, as a route sees it. */
export interface RouteRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  /** The parts of the path that the route's `:name` segments stand for, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** The address it comes from, for the limits. */
  readonly address: string;
}

/** What a request is answered with. */
export interface Answer {
  readonly status: number;
  /** JSON, unless `text` is given. */
  readonly body?: unknown;
  /** The body as it is, of the type `type` (default: JSON). */
  readonly text?: string | Buffer;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly retryAfterMs?: number | undefined;
}

/** A way to answer: one method on one path. */
export interface Route {
  readonly method: "GET" | "POST";
  /** e.g. `/api/rooms/:roomId/history`; a `:name` stands for one segment. */
  readonly path: string;
  /** Null when it has been answered already, or is being. A thrown `YamabikoError` is the answer. */
  handle(request: RouteRequest): Promise<Answer | null>;
}

/** What a path leads to: the routes of it by method, and what its `:name` segments stand for. */
export interface Match {
  readonly methods: ReadonlyMap<string, Route>;
  readonly params: Readonly<Record<string, string>>;
}

/** Finds the routes of paths. */
export class RouteTable {
  /** Paths without `:name` segments. */
  readonly #exact = new Map<string, Match>();
  readonly #paths: { segments: readonly string[]; methods: Map<string, Route> }[] = [];

  constructor(routes: readonly Route[]) {
    const byPath = new Map<string, Map<string, Route>>();
    for (const route of routes) {
      const methods = byPath.get(route.path) ?? new Map<string, Route>();
      byPath.set(route.path, methods.set(route.method, route));
    }
    for (const [path, methods] of byPath) {
      if (path.includes("/:")) this.#paths.push({ segments: path.split("/"), methods });
      else this.#exact.set(path, { methods, params: {} });
    }
  }

  /** The routes of a path; null when there are none. Segments are compared as they came, before they are decoded. */
  find(pathname: string): Match | null {
    const exact = this.#exact.get(pathname);
    if (exact !== undefined) return exact;
    const given = pathname.split("/");
    for (const { segments, methods } of this.#paths) {
      const params = matchSegments(segments, given);
      if (params !== null) return { methods, params };
    }
    return null;
  }
}

function matchSegments(segments: readonly string[], given: readonly string[]): Record<string, string> | null {
  if (segments.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const value = given[index]!;
    if (!segment.startsWith(":")) {
      if (segment !== value) return null;
      continue;
    }
    try {
      params[segment.slice(1)] = decodeURIComponent(value);
    } catch {
      return null;
    }
  }
  return params;
}

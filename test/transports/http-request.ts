import { type Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";

/** What a server answered. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly body: unknown;
}

export interface HttpRequestOptions {
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Text goes as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default: a socket of its own. */
  readonly agent?: Agent | undefined;
}

/** Starts a request. The path goes over the wire as it is, with its dots and slashes. */
export function startRequest(url: string, path: string, options: HttpRequestOptions = {}): ClientRequest {
  const { hostname, port } = new URL(url);
  const { method = options.body === undefined ? "GET" : "POST", token, signal, agent = false } = options;
  const text = textOf(options.body);
  const headers: Record<string, string> = {};
  if (text !== null) {
    headers["Content-Type"] = "application/json";
    headers["Content-Length"] = String(Buffer.byteLength(text));
  }
  if (token !== undefined) headers.Authorization = `Bearer ${token}`;
  Object.assign(headers, options.headers);
  const request = httpRequest({ hostname, port, path, method, agent, signal, headers });
  request.end(text ?? undefined);
  return request;
}

/** Asks, and reads the whole answer. Rejects only when there is none. */
export async function ask(url: string, path: string, options: HttpRequestOptions = {}): Promise<HttpAnswer> {
  const response = await responseTo(startRequest(url, path, options));
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode ?? 0, headers: response.headers, text, body: parsed(text) };
}

/** The head of an answer; its body is still to be read. */
export function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    // Also after the head: an answer that breaks off is told by its body.
    request.on("error", reject);
  });
}

function textOf(body: unknown): string | null {
  if (body === undefined) return null;
  return typeof body === "string" ? body : JSON.stringify(body);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

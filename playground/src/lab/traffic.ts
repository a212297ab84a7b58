/** What went over the wire, in bytes, without TCP, IP and TLS. */
export interface TrafficCount {
  /** HTTP requests; a WebSocket's handshake is one. */
  readonly requests: number;
  /** From the server. */
  readonly inBytes: number;
  /** To the server. */
  readonly outBytes: number;
  /** WebSocket frames, both ways. */
  readonly frames: number;
}

const encoder = new TextEncoder();
/** The status line of an answer, and the line that ends the headers. */
const ANSWER_LINES = "HTTP/1.1 200 OK\r\n\r\n".length;
/** The server's answer to a WebSocket handshake, with our subprotocol. */
const UPGRADED = [
  "HTTP/1.1 101 Switching Protocols",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  "Sec-WebSocket-Protocol: yamabiko.v1.json",
  "",
  "",
].join("\r\n").length;

/** Counts the traffic of one client: by what its `fetch` and `WebSocket` are given and give. */
export class TrafficMeter {
  #requests = 0;
  #in = 0;
  #out = 0;
  #frames = 0;
  /** By the fragment of its address: how many bytes of its body were counted, to be replaced by what the browser says. */
  readonly #bodies = new Map<string, number>();
  readonly #id = Math.random().toString(36).slice(2, 8);
  #next = 0;
  #observer: PerformanceObserver | null = null;

  get count(): TrafficCount {
    return { requests: this.#requests, inBytes: this.#in, outBytes: this.#out, frames: this.#frames };
  }

  clear(): void {
    this.#requests = this.#in = this.#out = this.#frames = 0;
    this.#bodies.clear();
  }

  /** Listens to what the browser measures; returns the function that ends it. */
  start(): () => void {
    this.#observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.#measured(entry as PerformanceResourceTiming);
    });
    this.#observer.observe({ type: "resource" });
    return () => this.#observer?.disconnect();
  }

  /** `fetch`, counted. */
  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    // The fragment stays here; it is how the browser's own measurement is found again.
    const tag = `${this.#id}-${this.#next++}`;
    const url = `${input}#${tag}`;
    this.#requests += 1;
    this.#out += requestBytes(String(input), init);
    const response = await fetch(url, init);
    this.#in += ANSWER_LINES;
    for (const [name, value] of response.headers) this.#in += name.length + value.length + ": \r\n".length;
    const { body } = response;
    if (body === null) return response;
    const isChunked = !response.headers.has("content-length");
    const counted = body.pipeThrough(
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        start: () => void this.#bodies.set(tag, 0),
        transform: (chunk, controller) => {
          this.#in += chunk.byteLength + (isChunked ? chunkBytes(chunk.byteLength) : 0);
          this.#bodies.set(tag, (this.#bodies.get(tag) ?? 0) + chunk.byteLength);
          controller.enqueue(chunk);
        },
      }),
    );
    return new Response(counted, response);
  };

  /** A `WebSocket` that is counted. */
  webSocket(): typeof globalThis.WebSocket {
    const meter = this;
    return class CountedWebSocket extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        meter.#requests += 1;
        meter.#out += handshakeBytes(String(url), [protocols ?? []].flat());
        this.addEventListener("open", () => {
          meter.#in += UPGRADED;
        });
        this.addEventListener("message", ({ data }) => {
          meter.#frames += 1;
          meter.#in += frameBytes(sizeOf(data), false);
        });
      }

      override send(data: string | ArrayBufferLike | Blob | ArrayBufferView<ArrayBuffer>): void {
        super.send(data as string);
        meter.#frames += 1;
        meter.#out += frameBytes(sizeOf(data), true);
      }
    };
  }

  #measured({ name, encodedBodySize }: PerformanceResourceTiming): void {
    const tag = name.slice(name.lastIndexOf("#") + 1);
    const counted = this.#bodies.get(tag);
    if (counted === undefined) return;
    this.#bodies.delete(tag);
    // 0 where the browser will not say.
    if (encodedBodySize > 0) this.#in += encodedBodySize - counted;
  }
}

/** A WebSocket frame around so many bytes; the client masks its frames with four more. */
export function frameBytes(payload: number, isMasked: boolean): number {
  const length = payload < 126 ? 0 : payload < 65_536 ? 2 : 8;
  return 2 + length + (isMasked ? 4 : 0) + payload;
}

/** What the chunked encoding puts around so many bytes, when they came as one chunk. */
function chunkBytes(payload: number): number {
  return payload.toString(16).length + "\r\n\r\n".length;
}

function requestBytes(address: string, init: RequestInit = {}): number {
  const { pathname, search, host, origin } = new URL(address, location.href);
  const body = typeof init.body === "string" ? encoder.encode(init.body).length : 0;
  const lines = [
    `${init.method ?? "GET"} ${pathname}${search} HTTP/1.1`,
    ...browserLines(host, origin),
    "Connection: keep-alive",
    `Content-Length: ${body}`,
    "Accept: */*",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: cors",
    "Sec-Fetch-Dest: empty",
    ...[...new Headers(init.headers)].map(([name, value]) => `${name}: ${value}`),
  ];
  return linesBytes(lines) + body;
}

function handshakeBytes(address: string, protocols: readonly string[]): number {
  const { pathname, search, host } = new URL(address, location.href);
  return linesBytes([
    `GET ${pathname}${search} HTTP/1.1`,
    `Host: ${host}`,
    "Connection: Upgrade",
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    `User-Agent: ${navigator.userAgent}`,
    "Upgrade: websocket",
    `Origin: ${location.origin}`,
    "Sec-WebSocket-Version: 13",
    "Accept-Encoding: gzip, deflate, br, zstd",
    `Accept-Language: ${languages()}`,
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    `Sec-WebSocket-Protocol: ${protocols.join(", ")}`,
  ]);
}

/** What browsers add and a page cannot read: an estimate, from what Chromium sends. */
function browserLines(host: string, origin: string): string[] {
  const { userAgentData } = navigator as { userAgentData?: UserAgentData };
  const brands = (userAgentData?.brands ?? []).map(({ brand, version }) => `"${brand}";v="${version}"`);
  const hints =
    userAgentData === undefined
      ? []
      : [
          `sec-ch-ua: ${brands.join(", ")}`,
          "sec-ch-ua-mobile: ?0",
          `sec-ch-ua-platform: "${userAgentData.platform ?? ""}"`,
        ];
  return [
    `Host: ${host}`,
    `Origin: ${origin}`,
    `User-Agent: ${navigator.userAgent}`,
    "Accept-Encoding: gzip, deflate, br, zstd",
    `Accept-Language: ${languages()}`,
    ...hints,
    ...(document.cookie === "" ? [] : [`Cookie: ${document.cookie}`]),
  ];
}

interface UserAgentData {
  readonly brands?: readonly { readonly brand: string; readonly version: string }[];
  readonly platform?: string;
}

function languages(): string {
  return navigator.languages.map((one, index) => (index === 0 ? one : `${one};q=0.${Math.max(1, 10 - index)}`)).join();
}

function linesBytes(lines: readonly string[]): number {
  return encoder.encode(lines.join("\r\n")).length + "\r\n\r\n".length;
}

function sizeOf(data: unknown): number {
  if (typeof data === "string") return encoder.encode(data).length;
  if (data instanceof Blob) return data.size;
  return (data as ArrayBuffer).byteLength;
}

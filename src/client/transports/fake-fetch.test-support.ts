/** One request of a {@link FakeFetch}: the client waits for it, the test plays the server. */
export interface FakeRequest {
  /** Below `/api/`, with the query. */
  readonly path: string;
  readonly url: string;
  readonly token: string | null;
  readonly body: unknown;
  /** Whether the client gave it up. */
  readonly aborted: boolean;
  /** Whether it was answered, failed, or given up. */
  readonly over: boolean;
  /** Answers whole. */
  answer(value: unknown, status?: number): void;
  /** Answers with the beginning of an event stream. */
  stream(): void;
  /** A piece of the stream. */
  push(piece: string | Uint8Array): void;
  /** An envelope in the stream. */
  say(envelope: object): void;
  /** The stream ends. */
  end(): void;
  /** The network fails; also in the middle of a stream. */
  fail(): void;
}

/** A `fetch` whose answers the test gives. */
export interface FakeFetch {
  readonly fetch: typeof globalThis.fetch;
  /** Every request, oldest first. */
  readonly requests: readonly FakeRequest[];
  /** Those not answered and not given up, of a path that starts so. */
  open(path?: string): FakeRequest[];
  /** The only open one of the path. Throws when there is none, or more. */
  one(path: string): FakeRequest;
}

/** Makes a {@link FakeFetch}. `onRequest` runs for every request, in the turn it is made. */
export function createFakeFetch(onRequest?: (request: FakeRequest) => void): FakeFetch {
  const requests: FakeRequest[] = [];

  const fetch = (input: unknown, init: RequestInit = {}): Promise<Response> =>
    new Promise((resolve, reject) => {
      const url = String(input);
      const text = init.body as string;
      let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
      let over = false;
      let aborted = false;
      const stop = (why: Error): void => {
        over = true;
        reject(why);
        controller?.error(why);
        controller = null;
      };
      init.signal?.addEventListener("abort", () => {
        if (over && controller === null) return;
        aborted = true;
        stop(new DOMException("aborted", "AbortError"));
      });
      const request: FakeRequest = {
        path: url.split("/api/")[1] ?? "",
        url,
        token: new Headers(init.headers).get("authorization")?.replace("Bearer ", "") ?? null,
        body: text === undefined ? undefined : JSON.parse(text),
        get aborted() {
          return aborted;
        },
        get over() {
          return over;
        },
        answer(value, status = 200) {
          over = true;
          resolve(new Response(typeof value === "string" ? value : JSON.stringify(value), { status }));
        },
        stream() {
          const body = new ReadableStream<Uint8Array>({
            start(made) {
              controller = made;
            },
          });
          resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
        },
        push(piece) {
          controller?.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
        },
        say(envelope) {
          request.push(`event: x\ndata: ${JSON.stringify(envelope)}\n\n`);
        },
        end() {
          over = true;
          controller?.close();
          controller = null;
        },
        fail: () => stop(new TypeError("fetch failed")),
      };
      requests.push(request);
      onRequest?.(request);
    });

  const open = (path = ""): FakeRequest[] =>
    requests.filter((request) => !request.over && request.path.startsWith(path));
  return {
    fetch: fetch as typeof globalThis.fetch,
    requests,
    open,
    one(path) {
      const [first, ...others] = open(path);
      if (first === undefined || others.length > 0) throw new Error(`open requests: ${open().map((r) => r.path)}`);
      return first;
    },
  };
}

import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";
import { WebSocket } from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

/** Waits until something is so, and tells what was not. */
export async function until(what: string, isSo: () => boolean, timeoutMs = 10_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A person at a document, behind an unmodified provider of either kind. */
export interface Writer {
  readonly doc: Y.Doc;
  readonly text: Y.Text;
  readonly awareness: {
    readonly clientID: number;
    getStates(): Map<number, { [key: string]: unknown }>;
    setLocalStateField(field: string, value: unknown): void;
  };
  readonly isSynced: boolean;
  /** Goes offline; the provider does not try to come back. */
  disconnect(): Promise<void>;
  connect(): void;
  destroy(): void;
}

export interface WriterOptions {
  readonly token?: string;
  readonly doc?: Y.Doc;
}

const opened: Writer[] = [];

/** Ends all that were opened. */
export function destroyWriters(): void {
  for (const writer of opened.splice(0)) writer.destroy();
}

export class YWebsocketWriter implements Writer {
  readonly doc: Y.Doc;
  readonly provider: WebsocketProvider;
  /** The codes of closed connections. */
  readonly closeCodes: number[] = [];
  /** The code after which the provider gave up. */
  finalCode: number | null = null;
  finalReason = "";

  constructor(url: string, documentId: string, { token, doc = new Y.Doc() }: WriterOptions = {}) {
    this.doc = doc;
    this.provider = new WebsocketProvider(`${url.replace("http", "ws")}/yjs`, documentId, doc, {
      WebSocketPolyfill: WebSocket as never,
      disableBc: true,
      params: token === undefined ? {} : { token },
    });
    this.provider.on("connection-close", (event) => void (event !== null && this.closeCodes.push(event.code)));
    this.provider.on("closed", ({ code, reason }) => {
      this.finalCode = code;
      this.finalReason = reason;
    });
    opened.push(this);
  }

  get text(): Y.Text {
    return this.doc.getText("text");
  }

  get awareness() {
    return this.provider.awareness as Writer["awareness"];
  }

  get isSynced(): boolean {
    return this.provider.synced;
  }

  async disconnect(): Promise<void> {
    this.provider.disconnect();
  }

  connect(): void {
    this.provider.connect();
  }

  destroy(): void {
    this.provider.destroy();
  }
}

/** The connection that several documents share. */
export function hocuspocusSocket(url: string): HocuspocusProviderWebsocket {
  return new HocuspocusProviderWebsocket({
    url: `${url.replace("http", "ws")}/hocuspocus`,
    WebSocketPolyfill: WebSocket,
    delay: 20,
    minDelay: 20,
    maxDelay: 200,
  });
}

export interface HocuspocusOptions extends WriterOptions {
  readonly socket?: HocuspocusProviderWebsocket;
  readonly sessionAwareness?: boolean;
}

export class HocuspocusWriter implements Writer {
  readonly doc: Y.Doc;
  readonly provider: HocuspocusProvider;
  readonly socket: HocuspocusProviderWebsocket;
  readonly closeReasons: string[] = [];
  readonly stateless: string[] = [];
  failure: string | null = null;
  scope: string | null = null;

  constructor(url: string, documentId: string, options: HocuspocusOptions = {}) {
    const { token, doc = new Y.Doc(), socket = hocuspocusSocket(url), sessionAwareness = false } = options;
    this.doc = doc;
    this.socket = socket;
    this.provider = new HocuspocusProvider({
      websocketProvider: socket,
      name: documentId,
      document: doc,
      token: token ?? null,
      sessionAwareness,
      onAuthenticated: ({ scope }) => {
        this.scope = scope;
      },
      onAuthenticationFailed: ({ reason }) => {
        this.failure = reason;
      },
      onClose: ({ event }) => void this.closeReasons.push(event.reason),
      onStateless: ({ payload }) => void this.stateless.push(payload),
    });
    this.provider.attach();
    opened.push(this);
  }

  get text(): Y.Text {
    return this.doc.getText("text");
  }

  get awareness() {
    return this.provider.awareness as Writer["awareness"];
  }

  get isSynced(): boolean {
    return this.provider.synced;
  }

  /** Whether everything it did is durable. */
  get isSaved(): boolean {
    return !this.provider.hasUnsyncedChanges;
  }

  disconnect(): Promise<void> {
    this.socket.disconnect();
    return until("the socket is closed", () => this.socket.status === "disconnected");
  }

  connect(): void {
    void this.socket.connect();
  }

  destroy(): void {
    this.provider.destroy();
    this.socket.destroy();
  }
}

/** The users of an awareness, by name, in order. */
export function names(writer: Writer): string[] {
  return Array.from(writer.awareness.getStates().values(), ({ user }) => (user as { name?: string })?.name ?? "")
    .filter((name) => name !== "")
    .sort();
}

/** Waits until all have the same, and gives it. */
export async function converged(...writers: readonly Writer[]): Promise<string> {
  await until("all have the same text", () => new Set(writers.map(({ text }) => text.toString())).size === 1);
  return writers[0]!.text.toString();
}

import { request as httpRequest } from "node:http";
import { decode, encode } from "@msgpack/msgpack";
import { WebSocket } from "ws";
import { createLogger } from "../src/observe/logger.ts";
import { type Envelope, SUBPROTOCOLS } from "../src/protocol/index.ts";
import type { ServerOptions } from "../src/server/options.ts";
import { createServer, type YamabikoServer } from "../src/server/server.ts";

/** A server on a free port of loopback, in development mode, with a log in memory, unless told otherwise. */
export async function startServer(
  options: ServerOptions = {},
): Promise<YamabikoServer & { url: string; wsUrl: string; adminUrl: string | null }> {
  const server = createServer({
    log: "memory:",
    dev: true,
    port: 0,
    host: "127.0.0.1",
    logger: createLogger({ level: process.env.TEST_LOG === "1" ? "debug" : "silent" }),
    ...options,
  });
  const { url, adminUrl } = await server.listen();
  return Object.assign(server, { url, adminUrl, wsUrl: `${url.replace("http", "ws")}/ws` });
}

/** A development token. */
export async function devToken(url: string, user: string, name = user): Promise<string> {
  const response = await fetch(`${url}/api/dev/token`, { method: "POST", body: JSON.stringify({ user, name }) });
  if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { token: string }).token;
}

/** What a server answered to an upgrade: 101 (and then the connection is dropped), or a refusal with its body. */
export interface UpgradeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Asks for an upgrade and tells what the server answered. Never rejects for a refusal. */
export function upgrade(
  url: string,
  { path = "/ws", headers = {}, method = "GET" }: { path?: string; headers?: object; method?: string } = {},
): Promise<UpgradeAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      hostname,
      port,
      path,
      method,
      agent: false,
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        ...headers,
      },
    });
    request.on("upgrade", (response, socket) => {
      socket.on("error", () => {});
      socket.destroy();
      resolve({ status: 101, headers: response.headers, body: "" });
    });
    request.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end();
  });
}

/**
 * A plain WebSocket client that keeps what it got and lets a test wait for what it expects. Speaks MessagePack when that
 * is the first subprotocol, else JSON.
 */
export class RawClient {
  readonly socket: WebSocket;
  /** Every message, in order. */
  readonly received: Envelope[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #taken = 0;
  #waiting: (() => void)[] = [];
  closeCode: number | null = null;

  readonly #isBinary: boolean;

  constructor(url: string, protocols: string[] = [], options: object = {}) {
    this.#isBinary = protocols[0] === SUBPROTOCOLS.msgpack;
    this.socket = new WebSocket(url, protocols, options);
    this.socket.on("message", (bytes) => {
      const value = this.#isBinary ? decode(bytes as Buffer) : JSON.parse(String(bytes));
      this.received.push(value as Envelope);
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => {
        this.closeCode = code;
        resolve({ code, reason: String(reason) });
        this.#wake();
      });
    });
    this.socket.on("error", () => {});
  }

  /** Connects, and signs in when a user is named. */
  static async open(
    server: { url: string; wsUrl: string },
    user?: string,
    options: { protocols?: string[]; headers?: Record<string, string> } = {},
  ): Promise<RawClient> {
    const client = new RawClient(server.wsUrl, options.protocols, { headers: options.headers });
    await client.opened();
    if (user !== undefined) {
      client.send("authenticate", { token: await devToken(server.url, user) });
      await client.next("welcome");
    }
    return client;
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.socket.readyState === WebSocket.OPEN) resolve();
      this.socket.once("open", () => resolve());
      this.socket.once("error", reject);
      this.socket.once("close", (code) => reject(new Error(`closed ${code}`)));
    });
  }

  send(type: string, payload: unknown, messageId?: string): void {
    this.sendValue(messageId === undefined ? { type, payload } : { type, payload, messageId });
  }

  /** Sends any value in the connection's codec, whether it is an envelope or not. */
  sendValue(value: unknown): void {
    this.socket.send(this.#isBinary ? encode(value) : JSON.stringify(value));
  }

  /** The next message after those already taken that is of this type (or fits); what came before it is passed over. */
  async next(
    wanted: string | ((envelope: Envelope) => boolean),
    timeoutMs = 10_000,
  ): Promise<Envelope & { payload: never }> {
    const fits = typeof wanted === "string" ? (envelope: Envelope) => envelope.type === wanted : wanted;
    const deadline = Date.now() + timeoutMs;
    while (true) {
      while (this.#taken < this.received.length) {
        const envelope = this.received[this.#taken++]!;
        if (fits(envelope)) return envelope as Envelope & { payload: never };
      }
      if (this.closeCode !== null) throw new Error(`closed with ${this.closeCode} while waiting for ${String(wanted)}`);
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Error(`nothing like ${String(wanted)} came; got ${JSON.stringify(this.received.slice(-5))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Sends with a messageId and waits for its ack. */
  async ask(
    type: string,
    payload: unknown,
    messageId = `m${Math.random().toString(36).slice(2)}`,
  ): Promise<AckPayload> {
    const before = this.received.length;
    this.send(type, payload, messageId);
    while (true) {
      const ack = this.received
        .slice(before)
        .find((envelope) => envelope.type === "ack" && envelope.messageId === messageId);
      if (ack !== undefined) return ack.payload as AckPayload;
      if (this.closeCode !== null) throw new Error(`closed with ${this.closeCode}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Joins and waits until it has. */
  async join(roomId: string, more: Record<string, unknown> = {}): Promise<Envelope & { payload: never }> {
    this.send("join_room", { roomId, ...more });
    return this.next((envelope) => envelope.type === "joined_room" || envelope.type === "error");
  }

  /** Forgets what was received, so that a test may receive much. */
  rewind(): void {
    this.received.length = 0;
    this.#taken = 0;
  }

  /** The events (with a seq) of a room so far. */
  events(roomId?: string): Envelope[] {
    return this.received.filter(
      (envelope) => envelope.seq !== undefined && (roomId === undefined || envelope.roomId === roomId),
    );
  }

  close(): void {
    this.socket.close();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

export interface AckPayload {
  success: boolean;
  seq?: number;
  epoch?: string;
  savedId?: string;
  duplicate?: boolean;
  error?: { code: string; message: string; retryable: boolean; retryAfterMs?: number };
  [more: string]: unknown;
}

/** Waits until `holds` is true. */
export async function until(holds: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`still not: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

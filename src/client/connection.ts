import type { Timer } from "../protocol/clock.ts";
import type { Envelope } from "../protocol/envelope.ts";
import { YamabikoError } from "../protocol/errors.ts";
import { ABNORMAL, FORBIDDEN, HEARTBEAT_TIMEOUT, NORMAL, TRY_LATER, UNAUTHENTICATED } from "./close-code.ts";
import { Heartbeat } from "./heartbeat.ts";
import { newMessageId } from "./message-id.ts";
import type { Settings } from "./options.ts";
import { backoffMs } from "./reconnect.ts";
import type { TransportLink, TransportName } from "./transports/transport.ts";
import { watchWake } from "./wake.ts";

/**
 * `connecting`: an attempt is under way. `connected`: the server said `welcome`. `waiting`: the next attempt comes by
 * itself. `closed`: nothing happens until `connect()`.
 */
export type ClientStatus = "connecting" | "connected" | "waiting" | "closed";

/** The payload of `welcome` (CON-4). */
export interface Welcome {
  connectionId: string;
  user: { id: string; name: string };
  guest: boolean;
  protocol: string;
  server: string;
  heartbeatMs: number;
  limits: { messageBytes: number; rooms: number };
  /** When the token expires by the server's clock, ms since 1970. */
  expiresAt?: number;
  /** With it, a guest is the same user when it comes again (AUTH-5). */
  guestToken?: string;
}

/** What a connection tells its client. */
export interface ConnectionHost {
  /** The link takes envelopes; `authenticate` is sent already, if there is a token. False when nothing was sent. */
  opened(): boolean;
  received(envelope: Envelope): void;
  /** Before `connected` is told. */
  welcomed(welcome: Welcome): void;
  /** The link is gone; nothing said on it can be answered any more. */
  lost(): void;
  /** A local event for the application. */
  tell(name: "status" | "connected" | "disconnected" | "reconnecting" | "transport", payload: unknown): void;
  report(error: YamabikoError): void;
}

/** From the start of an attempt to `welcome`, ms: the server takes 10 s for the handshake and 5 s for the token. */
const CONNECT_TIMEOUT_MS = 15_000;
/** A connection that lasted this long was a good one, ms: the next attempt is the first again. */
const STABLE_MS = 2_000;
/** How long a socket has to prove itself after the device woke, ms. */
const WAKE_DEADLINE_MS = 3_000;
/** How long before its expiry a token is renewed, ms. */
const REFRESH_AHEAD_MS = 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One client's way to the server: a link at a time, kept up with backoff, authenticated, and watched for silence. */
export class Connection {
  status: ClientStatus = "closed";
  retryAt: number | null = null;
  latencyMs: number | null = null;
  readonly #settings: Settings;
  readonly #host: ConnectionHost;
  #link: TransportLink | null = null;
  #open = false;
  /** Counts links, so that what an old one still says, and a token that comes too late, is recognised. */
  #generation = 0;
  #attempts = 0;
  /** Runs while connecting (the deadline) and while waiting (the next attempt). */
  #timer: Timer | null = null;
  #refresh: Timer | null = null;
  #heartbeat: Heartbeat | null = null;
  #welcomedAt: number | null = null;
  #expiresAt = 0;
  #authId: string | null = null;
  #authError: YamabikoError | null = null;
  #tokenRetried = false;
  #guestToken: string | null = null;
  /** The last token asked for. */
  #token: string | null = null;
  /** The transport told last. */
  #transport: TransportName | null = null;
  #comeBackInMs: number | null = null;
  #stopWake: (() => void) | null = null;

  constructor(settings: Settings, host: ConnectionHost) {
    this.#settings = settings;
    this.#host = host;
  }

  /** Attempts since the last good connection; 0 while connected. */
  get attempts(): number {
    return this.status === "connected" ? 0 : this.#attempts;
  }

  /** Bytes the network has not taken yet. */
  get backlogBytes(): number {
    return this.#link?.backlogBytes ?? 0;
  }

  /** Whether the link takes envelopes. */
  get open(): boolean {
    return this.#open;
  }

  connect(): void {
    if (this.status !== "closed" && this.status !== "waiting") return;
    this.#attempts = 0;
    this.#tokenRetried = false;
    this.#stopWake ??= watchWake({
      woke: () => this.#wake(),
      wentOffline: () => this.#heartbeat?.probe(),
    });
    this.#start();
  }

  /** Ends it politely; stays down until `connect`. */
  disconnect(): void {
    if (this.status === "closed") return;
    this.#end(1000, "", false);
  }

  /** Drops the link as if the network had failed. */
  cut(): void {
    if (this.#link) this.#lost(ABNORMAL, "cut");
  }

  send(envelopes: readonly Envelope[]): void {
    if (this.#open) this.#link?.send(envelopes);
  }

  /** Silence is suspicious: an ack is overdue. */
  probe(): void {
    this.#heartbeat?.probe();
  }

  /** The answer to `authenticate`; false when the ack is another's. */
  acked({ messageId, payload, timestamp }: Envelope, error: YamabikoError | null): boolean {
    if (messageId !== this.#authId) return false;
    const { expiresAt } = payload as { expiresAt?: unknown };
    this.#authId = null;
    if (!error) this.#expireAt(expiresAt, timestamp);
    else if (this.#welcomedAt === null) this.refused(error);
    else {
      this.#host.report(error);
      this.#planRefresh();
    }
    return true;
  }

  /** The server does not know us, or no longer: an error without a message before `welcome`. */
  refused(error: YamabikoError): void {
    this.#authError = error;
    this.#lost(
      error.retryable ? TRY_LATER : error.code === "access_denied" ? FORBIDDEN : UNAUTHENTICATED,
      error.message,
    );
  }

  #start(): void {
    const generation = ++this.#generation;
    const { clock, transport, url } = this.#settings;
    this.#timer?.cancel();
    this.#timer = clock.setTimer(() => this.#lost(ABNORMAL, "The server is silent."), CONNECT_TIMEOUT_MS);
    this.retryAt = null;
    this.#become("connecting");
    if (generation !== this.#generation) return; // a listener ended it
    void this.#askToken((given) => {
      if (given === undefined) return this.#lost(ABNORMAL, "The token could not be had.");
      const current = (): boolean => generation === this.#generation;
      this.#link = transport.open(
        { url, token: given, askToken: (use) => void this.#askToken(use) },
        {
          opened: () => current() && this.#opened(),
          received: (value) => current() && this.#received(value),
          alive: () => current() && this.#heartbeat?.heard(),
          closed: (code, reason) => current() && this.#lost(code, reason),
        },
      );
    });
  }

  /** Hands on the token, or undefined when it could not be had; nothing when meanwhile the link is another. */
  async #askToken(use: (token: string | null | undefined) => void): Promise<void> {
    const generation = this.#generation;
    const { token } = this.#settings;
    let given: string | null | undefined;
    let error: YamabikoError | undefined;
    try {
      given = (await (typeof token === "function" ? token() : token)) ?? this.#guestToken;
    } catch (cause) {
      error = new YamabikoError("unavailable", "The token could not be had.", { cause });
    }
    if (generation !== this.#generation) return;
    if (error) this.#host.report(error);
    if (generation !== this.#generation) return;
    if (given !== undefined) this.#token = given;
    use(given);
  }

  #opened(): void {
    const generation = this.#generation;
    const token = this.#token;
    if (this.#open) {
      this.#open = false;
      this.#host.lost();
      if (generation !== this.#generation) return; // a listener ended it
      this.#heartbeat?.heard();
    }
    this.#open = true;
    if (token !== null) this.#authenticate(token);
    // A guest is welcomed with its first message (AUTH-5), so somebody who has nothing to say yet says that.
    if (!this.#host.opened() && token === null) this.send([{ type: "ping", payload: {} }]);
  }

  #authenticate(token: string): void {
    this.#authId = newMessageId();
    this.send([{ type: "authenticate", payload: { token }, messageId: this.#authId }]);
  }

  #received(value: unknown): void {
    this.#heartbeat?.heard();
    const envelope = value as Envelope;
    if (typeof envelope?.type !== "string") {
      return this.#host.report(new YamabikoError("invalid_message", "The server sent no envelope."));
    }
    const payload = envelope.payload as Record<string, unknown>;
    if (envelope.type === "welcome") this.#welcomed(envelope.payload as Welcome, envelope.timestamp);
    else if (envelope.type === "pong" && typeof payload?.t === "number") {
      this.latencyMs = Math.round(this.#settings.clock.monotonic() - payload.t);
    } else if (envelope.type === "server_closing") this.#comeBackInMs = Number(payload?.reconnectInMs) || 0;
    this.#host.received(envelope);
  }

  #welcomed(welcome: Welcome, timestamp: string | undefined): void {
    const { clock, heartbeatMs, transport } = this.#settings;
    this.#timer?.cancel();
    this.#welcomedAt = clock.monotonic();
    this.#tokenRetried = false;
    this.#guestToken = welcome.guestToken ?? null;
    this.#heartbeat?.stop();
    this.#heartbeat = new Heartbeat({
      clock,
      intervalMs: heartbeatMs ?? welcome.heartbeatMs ?? 20_000,
      ping: (payload) => this.send([{ type: "ping", payload }]),
      dead: () => this.#lost(HEARTBEAT_TIMEOUT, "The server is silent.", true),
    });
    this.#heartbeat.probe();
    this.#expireAt(welcome.expiresAt, timestamp);
    this.#host.welcomed(welcome);
    if (this.status !== "connected") {
      this.#become("connected");
      this.#host.tell("connected", welcome);
    }
    if (this.#transport === transport.name) return;
    this.#transport = transport.name;
    this.#host.tell("transport", transport.name);
  }

  /** Reckons with the server's clock where it told the time: the device's may be hours off. */
  #expireAt(expiresAt: unknown, timestamp: string | undefined): void {
    if (typeof expiresAt !== "number") return;
    const now = this.#settings.clock.now();
    const serverNow = Date.parse(timestamp!) || now;
    this.#expiresAt = this.#settings.clock.monotonic() + expiresAt - serverNow;
    this.#planRefresh();
  }

  #planRefresh(): void {
    const { clock, token } = this.#settings;
    this.#refresh?.cancel();
    const leftMs = this.#expiresAt - clock.monotonic();
    // An expired token is not renewed here: the server closes with 4401 and the next attempt asks for a new one.
    if (typeof token !== "function" || leftMs <= 0) return;
    const delayMs = Math.max(leftMs - REFRESH_AHEAD_MS, leftMs / 2, 1000);
    this.#refresh = clock.setTimer(
      () => void this.#askToken((fresh) => (fresh ? this.#authenticate(fresh) : this.#planRefresh())),
      Math.min(delayMs, LONGEST_TIMER_MS),
    );
  }

  #wake(): void {
    this.#link?.woke?.();
    if (this.status === "waiting") this.#start();
    else this.#heartbeat?.probe(WAKE_DEADLINE_MS);
  }

  /** The link failed. `soon`: it had been silent for long already, so the first attempt need not wait. */
  #lost(code: number, reason: string, soon = false): void {
    const renew = code === UNAUTHENTICATED && (typeof this.#settings.token === "function" || this.#guestToken !== null);
    if (renew) this.#guestToken = null;
    const isFinal = code === NORMAL || code === UNAUTHENTICATED || code === FORBIDDEN;
    const again = !isFinal || (renew && !this.#tokenRetried);
    if (renew) this.#tokenRetried = true;
    this.#end(code, reason, again, soon);
  }

  #end(code: number, reason: string, again: boolean, soon = false): void {
    const { clock, maxReconnectAttempts, reconnectInterval, maxReconnectInterval, random } = this.#settings;
    const link = this.#link;
    const wasConnected = this.#welcomedAt !== null;
    if (wasConnected && clock.monotonic() - this.#welcomedAt! >= STABLE_MS) this.#attempts = 0;
    const error = this.#authError;
    const comeBackInMs = this.#comeBackInMs;
    const generation = ++this.#generation;
    this.#link = this.#authId = this.#authError = this.#comeBackInMs = this.#welcomedAt = this.latencyMs = null;
    this.#open = false;
    this.#timer?.cancel();
    this.#refresh?.cancel();
    this.#heartbeat?.stop();
    this.#heartbeat = null;
    const attempt = this.#attempts + 1;
    const willReconnect = again && attempt <= maxReconnectAttempts;
    if (again) link?.drop();
    else link?.close(1000, "");
    this.#host.lost();
    if (generation !== this.#generation) return; // a listener of the outbox ended it
    const told = { code, reason, willReconnect };
    if (willReconnect) {
      this.#attempts = attempt;
      const delayMs =
        comeBackInMs ??
        (soon && attempt === 1 ? 0 : backoffMs(attempt, reconnectInterval, maxReconnectInterval, random));
      this.retryAt = clock.now() + delayMs;
      this.#timer = clock.setTimer(() => this.#start(), delayMs);
      this.#become("waiting");
      if (wasConnected) this.#host.tell("disconnected", told);
      if (generation === this.#generation) {
        this.#host.tell("reconnecting", { attempt, delayMs });
      }
      return;
    }
    this.retryAt = null;
    this.#stopWake?.();
    this.#stopWake = null;
    this.#become("closed");
    this.#host.tell("disconnected", told);
    if (again) this.#host.report(new YamabikoError("unavailable", "The server could not be reached."));
    else if (code !== NORMAL) {
      const refusal = code === FORBIDDEN ? "access_denied" : "unauthenticated";
      this.#host.report(error ?? new YamabikoError(refusal, reason));
    }
  }

  #become(status: ClientStatus): void {
    if (this.status === status) return;
    this.status = status;
    this.#host.tell("status", status);
  }
}

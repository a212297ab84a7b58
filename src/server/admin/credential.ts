import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Clock, YamabikoError } from "../../protocol/index.ts";
import { Buckets } from "../../session/limits.ts";
import { ClientAddress } from "../client-address.ts";

/** How long a browser that showed the secret is known again, ms. */
const SESSION_MS = 12 * 60 * 60 * 1_000;
/** Wrong secrets of one address, per second; twice that at once. */
const ATTEMPTS_PER_SECOND = 10;
/** What a header can carry after `Bearer`, and nobody guesses. */
const SECRET = /^[\x21-\x7e]{16,}$/;

export interface AdminCredentialParts {
  /** What an operator shows; null where nobody may. */
  readonly secret: string | null;
  /** What reads the metrics and nothing else; null for none. */
  readonly metricsSecret: string | null;
  readonly clock: Clock;
}

/**
 * The credential of the admin listener: a secret, shown as `Authorization: Bearer`, or once at the login, which gives a cookie.
 * The cookie says when it ends and is signed with the secret, so that every node with the same secret takes it.
 */
export class AdminCredential {
  readonly #parts: AdminCredentialParts;
  readonly #attempts: Buckets;
  /** A proxy's word for where a request comes from is not taken. */
  readonly #clientAddress = new ClientAddress([]);

  /** @throws {TypeError} for a secret that is too short, or that a header cannot carry. */
  constructor(parts: AdminCredentialParts) {
    for (const secret of [parts.secret, parts.metricsSecret]) {
      if (secret !== null && !SECRET.test(secret)) {
        throw new TypeError("The secrets of the admin listener must have 16 or more visible ASCII characters.");
      }
    }
    this.#parts = parts;
    this.#attempts = new Buckets(parts.clock, 10_000);
  }

  /** Whether there is a secret to be an operator with. */
  get isSet(): boolean {
    return this.#parts.secret !== null;
  }

  /**
   * The cookie for whoever shows the secret.
   * @throws {YamabikoError} `unauthenticated`; `rate_limited` for an address that guesses.
   */
  login(secret: unknown, request: IncomingMessage): string {
    this.#check([this.#parts.secret], typeof secret === "string" ? secret : "", request);
    const expiresAt = String(this.#parts.clock.now() + SESSION_MS);
    return cookie(request, `${expiresAt}.${this.#sign(expiresAt)}`, SESSION_MS / 1_000);
  }

  /** The cookie that forgets who one is. */
  logout(request: IncomingMessage): string {
    return cookie(request, "", 0);
  }

  /**
   * Checks that an operator asks. Gives when the credential ends, ms since 1970.
   * @throws {YamabikoError} `unauthenticated`; `access_denied` where a page of another origin may be asking with the cookie;
   * `rate_limited`.
   */
  checkOperator(request: IncomingMessage): number {
    const shown = shownBy(request);
    if (shown !== null) {
      this.#check([this.#parts.secret], shown, request);
      return this.#parts.clock.now() + SESSION_MS;
    }
    const expiresAt = this.#expiryOf(request);
    if (expiresAt === null) throw refused();
    // Cookies do not know ports: a page of another program on this machine would be asking with ours.
    const isReading = request.method === "GET" && request.headers.upgrade === undefined;
    if (!isReading && request.headers.origin === undefined) {
      throw new YamabikoError("access_denied", "A request with the cookie must say what page it comes from.", {
        remedy: "Send `Authorization: Bearer <secret>` instead.",
      });
    }
    return expiresAt;
  }

  /**
   * Checks that the metrics may be read: with either secret, as a bearer or as the password of Basic.
   * @throws {YamabikoError} as `checkOperator`.
   */
  checkMetrics(request: IncomingMessage): void {
    const shown = shownBy(request);
    if (shown === null) this.checkOperator(request);
    else this.#check([this.#parts.secret, this.#parts.metricsSecret], shown, request);
  }

  /** When the cookie ends, ms since 1970; null without one that is good. */
  #expiryOf(request: IncomingMessage): number | null {
    const name = `${cookieName(request)}=`;
    const value = (request.headers.cookie ?? "").split(/; */).find((each) => each.startsWith(name));
    const [expiresAt = "", signature = ""] = (value ?? "").slice(name.length).split(".");
    if (!this.isSet || !/^\d{1,15}$/.test(expiresAt)) return null;
    if (!isEqual(signature, this.#sign(expiresAt)) || Number(expiresAt) <= this.#parts.clock.now()) return null;
    return Number(expiresAt);
  }

  #check(accepted: readonly (string | null)[], given: string, request: IncomingMessage): void {
    if (accepted.every((each) => each === null)) throw notSet();
    const attempts = this.#attempts.of(this.#clientAddress.of(request), ATTEMPTS_PER_SECOND);
    const wait = attempts.take();
    if (wait > 0) throw new YamabikoError("rate_limited", "Too many attempts.", { retryAfterMs: wait });
    // Each is compared, so that the time says nothing about which.
    if (accepted.filter((each) => isEqual(given, each ?? "") && each !== null).length === 0) throw refused();
    attempts.giveBack();
  }

  #sign(expiresAt: string): string {
    return createHmac("sha256", this.#parts.secret ?? "")
      .update(`yamabiko admin until ${expiresAt}`)
      .digest("base64url");
  }
}

/** The secret a request shows; null when it shows none. */
function shownBy(request: IncomingMessage): string | null {
  const { authorization } = request.headers;
  if (authorization === undefined) return null;
  const [, scheme = "", given = ""] = /^(Bearer|Basic) +(\S+) *$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() !== "basic") return given;
  const text = Buffer.from(given, "base64").toString();
  return text.slice(text.indexOf(":") + 1);
}

/** Two servers of one machine must not forget each other's: cookies do not know ports, so the name has to. */
function cookieName(request: IncomingMessage): string {
  return `yamabiko_admin_${request.socket.localPort ?? 0}`;
}

function cookie(request: IncomingMessage, value: string, seconds: number): string {
  const isSecure = request.headers["x-forwarded-proto"] === "https";
  const flags = `Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}`;
  return `${cookieName(request)}=${value}; ${flags}`;
}

function isEqual(given: string, known: string): boolean {
  return timingSafeEqual(digest(given), digest(known));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function refused(): YamabikoError {
  return new YamabikoError("unauthenticated", "The credential of the admin listener is not accepted.", {
    remedy: "Log in, or send `Authorization: Bearer <secret>`.",
  });
}

function notSet(): YamabikoError {
  return new YamabikoError("unauthenticated", "The admin listener has no secret, so nobody can log in.", {
    remedy: "Set YAMABIKO_ADMIN_SECRET (openssl rand -base64 24).",
  });
}

import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject, randomUUID } from "node:crypto";
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify, SignJWT } from "jose";
import { type Clock, systemClock, YamabikoError } from "../protocol/index.ts";
import { HmacTokens } from "./hmac.ts";
import type { Identity, VerifyToken } from "./identity.ts";

/** The largest token that is looked at, bytes. */
export const MAX_TOKEN_BYTES = 8 * 1024;

/** The shortest secret for HMAC, bytes (RFC 7518 section 3.2). */
export const MIN_SECRET_BYTES = 32;

/** How long a token may be good at most, ms, unless another time is set: 31 days (AUTH-4). */
export const MAX_TOKEN_LIFETIME_MS = 31 * 24 * 60 * 60 * 1000;

/** How far clocks may be apart, seconds (AUTH-4). */
const CLOCK_TOLERANCE_SECONDS = 30;

/** Time for the key set's server to answer, ms; after a failure it is not asked again for `JWKS_COOLDOWN_MS`. */
const JWKS_TIMEOUT_MS = 5_000;
const JWKS_COOLDOWN_MS = 5_000;

const KINDS = {
  secret: { fixed: ["HS256"], allowed: ["HS256", "HS384", "HS512"] },
  rsa: { fixed: ["RS256"], allowed: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] },
  "P-256": { fixed: ["ES256"], allowed: ["ES256"] },
  "P-384": { fixed: ["ES384"], allowed: ["ES384"] },
  "P-521": { fixed: ["ES512"], allowed: ["ES512"] },
  ed25519: { fixed: ["EdDSA", "Ed25519"], allowed: ["EdDSA", "Ed25519"] },
  jwks: {
    fixed: ["RS256", "ES256", "EdDSA", "Ed25519"],
    allowed: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
  },
} as const satisfies Record<string, { fixed: readonly string[]; allowed: readonly string[] }>;

/** What tokens are checked with: exactly one of `secret`, `publicKey` and `jwksUrl`. */
export interface TokenVerifierOptions {
  /** The secret of HS256, as text; at least 32 bytes. */
  readonly secret?: string | undefined;
  /** A public key: PEM (SPKI or a certificate) or a JWK as JSON text. RSA, P-256/384/521 or Ed25519. */
  readonly publicKey?: string | undefined;
  /** Where the public keys are published; https, or http on this machine. */
  readonly jwksUrl?: string | undefined;
  /**
   * The algorithms accepted. Default: HS256 for a secret, RS256 for RSA, ES256/384/512 by curve, EdDSA for Ed25519; RS256,
   * ES256 and EdDSA for a key set. Only those that fit the kind of key are possible.
   */
  readonly algorithms?: readonly string[] | undefined;
  /** When given, `iss` must be this. */
  readonly issuer?: string | undefined;
  /** When given, `aud` must be or contain this. */
  readonly audience?: string | undefined;
  /** How long a token may be good at most, ms: `exp` no further away, nor further from `iat`. Default: 31 days. */
  readonly maxLifetimeMs?: number | undefined;
  readonly clock?: Clock;
  /** Given the way to ask how many tokens are remembered, for a metric. */
  onKnown?(count: () => number): void;
  /** Told why a token was refused, for the log; the client is never told. Holds nothing of the token. */
  onRefused?(reason: string): void;
}

/**
 * Makes the check of tokens (AUTH-4).
 *
 * The check rejects with `unauthenticated` in the same words for every token that is not accepted, `token_expired` for a
 * well signed one that has expired, and `unavailable` when the key set cannot be had.
 *
 * @throws {TypeError} with a remedy when the key, or the combination of options, cannot work.
 */
export function createTokenVerifier(options: TokenVerifierOptions): VerifyToken {
  const clock = options.clock ?? systemClock;
  const { kind, getKey, secret } = chooseKey(options, clock);
  const algorithms = chooseAlgorithms(kind, options.algorithms);
  const hmacTokens = secret === undefined ? null : new HmacTokens(secret, algorithms);
  const known = new KnownTokens(clock);
  const { maxLifetimeMs = MAX_TOKEN_LIFETIME_MS } = options;
  options.onKnown?.(() => known.count);

  return async (token) => {
    const before = known.get(token);
    if (before !== undefined) return before;
    if (typeof token !== "string" || token.length === 0 || Buffer.byteLength(token) > MAX_TOKEN_BYTES) {
      options.onRefused?.("size");
      throw refusal();
    }
    const rules = {
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(clock.now()),
      requiredClaims: ["exp", "sub"],
      ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
      ...(options.audience === undefined ? {} : { audience: options.audience }),
    };
    try {
      const claims = hmacTokens?.claims(token, rules) ?? null;
      // It is checked again as fast as it would be found again.
      if (claims !== null) return toIdentity(checkTimes(claims, clock, maxLifetimeMs));
      const { payload } = await jwtVerify(token, getKey, { algorithms, ...rules });
      const identity = toIdentity(checkTimes(payload, clock, maxLifetimeMs));
      known.add(token, identity);
      return identity;
    } catch (error) {
      if (error instanceof YamabikoError) throw error;
      options.onRefused?.(error instanceof errors.JOSEError ? error.code : messageOf(error));
      if (error instanceof errors.JWTExpired) throw new YamabikoError("token_expired", "The token has expired.");
      throw refusal();
    }
  };
}

/** The most tokens that are remembered, and for how long, ms. */
const KNOWN_TOKENS = 5_000;
const KNOWN_MS = 30_000;

/** Tokens that were accepted a moment ago: whoever polls shows the same one again and again. */
class KnownTokens {
  readonly #clock: Clock;
  /** In the order in which they were checked. */
  readonly #tokens = new Map<string, { identity: Identity; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many are remembered. */
  get count(): number {
    return this.#tokens.size;
  }

  /** Whose token it is, when it need not be checked again. */
  get(token: string): Identity | undefined {
    const known = this.#tokens.get(token);
    if (known === undefined) return undefined;
    if (this.#clock.monotonic() < known.until && this.#clock.now() < known.identity.expiresAt) return known.identity;
    this.#tokens.delete(token);
    return undefined;
  }

  add(token: string, identity: Identity): void {
    this.#tokens.delete(token);
    this.#tokens.set(token, { identity, until: this.#clock.monotonic() + KNOWN_MS });
    if (this.#tokens.size <= KNOWN_TOKENS) return;
    const [oldest] = this.#tokens.keys();
    if (oldest !== undefined) this.#tokens.delete(oldest);
  }
}

/** What a development or command line token says. */
export interface TokenContents {
  /** `sub`: 1 to 128 characters, none of them control characters. */
  readonly user: string;
  /** At most 100 characters. Default: the user. */
  readonly name?: string | undefined;
  /** Room patterns and rights (AUTH-8). Default: the rooms' own rules decide. */
  readonly rooms?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly expiresInMs: number;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

/**
 * Signs a token with HS256.
 * @throws {TypeError} when the secret is too short, or the contents would be refused later.
 */
export async function signToken(secret: string, contents: TokenContents, clock: Clock = systemClock): Promise<string> {
  const key = secretKey(secret);
  const problem = problemOfUser(contents.user) ?? problemOfName(contents.name);
  if (problem !== null) throw new TypeError(problem);
  const nowSeconds = Math.floor(clock.now() / 1000);
  const token = new SignJWT({
    ...(contents.name === undefined ? {} : { name: contents.name }),
    ...(contents.rooms === undefined ? {} : { rooms: contents.rooms }),
  })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(contents.user)
    .setJti(randomUUID())
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + Math.max(1, Math.round(contents.expiresInMs / 1000)));
  if (contents.issuer !== undefined) token.setIssuer(contents.issuer);
  if (contents.audience !== undefined) token.setAudience(contents.audience);
  return token.sign(key);
}

/** What is wrong with a user's id, or null. */
export function problemOfUser(user: unknown): string | null {
  if (typeof user !== "string" || user.length < 1 || user.length > 128) return "The user must be 1 to 128 characters.";
  if (UNPRINTABLE.test(user)) return "The user must not contain control characters.";
  return null;
}

/** What is wrong with a user's name, or null. Absent is right. */
export function problemOfName(name: unknown): string | null {
  if (name === undefined) return null;
  if (typeof name !== "string" || name.length > 100) return "The name must be at most 100 characters.";
  if (UNPRINTABLE.test(name)) return "The name must not contain control characters.";
  return null;
}

/** Control characters, the ones that turn the direction of text around, and halves of surrogate pairs. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

function toIdentity(payload: JWTPayload): Identity {
  const { sub, exp, name } = payload;
  const problem = problemOfUser(sub) ?? problemOfName(name);
  if (problem !== null) throw new Error(problem);
  const id = sub as string;
  return {
    id,
    name: typeof name === "string" && name.trim() !== "" ? name : id,
    expiresAt: Math.min((exp as number) * 1000, Number.MAX_SAFE_INTEGER),
    claims: payload,
  };
}

/** @throws {Error} for a token that is good for too long, or was issued in the future: a revocation would not reach it. */
function checkTimes(payload: JWTPayload, clock: Clock, maxLifetimeMs: number): JWTPayload {
  const { iat, exp } = payload;
  const now = clock.now() / 1000;
  const most = maxLifetimeMs / 1000 + CLOCK_TOLERANCE_SECONDS;
  if (iat !== undefined && (typeof iat !== "number" || !(iat <= now + CLOCK_TOLERANCE_SECONDS))) {
    throw new Error("issued in the future");
  }
  if (!((exp as number) - Math.min(now, iat ?? now) <= most)) throw new Error("good for too long");
  return payload;
}

function refusal(): YamabikoError {
  return new YamabikoError("unauthenticated", "The token is not accepted.");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "unknown";
}

interface ChosenKey {
  readonly kind: keyof typeof KINDS;
  readonly getKey: JWTVerifyGetKey;
  /** The secret itself, where it is one. */
  readonly secret?: KeyObject;
}

function chooseKey(options: TokenVerifierOptions, clock: Clock): ChosenKey {
  const { secret, publicKey, jwksUrl } = options;
  const given = [secret, publicKey, jwksUrl].filter((value) => value !== undefined).length;
  if (given !== 1) {
    throw new TypeError(
      given === 0
        ? "There is no key to check tokens with. Give one of: a secret, a public key, the URL of a key set."
        : "There is more than one key to check tokens with. Keep one of: the secret, the public key, the URL of the key set.",
    );
  }
  if (secret !== undefined) {
    const key = createSecretKey(secretKey(secret));
    return { kind: "secret", getKey: async () => key, secret: key };
  }
  if (publicKey !== undefined) {
    const key = readPublicKey(publicKey);
    return { kind: kindOf(key), getKey: async () => key };
  }
  return { kind: "jwks", getKey: keySet(jwksUrl as string, clock) };
}

function chooseAlgorithms(kind: keyof typeof KINDS, wanted: readonly string[] | undefined): string[] {
  if (wanted === undefined) return [...KINDS[kind].fixed];
  const allowed: readonly string[] = KINDS[kind].allowed;
  const wrong = wanted.find((algorithm) => !allowed.includes(algorithm));
  if (wanted.length === 0 || wrong !== undefined) {
    throw new TypeError(
      `The algorithm ${wrong ?? "(none)"} does not fit the key (${kind}). Possible: ${allowed.join(", ")}.`,
    );
  }
  return [...wanted];
}

function secretKey(secret: string): Uint8Array {
  const bytes = new TextEncoder().encode(secret);
  if (bytes.length < MIN_SECRET_BYTES) {
    throw new TypeError(
      `The secret for tokens has ${bytes.length} bytes; it must have at least ${MIN_SECRET_BYTES}. Make one with: openssl rand -base64 48`,
    );
  }
  return bytes;
}

function readPublicKey(text: string): KeyObject {
  const remedy = "Give the public key as PEM (-----BEGIN PUBLIC KEY-----) or as a JWK.";
  const trimmed = text.trim();
  if (trimmed.includes("PRIVATE KEY")) {
    throw new TypeError(`The key given is a private key; this server only checks tokens. ${remedy}`);
  }
  try {
    if (!trimmed.startsWith("{")) return createPublicKey(trimmed);
    const jwk = JSON.parse(trimmed) as JsonWebKey;
    if (jwk.d === undefined && jwk.kty !== "oct") return createPublicKey({ key: jwk, format: "jwk" });
  } catch (error) {
    throw new TypeError(`The public key cannot be read. ${remedy}`, { cause: error });
  }
  throw new TypeError(`The key given is not a public one. ${remedy}`);
}

function kindOf(key: KeyObject): keyof typeof KINDS {
  if (key.asymmetricKeyType === "rsa") {
    if ((key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) {
      throw new TypeError("The RSA key is shorter than 2048 bits. Make a longer one.");
    }
    return "rsa";
  }
  if (key.asymmetricKeyType === "ed25519") return "ed25519";
  if (key.asymmetricKeyType === "ec") {
    const curve = key.asymmetricKeyDetails?.namedCurve;
    if (curve === "prime256v1") return "P-256";
    if (curve === "secp384r1") return "P-384";
    if (curve === "secp521r1") return "P-521";
  }
  throw new TypeError("This kind of key is not supported. Use RSA, P-256, P-384, P-521 or Ed25519.");
}

function keySet(address: string, clock: Clock): JWTVerifyGetKey {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new TypeError("The address of the key set is not a URL. Use https://….");
  }
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && local)) {
    throw new TypeError("The address of the key set must begin with https:// (http:// only on this machine).");
  }
  const resolve = createRemoteJWKSet(url, { timeoutDuration: JWKS_TIMEOUT_MS });
  let failedAt = Number.NEGATIVE_INFINITY;
  return async (header, token) => {
    // Without this every token that comes while the keys cannot be had would be another request to their server.
    if (!resolve.fresh && clock.monotonic() - failedAt < JWKS_COOLDOWN_MS) throw keysUnavailable();
    try {
      return await resolve(header, token);
    } catch (error) {
      if (
        error instanceof errors.JWKSNoMatchingKey ||
        error instanceof errors.JWKSMultipleMatchingKeys ||
        error instanceof errors.JOSENotSupported
      ) {
        throw error;
      }
      failedAt = clock.monotonic();
      throw keysUnavailable(error);
    }
  };
}

function keysUnavailable(cause?: unknown): YamabikoError {
  return new YamabikoError("unavailable", "Tokens cannot be checked now.", { retryAfterMs: JWKS_COOLDOWN_MS, cause });
}

import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import { decodeProtectedHeader, type JWTClaimVerificationOptions, type JWTPayload, UnsecuredJWT } from "jose";

/** The hash of each algorithm. */
const HASHES: Readonly<Record<string, string>> = { HS256: "sha256", HS384: "sha384", HS512: "sha512" };
/** What a header may have to be judged here. Whatever it has besides (`crit` above all) is for `jose` to judge. */
const PLAIN_MEMBERS: ReadonlySet<string> = new Set(["alg", "typ", "kid"]);
/** The header that lets `jose` judge claims whose signature has been checked: {"alg":"none"}. */
const CHECKED_HEADER = Buffer.from('{"alg":"none"}').toString("base64url");

/**
 * Finds tokens with a good HMAC signature at once. `jose` signs by WebCrypto, which makes of every signature a job for the
 * thread pool: ten times the cost of the hash, and most of a handshake.
 *
 * It only ever says yes: to an ordinary token whose signature, byte for byte, is the one we would give it, and whose claims
 * `jose` accepts. Everything else is left to `jose`, which has the last word and names the reason.
 */
export class HmacTokens {
  readonly #key: KeyObject;
  readonly #algorithms: readonly string[];
  /** The newest header that was found good, as it stands in tokens, and its hash: most tokens have the same. */
  #header = "";
  #hash = "";

  /** @param algorithms those that are accepted. */
  constructor(key: KeyObject, algorithms: readonly string[]) {
    this.#key = key;
    this.#algorithms = algorithms;
  }

  /** The claims of a token that is good beyond doubt; null for any other. */
  claims(token: string, options: JWTClaimVerificationOptions): JWTPayload | null {
    const parts = token.split(".");
    if (parts.length !== 3) return null;
    const [header, payload, signature] = parts as [string, string, string];
    const hash = this.#hashOf(header);
    if (hash === null) return null;
    const good = Buffer.from(createHmac(hash, this.#key).update(`${header}.${payload}`).digest("base64url"));
    const given = Buffer.from(signature);
    if (given.length !== good.length || !timingSafeEqual(given, good)) return null;
    try {
      return UnsecuredJWT.decode(`${CHECKED_HEADER}.${payload}.`, options).payload;
    } catch {
      return null;
    }
  }

  #hashOf(header: string): string | null {
    if (header === this.#header) return this.#hash;
    let members: Record<string, unknown>;
    try {
      members = decodeProtectedHeader(`${header}..`) as Record<string, unknown>;
    } catch {
      return null;
    }
    const { alg } = members;
    if (typeof alg !== "string" || !this.#algorithms.includes(alg)) return null;
    if (!Object.keys(members).every((member) => PLAIN_MEMBERS.has(member))) return null;
    const hash = HASHES[alg] ?? null;
    if (hash !== null) {
      this.#header = header;
      this.#hash = hash;
    }
    return hash;
  }
}

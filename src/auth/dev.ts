import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock, YamabikoError } from "../protocol/index.ts";
import { MIN_SECRET_BYTES, problemOfName, problemOfUser, signToken } from "./jwt.ts";

/** How long a development token is good, ms. */
export const DEV_TOKEN_MS = 12 * 60 * 60 * 1000;

/**
 * The secret of development mode. With a directory it is kept there in a file that only its owner may read, so that tokens outlive a
 * restart; with null it is another one each time. Never used in production.
 */
export function loadDevSecret(directory: string | null): string {
  if (directory === null) return newSecret();
  const path = join(directory, "dev-secret");
  try {
    const kept = readFileSync(path, "utf8").trim();
    if (Buffer.byteLength(kept) >= MIN_SECRET_BYTES) return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const secret = newSecret();
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(path, `${secret}\n`, { mode: 0o600 });
  return secret;
}

/**
 * Answers `POST /api/dev/token {user, name?}`: a token for whoever asks. Only for development mode.
 * @throws {YamabikoError} `invalid_message` when `user` or `name` cannot be one.
 */
export async function issueDevToken(
  secret: string,
  body: unknown,
  clock: Clock = systemClock,
): Promise<{ token: string; expiresInMs: number }> {
  const { user, name } = (typeof body === "object" && body !== null ? body : {}) as { user?: unknown; name?: unknown };
  const problem = problemOfUser(user) ?? problemOfName(name);
  if (problem !== null) {
    throw new YamabikoError("invalid_message", problem, { remedy: 'Send {"user": "ada", "name": "Ada"}.' });
  }
  const contents = { user: user as string, name: name as string | undefined, expiresInMs: DEV_TOKEN_MS };
  return { token: await signToken(secret, contents, clock), expiresInMs: DEV_TOKEN_MS };
}

function newSecret(): string {
  return randomBytes(48).toString("base64url");
}

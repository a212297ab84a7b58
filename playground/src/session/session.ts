/** Who this window is. Kept per window, so that two windows can be two people. */
export interface Session {
  readonly user: string;
  readonly name: string;
  readonly token: string;
}

/** Why no token was given. */
export class SignInError extends Error {
  override readonly name = "SignInError";
  readonly reason: "unreachable" | "not_dev" | "refused";

  constructor(reason: SignInError["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

const KEY = "yamabiko.session";

/** The longest name. */
export const MAX_NAME = 40;

/** Who this window was before a reload. */
export function storedSession(): Session | null {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (typeof value !== "object" || value === null) return null;
    const { user, name, token } = value as Partial<Session>;
    return typeof user === "string" && typeof name === "string" && typeof token === "string"
      ? { user, name, token }
      : null;
  } catch {
    return null;
  }
}

/** Remembers who this window is; null forgets it. */
export function storeSession(session: Session | null): void {
  try {
    if (session === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(session));
  } catch {
    // Without storage a reload asks again.
  }
}

/** The user behind a name: the same name is the same user, in whatever window. */
export function userIdOf(name: string): string {
  const id = name
    .normalize("NFC")
    .trim()
    .toLocaleLowerCase("en")
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "");
  return id === "" ? "someone" : id;
}

/**
 * Gets a development token.
 * @throws {SignInError} when the server gives none or cannot be reached.
 */
export async function signIn(user: string, name: string): Promise<Session> {
  let response: Response;
  try {
    response = await fetch("/api/dev/token", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user, name }),
    });
  } catch {
    throw new SignInError("unreachable", "");
  }
  if (response.status === 404 || response.status === 405) throw new SignInError("not_dev", "");
  if (response.status >= 502) throw new SignInError("unreachable", "");
  const body: unknown = await response.json().catch(() => null);
  const { token, error } = (body ?? {}) as { token?: unknown; error?: { message?: unknown } };
  if (response.ok && typeof token === "string") return { user, name, token };
  throw new SignInError("refused", typeof error?.message === "string" ? error.message : `HTTP ${response.status}`);
}

import { type WireError, YamabikoError } from "../protocol/index.ts";
import { noAnswer } from "./back-end.ts";
import { CONNECT_FLAGS, DEFAULT_URL, webAddressOf } from "./connect.ts";
import { type Terminal, UsageError } from "./terminal.ts";

/** The flags of every command that moderates. */
export const MODERATION_FLAGS = { url: CONNECT_FLAGS.url, "api-key": { type: "string" } } as const;

/** What was said with them. */
export interface ModerationFlags {
  readonly url?: string | undefined;
  readonly "api-key"?: string | undefined;
}

/** The flags that say where and with which key, for a command's help. */
export const moderationHelp = `  --url URL        the server; default: YAMABIKO_URL, then ${DEFAULT_URL}
  --api-key KEY    a key with the scope moderate; default: YAMABIKO_API_KEY`;

/** How long an answer is waited for, ms. */
const TIMEOUT_MS = 10_000;

/**
 * Asks a server as a back end that moderates. Without a `body` it only reads.
 * Rejects with the server's refusal, and with `unavailable` when nobody answers in 10 s.
 * @throws {UsageError} without a key.
 */
export async function askModerator<Answer>(
  path: string,
  body: object | null,
  flags: ModerationFlags,
  terminal: Terminal,
): Promise<Answer> {
  const url = webAddressOf(flags.url, terminal);
  const headers = { Authorization: `Bearer ${keyOf(flags, terminal)}`, "Content-Type": "application/json" };
  const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), terminal.stopped]);
  const request: RequestInit = { headers, signal, redirect: "manual" };
  if (body !== null) Object.assign(request, { method: "POST", body: JSON.stringify(body) });
  const answer = await fetch(`${url}${path}`, request).then(
    async (response) => ({ isGood: response.ok, text: await response.text() }),
    () => Promise.reject(noAnswer(TIMEOUT_MS)),
  );
  const said = parse(answer.text);
  if (answer.isGood && said !== null) return said as Answer;
  if (typeof said?.error?.code === "string") throw YamabikoError.fromWire(said.error);
  throw new YamabikoError("unknown_type", `There is no Yamabiko server at ${url}.`, {
    remedy: "Check --url or YAMABIKO_URL.",
  });
}

function keyOf(flags: ModerationFlags, { env }: Terminal): string {
  // A server may have several; each is as good.
  const [key = ""] = (flags["api-key"] ?? env.YAMABIKO_API_KEY ?? "").split(",").map((each) => each.trim());
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new UsageError("There is no API key.", "Use --api-key or YAMABIKO_API_KEY; the key needs the scope moderate.");
}

function parse(text: string): { readonly error?: WireError } | null {
  try {
    return JSON.parse(text) as { readonly error?: WireError };
  } catch {
    return null;
  }
}

/** The path of a room's resource. */
export function roomPath(roomId: string, what: string): string {
  return `/api/rooms/${encodeURIComponent(roomId)}/${what}`;
}

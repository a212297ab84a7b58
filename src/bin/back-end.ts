import { type JsonObject, type WireError, YamabikoError } from "../protocol/index.ts";

/** An event a back end publishes. */
export interface NewEvent {
  readonly type: string;
  readonly payload: JsonObject;
  readonly messageId: string;
}

/** What the server said to one event. */
export type Verdict =
  | { readonly success: true; readonly seq: number; readonly [member: string]: unknown }
  | { readonly success: false; readonly error: WireError };

/** Where and as whom a back end publishes. */
export interface BackEndOptions {
  /** The web address of the server, without a trailing slash. */
  readonly url: string;
  readonly apiKey: string;
  /** How long one batch is tried, ms. */
  readonly timeoutMs: number;
  /** Aborted when nobody waits any more. */
  readonly stopped: AbortSignal;
}

/** The first pause before a batch is sent again, and the longest, ms. */
const PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Publishes events to one room by `POST /api/rooms/:roomId/events`, in order, and tells what became of each, in order. What the
 * server cannot take now is sent again, with what follows it, until `timeoutMs` is over; under its `messageId` it is there once.
 * Rejects with the server's refusal of the whole request, and with `unavailable` when the time is over or it was stopped.
 */
export async function publishEvents(
  roomId: string,
  events: readonly NewEvent[],
  tell: (verdict: Verdict) => void,
  { url, apiKey, timeoutMs, stopped }: BackEndOptions,
): Promise<void> {
  const address = `${url}/api/rooms/${encodeURIComponent(roomId)}/events`;
  const headers = { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" };
  const over = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([over, stopped]);
  let told = 0;
  let pauseMs = PAUSE_MS;
  while (true) {
    const body = JSON.stringify(events.slice(told));
    const left = events.length - told;
    const answer = await ask(address, { method: "POST", headers, body, signal, redirect: "manual" }, left);
    let obstacle = answer instanceof YamabikoError ? answer : null;
    for (const verdict of Array.isArray(answer) ? answer : []) {
      if (!verdict.success && verdict.error.retryable) {
        obstacle = YamabikoError.fromWire(verdict.error);
        break;
      }
      tell(verdict);
      told++;
    }
    if (told === events.length) return;
    if (obstacle?.retryable === false) throw obstacle;
    pauseMs = events.length - told < left ? PAUSE_MS : Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    await pause(Math.max(pauseMs, obstacle?.retryAfterMs ?? 0), signal);
    if (stopped.aborted) throw new YamabikoError("unavailable", "Stopped before the answer came.");
    if (over.aborted) throw obstacle ?? noAnswer(timeoutMs);
  }
}

/** That nobody answered in time. */
export function noAnswer(timeoutMs: number): YamabikoError {
  return new YamabikoError("unavailable", `No answer in ${timeoutMs / 1000} s.`, {
    remedy: "Check that the server runs, and --url or YAMABIKO_URL.",
  });
}

/** What the server says to each of `count` events, or to all of them; null when nobody answers. */
async function ask(address: string, request: RequestInit, count: number): Promise<Verdict[] | YamabikoError | null> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(address, request);
    text = await response.text();
  } catch {
    return null;
  }
  const body = parse(text);
  if (response.ok && Array.isArray(body) && body.length === count && body.every(isAck)) {
    return body.map(({ payload }) => payload);
  }
  const { error } = (body ?? {}) as { error?: WireError };
  if (typeof error?.code === "string") return YamabikoError.fromWire(error);
  return new YamabikoError(
    // A proxy before a server that is away speaks for it.
    response.status >= 500 ? "unavailable" : "unknown_type",
    `There is no Yamabiko server at ${new URL(address).origin}: it answered ${response.status}.`,
    { remedy: remedyFor(response) },
  );
}

function remedyFor({ headers }: Response): string {
  const target = headers.get("Location");
  return target === null ? "Check --url or YAMABIKO_URL." : `It points to ${target}; set --url or YAMABIKO_URL.`;
}

function isAck(value: unknown): value is { payload: Verdict } {
  return typeof (value as { payload?: Partial<Verdict> } | null)?.payload?.success === "boolean";
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Waits, but no longer than until `signal`. */
function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    signal.addEventListener("abort", done);
  });
}

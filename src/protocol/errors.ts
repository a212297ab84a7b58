/** Every code, and whether the same message can succeed later. Apart from the rest of the table so that a browser bundle holds no more than this. */
const RETRYABLE = {
  unauthenticated: false,
  token_expired: false,
  access_denied: false,
  invalid_message: false,
  unknown_type: false,
  payload_too_large: false,
  rate_limited: true,
  too_many_connections: true,
  too_many_rooms: false,
  not_joined: false,
  conflict: false,
  history_lost: false,
  unavailable: true,
  internal: true,
} as const;

/** A stable error code. */
export type ErrorCode = keyof typeof RETRYABLE;

/**
 * The one table of errors (PROTOCOL.md section 8). Every refusal on every transport is one of these codes.
 */
export const ERRORS = /* @__PURE__ */ table({
  unauthenticated: [401, "no token, or one that is not accepted"],
  token_expired: [401, "the token was good and has expired"],
  access_denied: [403, "this user may not do this here"],
  invalid_message: [400, "not an envelope, or the payload does not fit its schema"],
  unknown_type: [404, "no such message type or namespace"],
  payload_too_large: [413, "over the size limit"],
  rate_limited: [429, "too many messages; see `retryAfterMs`"],
  too_many_connections: [429, "the limit of connections is reached"],
  too_many_rooms: [429, "the limit of joined rooms is reached"],
  not_joined: [409, "this message needs a joined room"],
  conflict: [409, "the room moved on; read and try anew"],
  history_lost: [410, "what the cursor needs is no longer kept"],
  unavailable: [503, "the log cannot take it now; nothing was lost"],
  internal: [500, "our fault; it has been logged"],
});

function table(
  rows: Record<ErrorCode, readonly [status: number, when: string]>,
): Readonly<Record<ErrorCode, { readonly status: number; readonly retryable: boolean; readonly when: string }>> {
  const entries = Object.entries(rows) as [ErrorCode, readonly [number, string]][];
  return Object.fromEntries(
    entries.map(([code, [status, when]]) => [code, { status, retryable: RETRYABLE[code], when }]),
  ) as Record<ErrorCode, { status: number; retryable: boolean; when: string }>;
}

/** An error as it stands on the wire. */
export interface WireError {
  code: ErrorCode;
  /** For people; may change between versions. */
  message: string;
  /** Whether the same message may succeed later. */
  retryable: boolean;
  /** When to try again, in milliseconds, where the server knows. */
  retryAfterMs?: number;
  /** What to do about it, where that helps. */
  remedy?: string;
}

/** The only error that is turned into a reply. Its message is shown to the client, so it never holds a secret. */
export class YamabikoError extends Error {
  override readonly name = "YamabikoError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly remedy: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details: { retryAfterMs?: number | undefined; remedy?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryable = RETRYABLE[code];
    this.retryAfterMs = details.retryAfterMs;
    this.remedy = details.remedy;
  }

  /** The form for the wire. */
  toWire(): WireError {
    const wire: WireError = { code: this.code, message: this.message, retryable: this.retryable };
    if (this.retryAfterMs !== undefined) wire.retryAfterMs = this.retryAfterMs;
    if (this.remedy !== undefined) wire.remedy = this.remedy;
    return wire;
  }

  /** Rebuilds an error received from the other side; an unknown code becomes `internal`. */
  static fromWire(wire: Partial<WireError> | undefined): YamabikoError {
    const code = wire?.code !== undefined && Object.hasOwn(RETRYABLE, wire.code) ? wire.code : "internal";
    return new YamabikoError(code, wire?.message ?? "The server gave no reason.", {
      retryAfterMs: wire?.retryAfterMs,
      remedy: wire?.remedy,
    });
  }
}

/** `error` when it is already typed, else an `internal` one with `error` as its cause and nothing of it in its words. */
export function toYamabikoError(error: unknown): YamabikoError {
  if (error instanceof YamabikoError) return error;
  return new YamabikoError("internal", "Something went wrong on the server.", { cause: error });
}

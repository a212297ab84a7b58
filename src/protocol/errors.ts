/**
 * The one table of errors (PROTOCOL.md section 8). Every refusal on every transport is one of these codes.
 */
export const ERRORS = {
  unauthenticated: { status: 401, retryable: false, when: "no token, or one that is not accepted" },
  token_expired: { status: 401, retryable: false, when: "the token was good and has expired" },
  access_denied: { status: 403, retryable: false, when: "this user may not do this here" },
  invalid_message: { status: 400, retryable: false, when: "not an envelope, or the payload does not fit its schema" },
  unknown_type: { status: 404, retryable: false, when: "no such message type or namespace" },
  payload_too_large: { status: 413, retryable: false, when: "over the size limit" },
  rate_limited: { status: 429, retryable: true, when: "too many messages; see `retryAfterMs`" },
  too_many_connections: { status: 429, retryable: true, when: "the limit of connections is reached" },
  too_many_rooms: { status: 429, retryable: false, when: "the limit of joined rooms is reached" },
  not_joined: { status: 409, retryable: false, when: "this message needs a joined room" },
  conflict: { status: 409, retryable: false, when: "the room moved on; read and try anew" },
  history_lost: { status: 410, retryable: false, when: "what the cursor needs is no longer kept" },
  unavailable: { status: 503, retryable: true, when: "the log cannot take it now; nothing was lost" },
  internal: { status: 500, retryable: true, when: "our fault; it has been logged" },
} as const satisfies Record<string, { status: number; retryable: boolean; when: string }>;

/** A stable error code. */
export type ErrorCode = keyof typeof ERRORS;

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
    this.retryable = ERRORS[code].retryable;
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
    const code = wire?.code !== undefined && Object.hasOwn(ERRORS, wire.code) ? wire.code : "internal";
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

import { type DestinationStream, type Logger as PinoLogger, pino } from "pino";

/** The log of the process, one JSON object per line. Levels and calls as in pino. */
export type Logger = PinoLogger;

/** How much is told. */
export type LogLevel = "silent" | "fatal" | "error" | "warn" | "info" | "debug" | "trace";

/** The levels, quietest first. */
export const LOG_LEVELS: readonly LogLevel[] = ["silent", "fatal", "error", "warn", "info", "debug", "trace"];

export interface LoggerOptions {
  /** Default: `info`. `silent` writes nothing. */
  readonly level?: LogLevel;
  /** Where lines go. Default: standard error. */
  readonly destination?: DestinationStream;
}

/** Members whose value is never written, at the top of a logged object and up to two levels down. */
const SECRET_KEYS = [
  "token",
  "authorization",
  "Authorization",
  "cookie",
  "ticket",
  "secret",
  "jwtSecret",
  "apiKey",
  "apiKeys",
  "password",
  "payload",
  "data",
  "content",
];

/** What looks like a JWT, or stands behind a name that carries a credential in a URL or a header. */
const SECRET_TEXT =
  /eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?|\b(ticket|token|access_token|api_key)=[^&\s"'\\]+|\bBearer\s+[^\s"'\\]+/gi;

/**
 * Makes the logger.
 *
 * Tokens, tickets, keys and what people write to each other are never written: members with such names are removed, and
 * whatever looks like a token, wherever it stands in a line, is replaced. Line breaks and control characters of logged
 * values are escaped by JSON, so nobody can forge a line.
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  return pino(
    {
      level: options.level ?? "info",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: "[removed]" },
      hooks: { streamWrite: removeSecrets },
    },
    options.destination ?? pino.destination({ dest: 2, sync: false }),
  );
}

/** `text` with everything that looks like a credential replaced. */
export function removeSecrets(text: string): string {
  return text.replace(SECRET_TEXT, (_match, name: string | undefined) =>
    name === undefined ? "[removed]" : `${name}=[removed]`,
  );
}

import { z } from "zod";
import { readRoomRights } from "../auth/access.ts";
import { SCOPES } from "../auth/api-keys.ts";
import { MAX_TOKEN_LIFETIME_MS, MIN_SECRET_BYTES } from "../auth/jwt.ts";
import { DEFAULT_MINIMUM } from "../observe/disconnect-watch.ts";
import { LOG_LEVELS, type LogLevel } from "../observe/logger.ts";
import { LIMITS, type LimitName, limitVariable } from "../protocol/index.ts";
import { flag, isNetwork, isOrigin, isWebAddress, jsonOf, list, nullable, roomId, whole } from "./setting-forms.ts";
import { BUS_ADDRESS, LOG_ADDRESS } from "./stores.ts";

/** What a header can carry after `Bearer`, and nobody guesses. */
const API_KEY = /^[\x21-\x7e]{16,}$/;

/** A key with what it may do. */
const SCOPED_KEY = z.strictObject({
  key: z.string().regex(API_KEY),
  scopes: z.array(z.enum(SCOPES)).min(1),
  rooms: z.array(z.string().refine((pattern) => readRoomRights({ [pattern]: [] }) !== null)).optional(),
});

/**
 * The one table of settings. Flags, variables, keys of the configuration file, defaults, `yamabiko serve --help` and
 * docs/reference/configuration.md all come from it. Limits have their own table in protocol/limits.ts.
 */
export const SETTINGS = {
  port: setting({
    schema: whole(0, 65_535),
    form: "a whole number from 0 to 65535 (0: any free port)",
    default: () => 8080,
    what: "The port to listen on.",
  }),
  host: setting({
    schema: z.string().min(1),
    form: "an address or a host name",
    default: (dev) => (dev ? "127.0.0.1" : "0.0.0.0"),
    what: "The address to listen on.",
  }),
  log: setting({
    schema: z.string().regex(LOG_ADDRESS),
    form: "`sqlite:PATH`, `redis://…`, `postgres://…` or `memory:`",
    default: () => "sqlite:./data/yamabiko.db",
    what: "Where events are kept. Several nodes can share `redis://…` (`rediss:` for TLS, several hosts for a cluster, `redis+sentinel://…/NAME`) and `postgres://…`. `memory:` forgets everything when the server stops.",
  }),
  sqliteSynchronous: setting({
    schema: z.enum(["full", "normal"]),
    form: "`full` or `normal`",
    default: () => "full" as const,
    what: "With `full` an acknowledged event survives a power failure; with `normal` only the death of the process.",
  }),
  bus: setting({
    schema: nullable(z.string().regex(BUS_ADDRESS)),
    form: "`redis://…`, `postgres://…` or `memory:`",
    default: () => null,
    what: "How nodes tell each other. `memory:` is for one node. Not set: the Redis or PostgreSQL of the log, else `memory:`.",
  }),
  workers: setting({
    schema: z.union([z.literal("auto"), whole(1, 1_024)]),
    form: "a whole number from 1 to 1024, or `auto` for one per core",
    default: () => 1 as number | "auto",
    what: "How many processes serve the port. Each is a node of its own; they share one log. With 1 there is only the one.",
  }),
  dev: setting({
    schema: flag(),
    form: "yes or no",
    default: () => false,
    what: "Development mode: anyone gets a token, guests are let in, limits per IP and per second are off.",
  }),
  guests: setting({
    schema: flag(),
    form: "yes or no",
    default: (dev) => dev,
    what: "Whether connections without a token get the identity of a guest.",
  }),
  defaultRoom: setting({
    schema: nullable(z.string().transform(roomId)),
    form: "a room, e.g. `chat:lobby`",
    default: () => null,
    what: "Every connection joins this room by itself, and messages that name no room go to it.",
  }),
  static: setting({
    schema: nullable(z.string().min(1)),
    form: "a directory",
    default: () => null,
    what: "A built web page to serve beside the API.",
  }),
  echoPath: setting({
    schema: nullable(z.string().regex(/^\/[A-Za-z0-9/_-]+$/)),
    form: "a path that begins with `/`",
    default: () => null,
    what: "A WebSocket endpoint that sends every message back, for conformance suites.",
  }),
  compression: setting({
    schema: flag(),
    form: "yes or no",
    default: () => false,
    what: "Whether WebSocket messages from 1 KiB on are compressed for clients that can take it, once for all readers of a room.",
  }),
  allowedOrigins: setting({
    schema: list(z.string().refine(isOrigin)),
    form: "origins such as `https://example.com` separated by commas, or `*` for any",
    default: () => [],
    what: "Web pages of other origins that may connect. The server's own origin always may.",
  }),
  trustedProxies: setting({
    schema: list(z.string().refine(isNetwork)),
    form: "addresses or networks such as `10.0.0.0/8`, separated by commas",
    default: () => [],
    what: "Proxies whose `X-Forwarded-For` is believed.",
  }),
  heartbeatMs: setting({
    schema: whole(100, 600_000),
    form: "a whole number from 100 to 600000",
    default: () => 20_000,
    what: "A connection silent for this long is pinged; 10 s later it is closed.",
  }),
  readyGraceMs: setting({
    schema: whole(0, 600_000),
    form: "a whole number from 0 to 600000",
    default: (dev) => (dev ? 0 : 1_000),
    what: "After SIGTERM `/readyz` says `not ready` for this long, ms, and the server serves on, so that load balancers look away. Then it leaves within 8 s.",
  }),
  logLevel: setting({
    schema: z.enum(LOG_LEVELS as [LogLevel, ...LogLevel[]]),
    form: LOG_LEVELS.map((level) => `\`${level}\``).join(", "),
    default: (dev) => (dev ? "warn" : "info") as LogLevel,
    what: "How much is written to standard error.",
  }),
  tracing: setting({
    schema: flag(),
    form: "yes or no",
    default: () => false,
    what: "Whether the way of messages is told to OpenTelemetry as spans. The SDK is the application's: `node --import ./otel.mjs`.",
  }),
  tracingRooms: setting({
    schema: flag(),
    form: "yes or no",
    default: () => false,
    what: "Whether these spans name the room.",
  }),
  alertWebhook: setting({
    schema: nullable(z.string().refine(isWebAddress)),
    form: "a web address",
    default: () => null,
    what: "Where to post, as JSON, that more connections than usual ended badly. By variable only, because such addresses are often secrets.",
    secret: true,
  }),
  alertMinimum: setting({
    schema: whole(1),
    form: "a whole number above 0",
    default: () => DEFAULT_MINIMUM,
    what: "How many connections must have ended badly within 10 s, at least, before an alert.",
  }),
  retentionMaxEvents: setting({
    schema: nullable(whole(1)),
    form: "a whole number above 0",
    default: () => null,
    what: "How many events of a room are kept. Not set: all.",
  }),
  retentionMaxAgeMs: setting({
    schema: nullable(whole(1)),
    form: "a whole number above 0",
    default: () => null,
    what: "How long events are kept, ms. Not set: for ever.",
  }),
  retentionMaxBytes: setting({
    schema: nullable(whole(1)),
    form: "a whole number above 0",
    default: () => null,
    what: "How many bytes of payload of a room are kept. Not set: all.",
  }),
  jwtSecret: setting({
    schema: nullable(z.string().refine((secret) => Buffer.byteLength(secret) >= MIN_SECRET_BYTES)),
    form: `a text of at least ${MIN_SECRET_BYTES} bytes`,
    default: () => null,
    what: "The secret tokens are signed with (HS256).",
    secret: true,
  }),
  jwtPublicKey: setting({
    schema: nullable(z.string().min(1)),
    form: "a PEM or a JWK",
    default: () => null,
    what: "The public key tokens are checked with (RSA, P-256/384/521 or Ed25519).",
  }),
  jwksUrl: setting({
    schema: nullable(z.string().min(1)),
    form: "an https URL",
    default: () => null,
    what: "Where the public keys that tokens are checked with are published.",
  }),
  jwtIssuer: setting({
    schema: nullable(z.string().min(1)),
    form: "a text",
    default: () => null,
    what: "When set, `iss` of a token must be this.",
  }),
  jwtAudience: setting({
    schema: nullable(z.string().min(1)),
    form: "a text",
    default: () => null,
    what: "When set, `aud` of a token must be or contain this.",
  }),
  jwtMaxLifetimeMs: setting({
    schema: whole(1_000),
    form: "a whole number of at least 1000",
    default: () => MAX_TOKEN_LIFETIME_MS,
    what: "How long a token may be good at most, ms; one that is good for longer is refused. Revocations are kept for as long.",
  }),
  apiKey: setting({
    schema: list(z.string().regex(API_KEY)).refine((keys) => keys.length > 0),
    form: "keys of 16 or more ASCII characters (`openssl rand -base64 24`), separated by commas",
    default: () => [],
    what: "What back ends show over HTTP; with one of these they may do everything. Without any key none may do anything.",
    secret: true,
  }),
  apiKeys: setting({
    schema: z.union([z.string().transform(jsonOf), z.array(z.unknown())]).pipe(z.array(SCOPED_KEY).min(1)),
    form: `JSON such as \`[{"key": "…", "scopes": ["publish"], "rooms": ["feed:*"]}]\`; scopes: ${SCOPES.join(", ")}`,
    default: () => [],
    what: "More keys of back ends, each with what it may do, and with the rooms it is limited to.",
    secret: true,
  }),
  adminPort: setting({
    schema: z.union([z.literal("off"), whole(0, 65_535)]),
    form: "a whole number from 0 to 65535 (0: any free port), or `off`",
    default: (dev) => (dev ? 0 : "off") as number | "off",
    what: "The port of the admin listener: the admin console, `/metrics`, `/healthz` and `/readyz`.",
  }),
  adminHost: setting({
    schema: z.string().min(1),
    form: "an address or a host name",
    default: () => "127.0.0.1",
    what: "The address of the admin listener. Where others than this machine can reach it, it needs `adminSecret`.",
  }),
  adminSecret: setting({
    schema: nullable(z.string().regex(API_KEY)),
    form: "a text of 16 or more ASCII characters (`openssl rand -base64 24`)",
    default: () => null,
    what: "What an operator shows to the admin listener. Without it there is no admin console, only metrics and health; in development mode one is made.",
    secret: true,
  }),
  metricsSecret: setting({
    schema: nullable(z.string().regex(API_KEY)),
    form: "a text of 16 or more ASCII characters (`openssl rand -base64 24`)",
    default: () => null,
    what: "What reads `/metrics` of the admin listener and nothing else, as a bearer or as the password of Basic. On this machine, and not through a proxy, nothing is needed.",
    secret: true,
  }),
  vapidPublicKey: setting({
    schema: nullable(z.string().regex(/^[\w-]{87}=?$/)),
    form: "65 bytes in base64url (`npx web-push generate-vapid-keys`)",
    default: () => null,
    what: "The public key that names this application to push services. Without it nothing is pushed to closed tabs.",
  }),
  vapidPrivateKey: setting({
    schema: nullable(z.string().regex(/^[\w-]{43}=?$/)),
    form: "32 bytes in base64url (`npx web-push generate-vapid-keys`)",
    default: () => null,
    what: "The private key that belongs to it.",
    secret: true,
  }),
  vapidSubject: setting({
    schema: nullable(z.string().regex(/^(mailto:.+@.+|https:\/\/.+)$/)),
    form: "an address such as `mailto:ops@example.com` or `https://example.com`",
    default: () => null,
    what: "Where push services can reach the operator.",
  }),
  config: setting({
    schema: nullable(z.string().min(1)),
    form: "a file",
    default: () => null,
    what: "The configuration file. Default: `yamabiko.config.ts`, `.js` or `.mjs` in the working directory, if there is one.",
    file: false,
  }),
};

/** The name of a setting, as in the configuration file. */
export type SettingName = keyof typeof SETTINGS;

/** One row of the table. */
export interface Setting<T> {
  readonly schema: z.ZodType<T>;
  /** What a value must be, for errors and the reference. */
  readonly form: string;
  readonly default: (dev: boolean) => T;
  readonly what: string;
  /** Only by variable. */
  readonly secret: boolean;
  /** Whether it can stand in the configuration file. */
  readonly file: boolean;
}

/** The flag of a setting or limit (`limits.<name>`), without dashes. */
export function flagOf(key: string): string {
  return kebab(key.startsWith("limits.") ? `limit${capital(key.slice(7))}` : key);
}

/** The variable of a setting or limit (`limits.<name>`). */
export function variableOf(key: string): string {
  if (key.startsWith("limits.")) return limitVariable(key.slice(7) as LimitName);
  return `YAMABIKO_${kebab(key).replaceAll("-", "_").toUpperCase()}`;
}

/** Where a setting stands in the configuration file, e.g. `retention.maxEvents`. */
export function fileKeyOf(key: string): string {
  return key.startsWith("retention") ? `retention.${key.charAt(9).toLowerCase()}${key.slice(10)}` : key;
}

/** Variables with the prefix that are no settings: they belong to the other commands. */
export const OTHER_VARIABLES: readonly string[] = ["YAMABIKO_TOKEN", "YAMABIKO_URL"];

/** The keys of all settings and limits; those of limits are `limits.<name>`. */
export function allKeys(): string[] {
  return [...Object.keys(SETTINGS), ...Object.keys(LIMITS).map((name) => `limits.${name}`)];
}

/** The setting of a key; undefined for a limit. */
export function settingOf(key: string): Setting<unknown> | undefined {
  return Object.hasOwn(SETTINGS, key) ? SETTINGS[key as SettingName] : undefined;
}

/** Whether a setting is a yes or no. */
export function isFlag(key: string): boolean {
  return settingOf(key)?.schema.safeParse(true).success === true;
}

/** Whether a setting can be said more than once. */
export function isList(key: string): boolean {
  return key === "allowedOrigins" || key === "trustedProxies";
}

function setting<T>(
  entry: Omit<Setting<T>, "secret" | "file"> & { readonly secret?: boolean; readonly file?: boolean },
): Setting<T> {
  return { ...entry, secret: entry.secret ?? false, file: entry.file ?? true };
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

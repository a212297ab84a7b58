import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { z } from "zod";
import { MIN_SECRET_BYTES } from "../auth/jwt.ts";
import { withoutCredentials } from "../link/link.ts";
import { LOG_LEVELS, type LogLevel } from "../observe/logger.ts";
import { LIMITS, type LimitName, type Limits, limitVariable, parseRoomId, resolveLimits } from "../protocol/index.ts";
import type { AccessRule, Namespace } from "../session/namespace.ts";
import type { ServerOptions } from "./options.ts";
import { BUS_ADDRESS, busFor, isShared, LOG_ADDRESS, sqlitePathOf } from "./stores.ts";

/** What a header can carry after `Bearer`, and nobody guesses. */
const API_KEY = /^[\x21-\x7e]{16,}$/;

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
    what: "Where events are kept. Several nodes can share `redis://…` (`rediss:` for TLS, several hosts for a cluster) and `postgres://…`. `memory:` forgets everything when the server stops.",
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
    default: () => 30_000,
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
  apiKey: setting({
    schema: list(z.string().regex(API_KEY)).refine((keys) => keys.length > 0),
    form: "keys of 16 or more ASCII characters (`openssl rand -base64 24`), separated by commas",
    default: () => [],
    what: "What back ends show to publish over HTTP. Without it none may.",
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

type Values = { [name in SettingName]: z.output<(typeof SETTINGS)[name]["schema"]> };

/** Everything the server is told. */
export interface ServerConfig
  extends Omit<Values, `retention${string}` | `vapid${string}` | "bus" | "config" | "workers"> {
  /** The bus named, or the one that fits the log. */
  readonly bus: string;
  /** How many processes serve the port. */
  readonly workers: number;
  /** The keys for Web Push; null for none. */
  readonly push: { readonly publicKey: string; readonly privateKey: string; readonly subject: string } | null;
  readonly retention: {
    readonly maxEvents?: number | undefined;
    readonly maxAgeMs?: number | undefined;
    readonly maxBytes?: number | undefined;
  };
  readonly limits: Limits;
  /** Where files of the server's own may be kept: beside the SQLite log; null with a log in memory. */
  readonly dataDirectory: string | null;
  /** What only a configuration file can say; not checked here beyond its kind. */
  readonly code: ConfigCode;
}

/** The members of a configuration file that are code. */
export interface ConfigCode {
  /** Namespaces to serve besides the built-in ones; one of the same name replaces. */
  readonly namespaces?: readonly Namespace[] | undefined;
  /** The access rule for all rooms. */
  readonly access?: AccessRule | undefined;
}

/** Where settings come from. Flags win over variables, variables over the file, the file over the defaults. */
export interface ConfigSources {
  /** From `parseFlags`: names without dashes. */
  readonly flags?: Readonly<Record<string, string | boolean>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The default export of the configuration file. */
  readonly file?: unknown;
  /** What to call the file in errors. */
  readonly fileName?: string;
}

/** A setting that cannot be used: what is wrong and where it was said, and what to do about it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}

/**
 * Makes the configuration.
 * @throws {ConfigError} naming the source of the first thing that cannot be used.
 */
export function resolveConfig(sources: ConfigSources = {}): ServerConfig {
  const said = collect(sources);
  const dev = readSetting(said, "dev", false);
  const read = <N extends SettingName>(name: N): Values[N] => readSetting(said, name, dev);
  const overrides: Partial<Limits> = {};
  for (const name of Object.keys(LIMITS) as LimitName[]) {
    const { off } = LIMITS[name];
    const found = said.get(`limits.${name}`);
    if (found === undefined) continue;
    const form = `a whole number ${off ? "of at least 0 (0: no limit)" : "above 0"}`;
    overrides[name] = parse(whole(off ? 0 : 1), form, found);
  }
  const log = read("log");
  const bus = read("bus") ?? busFor(log);
  checkBusOverLog(bus, log);
  const path = sqlitePathOf(log);
  const code = codeOf(sources);
  const keys = (["jwtSecret", "jwtPublicKey", "jwksUrl"] as const).filter((name) => read(name) !== null);
  if (keys.length > 1) {
    const [first, second] = keys.map((name) => said.get(name)?.source);
    throw new ConfigError(`There is more than one key for tokens: ${first} and ${second}.`, "Keep one of them.");
  }
  if (keys.length === 0 && !dev && !read("guests")) {
    throw new ConfigError(
      "There is no key to check tokens with.",
      "Set YAMABIKO_JWT_SECRET (openssl rand -base64 48), YAMABIKO_JWT_PUBLIC_KEY or YAMABIKO_JWKS_URL, or use --dev on your own machine.",
    );
  }
  return {
    port: read("port"),
    host: read("host"),
    log,
    sqliteSynchronous: read("sqliteSynchronous"),
    bus,
    workers: workersOf(read("workers")),
    dev,
    guests: read("guests"),
    defaultRoom: read("defaultRoom"),
    static: read("static"),
    echoPath: read("echoPath"),
    compression: read("compression"),
    allowedOrigins: read("allowedOrigins"),
    trustedProxies: read("trustedProxies"),
    heartbeatMs: read("heartbeatMs"),
    readyGraceMs: read("readyGraceMs"),
    logLevel: read("logLevel"),
    jwtSecret: read("jwtSecret"),
    jwtPublicKey: read("jwtPublicKey"),
    jwksUrl: read("jwksUrl"),
    jwtIssuer: read("jwtIssuer"),
    jwtAudience: read("jwtAudience"),
    apiKey: read("apiKey"),
    push: pushKeysOf(read),
    retention: {
      maxEvents: read("retentionMaxEvents") ?? undefined,
      maxAgeMs: read("retentionMaxAgeMs") ?? undefined,
      maxBytes: read("retentionMaxBytes") ?? undefined,
    },
    limits: resolveLimits(overrides, dev),
    dataDirectory: path === null || path === ":memory:" ? null : dirname(path),
    code,
  };
}

function workersOf(said: number | "auto"): number {
  return said === "auto" ? availableParallelism() : said;
}

/** @throws {ConfigError} when some of the three are set and others are not. */
function pushKeysOf(read: <N extends SettingName>(name: N) => Values[N]): ServerConfig["push"] {
  const [publicKey, privateKey, subject] = [read("vapidPublicKey"), read("vapidPrivateKey"), read("vapidSubject")];
  if (publicKey !== null && privateKey !== null && subject !== null) return { publicKey, privateKey, subject };
  if (publicKey === null && privateKey === null && subject === null) return null;
  throw new ConfigError(
    "Web Push needs YAMABIKO_VAPID_PUBLIC_KEY, YAMABIKO_VAPID_PRIVATE_KEY and YAMABIKO_VAPID_SUBJECT, and one of them is missing.",
    "Make the keys with: npx web-push generate-vapid-keys",
  );
}

/** The options `createServer` takes, as the configuration says. */
export function toServerOptions(config: ServerConfig): ServerOptions {
  return {
    port: config.port,
    host: config.host,
    log: config.log,
    sqliteSynchronous: config.sqliteSynchronous,
    bus: config.bus,
    dev: config.dev,
    guests: config.guests,
    defaultRoom: config.defaultRoom ?? undefined,
    staticDir: config.static ?? undefined,
    echoPath: config.echoPath ?? undefined,
    compression: config.compression,
    allowedOrigins: config.allowedOrigins,
    trustedProxies: config.trustedProxies,
    heartbeatMs: config.heartbeatMs,
    readyGraceMs: config.readyGraceMs,
    retention: config.retention,
    limits: config.limits,
    auth: {
      secret: config.jwtSecret ?? undefined,
      publicKey: config.jwtPublicKey ?? undefined,
      jwksUrl: config.jwksUrl ?? undefined,
      issuer: config.jwtIssuer ?? undefined,
      audience: config.jwtAudience ?? undefined,
    },
    apiKeys: config.apiKey,
    push: config.push ?? undefined,
    namespaces: config.code.namespaces,
    access: config.code.access,
  };
}

/**
 * Refuses nodes that hear each other but keep separate logs: each would number the same room's events for itself.
 * @throws {ConfigError}
 */
export function checkBusOverLog(bus: string, log: string): void {
  if (!bus.startsWith("memory:") && !isShared(log)) {
    throw new ConfigError(
      `The bus ${schemeOf(bus)} joins several nodes, but the log ${schemeOf(log)} belongs to one node.`,
      "Use a log that all nodes share, or the bus memory: for a single node.",
    );
  }
}

/**
 * Reads the arguments of `serve`: `--port 80`, `--port=80`, `--dev`, `--no-dev`. A list may be given more than once.
 * @throws {ConfigError} for an argument that is no setting, with the likely one.
 */
export function parseFlags(args: readonly string[]): Record<string, string | boolean> {
  const flags: Record<string, string | boolean> = {};
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const match = /^--(no-)?([^=]+)(?:=(.*))?$/s.exec(arg);
    if (match === null) {
      throw new ConfigError(`"${arg}" is not understood.`, "Settings begin with --; see: yamabiko serve --help");
    }
    const [, no, name = "", inline] = match;
    const key = keyOfFlag(name);
    if (key === undefined) {
      throw new ConfigError(`There is no flag --${no ?? ""}${name}.`, likely(name, flagNames(), "--"));
    }
    let value: string | boolean;
    if (isFlag(key)) value = no !== undefined ? false : (inline ?? true);
    else if (no !== undefined) throw new ConfigError(`--${name} is not a yes or no.`, `Use --${name} VALUE.`);
    else if (inline !== undefined) value = inline;
    else {
      const next = args[++i];
      if (next === undefined || next.startsWith("--")) {
        throw new ConfigError(`--${name} needs a value.`, `Use --${name} VALUE.`);
      }
      value = next;
    }
    const before = flags[name];
    if (before === undefined) flags[name] = value;
    else if (isList(key)) flags[name] = `${before},${value}`;
    else throw new ConfigError(`--${name} is given more than once.`, "Keep one of them.");
  }
  return flags;
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

interface Setting<T> {
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

function setting<T>(
  entry: Omit<Setting<T>, "secret" | "file"> & { readonly secret?: boolean; readonly file?: boolean },
): Setting<T> {
  return { ...entry, secret: entry.secret ?? false, file: entry.file ?? true };
}

/** A value as it was said, and where. */
interface Said {
  readonly value: unknown;
  readonly source: string;
  /** Whether `value` may be repeated in an error. */
  readonly showable: boolean;
}

function allKeys(): string[] {
  return [...Object.keys(SETTINGS), ...Object.keys(LIMITS).map((name) => `limits.${name}`)];
}

function settingOf(key: string): Setting<unknown> | undefined {
  return Object.hasOwn(SETTINGS, key) ? SETTINGS[key as SettingName] : undefined;
}

function collect(sources: ConfigSources): Map<string, Said> {
  const said = new Map<string, Said>();
  collectFile(sources, said);
  for (const [variable, value] of Object.entries(sources.env ?? {})) {
    if (!variable.startsWith("YAMABIKO_")) continue;
    if (OTHER_VARIABLES.includes(variable)) continue;
    const key = allKeys().find((candidate) => variableOf(candidate) === variable);
    if (key === undefined) {
      throw new ConfigError(
        `The variable ${variable} is set, but there is no such setting.`,
        likely(variable, allKeys().map(variableOf), ""),
      );
    }
    // An empty variable is what `NAME=` in a compose file or a unit file leaves behind.
    if (value === undefined || value === "") continue;
    said.set(key, { value, source: variable, showable: settingOf(key)?.secret !== true });
  }
  for (const [name, value] of Object.entries(sources.flags ?? {})) {
    const key = keyOfFlag(name);
    if (key === undefined) throw new ConfigError(`There is no flag --${name}.`, likely(name, flagNames(), "--"));
    if (settingOf(key)?.secret === true)
      throw secretElsewhere(key, `--${name}`, "Everyone on the machine can read flags");
    said.set(key, { value, source: `--${name}`, showable: true });
  }
  return said;
}

function collectFile(sources: ConfigSources, said: Map<string, Said>): void {
  const { file, fileName = "the configuration file" } = sources;
  if (file === undefined || file === null) return;
  if (typeof file !== "object" || Array.isArray(file)) {
    throw new ConfigError(`${fileName} does not export an object.`, "Write: export default { port: 8080 };");
  }
  const keys = allKeys().filter((key) => settingOf(key)?.file !== false);
  const known = [...keys.map(fileKeyOf), "limits", "retention", ...CODE_KEYS];
  const add = (path: string, value: unknown): void => {
    if (CODE_KEYS.includes(path) || value === undefined) return;
    if ((path === "limits" || path === "retention") && typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) add(`${path}.${name}`, inner);
      return;
    }
    const key = keys.find((candidate) => fileKeyOf(candidate) === path);
    if (key === undefined) {
      throw new ConfigError(`${fileName}: there is no setting ${path}.`, likely(path, known, ""));
    }
    if (settingOf(key)?.secret === true) throw secretElsewhere(key, `${fileName}: ${path}`, "Files get committed");
    said.set(key, { value, source: `${fileName}: ${path}`, showable: true });
  };
  for (const [name, value] of Object.entries(file)) add(name, value);
}

const CODE_KEYS: readonly string[] = ["namespaces", "access"];

function codeOf({ file, fileName = "the configuration file" }: ConfigSources): ConfigCode {
  const { namespaces, access } = (file ?? {}) as Record<string, unknown>;
  const wrong = (key: string, form: string) =>
    new ConfigError(`${fileName}: ${key} is not ${form}.`, `Make ${key} ${form}, or leave it out.`);
  const named = (value: unknown) =>
    typeof value === "object" && value !== null && typeof (value as { name?: unknown }).name === "string";
  if (namespaces !== undefined && !(Array.isArray(namespaces) && namespaces.every(named))) {
    throw wrong("namespaces", "a list of namespaces made with defineNamespace");
  }
  if (access !== undefined && typeof access !== "function") throw wrong("access", "a function");
  return { namespaces, access } as ConfigCode;
}

function readSetting<N extends SettingName>(said: Map<string, Said>, name: N, dev: boolean): Values[N] {
  const entry: Setting<unknown> = SETTINGS[name];
  const found = said.get(name);
  return (found === undefined ? entry.default(dev) : parse(entry.schema, entry.form, found)) as Values[N];
}

function parse<T>(schema: z.ZodType<T>, form: string, { value, source, showable }: Said): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const shown = showable ? ` (it is ${withoutCredentials(JSON.stringify(value) ?? String(value)).slice(0, 80)})` : "";
  throw new ConfigError(`${source} cannot be used${shown}.`, `It must be ${form}.`);
}

function secretElsewhere(key: string, where: string, why: string): ConfigError {
  return new ConfigError(`${where} is a secret.`, `${why}; set the variable ${variableOf(key)} instead.`);
}

function keyOfFlag(name: string): string | undefined {
  return allKeys().find((key) => flagOf(key) === name);
}

function flagNames(): string[] {
  return allKeys()
    .filter((key) => settingOf(key)?.secret !== true)
    .map(flagOf);
}

function isFlag(key: string): boolean {
  return key === "dev" || key === "guests";
}

function isList(key: string): boolean {
  return key === "allowedOrigins" || key === "trustedProxies";
}

function likely(wrong: string, names: readonly string[], prefix: string): string {
  let best = "";
  let least = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const distance = editDistance(wrong, name);
    if (distance < least) [best, least] = [name, distance];
  }
  if (least <= Math.max(2, wrong.length / 3)) return `Did you mean ${prefix}${best}?`;
  return "All settings: yamabiko serve --help";
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(same, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

function whole(min: number, max = Number.MAX_SAFE_INTEGER) {
  const digits = z
    .string()
    .regex(/^\d{1,16}$/)
    .transform(Number);
  return z.union([z.number(), digits]).pipe(z.number().int().min(min).max(max));
}

function flag() {
  const words = z
    .string()
    .toLowerCase()
    .pipe(z.enum(["true", "false", "yes", "no", "on", "off", "1", "0"]));
  return z.union([z.boolean(), words.transform((word) => ["true", "yes", "on", "1"].includes(word))]);
}

function list<T>(item: z.ZodType<T, string>) {
  const split = z.string().transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  );
  return z.union([z.array(z.string()), split]).pipe(z.array(item));
}

function nullable<T, I>(schema: z.ZodType<T, I>) {
  return z.union([z.null(), schema]);
}

function roomId(text: string, context: z.RefinementCtx): string {
  try {
    return parseRoomId(text).roomId;
  } catch {
    context.addIssue({ code: "custom" });
    return z.NEVER;
  }
}

function isOrigin(text: string): boolean {
  if (text === "*" || text === "null") return true;
  return (
    !text.includes("*") &&
    URL.canParse(text) &&
    /^https?:$/.test(new URL(text).protocol) &&
    new URL(text).origin === text
  );
}

function isNetwork(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function schemeOf(address: string): string {
  return address.slice(0, address.indexOf(":") + 1);
}

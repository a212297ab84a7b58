import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import type { z } from "zod";
import { withoutCredentials } from "../link/link.ts";
import type { TracingOptions } from "../observe/open-telemetry.ts";
import { LIMITS, type LimitName, type Limits, resolveLimits } from "../protocol/index.ts";
import type { AccessRule, Namespace } from "../session/namespace.ts";
import type { AdminOptions } from "./admin/options.ts";
import { ConfigError } from "./config-error.ts";
import { type ConfigSources, collect, type Said } from "./config-sources.ts";
import type { AlertOptions } from "./disconnect-alerts.ts";
import type { ServerOptions } from "./options.ts";
import { isLoopbackAddress } from "./origin.ts";
import { whole } from "./setting-forms.ts";
import { SETTINGS, type Setting, type SettingName } from "./settings.ts";
import { busFor, isShared, sqlitePathOf } from "./stores.ts";

type Values = { [name in SettingName]: z.output<(typeof SETTINGS)[name]["schema"]> };

/** Everything the server is told. */
export interface ServerConfig
  extends Omit<
    Values,
    | `retention${string}`
    | `vapid${string}`
    | `admin${string}`
    | `alert${string}`
    | `tracing${string}`
    | "metricsSecret"
    | "bus"
    | "config"
    | "workers"
  > {
  /** The bus named, or the one that fits the log. */
  readonly bus: string;
  /** How many processes serve the port. */
  readonly workers: number;
  /** The admin listener; null for none. */
  readonly admin: (Required<Pick<AdminOptions, "port" | "host">> & AdminOptions) | null;
  /** The keys for Web Push; null for none. */
  readonly push: { readonly publicKey: string; readonly privateKey: string; readonly subject: string } | null;
  readonly alerts: AlertOptions;
  /** What spans say; null where nothing is traced. */
  readonly tracing: TracingOptions | null;
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
    jwtMaxLifetimeMs: read("jwtMaxLifetimeMs"),
    apiKey: read("apiKey"),
    admin: adminOf(read),
    apiKeys: read("apiKeys"),
    push: pushKeysOf(read),
    tracing: read("tracing") ? { rooms: read("tracingRooms") } : null,
    alerts: { webhook: read("alertWebhook") ?? undefined, minimum: read("alertMinimum") },
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
    alerts: config.alerts,
    tracing: config.tracing ?? undefined,
    retention: config.retention,
    limits: config.limits,
    auth: {
      secret: config.jwtSecret ?? undefined,
      publicKey: config.jwtPublicKey ?? undefined,
      jwksUrl: config.jwksUrl ?? undefined,
      issuer: config.jwtIssuer ?? undefined,
      audience: config.jwtAudience ?? undefined,
      maxLifetimeMs: config.jwtMaxLifetimeMs,
    },
    admin: config.admin ?? undefined,
    apiKeys: [...config.apiKey, ...config.apiKeys],
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

function workersOf(said: number | "auto"): number {
  return said === "auto" ? availableParallelism() : said;
}

/** @throws {ConfigError} when others can reach it, and there is no secret. */
function adminOf(read: <N extends SettingName>(name: N) => Values[N]): ServerConfig["admin"] {
  const [port, host, secret] = [read("adminPort"), read("adminHost"), read("adminSecret")];
  if (port === "off") return null;
  if (secret === null && !isLoopbackAddress(host)) {
    throw new ConfigError(
      `The admin listener on ${host} can be reached by others, and has no secret.`,
      "Set YAMABIKO_ADMIN_SECRET (openssl rand -base64 24), or leave YAMABIKO_ADMIN_HOST at 127.0.0.1.",
    );
  }
  return { port, host, secret: secret ?? undefined, metricsSecret: read("metricsSecret") ?? undefined };
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

function schemeOf(address: string): string {
  return address.slice(0, address.indexOf(":") + 1);
}

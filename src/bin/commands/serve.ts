import { randomBytes } from "node:crypto";
import { withoutCredentials } from "../../link/link.ts";
import { createLogger, type Logger } from "../../observe/logger.ts";
import { LIMITS, type LimitName } from "../../protocol/index.ts";
import type { AdminOptions } from "../../server/admin/options.ts";
import { resolveConfig, type ServerConfig, toServerOptions } from "../../server/config.ts";
import { ConfigError } from "../../server/config-error.ts";
import { loadConfigFile } from "../../server/config-file.ts";
import { parseFlags } from "../../server/config-sources.ts";
import type { ServerOptions } from "../../server/options.ts";
import { createServer, devSecretOf } from "../../server/server.ts";
import { flagOf, SETTINGS, type SettingName, variableOf } from "../../server/settings.ts";
import { openOwnLog } from "../../server/stores.ts";
import { VERSION } from "../../server/version.ts";
import { createPrimary } from "../../server/workers/primary.ts";
import { isWorker, runWorker } from "../../server/workers/worker.ts";
import { type Command, type Terminal, untilStopped } from "../terminal.ts";

/** `yamabiko serve`: starts the server and runs it until it is asked to stop. */
export const serve: Command = async (args, terminal) => {
  const flags = parseFlags(args);
  const named = typeof flags.config === "string" ? flags.config : (terminal.env.YAMABIKO_CONFIG ?? null);
  const file = await loadConfigFile(terminal.directory, named === "" ? null : named);
  const config = resolveConfig({ flags, env: terminal.env, file: file?.value, ...(file && { fileName: file.name }) });
  const admin = adminOf(config);
  const options = { ...toServerOptions(config), admin, logger: createLogger({ level: config.logLevel }) };
  if (isWorker()) await runWorker(options, terminal.stopped);
  else if (config.workers > 1) await serveByWorkers(config, options, terminal);
  else await serveAlone(config, options, terminal);
  return 0;
};

async function serveAlone(config: ServerConfig, options: ServerOptions, terminal: Terminal): Promise<void> {
  const server = createServer(options);
  try {
    const { url, adminUrl } = await server.listen();
    for (const line of greeting(config, url)) terminal.print(line);
    for (const line of adminGreeting(config, adminUrl, options.admin)) terminal.print(line);
  } catch (error) {
    await server.close().catch(() => {});
    throw explain(error, config);
  }
  await untilStopped(terminal);
  terminal.note("Closing. Once more to stop at once.");
  await server.close();
}

async function serveByWorkers(
  config: ServerConfig,
  options: ServerOptions & { readonly logger: Logger },
  terminal: Terminal,
): Promise<void> {
  const log = await openOwnLog(options);
  const primary = createPrimary({
    count: config.workers,
    log,
    port: config.port,
    host: config.host,
    admin: options.admin ?? null,
    readyGraceMs: config.readyGraceMs,
    devSecret: devSecretOf(options),
    logger: options.logger,
  });
  try {
    const { url, adminUrl } = await primary.start();
    for (const line of greeting(config, url)) terminal.print(line);
    for (const line of adminGreeting(config, adminUrl, options.admin)) terminal.print(line);
    terminal.print(`${config.workers} processes serve it.`);
    await untilStopped(terminal);
    terminal.note("Closing. Once more to stop at once.");
  } catch (error) {
    throw explain(error, config);
  } finally {
    await primary.close();
    await log?.close();
  }
}

function greeting(config: ServerConfig, url: string): string[] {
  const lines = [`Yamabiko ${VERSION} is listening on ${url}`];
  if (config.dev && config.static !== null) lines.push("Open it in two windows and chat.");
  lines.push(
    config.log === "memory:"
      ? "Nothing is kept: the log is in memory."
      : `The data is in ${withoutCredentials(config.log).replace(/^sqlite:/, "")}`,
  );
  if (config.dev) lines.push("Development mode: anyone can sign in as anyone.");
  if (config.dev && !["127.0.0.1", "::1", "localhost"].includes(config.host)) {
    lines.push(`Careful: ${config.host} can be reached by others. Leave out --dev where they are not trusted.`);
  }
  return lines;
}

/** The admin listener. Development makes a secret of its own where none is given. */
function adminOf({ admin, dev }: ServerConfig): AdminOptions | undefined {
  if (admin === null) return undefined;
  return dev ? { ...admin, secret: admin.secret ?? randomBytes(18).toString("base64url") } : admin;
}

function adminGreeting(config: ServerConfig, url: string | null, admin: AdminOptions | undefined): string[] {
  if (url === null) return [];
  if (admin?.secret === undefined)
    return [`Metrics and health are on ${url}. For the admin console set YAMABIKO_ADMIN_SECRET.`];
  const isMade = config.admin?.secret === undefined;
  return [`The admin console is on ${url}${isMade ? `, with the secret ${admin.secret}` : ""}`];
}

function explain(error: unknown, config: ServerConfig): unknown {
  const { code, port } = (error ?? {}) as { code?: unknown; port?: unknown };
  if (code === "EADDRINUSE" && config.admin !== null && port === config.admin.port && port !== config.port) {
    return new ConfigError(
      `Something is already listening on ${config.admin.host}:${port}, where the admin listener is to be.`,
      "Stop it, or take another port: --admin-port 0 is any free one.",
    );
  }
  if (code === "EADDRINUSE") {
    return new ConfigError(
      `Something is already listening on ${config.host}:${config.port}.`,
      `Stop it, or take another port: --port ${config.port + 1 > 65_535 ? 8080 : config.port + 1}`,
    );
  }
  if (code === "EACCES" && config.port < 1024) {
    return new ConfigError(
      `This user may not listen on port ${config.port}.`,
      "Take a port above 1023, and let a proxy or the container map the other.",
    );
  }
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new ConfigError(`This machine has no address ${config.host}.`, "Use --host 127.0.0.1 or --host 0.0.0.0");
  }
  return error;
}

/** What `yamabiko serve --help` says. */
export function serveHelp(): string {
  const lines = ["Usage: yamabiko serve [settings]", "", "Settings (flag, variable, default):"];
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const { secret, what } = SETTINGS[name];
    const flag = secret ? "" : `--${flagOf(name)}  `;
    lines.push(`  ${flag}${variableOf(name)}  ${defaultOf(name)}`, `      ${what.replaceAll("`", "")}`);
  }
  lines.push("", "Limits:");
  for (const name of Object.keys(LIMITS) as LimitName[]) {
    const { default: value, off, what } = LIMITS[name];
    const key = `limits.${name}`;
    lines.push(`  --${flagOf(key)}  ${variableOf(key)}  (${value})`, `      ${what}${off ? "; 0: no limit" : ""}`);
  }
  return lines.join("\n");
}

function defaultOf(name: SettingName): string {
  const [production, dev] = [SETTINGS[name].default(false), SETTINGS[name].default(true)];
  if (production === null || (Array.isArray(production) && production.length === 0)) return "";
  return production === dev ? `(${production})` : `(${production}; with --dev ${dev})`;
}

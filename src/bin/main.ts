import { YamabikoError } from "../protocol/index.ts";
import { ConfigError } from "../server/config-error.ts";
import { VERSION } from "../server/version.ts";
import { ban, banHelp } from "./commands/ban.ts";
import { doctor, doctorHelp } from "./commands/doctor.ts";
import { erase, eraseHelp } from "./commands/erase.ts";
import { exportHelp, exportRoom } from "./commands/export.ts";
import { kick, kickHelp } from "./commands/kick.ts";
import { migrate, migrateHelp } from "./commands/migrate.ts";
import { nginx, nginxHelp } from "./commands/nginx.ts";
import { publish, publishHelp } from "./commands/publish.ts";
import { revoke, revokeHelp } from "./commands/revoke.ts";
import { serve, serveHelp } from "./commands/serve.ts";
import { tail, tailHelp } from "./commands/tail.ts";
import { token, tokenHelp } from "./commands/token.ts";
import { type Command, printable, type Terminal } from "./terminal.ts";

const COMMANDS: Readonly<Record<string, { run: Command; help: () => string; what: string }>> = {
  serve: { run: serve, help: serveHelp, what: "start the server" },
  token: { run: token, help: () => tokenHelp, what: "sign a token" },
  tail: { run: tail, help: () => tailHelp, what: "follow a room's log" },
  migrate: { run: migrate, help: () => migrateHelp, what: "prepare the tables of a log in PostgreSQL" },
  export: { run: exportRoom, help: () => exportHelp, what: "print a room's record: who sent what when" },
  erase: { run: erase, help: () => eraseHelp, what: "erase what a person said" },
  doctor: { run: doctor, help: () => doctorHelp, what: "look whether a server is set up well" },
  nginx: { run: nginx, help: () => nginxHelp, what: "print a configuration for nginx" },
  publish: { run: publish, help: () => publishHelp, what: "send a message to a room" },
  revoke: { run: revoke, help: () => revokeHelp, what: "take back the access of a user, a token or a connection" },
  kick: { run: kick, help: () => kickHelp, what: "take a user out of a room" },
  ban: { run: ban, help: () => banHelp, what: "keep a user out of a room, or let it in again" },
};

/** What `yamabiko help` says. */
export function help(): string {
  return [
    `Yamabiko ${VERSION}: a self-hosted real-time server.`,
    "",
    "Usage: yamabiko COMMAND [--verbose] …",
    "",
    ...Object.entries(COMMANDS).map(([name, { what }]) => `  ${name.padEnd(9)}${what}`),
    "  help     this, or: yamabiko help COMMAND",
    "  version  the version",
    "",
    "To begin: yamabiko serve --dev",
  ].join("\n");
}

/**
 * Runs a command line (without `node` and the script). Resolves to the exit code: 0 done, 1 failed, 2 not understood. A
 * failure is one line that says what, and one that says what to do; the stack only with `--verbose`.
 */
export async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  const isVerbose = argv.includes("--verbose");
  const [name, ...args] = argv.filter((arg) => arg !== "--verbose");
  const asked = name === "help" ? args[0] : name;
  const entry = asked !== undefined && Object.hasOwn(COMMANDS, asked) ? COMMANDS[asked] : undefined;
  if (entry !== undefined && (name === "help" || args.includes("--help") || args.includes("-h"))) {
    terminal.print(entry.help());
    return 0;
  }
  if (name === "version" || name === "--version" || name === "-v") {
    terminal.print(VERSION);
    return 0;
  }
  if (asked === undefined || name === "--help" || name === "-h") {
    terminal.print(help());
    return name === undefined ? 2 : 0;
  }
  if (entry === undefined) {
    terminal.note(printable(`There is no command ${asked}.`));
    terminal.note(`Commands: ${Object.keys(COMMANDS).join(", ")}, help, version`);
    return 2;
  }
  try {
    return await entry.run(args, terminal);
  } catch (error) {
    const { message, remedy, code } = describe(error, asked);
    terminal.note(printable(message));
    if (remedy !== undefined) terminal.note(printable(remedy));
    if (isVerbose && error instanceof Error) terminal.note(error.stack ?? "");
    return code;
  }
}

function describe(error: unknown, command: string): { message: string; remedy?: string | undefined; code: number } {
  if (error instanceof ConfigError) return { message: error.message, remedy: error.remedy, code: 2 };
  if (error instanceof YamabikoError) {
    return { message: `${error.message} (${error.code})`, remedy: error.remedy, code: 1 };
  }
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === "string" && code.startsWith("ERR_PARSE_ARGS")) {
    return { message, remedy: `See: yamabiko ${command} --help`, code: 2 };
  }
  return { message, remedy: "More with --verbose.", code: 1 };
}

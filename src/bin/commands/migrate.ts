import { resolveConfig } from "../../server/config.ts";
import { loadConfigFile } from "../../server/config-file.ts";
import { parseFlags } from "../../server/config-sources.ts";
import { migrateLog } from "../../server/stores.ts";
import type { Command } from "../terminal.ts";

/** What `yamabiko migrate --help` says. */
export const migrateHelp = `Usage: yamabiko migrate [--log postgres://…] [--config FILE]

Makes the tables of a log in PostgreSQL, or brings them up to date, and ends. A server does it by itself when it starts; this is
for where servers may not: run it as a user who may create a schema, before the first start and after an update.

  --log ADDRESS  the log; default: YAMABIKO_LOG or the configuration file, as for serve`;

/** `yamabiko migrate`: prepares a log. */
export const migrate: Command = async (args, terminal) => {
  const flags = parseFlags(args);
  const named = typeof flags.config === "string" ? flags.config : (terminal.env.YAMABIKO_CONFIG ?? null);
  const file = await loadConfigFile(terminal.directory, named === "" ? null : named);
  // Development, because no key for tokens is needed here.
  const sources = { flags: { ...flags, dev: true }, env: terminal.env, file: file?.value };
  const config = resolveConfig({ ...sources, ...(file && { fileName: file.name }) });
  terminal.print(await migrateLog(config.log));
  return 0;
};

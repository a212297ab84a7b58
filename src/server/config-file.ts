import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { createJiti } from "jiti";
import { ConfigError } from "./config-error.ts";

/** The names looked for in the working directory, in this order. */
export const CONFIG_FILE_NAMES: readonly string[] = ["yamabiko.config.ts", "yamabiko.config.js", "yamabiko.config.mjs"];

/** A configuration file that was read. */
export interface ConfigFile {
  /** Its name as it should stand in errors. */
  readonly name: string;
  /** Its default export, not checked yet. */
  readonly value: unknown;
}

/**
 * Loads the configuration file: the one named by `path` (relative to `directory`), else the first of the usual names
 * that exists in `directory`, else null. TypeScript is run as it is, without a build.
 * @throws {ConfigError} when a named file is missing, or it cannot be run, or has no default export.
 */
export async function loadConfigFile(directory: string, path: string | null = null): Promise<ConfigFile | null> {
  const name = path ?? CONFIG_FILE_NAMES.find((candidate) => existsSync(resolve(directory, candidate)));
  if (name === undefined) return null;
  const file = resolve(directory, name);
  if (!existsSync(file)) {
    throw new ConfigError(`The configuration file ${name} does not exist.`, "Check --config or YAMABIKO_CONFIG.");
  }
  let module: unknown;
  try {
    module = await createJiti(import.meta.url, { moduleCache: false, fsCache: false, interopDefault: false }).import(
      file,
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`The configuration file ${name} cannot be run: ${reason}`, "Mend the file, or leave it out.");
  }
  const value = (module as { default?: unknown } | null)?.default;
  if (value === undefined) {
    throw new ConfigError(
      `The configuration file ${name} has no default export.`,
      "Write: export default { port: 8080 };",
    );
  }
  return { name, value };
}

import { ConfigError } from "./config-error.ts";
import { allKeys, fileKeyOf, flagOf, isFlag, isList, OTHER_VARIABLES, settingOf, variableOf } from "./settings.ts";

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

/** A value as it was said, and where. */
export interface Said {
  readonly value: unknown;
  readonly source: string;
  /** Whether `value` may be repeated in an error. */
  readonly showable: boolean;
}

/** The members of a configuration file that are code. */
export const CODE_KEYS: readonly string[] = ["namespaces", "access"];

/**
 * What was said of every setting, by key, with where.
 * @throws {ConfigError} for a name that is none, and for a secret where it does not belong.
 */
export function collect(sources: ConfigSources): Map<string, Said> {
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

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CLOSE_CODES, ERRORS, LIMITS, type LimitName, limitVariable } from "../../src/protocol/index.ts";
import { fileKeyOf, flagOf, SETTINGS, type SettingName, variableOf } from "../../src/server/settings.ts";

/** The path of a file of the repository. */
export const inRepository = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The text of a file of the repository. */
export const textOf = (path: string): string => readFileSync(inRepository(path), "utf8");

/** The cells of the Markdown table between `<!-- <name>:begin … -->` and `<!-- <name>:end -->`, without its heading. */
export function tableIn(text: string, name: string): string[][] {
  const match = new RegExp(`<!-- ${name}:begin[^>]*-->\\n([\\s\\S]*?)<!-- ${name}:end -->`).exec(text);
  if (match === null) throw new Error(`There is no table between ${name}:begin and ${name}:end.`);
  return (match[1] ?? "")
    .trim()
    .split("\n")
    .slice(2)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** A Markdown table, its columns aligned. */
export function markdownTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(heading), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

const yesNo = (value: boolean): string => (value ? "yes" : "no");

/** The rows PROTOCOL.md must have, from the code. */
export const expected = {
  errors: () =>
    Object.entries(ERRORS).map(([code, { status, retryable, when }]) => [
      `\`${code}\``,
      String(status),
      yesNo(retryable),
      when,
    ]),
  closeCodes: () =>
    Object.entries(CLOSE_CODES).map(([name, { code, reconnect, when }]) => [
      String(code),
      `\`${name}\``,
      yesNo(reconnect),
      when,
    ]),
  limits: () =>
    (Object.keys(LIMITS) as LimitName[]).map((name) => {
      const { default: value, off, dev, what } = LIMITS[name];
      const shown = value.toLocaleString("en-US");
      return [`\`${name}\``, dev ? shown : `${shown}; off with \`--dev\``, yesNo(off), what];
    }),
};

/** The page docs/reference/configuration.md, from the code. */
export function configurationPage(): string {
  const settings = (Object.keys(SETTINGS) as SettingName[]).map((name) => {
    const { secret, file, what, form } = SETTINGS[name];
    return [
      secret ? "–" : `\`--${flagOf(name)}\``,
      `\`${variableOf(name)}\``,
      secret || !file ? "–" : `\`${fileKeyOf(name)}\``,
      defaultOf(name),
      `${what} ${form.charAt(0).toUpperCase()}${form.slice(1)}.`,
    ];
  });
  const limits = (Object.keys(LIMITS) as LimitName[]).map((name) => {
    const { default: value, off, dev, what } = LIMITS[name];
    const [key, shown] = [`limits.${name}`, `${value}${dev ? "" : "; with `--dev` off"}`];
    return [
      `\`--${flagOf(key)}\``,
      `\`${limitVariable(name)}\``,
      `\`${key}\``,
      shown,
      `${what}${off ? " (0: off)" : ""}`,
    ];
  });
  const heading = ["flag", "variable", "in the file", "default", "what"];
  return `# Configuration

<!-- Made from src/server/settings.ts and src/protocol/limits.ts by \`npx vitest run test/docs -u\`; \`npm run check\` fails when it is out of date. -->

\`yamabiko serve\` takes settings as flags, as variables, and from a configuration file. A flag wins over a variable, a variable over
the file, the file over the default. A name that does not exist is an error, wherever it stands, so a misspelt setting never goes
unnoticed. An empty variable counts as not set. A list is separated by commas; its flag may also be given more than once. A yes or no is
\`--dev\`, \`--no-dev\`, or \`true\`, \`false\`, \`yes\`, \`no\`, \`on\`, \`off\`, \`1\`, \`0\` in a variable.

Secrets come by variable only: everyone on a machine can read flags, and files get committed.

Without \`--dev\` the server does not start unless it has something to check tokens with (\`YAMABIKO_JWT_SECRET\`, \`YAMABIKO_JWT_PUBLIC_KEY\` or
\`YAMABIKO_JWKS_URL\`) or lets guests in.

## The file

\`yamabiko.config.ts\`, \`.js\` or \`.mjs\` in the working directory, or the one that \`--config\` names. TypeScript needs no build.

\`\`\`ts
import { defineNamespace } from "yamabiko";

export default {
  port: 9000,
  retention: { maxEvents: 10_000 },
  limits: { connectionsPerIp: 50 },
  // Besides the settings below: more kinds of room, and a rule that is asked about every room.
  namespaces: [
    defineNamespace({
      name: "support",
      messages: { "*": { handle: (context, payload) => context.event(context.type, payload) } },
    }),
  ],
  access: ({ user, roomId }) => !roomId.startsWith("support:") || !user.guest,
};
\`\`\`

## Settings

${markdownTable(heading, settings)}

## Limits

A refusal by a limit is a typed error (see [PROTOCOL.md](../../PROTOCOL.md), section 10).

${markdownTable(heading, limits)}
`;
}

function defaultOf(name: SettingName): string {
  const show = (value: unknown): string =>
    value === null || (Array.isArray(value) && value.length === 0)
      ? "–"
      : typeof value === "boolean"
        ? yesNo(value)
        : `\`${value}\``;
  const [production, dev] = [show(SETTINGS[name].default(false)), show(SETTINGS[name].default(true))];
  return production === dev ? production : `${production}; with \`--dev\` ${dev}`;
}

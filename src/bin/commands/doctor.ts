import { resolveConfig, type ServerConfig } from "../../server/config.ts";
import { loadConfigFile } from "../../server/config-file.ts";
import { parseFlags } from "../../server/config-sources.ts";
import { diagnoseAddress } from "../../server/diagnosis/address.ts";
import { type Finding, ok, wrong } from "../../server/diagnosis/finding.ts";
import { diagnoseStores } from "../../server/diagnosis/stores.ts";
import { webAddressOf } from "../connect.ts";
import { type Command, printable, type Terminal, UsageError } from "../terminal.ts";

const LONGEST_POLL_MS = 60_000;

/** What `yamabiko doctor --help` says. */
export const doctorHelp = `Usage: yamabiko doctor [--url https://…] [--token TOKEN] [--poll-ms 60000] [settings]

Looks whether a server is set up well, and says in plain words what is wrong and what to do. Changes nothing.

Without --url: whether the settings (as for serve) can be used, the log and the bus be reached, and whether they keep what they
acknowledge. With --url: whether clients get through to a running server: its name, TLS, /readyz, WebSocket, streams, long polls,
compression; and the settings too, where any are given.

  --url URL        the address clients come by; with the path, where there is one
  --token TOKEN    who may read feed:doctor; default: YAMABIKO_TOKEN, then a guest
  --poll-ms N      how long a long poll waits, ms; default: ${LONGEST_POLL_MS}, which takes a minute

The exit code is 1 when something is wrong.`;

const OWN_FLAGS = ["url", "token", "poll-ms"] as const;
const OWN_VARIABLES: readonly string[] = ["YAMABIKO_URL", "YAMABIKO_TOKEN"];

/** `yamabiko doctor`: looks whether a server is set up well. */
export const doctor: Command = async (args, terminal) => {
  const { own, settings } = splitFlags(args);
  const pollMs = pollMsOf(own["poll-ms"]);
  const url = own.url === undefined ? null : webAddressOf(own.url, terminal);
  let isWrong = false;
  const tell = (findings: readonly Finding[]): void => {
    for (const { state, what, remedy } of findings) {
      isWrong ||= state === "wrong";
      terminal.print(printable(`${state.padEnd(8)} ${what}`));
      if (remedy !== null) terminal.print(printable(`${" ".repeat(9)}→ ${remedy}`));
    }
  };
  let config: ServerConfig | null = null;
  if (url === null || (await hasSettings(settings, terminal))) {
    const read = await readConfig(settings, terminal);
    config = read.config;
    tell([read.finding]);
    if (config !== null) tell(await diagnoseStores(config, terminal.directory));
  }
  if (url !== null) {
    if (pollMs >= 10_000) terminal.note(`The long poll takes ${pollMs / 1_000} s.`);
    const token = own.token ?? (terminal.env.YAMABIKO_TOKEN || null);
    tell(await diagnoseAddress({ url, token, pollMs, trustedProxies: config?.trustedProxies ?? null }));
  }
  return isWrong ? 1 : 0;
};

/** Whether there is anything to be read as settings of a server. */
async function hasSettings(settings: readonly string[], { env, directory }: Terminal): Promise<boolean> {
  if (settings.length > 0) return true;
  const said = ([name, value]: [string, string | undefined]) =>
    name.startsWith("YAMABIKO_") && !OWN_VARIABLES.includes(name) && value !== undefined;
  return Object.entries(env).some(said) || (await loadConfigFile(directory).catch(() => true)) !== null;
}

async function readConfig(args: readonly string[], { env, directory }: Terminal) {
  try {
    const flags = parseFlags(args);
    const named = typeof flags.config === "string" ? flags.config : (env.YAMABIKO_CONFIG ?? null);
    const file = await loadConfigFile(directory, named === "" ? null : named);
    const config = resolveConfig({ flags, env, file: file?.value, ...(file && { fileName: file.name }) });
    return { config, finding: ok(`The settings can be used${file === null ? "" : ` (${file.name})`}.`) };
  } catch (error) {
    const { message, remedy } = error as { message: string; remedy?: string };
    return { config: null, finding: wrong(message, remedy ?? "See: yamabiko serve --help") };
  }
}

/** Takes the flags of this command out of those of a server. */
function splitFlags(args: readonly string[]) {
  const own: { [flag in (typeof OWN_FLAGS)[number]]?: string } = {};
  const settings: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    const flag = OWN_FLAGS.find((name) => arg === `--${name}` || arg.startsWith(`--${name}=`));
    if (flag === undefined) {
      settings.push(arg);
      continue;
    }
    const value = arg.includes("=") ? arg.slice(flag.length + 3) : args[++index];
    if (value === undefined || value === "") throw new UsageError(`--${flag} needs a value.`, `Use --${flag} VALUE.`);
    own[flag] = value;
  }
  return { own, settings };
}

function pollMsOf(said: string | undefined): number {
  const ms = Number(said ?? LONGEST_POLL_MS);
  if (Number.isInteger(ms) && ms >= 1 && ms <= LONGEST_POLL_MS) return ms;
  throw new UsageError(`--poll-ms ${said} cannot be used.`, `It must be a whole number from 1 to ${LONGEST_POLL_MS}.`);
}

import { parseArgs } from "node:util";
import { MAX_TOKEN_LIFETIME_MS, signToken } from "../../auth/jwt.ts";
import { parseDuration } from "../duration.ts";
import { type Command, UsageError } from "../terminal.ts";

/** What `yamabiko token --help` says. */
export const tokenHelp = `Usage: yamabiko token --user ID [--name NAME] [--expires 1h] [--rooms 'PATTERN=RIGHT,RIGHT']…

Prints a token signed with YAMABIKO_JWT_SECRET (and YAMABIKO_JWT_ISSUER, YAMABIKO_JWT_AUDIENCE when they are set).

  --user ID           who it is for
  --name NAME         what to call them; default: the id
  --expires DURATION  how long it is good: 90s, 15m, 1h, 7d; default: 1h
  --rooms PATTERN=…   limits it to rooms: --rooms 'chat:*=read,write' --rooms 'feed:news=read'`;

const RIGHTS: readonly string[] = ["read", "write", "admin"];

/** `yamabiko token`: signs a token and prints nothing else. */
export const token: Command = async (args, terminal) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      user: { type: "string" },
      name: { type: "string" },
      expires: { type: "string", default: "1h" },
      rooms: { type: "string", multiple: true },
    },
  });
  if (values.user === undefined) throw new UsageError("--user is missing.", "yamabiko token --user ada --name Ada");
  const expiresInMs = parseDuration(values.expires, "--expires");
  const mostMs = Number(terminal.env.YAMABIKO_JWT_MAX_LIFETIME_MS || MAX_TOKEN_LIFETIME_MS);
  if (expiresInMs > mostMs) {
    throw new UsageError(
      `A token of ${values.expires} is good for longer than a server accepts.`,
      `It may be ${Math.floor(mostMs / 1000)}s; a server with another YAMABIKO_JWT_MAX_LIFETIME_MS accepts others.`,
    );
  }
  const rooms = values.rooms === undefined ? undefined : Object.fromEntries(values.rooms.map(parseRooms));
  const secret = terminal.env.YAMABIKO_JWT_SECRET;
  if (secret === undefined || secret === "") {
    throw new UsageError(
      "YAMABIKO_JWT_SECRET is not set.",
      "Set it to the secret of the server; a new one: openssl rand -base64 48",
    );
  }
  const contents = {
    user: values.user,
    name: values.name,
    rooms,
    expiresInMs,
    issuer: terminal.env.YAMABIKO_JWT_ISSUER || undefined,
    audience: terminal.env.YAMABIKO_JWT_AUDIENCE || undefined,
  };
  try {
    terminal.print(await signToken(secret, contents));
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message, "yamabiko token --help");
    throw error;
  }
  return 0;
};

function parseRooms(text: string): [string, string[]] {
  const at = text.lastIndexOf("=");
  const rights = text.slice(at + 1).split(",");
  if (at < 1 || !rights.every((right) => RIGHTS.includes(right))) {
    throw new UsageError(
      `--rooms ${text} is not understood.`,
      "Use --rooms 'chat:*=read,write'; rights: read, write, admin",
    );
  }
  return [text.slice(0, at), rights];
}

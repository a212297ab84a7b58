import { parseArgs } from "node:util";
import type { Ban } from "../../auth/revocations.ts";
import { parseDuration } from "../duration.ts";
import { askModerator, MODERATION_FLAGS, type ModerationFlags, moderationHelp, roomPath } from "../moderation.ts";
import { type Command, printable, type Terminal, UsageError } from "../terminal.ts";

/** What `yamabiko ban --help` says. */
export const banHelp = `Usage: yamabiko ban ROOM USER [--for 1h] [--reason TEXT] [--url URL] [--api-key KEY]
       yamabiko ban ROOM USER --lift
       yamabiko ban ROOM

Takes a user out of a room, on all nodes, and does not let it in again. With the room alone it lists who is banned.

  --for DURATION   90s, 15m, 1h, 7d; default: until it is lifted
  --reason TEXT    why, for operators; no client is told
  --lift           lets the user in again
${moderationHelp}

Example: yamabiko ban chat:lobby eve --for 1d --reason spam`;

/** `yamabiko ban`: keeps a user out of a room, lets it in again, or lists who is kept out. */
export const ban: Command = async (args, terminal) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...MODERATION_FLAGS,
      for: { type: "string" },
      reason: { type: "string" },
      lift: { type: "boolean", default: false },
    },
  });
  const [room, user, ...rest] = positionals;
  if (room === undefined || rest.length > 0 || (user === undefined && values.lift)) {
    throw new UsageError("Name the room and the user.", "yamabiko ban chat:lobby eve --for 1d");
  }
  if (user === undefined) return list(room, values, terminal);
  if (values.lift) return lift(room, user, values, terminal);
  const forMs = values.for === undefined ? undefined : parseDuration(values.for, "--for");
  const asked = { user, forMs, reason: values.reason };
  const made = await askModerator<Ban>(roomPath(room, "ban"), asked, values, terminal);
  terminal.print(lineOf(made));
  return 0;
};

async function list(room: string, flags: ModerationFlags, terminal: Terminal): Promise<number> {
  const { bans } = await askModerator<{ bans: readonly Ban[] }>(roomPath(room, "bans"), null, flags, terminal);
  if (bans.length === 0) terminal.note(printable(`Nobody is banned from ${room}.`));
  for (const each of bans) terminal.print(lineOf(each));
  return 0;
}

async function lift(room: string, user: string, flags: ModerationFlags, terminal: Terminal): Promise<number> {
  const { lifted } = await askModerator<{ lifted: boolean }>(roomPath(room, "unban"), { user }, flags, terminal);
  terminal.print(printable(lifted ? `lifted: ${user} in ${room}` : `${user} is not banned from ${room}.`));
  return lifted ? 0 : 1;
}

function lineOf({ roomId, userId, until, reason }: Ban): string {
  const end = until === null ? "until it is lifted" : `until ${new Date(until).toISOString()}`;
  return printable(`banned: ${userId} from ${roomId} ${end}${reason === null ? "" : ` (${reason})`}`);
}

import { parseArgs } from "node:util";
import { askModerator, MODERATION_FLAGS, moderationHelp, roomPath } from "../moderation.ts";
import { type Command, printable, UsageError } from "../terminal.ts";

/** What `yamabiko kick --help` says. */
export const kickHelp = `Usage: yamabiko kick ROOM USER [--url URL] [--api-key KEY]

Takes a user out of a room, on all nodes. It may join again; yamabiko ban does not let it.

${moderationHelp}

Example: yamabiko kick chat:lobby eve`;

/** `yamabiko kick`: takes a user out of a room. */
export const kick: Command = async (args, terminal) => {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: MODERATION_FLAGS });
  const [room, user, ...rest] = positionals;
  if (room === undefined || user === undefined || rest.length > 0) {
    throw new UsageError("Name the room and the user.", "yamabiko kick chat:lobby eve");
  }
  await askModerator(roomPath(room, "kick"), { user }, values, terminal);
  terminal.print(printable(`kicked: ${user} from ${room}`));
  return 0;
};

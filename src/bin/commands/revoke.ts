import { parseArgs } from "node:util";
import { askModerator, MODERATION_FLAGS, moderationHelp } from "../moderation.ts";
import { type Command, printable, UsageError } from "../terminal.ts";

/** What `yamabiko revoke --help` says. */
export const revokeHelp = `Usage: yamabiko revoke --user ID | --token TOKEN | --connection ID [--reason TEXT] [--url URL] [--api-key KEY]

Takes back the access of a user, a token or a connection: on all nodes the connections end, and the tokens are not accepted any more.

  --user ID        all tokens of this user that were issued until now
  --token TOKEN    one token: its jti, or the token itself
  --connection ID  the token that this connection came with
  --reason TEXT    why, for operators; no client is told
${moderationHelp}

Examples: yamabiko revoke --user ada --reason 'lost laptop'`;

/** `yamabiko revoke`: takes access back. */
export const revoke: Command = async (args, terminal) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...MODERATION_FLAGS,
      user: { type: "string" },
      token: { type: "string" },
      connection: { type: "string" },
      reason: { type: "string" },
    },
  });
  const { user, token, connection, reason } = values;
  if ([user, token, connection].filter((each) => each !== undefined).length !== 1) {
    throw new UsageError("Name one of --user, --token and --connection.", "yamabiko revoke --user ada");
  }
  const asked = { user, token, connection, reason };
  const { revoked } = await askModerator<{ revoked: boolean }>("/api/revoke", asked, values, terminal);
  // A token is a secret: what it was is not printed.
  const whom = user !== undefined ? `user ${user}` : connection !== undefined ? `connection ${connection}` : "token";
  terminal.print(printable(revoked ? `revoked: ${whom}` : `There is no ${whom}.`));
  return revoked ? 0 : 1;
};

import { parseArgs } from "node:util";
import { askBackEnd, BACK_END_FLAGS, backEndHelp, backEndKeyOf } from "../back-end-request.ts";
import { webAddressOf } from "../connect.ts";
import { type Command, printable, UsageError } from "../terminal.ts";

/** What `yamabiko erase --help` says. */
export const eraseHelp = `Usage: yamabiko erase USER --yes [--url URL] [--api-key KEY]

Erases what a person said, in all rooms, and what is kept for them: messages, reactions, the inbox, push subscriptions, read marks.
It cannot be undone. What stays: documents and their history, what others wrote, the id as the sender of what is empty now.
It reads the whole log; when it was interrupted, run it again.

  USER             the user's id: \`sub\` of their tokens
  --yes            that you mean it
${backEndHelp}`;

/** `yamabiko erase`: erases a person's data through a running server. */
export const erase: Command = async (args, terminal) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { yes: { type: "boolean", default: false }, ...BACK_END_FLAGS },
  });
  const [userId, ...more] = positionals;
  if (userId === undefined || userId === "" || more.length > 0) {
    throw new UsageError("One user must be named, by id.", "yamabiko erase 42 --yes");
  }
  if (!values.yes) {
    throw new UsageError(
      `What ${userId} said would be erased in all rooms, for good.`,
      `If you mean it: yamabiko erase ${userId} --yes`,
    );
  }
  const address = `${webAddressOf(values.url, terminal)}/api/users/${encodeURIComponent(userId)}/erase`;
  const answer = await askBackEnd("POST", address, backEndKeyOf(values, terminal), terminal.stopped);
  const { events, rooms, marks, kept } = answer as { events: number; rooms: number; marks: number; kept: number };
  terminal.print(printable(`Erased ${events} events in ${rooms} rooms, and ${marks} read marks, of ${userId}.`));
  if (kept > 0) terminal.print(`${kept} changes of documents stay: their text depends on them.`);
  return 0;
};

import { parseArgs } from "node:util";
import { type Envelope, parseRoomId, YamabikoError } from "../../protocol/index.ts";
import { CONNECT_FLAGS, connect, connectHelp } from "../connect.ts";
import { type Command, printable, UsageError, untilStopped } from "../terminal.ts";

/** What `yamabiko tail --help` says. */
export const tailHelp = `Usage: yamabiko tail ROOM [--after CURSOR | --limit 10] [--json] [--transport T] [--url URL] [--token TOKEN]

Prints the events of a room, and every new one as it comes, until Ctrl-C. Reconnects by itself and misses nothing.

  --after CURSOR   start after this cursor or seq
  --limit N        start this many events before the newest; default: 10
  --json           one envelope as JSON per line
${connectHelp}`;

/** `yamabiko tail`: follows a room's log. */
export const tail: Command = async (args, terminal) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      after: { type: "string" },
      limit: { type: "string" },
      json: { type: "boolean", default: false },
      ...CONNECT_FLAGS,
    },
  });
  const [roomId, ...more] = positionals;
  if (roomId === undefined || more.length > 0)
    throw new UsageError("One room must be named.", "yamabiko tail chat:lobby");
  if (values.after !== undefined && values.limit !== undefined) {
    throw new UsageError(
      "--after and --limit both say where to start, so they exclude each other.",
      `Keep --after ${values.after} to start there, or --limit ${values.limit} to start that many events before the newest.`,
    );
  }
  const limit = Number(values.limit ?? 10);
  if (!Number.isSafeInteger(limit) || limit < 0 || limit > 1000) {
    throw new UsageError(`--limit ${values.limit} cannot be used.`, "It must be a whole number from 0 to 1000.");
  }
  const { roomId: address } = parseRoomId(roomId);
  const after = values.after === undefined || !/^\d{1,15}$/.test(values.after) ? values.after : Number(values.after);

  const client = connect(values, terminal);
  const failed = new Promise<never>((_resolve, reject) => {
    client.on("error", reject);
    let isTold = false;
    client.on("connected", () => {
      isTold = true;
    });
    client.on("reconnecting", ({ delayMs }) => {
      terminal.note(`Not connected. Trying again in ${(delayMs / 1000).toFixed(1)} s.`);
      // Never connected yet: perhaps it is the wrong address.
      if (!isTold) terminal.note("Check that the server runs, and --url or YAMABIKO_URL.");
      isTold = true;
    });
    client.on("disconnected", ({ code, reason, willReconnect }) => {
      if (!willReconnect) reject(closed(code, reason));
    });
  });
  // Raced below; this one is only so that a failure after the end is no unhandled rejection.
  failed.catch(() => {});
  try {
    const room = client.join(address, after === undefined ? { limit } : { after });
    room.on("*", (_payload, envelope) => {
      if (envelope.seq !== undefined) terminal.print(values.json ? jsonLine(envelope) : eventLine(envelope));
    });
    room.on("history_lost", ({ reason, from, to }) =>
      terminal.note(
        reason === "retention"
          ? `Events ${from} to ${to} are no longer kept.`
          : "The log was made anew; starting at its beginning.",
      ),
    );
    const stopped = untilStopped(terminal);
    await Promise.race([room.joined, failed, stopped]);
    await Promise.race([failed, stopped]);
    return 0;
  } finally {
    client.close();
  }
};

/** An event for people: seq, time, type, and the payload. */
export function eventLine(envelope: Envelope): string {
  const time = envelope.timestamp?.slice(0, 19).replace("T", " ") ?? "";
  return printable(
    `${String(envelope.seq).padStart(6)}  ${time}  ${envelope.type}  ${JSON.stringify(envelope.payload)}`,
  );
}

function jsonLine(envelope: Envelope): string {
  return printable(JSON.stringify(envelope));
}

/** A connection that was closed for good, as an error. */
export function closed(code: number, reason: string): YamabikoError {
  if (code === 4401) {
    return new YamabikoError(
      "unauthenticated",
      `The server did not accept the token.${reason ? ` It said: ${reason}` : ""}`,
      {
        remedy: "Give a good one with --token or YAMABIKO_TOKEN.",
      },
    );
  }
  if (code === 4403) return new YamabikoError("access_denied", reason || "The server ended the connection.");
  return new YamabikoError("unavailable", `The connection could not be made or kept (${code}).`, {
    remedy: "Check that the server runs, and --url or YAMABIKO_URL.",
  });
}

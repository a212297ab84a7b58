import { parseArgs } from "node:util";
import { formatCursor, parseRoomId } from "../../protocol/index.ts";
import { openLogToRead } from "../../server/stores.ts";
import { askBackEnd, BACK_END_FLAGS, backEndHelp, backEndKeyOf } from "../back-end-request.ts";
import { webAddressOf } from "../connect.ts";
import { type Command, printable, type Terminal, UsageError } from "../terminal.ts";

/** What `yamabiko export --help` says. */
export const exportHelp = `Usage: yamabiko export ROOM [--from WHEN] [--to WHEN] [--format jsonl|csv] [--url URL] [--api-key KEY | --log ADDRESS]

Prints the record of a room, oldest first: who sent what when. Through a running server, or from the log itself.

  --from, --to     a seq, or a time such as 2026-03-01 or 2026-03-01T12:00:00Z; both included
  --format         jsonl (default): one event as JSON per line; csv: with a heading, the payload as JSON
  --log ADDRESS    read the log itself, as for serve: redis://…, postgres://…; sqlite:PATH when no server has it open
${backEndHelp}`;

/** Events asked for at once. */
const PAGE_EVENTS = 500;

/** An event as it is exported. */
interface Exported {
  readonly seq: number;
  readonly timestamp: string;
  readonly type: string;
  readonly sender: string | null;
  readonly messageId: string | null;
  readonly payload: unknown;
}

/** Some of the events after a seq, and where the log stands. */
interface Page {
  readonly epoch: string;
  readonly first: number;
  readonly events: readonly Exported[];
}

/** `yamabiko export`: prints a room's record. */
export const exportRoom: Command = async (args, terminal) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      from: { type: "string" },
      to: { type: "string" },
      format: { type: "string", default: "jsonl" },
      log: { type: "string" },
      ...BACK_END_FLAGS,
    },
  });
  const [named, ...more] = positionals;
  if (named === undefined || more.length > 0) {
    throw new UsageError("One room must be named.", "yamabiko export chat:lobby");
  }
  const { roomId } = parseRoomId(named);
  const lineOf = FORMATS[values.format];
  if (lineOf === undefined) throw new UsageError(`There is no format ${values.format}.`, "Use --format jsonl or csv.");
  const [from, to] = [readBound("--from", values.from), readBound("--to", values.to)];
  if (values.log !== undefined && values.url !== undefined) {
    throw new UsageError("--log and --url both say where to read.", "Keep one of them.");
  }
  const reader =
    values.log === undefined ? readerOfServer(roomId, values, terminal) : await readerOfLog(roomId, values.log);
  try {
    if (values.format === "csv") terminal.print("roomId,seq,savedId,timestamp,type,sender,messageId,payload");
    let after = from.seq === null ? 0 : from.seq - 1;
    while (!terminal.stopped.aborted) {
      const page = await reader.read(after);
      if (after + 1 < page.first && page.events.length > 0 && after >= (from.seq ?? 1) - 1) {
        terminal.note(`Events ${after + 1} to ${page.first - 1} are no longer kept.`);
      }
      for (const event of page.events) {
        if (isAfter(event, to)) return 0;
        if (!isBefore(event, from)) terminal.print(lineOf(roomId, page.epoch, event));
      }
      const last = page.events.at(-1);
      if (last === undefined) return 0;
      after = last.seq;
      // No faster than it is taken: a log may be larger than the memory.
      await terminal.flushed?.();
    }
    return 1;
  } finally {
    await reader.close();
  }
};

interface Reader {
  read(after: number): Promise<Page>;
  close(): Promise<void>;
}

function readerOfServer(
  roomId: string,
  values: { readonly url?: string | undefined; readonly "api-key"?: string | undefined },
  terminal: Terminal,
): Reader {
  const address = `${webAddressOf(values.url, terminal)}/api/rooms/${encodeURIComponent(roomId)}/log`;
  const key = backEndKeyOf(values, terminal);
  return {
    read: async (after) =>
      (await askBackEnd("GET", `${address}?after=${after}&limit=${PAGE_EVENTS}`, key, terminal.stopped)) as Page,
    close: async () => {},
  };
}

async function readerOfLog(roomId: string, address: string): Promise<Reader> {
  const log = await openLogToRead(address);
  return {
    async read(after) {
      const page = await log.read(roomId, after, PAGE_EVENTS);
      const events = page.events.map(({ data, timestamp, ...event }) => ({
        ...event,
        timestamp: new Date(timestamp).toISOString(),
        payload: JSON.parse(data) as unknown,
      }));
      return { ...page, events };
    },
    close: () => log.close(),
  };
}

/** From where, or to where: a seq, a time, or neither. */
interface Bound {
  readonly seq: number | null;
  /** ms since 1970. */
  readonly at: number | null;
}

function readBound(flag: string, text: string | undefined): Bound {
  if (text === undefined) return { seq: null, at: null };
  if (/^\d{1,15}$/.test(text)) return { seq: Number(text), at: null };
  const at = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new UsageError(
      `${flag} ${text} cannot be used.`,
      "It must be a seq, or a time such as 2026-03-01T12:00:00Z.",
    );
  }
  return { seq: null, at };
}

function isBefore({ seq, timestamp }: Exported, from: Bound): boolean {
  return (from.seq !== null && seq < from.seq) || (from.at !== null && Date.parse(timestamp) < from.at);
}

function isAfter({ seq, timestamp }: Exported, to: Bound): boolean {
  return (to.seq !== null && seq > to.seq) || (to.at !== null && Date.parse(timestamp) > to.at);
}

const FORMATS: Readonly<Record<string, (roomId: string, epoch: string, event: Exported) => string>> = {
  jsonl: (roomId, epoch, { seq, timestamp, type, sender, messageId, payload }) =>
    printable(
      JSON.stringify({ roomId, seq, savedId: formatCursor(epoch, seq), timestamp, type, sender, messageId, payload }),
    ),
  csv: (roomId, epoch, { seq, timestamp, type, sender, messageId, payload }) =>
    [roomId, seq, formatCursor(epoch, seq), timestamp, type, sender ?? "", messageId ?? "", JSON.stringify(payload)]
      .map((cell) => csvCell(String(cell)))
      .join(","),
};

/** A cell of RFC 4180. One that a spreadsheet would take for a formula is made a text. */
function csvCell(text: string): string {
  const shown = printable(text);
  const safe = /^[=+\-@\t]/.test(shown) ? `'${shown}` : shown;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

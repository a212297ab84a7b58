import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { type JsonObject, parseRoomId, YamabikoError } from "../../protocol/index.ts";
import { type BackEndOptions, type NewEvent, noAnswer, publishEvents } from "../back-end.ts";
import { inBatches } from "../batches.ts";
import { CONNECT_FLAGS, type ConnectFlags, connect, connectHelp, webAddressOf } from "../connect.ts";
import { type Command, printable, type Terminal, UsageError, untilStopped } from "../terminal.ts";
import { closed } from "./tail.ts";

/** What `yamabiko publish --help` says. */
export const publishHelp = `Usage: yamabiko publish ROOM TYPE JSON [--message-id ID] [--timeout 10] [--url URL] [--token TOKEN | --api-key KEY] [--transport T]
       yamabiko publish ROOM TYPE -      one payload as JSON per line of standard input

Sends messages and prints the ack of each. Exit code 0 only when everything was accepted.

With a token (or as a guest) it sends what a client may: send_message to a chat. With an API key it publishes as a back end does:
TYPE is the type of the event itself, in any room, e.g. a feed.

  --message-id ID  repeating it with the same id is safe; default: a new one each time.
                   For lines it is ID-1, ID-2, …, so that the same input again adds nothing
  --timeout S      give up after this many seconds without an answer; default: 10
${connectHelp}
  --api-key KEY    a key of the server; default: YAMABIKO_API_KEY, unless there is a token

Examples: yamabiko publish chat:lobby send_message '{"content":"Hello!"}'
          yamabiko publish feed:prices price '{"symbol":"ECHO","price":120}' --api-key "$KEY"`;

/** Sends of standard input on their way at the same time. */
const IN_FLIGHT = 100;
/** Lines in one request of a back end, and what they may take in it, bytes: half of what a server takes by default. */
const BATCH = { items: 500, size: 512 * 1024 };

/** `yamabiko publish`: sends messages and waits until each is acknowledged. */
export const publish: Command = async (args, terminal) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      "message-id": { type: "string" },
      timeout: { type: "string", default: "10" },
      ...CONNECT_FLAGS,
      "api-key": { type: "string" },
    },
  });
  const [roomId, type, json, ...more] = positionals;
  if (roomId === undefined || type === undefined || json === undefined || more.length > 0) {
    throw new UsageError("A room, a type and a payload are needed.", "yamabiko publish --help");
  }
  const seconds = Number(values.timeout);
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw new UsageError(`--timeout ${values.timeout} cannot be used.`, "It must be a number of seconds, e.g. 10.");
  }
  const work: Work = {
    roomId: parseRoomId(roomId).roomId,
    type,
    single: json === "-" ? null : parsePayload(json, "The payload"),
    messageId: values["message-id"],
    timeoutMs: seconds * 1000,
  };
  const apiKey = apiKeyOf(values, terminal);
  if (apiKey !== null && values.transport !== undefined) {
    throw new UsageError("A back end publishes over HTTP, whatever --transport says.", "Leave --transport out.");
  }
  const accepted = await (apiKey === null
    ? sendAsUser(work, values, terminal)
    : publishAsBackEnd(
        work,
        { ...work, url: webAddressOf(values.url, terminal), apiKey, stopped: terminal.stopped },
        terminal,
      ));
  return accepted ? 0 : 1;
};

/** What is to be sent. */
interface Work {
  readonly roomId: string;
  readonly type: string;
  /** Null for the lines of standard input. */
  readonly single: JsonObject | null;
  readonly messageId: string | undefined;
  readonly timeoutMs: number;
}

/**
 * The key to publish with, or null to send as a user. What is said in the command wins over the variables, and a token over a
 * key: whoever has set up both for a server means the same message as without the key.
 */
function apiKeyOf(
  { token, "api-key": named }: { token?: string | undefined; "api-key"?: string | undefined },
  terminal: Terminal,
): string | null {
  if (named !== undefined && token !== undefined) {
    throw new UsageError("--token and --api-key exclude each other.", "Send as a user, or publish as a back end.");
  }
  const { env } = terminal;
  const variable = token === undefined && !env.YAMABIKO_TOKEN ? env.YAMABIKO_API_KEY : undefined;
  // A server may have several; each is as good.
  const [key = ""] = (named ?? variable ?? "").split(",").map((each) => each.trim());
  if (named === undefined && key === "") return null;
  if (!/^[\x21-\x7e]+$/.test(key)) {
    const where = named === undefined ? "YAMABIKO_API_KEY" : "--api-key";
    throw new UsageError(
      `${where} cannot be used.`,
      "It must be a key of the server: ASCII characters without spaces.",
    );
  }
  if (named === undefined) terminal.note("Publishing as a back end, with YAMABIKO_API_KEY.");
  return key;
}

async function publishAsBackEnd(work: Work, options: BackEndOptions, terminal: Terminal): Promise<boolean> {
  let accepted = true;
  const send = (events: readonly NewEvent[]): Promise<void> =>
    publishEvents(
      work.roomId,
      events,
      (verdict) => {
        terminal.print(printable(JSON.stringify(verdict)));
        accepted &&= verdict.success;
      },
      options,
    );
  if (work.single !== null) {
    await send([{ type: work.type, payload: work.single, messageId: work.messageId ?? randomUUID() }]);
  } else {
    const limits = { ...BATCH, measure: (event: NewEvent) => Buffer.byteLength(JSON.stringify(event)) };
    for await (const events of inBatches(readEvents(work, terminal), limits, terminal.stopped)) await send(events);
  }
  return accepted;
}

async function* readEvents({ type, messageId }: Work, terminal: Terminal): AsyncGenerator<NewEvent> {
  for await (const { payload, number } of readPayloads(terminal)) {
    yield { type, payload, messageId: messageId === undefined ? randomUUID() : `${messageId}-${number}` };
  }
}

/** The payloads of standard input, by the number of their line. */
async function* readPayloads(terminal: Terminal): AsyncGenerator<{ payload: JsonObject; number: number }> {
  let number = 0;
  for await (const line of terminal.lines()) {
    number++;
    if (line.trim() !== "") yield { payload: parsePayload(line, `Line ${number}`), number };
  }
}

async function sendAsUser(
  { roomId, type, single, messageId, timeoutMs }: Work,
  values: ConnectFlags,
  terminal: Terminal,
): Promise<boolean> {
  const client = connect(values, terminal, { reconnectInterval: 250, maxReconnectInterval: 1_000 });
  const failed = new Promise<never>((_resolve, reject) => {
    client.on("error", reject);
    client.on("disconnected", ({ code, reason, willReconnect }) => {
      if (!willReconnect) reject(closed(code, reason));
    });
    void untilStopped(terminal).then(() => reject(new YamabikoError("unavailable", "Stopped before the answer came.")));
  });
  failed.catch(() => {});
  try {
    const room = client.join(roomId);
    await Promise.race([room.joined, failed, rejectAfter(timeoutMs)]);
    const send = async (payload: JsonObject, id: string): Promise<boolean> => {
      const message = room.send(type, payload, { messageId: id });
      try {
        terminal.print(printable(JSON.stringify(await Promise.race([message.ack, failed, rejectAfter(timeoutMs)]))));
        return true;
      } catch (error) {
        message.discard();
        if (!(error instanceof YamabikoError)) throw error;
        terminal.print(printable(JSON.stringify({ success: false, error: error.toWire() })));
        return false;
      }
    };
    if (single !== null) return await send(single, messageId ?? randomUUID());
    const idOf = (number: number): string => (messageId === undefined ? randomUUID() : `${messageId}-${number}`);
    return await sendLines((payload, number) => send(payload, idOf(number)), terminal);
  } finally {
    client.close();
  }
}

async function sendLines(
  send: (payload: JsonObject, number: number) => Promise<boolean>,
  terminal: Terminal,
): Promise<boolean> {
  let accepted = true;
  const underWay = new Set<Promise<void>>();
  try {
    for await (const { payload, number } of readPayloads(terminal)) {
      const sent: Promise<void> = send(payload, number).then((good) => {
        accepted &&= good;
        underWay.delete(sent);
      });
      underWay.add(sent);
      if (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
      if (terminal.stopped.aborted) break;
    }
  } finally {
    // Also those before a line that cannot be read are told of.
    await Promise.all(underWay);
  }
  return accepted;
}

function parsePayload(text: string, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError(`${what} is not JSON.`, `Quote it for the shell: '{"content":"Hello!"}'`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError(`${what} is not a JSON object.`, `Use e.g. '{"content":"Hello!"}'`);
  }
  return value as JsonObject;
}

function rejectAfter(timeoutMs: number): Promise<never> {
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(() => reject(noAnswer(timeoutMs)), timeoutMs);
    timer.unref();
  });
}

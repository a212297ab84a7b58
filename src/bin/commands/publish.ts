import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { parseRoomId, YamabikoError } from "../../protocol/index.ts";
import { connect, DEFAULT_URL } from "../connect.ts";
import { type Command, printable, type Terminal, UsageError, untilStopped } from "../terminal.ts";
import { closed } from "./tail.ts";

/** What `yamabiko publish --help` says. */
export const publishHelp = `Usage: yamabiko publish ROOM TYPE JSON [--message-id ID] [--timeout 10] [--url ${DEFAULT_URL}] [--token TOKEN]
       yamabiko publish ROOM TYPE -      one payload as JSON per line of standard input

Sends a message and prints the ack. Exit code 0 only when everything was accepted.

  --message-id ID  repeating it with the same id is safe; default: a new one each time
  --timeout S      give up after this many seconds without an answer; default: 10
  --url URL        the server; default: YAMABIKO_URL, then ${DEFAULT_URL}
  --token TOKEN    who you are; default: YAMABIKO_TOKEN, then a guest

Example: yamabiko publish chat:lobby send_message '{"content":"Hello!"}'`;

/** Sends of standard input on their way at the same time. */
const IN_FLIGHT = 100;

/** `yamabiko publish`: sends messages and waits until each is acknowledged. */
export const publish: Command = async (args, terminal) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      "message-id": { type: "string" },
      timeout: { type: "string", default: "10" },
      url: { type: "string" },
      token: { type: "string" },
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
  if (json === "-" && values["message-id"] !== undefined) {
    throw new UsageError("--message-id is for one message, not for many.", "Leave it out.");
  }
  const { roomId: address } = parseRoomId(roomId);
  const single = json === "-" ? null : parsePayload(json, "The payload");
  const client = connect(values, terminal, { reconnectInterval: 250, maxReconnectInterval: 1_000 });
  const failed = new Promise<never>((_resolve, reject) => {
    client.on("error", reject);
    client.on("disconnected", ({ code, reason, willReconnect }) => {
      if (!willReconnect) reject(closed(code, reason));
    });
    void untilStopped(terminal).then(() => reject(new YamabikoError("unavailable", "Stopped before the answer came.")));
  });
  failed.catch(() => {});
  const timeoutMs = seconds * 1000;
  try {
    const room = client.join(address);
    await Promise.race([room.joined, failed, rejectAfter(timeoutMs)]);
    const send = async (payload: Record<string, unknown>): Promise<boolean> => {
      const message = room.send(type, payload, { messageId: values["message-id"] ?? randomUUID() });
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
    const accepted = single === null ? await sendLines(send, terminal) : await send(single);
    return accepted ? 0 : 1;
  } finally {
    client.close();
  }
};

async function sendLines(
  send: (payload: Record<string, unknown>) => Promise<boolean>,
  terminal: Terminal,
): Promise<boolean> {
  let accepted = true;
  let number = 0;
  const underWay = new Set<Promise<void>>();
  for await (const line of terminal.lines()) {
    number++;
    if (line.trim() === "") continue;
    const sent: Promise<void> = send(parsePayload(line, `Line ${number}`)).then((good) => {
      accepted &&= good;
      underWay.delete(sent);
    });
    underWay.add(sent);
    if (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
    if (terminal.stopped.aborted) break;
  }
  await Promise.all(underWay);
  return accepted;
}

function parsePayload(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError(`${what} is not JSON.`, `Quote it for the shell: '{"content":"Hello!"}'`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError(`${what} is not a JSON object.`, `Use e.g. '{"content":"Hello!"}'`);
  }
  return value as Record<string, unknown>;
}

function rejectAfter(timeoutMs: number): Promise<never> {
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new YamabikoError("unavailable", `No answer in ${timeoutMs / 1000} s.`, {
          remedy: "Check that the server runs, and --url or YAMABIKO_URL.",
        }),
      );
    }, timeoutMs);
    timer.unref();
  });
}

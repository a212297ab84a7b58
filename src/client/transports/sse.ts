import type { Envelope } from "../../protocol/envelope.ts";
import { ABNORMAL, PROTOCOL_ERROR } from "../close-code.ts";
import { type HttpLink, type HttpOptions, httpTransport, type Reader, SILENT } from "./http.ts";
import type { ClientTransport } from "./transport.ts";

/** After a silence of `heartbeatMs` and this time more the stream is dead, ms. */
const GRACE_MS = 10_000;
/** When a stream ends without a word, the next is asked for after this time, ms: some proxies let none live for long. */
const AGAIN_MS = 500;

/** Server-Sent Events for reading: a stream for all rooms, and another when the rooms or the token change. */
export function sseTransport(options: HttpOptions): ClientTransport {
  return httpTransport("sse", options, streamReader);
}

/**
 * Takes the text of an event stream in pieces cut anywhere, and gives the `data` of each event whole. Nothing else of an
 * event matters here: it is all in the envelope.
 */
export function eventParser(take: (data: string) => void): (text: string) => void {
  let rest = "";
  let data = "";
  return (text) => {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line.startsWith("data:")) data += line.slice(5);
      else if (line === "" && data !== "") {
        take(data);
        data = "";
      }
    }
  };
}

/** The old stream stays until the new one said `welcome`: no moment without, and a refused token changes nothing. */
function streamReader(link: HttpLink): Reader {
  let current: AbortController | null = null;
  let next: AbortController | null = null;
  /** What is asked for changed again while `next` was on its way. */
  let isStale = false;

  const restart = (): void => {
    isStale = next !== null;
    if (isStale || link.ended) return;
    next = new AbortController();
    void read(next);
  };

  const read = async (stop: AbortController): Promise<void> => {
    const question = link.question();
    const isMine = (): boolean => !link.ended && (stop === current || stop === next);
    let silenceMs = GRACE_MS;
    const parse = eventParser((data) => {
      if (!isMine()) return;
      const envelope = JSON.parse(data) as Envelope;
      const isFirst = stop === next && envelope.type === "welcome";
      if (isFirst) {
        current?.abort();
        current = stop;
        next = null;
        silenceMs += (envelope.payload as { heartbeatMs: number }).heartbeatMs;
      }
      // The next stream was asked for these too, and will answer.
      const isElsewhere = next !== null && (envelope.type === "joined_room" || envelope.type === "ack");
      if (!isElsewhere) link.hear(envelope, question);
      if (isFirst && isStale) restart();
    });
    const [status, answer] = await link.call("events", question, silenceMs, stop, (piece) => {
      link.alive();
      parse(piece);
      return silenceMs;
    });
    if (!isMine()) return;
    if (status > 200) {
      if (!link.refused(status, answer, question)) return;
      next = null;
      if (isStale) restart();
    } else if (stop === current) {
      current = null;
      if (next === null) link.after(AGAIN_MS, restart);
    } else link.end(status > 0 ? PROTOCOL_ERROR : ABNORMAL, SILENT);
  };

  return { restart };
}

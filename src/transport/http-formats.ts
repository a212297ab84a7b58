import { jsonEventText, jsonText } from "../codec/json.ts";
import { type Envelope, formatCursor } from "../protocol/index.ts";
import type { Format } from "../room/sink.ts";
import { gzipBlock } from "./deflate.ts";

/** JSON lines: the body of a poll's answer is made of them. A line holds no line break of its own. */
export const pollJson: Format = {
  id: "poll-json",
  event: (event) => Buffer.from(`${jsonEventText(event)}\n`),
  envelope: (envelope) => Buffer.from(`${jsonText(envelope)}\n`),
};

/** JSON lines of the log alone, for those who only read messages: events, and what is lost of them. */
export const pollEvents: Format = {
  id: pollJson.id,
  event: pollJson.event,
  envelope: (envelope) => (envelope.type === "history_lost" ? pollJson.envelope(envelope) : NOTHING),
};

const NOTHING = Buffer.alloc(0);

/**
 * Server-sent events (WHATWG HTML section 9.2): an event of the log has an `id`, its cursor, and no name, so that `onmessage` gets
 * it; everything else goes by its type.
 */
export const sseJson: Format = {
  id: "sse-json",
  event: (event, epoch) => Buffer.from(`id: ${formatCursor(epoch, event.seq)}\ndata: ${jsonEventText(event)}\n\n`),
  envelope: sseEnvelope,
};

/** As `sseJson`, but of the log only one type of event goes to `onmessage`; the others go by their type too. */
export function sseOnly(type: string): Format {
  return {
    id: `sse-only-${type}`,
    event(event, epoch) {
      const name = event.type === type ? "" : `event: ${event.type}\n`;
      return Buffer.from(`id: ${formatCursor(epoch, event.seq)}\n${name}data: ${jsonEventText(event)}\n\n`);
    },
    envelope: sseEnvelope,
  };
}

function sseEnvelope(envelope: Envelope): Buffer {
  // An event named `error` is what an EventSource tells of its own troubles.
  const name = envelope.type === "error" ? "refusal" : envelope.type;
  return Buffer.from(`event: ${name}\ndata: ${jsonText(envelope)}\n\n`);
}

const gzippedFormats = new Map<string, Format>();

/** A stream's format as pieces of a gzip stream: what is delivered together is compressed together. */
export function gzippedFormat(format: Format): Format {
  let gzipped = gzippedFormats.get(format.id);
  if (gzipped === undefined) {
    gzipped = {
      id: `${format.id}-gzip`,
      event: format.event,
      envelope: format.envelope,
      join: (messages) => gzipBlock(messages.length === 1 ? messages[0]! : Buffer.concat(messages)),
    };
    gzippedFormats.set(format.id, gzipped);
  }
  return gzipped;
}

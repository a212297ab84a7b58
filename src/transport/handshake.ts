import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import * as ws from "ws";
import { SUBPROTOCOLS, YamabikoError } from "../protocol/index.ts";

/** What a handshake came to. */
export interface Handshake {
  /** The subprotocol chosen, or null for none. */
  readonly subprotocol: string | null;
  /** Whether both sides may compress messages (RFC 7692). */
  readonly deflated: boolean;
  /** The answer, to the end of its head. */
  readonly answer: string;
}

/** What `ws` has for the headers of a handshake; its published types leave it out. */
interface HeaderParts {
  readonly subprotocol: { parse(header: string): Set<string> };
  readonly extension: {
    parse(header: string): Record<string, object[] | undefined>;
    format(extensions: Record<string, object[]>): string;
  };
  readonly PerMessageDeflate: new (options: object) => { accept(offers: object[]): object };
}
const { subprotocol, extension, PerMessageDeflate } = ws as unknown as HeaderParts;

const DEFLATE = "permessage-deflate";
/** RFC 6455 section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/**
 * Answers a WebSocket handshake (RFC 6455 section 4.2).
 * @param compression whether messages may be compressed.
 * @throws {YamabikoError} `invalid_message` for one that is none.
 */
export function answerHandshake(request: IncomingMessage, compression: boolean): Handshake {
  const { headers, method } = request;
  const key = headers["sec-websocket-key"];
  const version = headers["sec-websocket-version"];
  if (method !== "GET") throw refusal("Invalid HTTP method.");
  if (headers.upgrade?.toLowerCase() !== "websocket") throw refusal("Invalid Upgrade header.");
  if (key === undefined || !KEY.test(key)) throw refusal("Missing or invalid Sec-WebSocket-Key header.");
  if (version !== "13" && version !== "8") throw refusal("Missing or invalid Sec-WebSocket-Version header.");
  const chosen = chooseSubprotocol(headers["sec-websocket-protocol"]);
  const agreed = compression ? agreeOnDeflate(headers["sec-websocket-extensions"]) : null;
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${createHash("sha1").update(`${key}${GUID}`).digest("base64")}`,
  ];
  if (chosen !== null) lines.push(`Sec-WebSocket-Protocol: ${chosen}`);
  if (agreed !== null) lines.push(`Sec-WebSocket-Extensions: ${agreed}`);
  return { subprotocol: chosen, deflated: agreed !== null, answer: `${lines.join("\r\n")}\r\n\r\n` };
}

function chooseSubprotocol(header: string | undefined): string | null {
  if (header === undefined) return null;
  let offered: Set<string>;
  try {
    offered = subprotocol.parse(header);
  } catch {
    throw refusal("Invalid Sec-WebSocket-Protocol header.");
  }
  for (const name of offered) if (name === SUBPROTOCOLS.json || name === SUBPROTOCOLS.msgpack) return name;
  return null;
}

/** Nothing is taken over from one message to the next, in either direction: no connection keeps a window, and one compressed message serves everybody. */
function agreeOnDeflate(header: string | undefined): string | null {
  if (header === undefined) return null;
  try {
    const offers = extension.parse(header)[DEFLATE];
    if (offers === undefined) return null;
    const rules = { isServer: true, serverNoContextTakeover: true, clientNoContextTakeover: true };
    return extension.format({ [DEFLATE]: [new PerMessageDeflate(rules).accept(offers)] });
  } catch {
    throw refusal("Invalid or unacceptable Sec-WebSocket-Extensions header.");
  }
}

function refusal(message: string): YamabikoError {
  return new YamabikoError("invalid_message", message);
}

const NUMBER = "##########";
const BODY_HEAD = '{"n":"';
const TEXT_HEAD = '","text":"';
const BODY_END = '"}';
/** In a published message: where its tail goes. */
const TAIL_PLACE = "\u0001";
/** Texts that are to be compressed differ more often than a window of deflate can see: 32 KiB. */
const TEXTS_KB = 64;

/**
 * Who is there and what they say.
 *
 * @typedef {object} Shape
 * @property {number} rooms
 * @property {number} members of each room; all of them read
 * @property {number} senders how many members of each room publish
 * @property {number} bodyBytes what every peer carries to every reader, as JSON
 * @property {boolean} [deflate] whether permessage-deflate is offered, and must be used
 * @property {boolean} [lastTiny] whether the last reader has small buffers, so that it can stall
 * @property {boolean} [endsWithAck] whether a message has arrived when it is acknowledged
 * @property {boolean} [resumes] whether readers say what they have when they join
 * @property {number} [connecting] how many connect at once (32)
 * @property {number} [sources] from how many addresses (1)
 */

/**
 * The plan for the load generator: a line for each thing it needs to know, texts in hexadecimal.
 *
 * @param {{ dialect: import("../peers/peers.mjs").Dialect, ports: readonly number[], pids: readonly number[], shape: Shape,
 *   drainMs: number, tokens: readonly string[] }} of several ports: member m of room r is at the (r + m)-th, counted around
 * @returns {string}
 */
export function makePlan({ dialect, ports, pids, shape, drainMs, tokens }) {
  const handshake = [
    `GET ${dialect.path} HTTP/1.1`,
    `Host: 127.0.0.1:${ports[0]}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    ...(shape.deflate ? ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"] : []),
    ...(tokens.length > 0 ? ["Authorization: Bearer %TOKEN%"] : []),
    "",
    "",
  ].join("\r\n");
  const numbers = {
    rooms: shape.rooms,
    members: shape.members,
    senders: shape.senders,
    drainMs,
    connecting: shape.connecting ?? 32,
    sources: shape.sources ?? 1,
    lastTiny: Number(shape.lastTiny ?? false),
    deflated: Number(shape.deflate ?? false),
    endsWithAck: Number(shape.endsWithAck ?? false),
  };
  const texts = [
    ["handshake", handshake],
    ["hello", shape.resumes ? (dialect.resume ?? dialect.hello) : dialect.hello],
    ["ready", dialect.ready],
    ["delivery", dialect.delivery + BODY_HEAD],
    ["publish", dialect.publish(BODY_HEAD + NUMBER + TAIL_PLACE)],
    ["ack", dialect.ack],
    ...tails(shape).map((tail) => ["tail", tail]),
    ...tokens.map((token) => ["token", token]),
  ];
  const lines = Object.entries(numbers).map(([name, value]) => `${name} ${value}`);
  for (const port of ports) lines.push(`port ${port}`);
  for (const pid of pids) lines.push(`pid ${pid}`);
  for (const [name, text] of texts) lines.push(`${name} ${Buffer.from(text).toString("hex")}`);
  return `${lines.join("\n")}\n`;
}

/** What follows the number in the bodies. */
function tails({ bodyBytes, deflate = false }) {
  const length = bodyBytes - (BODY_HEAD + NUMBER + TEXT_HEAD + BODY_END).length;
  if (!deflate) return [TEXT_HEAD + "x".repeat(length) + BODY_END];
  const random = seeded(1);
  const count = Math.ceil((TEXTS_KB * 1024) / bodyBytes);
  return Array.from({ length: count }, () => TEXT_HEAD + prose(random, length) + BODY_END);
}

/** Words of a made-up language: deflates to about two fifths. */
function prose(random, length) {
  const letters = "eeeeetttaaaooiinnsshhrrddlucmfwygpbvk";
  let text = "";
  while (text.length < length) {
    for (let left = 2 + Math.floor(random() * 6); left > 0; left--)
      text += letters[Math.floor(random() * letters.length)];
    text += " ";
    if (random() < 0.6)
      text += text
        .slice(0, 400)
        .slice(Math.floor(random() * 380))
        .slice(0, 14);
  }
  return `${text.slice(0, length - 1)}.`;
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

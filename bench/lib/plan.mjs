/** The bytes of a body, as JSON: what every peer carries to every reader. */
const BODY_BYTES = 128;
const NUMBER = "##########";
const BODY_HEAD = '{"n":"';
const TEXT_HEAD = '","text":"';
const BODY_END = '"}';
const TAIL = TEXT_HEAD + "x".repeat(BODY_BYTES - (BODY_HEAD + NUMBER + TEXT_HEAD + BODY_END).length) + BODY_END;

/**
 * The plan for the load generator: a line for each thing it needs to know, texts in hexadecimal.
 *
 * @param {{ dialect: import("../peers/peers.mjs").Dialect, port: number, pid: number, readers: number, drainMs: number }} of
 * @returns {string}
 */
export function makePlan({ dialect, port, pid, readers, drainMs }) {
  const handshake = [
    `GET ${dialect.path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "",
    "",
  ].join("\r\n");
  const texts = {
    handshake,
    hello: dialect.hello,
    ready: dialect.ready,
    delivery: dialect.delivery + BODY_HEAD,
    tail: TAIL,
    publish: dialect.publish(BODY_HEAD + NUMBER + TAIL),
    ack: dialect.ack,
  };
  const lines = [`port ${port}`, `pid ${pid}`, `readers ${readers}`, `drainMs ${drainMs}`];
  for (const [name, text] of Object.entries(texts)) lines.push(`${name} ${Buffer.from(text).toString("hex")}`);
  return `${lines.join("\n")}\n`;
}

import { fileURLToPath } from "node:url";

/**
 * A server to measure.
 *
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} title what it is, for the report
 * @property {"node" | "bun" | "native"} runtime
 * @property {string} script the program of the server; it prints `{"port": N}` when it listens
 * @property {readonly string[]} args
 * @property {readonly string[]} nodeFlags
 * @property {Dialect} dialect
 */

/**
 * What the load generator says to a server and hears from it. Placeholders: `##########` is the number of a message, `@@@@@`
 * that of the room, `^^^^^^^^^^` how many messages of the room the reader has.
 *
 * @typedef {object} Dialect
 * @property {string} path where the WebSocket endpoint is
 * @property {string} hello what a reader says first; empty: nothing
 * @property {string} [resume] what it says instead where it may have missed something
 * @property {string} ready how the message begins that lets a reader in; empty: the handshake does
 * @property {(body: string) => string} publish the message that publishes `body`
 * @property {string} delivery how a delivered message begins, up to the body
 * @property {string} ack how a successful answer to a published message begins; empty: there is none. It has `bench-` and the number
 */

/** @type {Dialect} */
const plain = { path: "/r@@@@@", hello: "", ready: "", publish: (body) => body, delivery: "", ack: "" };

/** @type {Dialect} */
const yamabiko = {
  path: "/ws",
  hello: '{"type":"join_room","payload":{"roomId":"bench:r@@@@@"}}',
  resume: '{"type":"join_room","payload":{"roomId":"bench:r@@@@@","after":^^^^^^^^^^}}',
  ready: '{"type":"joined_room"',
  publish: (body) =>
    `{"type":"tick","messageId":"bench-##########","payload":{"roomId":"bench:r@@@@@",${body.slice(1)}}`,
  delivery: '{"type":"tick","payload":',
  ack: '{"type":"ack","payload":{"success":true',
};

/** @type {Dialect} */
const socketIo = {
  path: "/socket.io/?EIO=4&transport=websocket&room=r@@@@@",
  hello: "40",
  ready: "40{",
  publish: (body) => `42["tick",${body}]`,
  delivery: '42["tick",',
  ack: "",
};

/** @type {Dialect} */
const broken = {
  ...plain,
  hello: '{"join":true,"after":^^^^^^^^^^}',
  resume: '{"join":true,"after":^^^^^^^^^^}',
  ready: '{"joined"',
  ack: '{"ack":"',
};

/** @type {readonly Peer[]} */
export const PEERS = [
  peer("limit", "limit (C, one write per recipient)", "native", "limit.c", [], plain),
  peer("yamabiko", "Yamabiko, log in memory", "node", "yamabiko.mjs", ["memory:"], yamabiko),
  peer("yamabiko-sqlite", "Yamabiko, log in SQLite (`full`)", "node", "yamabiko.mjs", ["sqlite"], yamabiko),
  peer("yamabiko-normal", "Yamabiko, log in SQLite (`normal`)", "node", "yamabiko.mjs", ["sqlite-normal"], yamabiko),
  peer("yamabiko-redis", "Yamabiko, log in Redis (`everysec`)", "node", "yamabiko.mjs", ["redis"], yamabiko),
  peer(
    "yamabiko-redis-always",
    "Yamabiko, log in Redis (`always`)",
    "node",
    "yamabiko.mjs",
    ["redis-always"],
    yamabiko,
  ),
  peer("yamabiko-postgres", "Yamabiko, log in PostgreSQL", "node", "yamabiko.mjs", ["postgres"], yamabiko),
  withFlags("yamabiko-small", "--max-semi-space-size=1"),
  withFlags("yamabiko-compact", "--optimize-for-size"),
  peer("ws-naive", "ws, as in a first tutorial", "node", "ws-naive.mjs", [], plain),
  peer("ws-tuned", "ws, tuned", "node", "ws-tuned.mjs", [], plain),
  peer("socket.io", "Socket.IO 4.8, WebSocket only", "node", "socket-io.mjs", [], socketIo),
  peer("socket.io-redis", "Socket.IO, redis-adapter", "node", "socket-io.mjs", ["redis"], socketIo),
  peer("socket.io-sharded", "Socket.IO, redis-adapter, sharded", "node", "socket-io.mjs", ["redis-sharded"], socketIo),
  peer("socket.io-streams", "Socket.IO, redis-streams-adapter", "node", "socket-io.mjs", ["redis-streams"], socketIo),
  peer("bun", "Bun, built-in server", "bun", "bun.mjs", [], plain),
];

/**
 * A server that is fast and wrong: the benchmark must refuse it.
 *
 * @param {string} fault
 * @returns {Peer}
 */
export function brokenPeer(fault) {
  return peer(`broken-${fault}`, `a server that does wrong: ${fault}`, "node", "broken.mjs", [fault], broken);
}

/** Yamabiko, log in memory, started with a flag for Node. */
function withFlags(name, flag) {
  return {
    ...peer(name, `Yamabiko, memory, \`${flag}\``, "node", "yamabiko.mjs", ["memory:"], yamabiko),
    nodeFlags: [flag],
  };
}

/**
 * @param {string} name
 * @param {string} title
 * @param {Peer["runtime"]} runtime
 * @param {string} script
 * @param {readonly string[]} args
 * @param {Dialect} dialect
 * @returns {Peer}
 */
function peer(name, title, runtime, script, args, dialect) {
  return {
    name,
    title,
    runtime,
    script: fileURLToPath(new URL(script, import.meta.url)),
    args,
    nodeFlags: [],
    dialect,
  };
}

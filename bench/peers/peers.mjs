import { fileURLToPath } from "node:url";

/**
 * A server to measure.
 *
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} title what it is, for the report
 * @property {string} script the program of the server; it prints `{"port": N}` when it listens
 * @property {readonly string[]} args
 * @property {Dialect} dialect
 */

/**
 * What the load generator says to a server and hears from it. `#` × 10 stands for the number of a message.
 *
 * @typedef {object} Dialect
 * @property {string} path where the WebSocket endpoint is
 * @property {string} hello what a reader says first; empty: nothing
 * @property {string} ready how the message begins that lets a reader in; empty: the handshake does
 * @property {(body: string) => string} publish the message that publishes `body`
 * @property {string} delivery how a delivered message begins, up to the body
 * @property {string} ack how a successful answer to a published message begins; empty: there is none
 */

/** @type {Dialect} */
const plain = { path: "/", hello: "", ready: "", publish: (body) => body, delivery: "", ack: "" };

/** @type {Dialect} */
const yamabiko = {
  path: "/ws",
  hello: JSON.stringify({ type: "join_room", payload: { roomId: "bench:fan-out" } }),
  ready: '{"type":"joined_room"',
  publish: (body) =>
    `{"type":"tick","messageId":"bench-##########","payload":{"roomId":"bench:fan-out",${body.slice(1)}}`,
  delivery: '{"type":"tick","payload":',
  ack: '{"type":"ack","payload":{"success":true',
};

/** @type {Dialect} */
const socketIo = {
  path: "/socket.io/?EIO=4&transport=websocket",
  hello: "40",
  ready: "40{",
  publish: (body) => `42["tick",${body}]`,
  delivery: '42["tick",',
  ack: "",
};

/** @type {readonly Peer[]} */
export const PEERS = [
  peer("yamabiko", "Yamabiko, log in memory", "yamabiko.mjs", ["memory:"], yamabiko),
  peer("yamabiko-sqlite", "Yamabiko, log in SQLite (`full`)", "yamabiko.mjs", ["sqlite"], yamabiko),
  peer("ws-naive", "ws, as in a first tutorial", "ws-naive.mjs", [], plain),
  peer("ws-tuned", "ws, tuned", "ws-tuned.mjs", [], plain),
  peer("socket.io", "Socket.IO 4.8, WebSocket only", "socket-io.mjs", [], socketIo),
];

/** Servers that are fast and wrong: the benchmark must refuse every one of them. */
export const BROKEN_PEERS = ["drop", "repeat", "swap", "alter", "cut"].map((fault) =>
  peer(`broken-${fault}`, `a server that does wrong: ${fault}`, "broken.mjs", [fault], plain),
);

/**
 * @param {string} name
 * @param {string} title
 * @param {string} script
 * @param {readonly string[]} args
 * @param {Dialect} dialect
 * @returns {Peer}
 */
function peer(name, title, script, args, dialect) {
  return { name, title, script: fileURLToPath(new URL(script, import.meta.url)), args, dialect };
}

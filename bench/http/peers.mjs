/** How each server of the HTTP benchmark is spoken to. */

const ROOM = "feed:bench";
const PATH = encodeURIComponent(ROOM);
const BODY_HEAD = '{"n":"';
const NUMBER = "##########";
const BODY_BYTES = 128;
const TAIL_HEAD = '","text":"';
const BODY_END = '"}';

/** What every message ends with: 128 bytes of JSON in all. */
export const TAIL = TAIL_HEAD + "x".repeat(BODY_BYTES - (BODY_HEAD + NUMBER + TAIL_HEAD + BODY_END).length) + BODY_END;
export const MARKER = BODY_HEAD;
const BODY = BODY_HEAD + NUMBER + TAIL;

const get = (path, more = "") => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`;
const post = (path, body, more = "") =>
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;
const bearer = (token) => (token === null ? "" : `Authorization: Bearer ${token}\r\n`);

const yamabikoPublish = post(
  `/api/rooms/${PATH}/events`,
  `{"type":"tick","payload":${BODY}}`,
  bearer("a-secret-of-more-than-thirty-two-bytes"),
);

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} title
 * @property {"sse" | "poll"} way
 * @property {string} program a key of `peer.mjs`, or `nginx`
 * @property {string} publish the request of the publisher
 * @property {(token: string | null) => string} first the first request of a reader
 * @property {(token: string | null) => string} again the request of a poll that has a cursor, which goes in for %C%
 * @property {string} [cursor] what stands before the cursor in an answer; none: it is in headers
 */

/** @type {readonly Peer[]} */
export const PEERS = [
  {
    name: "yamabiko-sse",
    title: "Yamabiko, SSE",
    way: "sse",
    program: "yamabiko",
    publish: yamabikoPublish,
    first: () => get(`/api/events?roomId=${PATH}`),
    again: () => "",
  },
  {
    name: "naive-sse",
    title: "node:http, SSE",
    way: "sse",
    program: "naive-sse",
    publish: post("/publish", BODY),
    first: () => get("/events"),
    again: () => "",
  },
  {
    name: "nchan-sse",
    title: "Nchan, SSE",
    way: "sse",
    program: "nginx",
    publish: post("/publish", BODY),
    first: () => get("/events", "Accept: text/event-stream\r\n"),
    again: () => "",
  },
  ...["yamabiko", "yamabiko-jwt"].map((program) => ({
    name: `${program}-poll`,
    title: program === "yamabiko" ? "Yamabiko, long poll" : "Yamabiko, long poll, a JWT in each",
    way: /** @type {const} */ ("poll"),
    program,
    publish: yamabikoPublish,
    first: (token) => get(`/api/messages/wait?roomId=${PATH}&timeoutMs=0`, bearer(token)),
    again: (token) => get(`/api/messages/wait?roomId=${PATH}&timeoutMs=60000&after=%C%`, bearer(token)),
    cursor: '"cursor":"',
  })),
  {
    name: "naive-poll",
    title: "node:http, long poll",
    way: "poll",
    program: "naive-poll",
    publish: post("/publish", BODY),
    first: () => get("/wait?timeoutMs=0"),
    again: () => get("/wait?after=%C%"),
    cursor: '"cursor":"',
  },
  {
    name: "nchan-poll",
    title: "Nchan, long poll",
    way: "poll",
    program: "nginx",
    publish: post("/publish", BODY),
    first: () => get("/wait"),
    again: () => get("/wait", "%C%"),
  },
];

/** Servers that deliver wrongly: each must be refused. */
export const BROKEN_PEERS = ["drops", "repeats", "swaps", "alters"].map((program) => ({
  ...PEERS.find(({ name }) => name === "naive-sse"),
  name: program,
  title: `node:http that ${program}`,
  program,
}));

/** The configuration of nginx with Nchan. */
export const nginxConfig = ({ port, directory, modules }) => `
daemon off;
master_process off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log warn;
${modules.map((file) => `load_module ${file};`).join("\n")}
events { worker_connections 20000; }
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  keepalive_requests 100000000;
  server {
    listen 127.0.0.1:${port};
    location = /publish { nchan_publisher; nchan_channel_id bench; nchan_message_timeout 1m; nchan_message_buffer_length 1000; }
    location = /events { nchan_subscriber eventsource; nchan_channel_id bench; nchan_subscriber_first_message newest; }
    location = /wait { nchan_subscriber longpoll; nchan_channel_id bench; nchan_subscriber_first_message newest; }
  }
}
`;

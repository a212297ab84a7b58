/**
 * A server of the HTTP benchmark: `node --expose-gc peer.mjs NAME DIST`. Says {port} when it listens, answers the line `memory` with what it
 * takes after a collection, and ends with its standard input.
 */
import { createHmac } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [name, dist] = process.argv.slice(2);
const SECRET = "a-secret-of-more-than-thirty-two-bytes";
/** How long a poll waits, ms. */
const WAIT_MS = 60_000;

const PEERS = {
  yamabiko: () => startYamabiko({ dev: true }),
  "yamabiko-jwt": () => startYamabiko({ auth: { secret: SECRET } }),
  "naive-sse": () => listen(createNaiveSse()),
  "naive-poll": () => listen(createNaivePoll()),
  drops: () => listen(createNaiveSse((texts) => texts.slice(1))),
  repeats: () => listen(createNaiveSse((texts) => [...texts, texts[0]])),
  swaps: () => listen(createNaiveSse((texts) => texts.toReversed())),
  alters: () => listen(createNaiveSse(([first, ...rest]) => [first.replace("xx", "xy"), ...rest])),
};

const { port, token = null } = await PEERS[name]();
process.stdout.write(`${JSON.stringify({ port, token })}\n`);
for await (const line of createInterface(process.stdin)) {
  if (line !== "memory") continue;
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  process.stdout.write(`${JSON.stringify({ rss, used: heapUsed + external })}\n`);
}
process.exit(0);

async function startYamabiko(options) {
  const { createServer } = await import(pathToFileURL(join(dist, "index.js")).href);
  const server = createServer({
    ...options,
    host: "127.0.0.1",
    port: 0,
    log: "memory:",
    apiKeys: [SECRET],
    // Off, as for its peers, which have none.
    limits: {
      connections: 100_000,
      connectionsPerUser: 0,
      connectionsPerIp: 0,
      handshakesPerSecond: 0,
      requestsPerSecond: 0,
      messagesPerSecond: 0,
      bytesPerSecond: 0,
      userMessagesPerSecond: 0,
    },
  });
  return { ...(await server.listen()), token: options.auth === undefined ? null : signToken() };
}

function signToken() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "reader", exp: Math.floor(Date.now() / 1000) + 3_600 };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

/**
 * As tutorials have it: a set of responses, one `write` for each.
 *
 * @param {(texts: string[]) => string[]} [spoil] what becomes of one pair of messages in a thousand deliveries, to show that it is noticed
 */
function createNaiveSse(spoil) {
  const clients = new Set();
  let id = 0;
  let deliveries = 0;
  /** What was held back of one message, to go out with the next. */
  const held = new Map();
  const deliver = (client, text) => {
    const before = held.get(client);
    if (before !== undefined) {
      held.delete(client);
      for (const each of spoil([before, text])) client.write(each);
    } else if (spoil !== undefined && ++deliveries % 1_000 === 0) held.set(client, text);
    else client.write(text);
  };
  return createHttpServer(async (request, response) => {
    if (request.method === "GET") {
      response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
      response.flushHeaders();
      clients.add(response);
      response.on("close", () => clients.delete(response));
      return;
    }
    const message = await readJson(request);
    id++;
    for (const client of clients) deliver(client, `id: ${id}\ndata: ${JSON.stringify(message)}\n\n`);
    response.end("{}");
  });
}

/** As tutorials have it, but with a cursor, so that nothing is lost between two polls: a list of responses that wait. */
function createNaivePoll() {
  const messages = [];
  let waiting = [];
  const answer = (response, after) => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ messages: messages.slice(after), cursor: String(messages.length) }));
  };
  return createHttpServer(async (request, response) => {
    if (request.method === "GET") {
      const url = new URL(request.url, "http://localhost");
      const after = Number(url.searchParams.get("after") ?? messages.length);
      if (after < messages.length || url.searchParams.get("timeoutMs") === "0") return answer(response, after);
      const waiter = { response, after, timer: setTimeout(() => answer(response, after), WAIT_MS) };
      waiting.push(waiter);
      response.on("close", () => clearTimeout(waiter.timer));
      return;
    }
    messages.push(await readJson(request));
    const all = waiting;
    waiting = [];
    for (const { response: each, after } of all) answer(each, after);
    response.end("{}");
  });
}

async function readJson(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

function listen(server) {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve({ port: server.address().port })));
}

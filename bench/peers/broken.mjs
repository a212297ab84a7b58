/**
 * A broadcast server that does one thing wrong to a few deliveries: the benchmark must notice each.
 *
 *   node broken.mjs drop|repeat|swap|alter|cut
 */
import { WebSocketServer } from "ws";
import { endWithBenchmark } from "./lifetime.mjs";

const [fault] = process.argv.slice(2);
const clients = [];
/** How many deliveries pass between two wrong ones. */
const EVERY = 1_009;
let deliveries = 0;
endWithBenchmark();

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false }, () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});

server.on("connection", (client) => {
  clients.push({ client, held: null });
  client.on("error", () => {});
  client.on("message", (data) => {
    const text = data.toString();
    for (const reader of clients) deliver(reader, text);
  });
});

function deliver(reader, text) {
  const isWrong = ++deliveries % EVERY === 0;
  const { client } = reader;
  if (isWrong && fault === "drop") return;
  if (isWrong && fault === "swap") {
    reader.held = text;
    return;
  }
  if (isWrong && fault === "alter") client.send(text.replace("x", "y"));
  else if (isWrong && fault === "cut") client.send(text.slice(0, 40));
  else client.send(text);
  if (isWrong && fault === "repeat") client.send(text);
  if (reader.held !== null) {
    client.send(reader.held);
    reader.held = null;
  }
}

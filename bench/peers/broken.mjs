/**
 * A broadcast server that does one thing wrong to a few deliveries: the benchmark must notice each.
 *
 *   node broken.mjs FAULT
 *
 * drop, repeat, swap, alter, cut: one delivery in a thousand. stray: one to another room. unacked, twice-acked, wrong-ack: one ack in a
 * hundred. plain: one that is not compressed. forget-slow: what a reader does not take at once. forget-missed, repeat-missed: one of
 * what a reader missed while away.
 */
import { WebSocketServer } from "ws";
import { endWithBenchmark, listening, settings } from "./lifetime.mjs";

const [fault] = process.argv.slice(2);
/** How many deliveries, or acks, pass between two wrong ones. */
const EVERY = 1_009;
const EVERY_ACK = 17;
/** What a slow reader may have waiting, bytes. */
const PATIENCE = 16 * 1024;
/** By path: who is there, and all that was said. */
const rooms = new Map();
let deliveries = 0;
let acks = 0;
endWithBenchmark();

const perMessageDeflate =
  settings.deflate === true ? { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 } : false;
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate }, () =>
  listening(server.address().port),
);

server.on("connection", (client, request) => {
  if (!rooms.has(request.url)) rooms.set(request.url, { readers: new Set(), said: [] });
  const room = rooms.get(request.url);
  const reader = { client, held: null };
  client.on("error", () => {});
  client.on("close", () => room.readers.delete(reader));
  client.on("message", (data) => {
    const text = data.toString();
    const message = JSON.parse(text);
    if (message.join !== undefined) return join(reader, room, message.after);
    room.said.push(text);
    acknowledge(client, message.n);
    for (const other of room.readers) deliver(other, text);
    if (fault === "stray" && room.said.length % 20 === 0) strayFrom(request.url, text);
  });
});

function join(reader, room, after) {
  const { client } = reader;
  room.readers.add(reader);
  client.send('{"joined":true}');
  const missed = room.said.slice(after);
  if (missed.length > 0 && fault === "forget-missed") missed.pop();
  if (missed.length > 0 && fault === "repeat-missed") missed.push(missed.at(-1));
  for (const text of missed) client.send(text);
}

function acknowledge(client, number) {
  const isWrong = ++acks % EVERY_ACK === 0;
  if (isWrong && fault === "unacked") return;
  client.send(`{"ack":"bench-${isWrong && fault === "wrong-ack" ? "9999999999" : number}"}`);
  if (isWrong && fault === "twice-acked") client.send(`{"ack":"bench-${number}"}`);
}

function strayFrom(url, text) {
  for (const [other, { readers }] of rooms) {
    if (other !== url) for (const { client } of readers) return client.send(text);
  }
  return undefined;
}

function deliver(reader, text) {
  const isWrong = ++deliveries % EVERY === 0;
  const { client } = reader;
  if (isWrong && fault === "drop") return;
  if (fault === "forget-slow" && client.bufferedAmount > PATIENCE) return;
  if (isWrong && fault === "swap") {
    reader.held = text;
    return;
  }
  if (isWrong && fault === "alter") client.send(text.replace(/.(?="})/, "Y"));
  else if (isWrong && fault === "cut") client.send(text.slice(0, 40));
  else client.send(text, { compress: !(isWrong && fault === "plain") });
  if (isWrong && fault === "repeat") client.send(text);
  if (reader.held !== null) {
    client.send(reader.held);
    reader.held = null;
  }
}

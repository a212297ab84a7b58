/** `ws` as somebody who knows it would use it: one Buffer for all clients, no compression, no tracking. */
import { WebSocket, WebSocketServer } from "ws";
import { endWithBenchmark } from "./lifetime.mjs";

const server = new WebSocketServer(
  { port: 0, host: "127.0.0.1", perMessageDeflate: false, clientTracking: false, backlog: 4096 },
  () => process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`),
);
const clients = new Set();
endWithBenchmark();
const asText = { binary: false };

server.on("connection", (client) => {
  clients.add(client);
  client.on("message", (data) => broadcast(Buffer.from(JSON.stringify(JSON.parse(data)))));
  client.on("close", () => clients.delete(client));
  client.on("error", () => {});
});

function broadcast(bytes) {
  for (const client of clients) {
    if (client.readyState === WebSocket.OPEN) client.send(bytes, asText);
  }
}

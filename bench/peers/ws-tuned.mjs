/** `ws` as somebody who knows it would use it: one Buffer for all clients, no tracking, compression off or cheap. */
import { WebSocket, WebSocketServer } from "ws";
import { endWithBenchmark, listening, settings } from "./lifetime.mjs";

const cheap = { serverNoContextTakeover: true, clientNoContextTakeover: true, zlibDeflateOptions: { level: 1 } };
const server = new WebSocketServer(
  {
    port: 0,
    host: "127.0.0.1",
    perMessageDeflate: settings.deflate === true ? cheap : false,
    clientTracking: false,
    backlog: 4096,
  },
  () => listening(server.address().port),
);
/** By path. */
const rooms = new Map();
endWithBenchmark();
const asText = { binary: false };

server.on("connection", (client, request) => {
  if (!rooms.has(request.url)) rooms.set(request.url, new Set());
  const clients = rooms.get(request.url);
  clients.add(client);
  client.on("message", (data) => broadcast(clients, Buffer.from(JSON.stringify(JSON.parse(data)))));
  client.on("close", () => clients.delete(client));
  client.on("error", () => {});
});

function broadcast(clients, bytes) {
  for (const client of clients) {
    if (client.readyState === WebSocket.OPEN) client.send(bytes, asText);
  }
}

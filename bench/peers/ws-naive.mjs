/** The broadcast server that tutorials show: parse, then stringify, then `send` a string to each client. */
import { WebSocket, WebSocketServer } from "ws";
import { endWithBenchmark, listening, settings } from "./lifetime.mjs";

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: settings.deflate === true }, () =>
  listening(server.address().port),
);
/** By path. */
const rooms = new Map();
endWithBenchmark();

server.on("connection", (client, request) => {
  if (!rooms.has(request.url)) rooms.set(request.url, new Set());
  const clients = rooms.get(request.url);
  clients.add(client);
  client.on("message", (data) => broadcast(clients, JSON.parse(data)));
  client.on("close", () => clients.delete(client));
  client.on("error", () => {});
});

function broadcast(clients, message) {
  const data = JSON.stringify(message);
  for (const client of clients) {
    if (client.readyState === WebSocket.OPEN) client.send(data);
  }
}

/** The broadcast server that tutorials show: parse, then stringify, then `send` a string to each client. */
import { WebSocket, WebSocketServer } from "ws";
import { endWithBenchmark } from "./lifetime.mjs";

const server = new WebSocketServer({ port: 0, host: "127.0.0.1" }, () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});
const clients = new Set();
endWithBenchmark();

server.on("connection", (client) => {
  clients.add(client);
  client.on("message", (data) => broadcast(JSON.parse(data)));
  client.on("close", () => clients.delete(client));
  client.on("error", () => {});
});

function broadcast(message) {
  const data = JSON.stringify(message);
  for (const client of clients) {
    if (client.readyState === WebSocket.OPEN) client.send(data);
  }
}

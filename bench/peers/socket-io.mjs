/** Socket.IO with one room, WebSocket transport only. */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { endWithBenchmark } from "./lifetime.mjs";

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  perMessageDeflate: false,
  // As long as nobody's heartbeat falls into a measurement.
  pingInterval: 3_600_000,
});

io.on("connection", (socket) => {
  socket.join("bench");
  socket.on("tick", (body) => io.to("bench").emit("tick", body));
});

http.listen(0, "127.0.0.1", () => process.stdout.write(`${JSON.stringify({ port: http.address().port })}\n`));
endWithBenchmark();

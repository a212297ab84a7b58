/** Socket.IO with a room for each path, WebSocket transport only. */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { endWithBenchmark, listening, settings } from "./lifetime.mjs";

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  perMessageDeflate: settings.deflate === true,
  // As long as nobody's heartbeat falls into a measurement.
  pingInterval: 3_600_000,
});

io.on("connection", (socket) => {
  const { room } = socket.handshake.query;
  socket.join(room);
  socket.on("tick", (body) => io.to(room).emit("tick", body));
});

http.listen(0, "127.0.0.1", () => listening(http.address().port));
endWithBenchmark();

/**
 * Socket.IO with a room for each path, WebSocket transport only.
 *
 *   node socket-io.mjs [redis|redis-sharded|redis-streams] SETTINGS    with an adapter, on the Redis of the settings
 */
import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { endWithBenchmark, listening, settings } from "./lifetime.mjs";

/** Each as its documentation has it. */
const ADAPTERS = {
  redis: () => createAdapter(connect(), connect()),
  "redis-sharded": () => createShardedAdapter(connect(), connect(), { subscriptionMode: "dynamic" }),
  "redis-streams": () => createStreamsAdapter(connect()),
};

const adapter = ADAPTERS[process.argv[2]]?.();
const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  perMessageDeflate: settings.deflate === true,
  // As long as nobody's heartbeat falls into a measurement.
  pingInterval: 3_600_000,
  ...(adapter === undefined ? {} : { adapter }),
});

io.on("connection", (socket) => {
  const { room } = socket.handshake.query;
  socket.join(room);
  socket.on("tick", (body) => io.to(room).emit("tick", body));
});

http.listen(0, "127.0.0.1", () => listening(http.address().port));
endWithBenchmark();

function connect() {
  return new Redis(settings.redis);
}

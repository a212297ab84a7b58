/** Bun's own server (uWebSockets): a topic for each path. Runs in Bun. */
import { endWithBenchmark, listening, settings } from "./lifetime.mjs";

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request, self) {
    if (self.upgrade(request, { data: { room: new URL(request.url).pathname } })) return undefined;
    return new Response("WebSocket only", { status: 426 });
  },
  websocket: {
    perMessageDeflate: settings.deflate === true,
    // No heartbeat falls into a measurement.
    idleTimeout: 0,
    sendPings: false,
    open: (client) => client.subscribe(client.data.room),
    message: (client, text) =>
      void server.publish(client.data.room, JSON.stringify(JSON.parse(text)), settings.deflate === true),
  },
});
listening(server.port);
endWithBenchmark();

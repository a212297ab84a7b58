/**
 * Yamabiko with a namespace that broadcasts.
 *
 *   node yamabiko.mjs memory:|sqlite|sqlite-normal|redis|redis-always|postgres SETTINGS    on the Redis of the settings, where they name one
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { endWithBenchmark, listening, settings } from "./lifetime.mjs";
import { startStore } from "./stores.mjs";

const [kind] = process.argv.slice(2);
const { createServer, defineNamespace } = await import(pathToFileURL(join(settings.dist, "index.js")).href);

const directory = kind === "memory:" || settings.redis !== undefined ? null : makeDirectory();
const isFar = kind.startsWith("redis") || kind === "postgres";
const store = isFar && settings.redis === undefined ? await startStore(kind, directory) : null;

const server = createServer({
  // Guests, unless tokens are asked for.
  ...(settings.secret === undefined ? { dev: true } : { auth: { secret: settings.secret } }),
  log: settings.redis ?? store?.url ?? (directory === null ? "memory:" : `sqlite:${join(directory, "bench.db")}`),
  sqliteSynchronous: kind === "sqlite-normal" ? "normal" : "full",
  ...(settings.deflate === true ? { compression: true } : {}),
  limits: {
    connections: 100_000,
    connectionsPerUser: 0,
    connectionsPerIp: 0,
    handshakesPerSecond: 0,
    messagesPerSecond: 0,
    bytesPerSecond: 0,
    userMessagesPerSecond: 0,
  },
  // As long as nobody's heartbeat falls into a measurement, unless it is what is measured.
  heartbeatMs: settings.heartbeatMs ?? 3_600_000,
  namespaces: [
    defineNamespace({
      name: "bench",
      messages: { "*": { handle: (context, payload) => context.event(context.type, payload) } },
    }),
  ],
});
const { port } = await server.listen(0, "127.0.0.1");
listening(port);

endWithBenchmark(async () => {
  await server.close();
  await store?.stop();
  if (directory !== null) rmSync(directory, { recursive: true, force: true });
});

/** Beside the sources: the temporary directory of a machine may be memory, and a commit to that is no commit. */
function makeDirectory() {
  const cache = fileURLToPath(new URL("../.cache/", import.meta.url));
  mkdirSync(cache, { recursive: true });
  return mkdtempSync(join(cache, "log-"));
}

/** A server with what one node at a time leads: a game, and a ticker that appends. Started as `yamabiko serve` is. */
import { parseArgs } from "node:util";
import { game } from "../../src/features/index.ts";
import { createServer } from "../../src/server/server.ts";
import { defineNamespace, type Lead } from "../../src/session/namespace.ts";
import { meadow } from "./meadow.ts";

/** How often the ticker beats, ms. */
const BEAT_MS = 50;

/** While somebody has joined it here, a `beat` by whoever leads, `BEAT_MS` apart. */
const ticker = defineNamespace({
  name: "ticker",
  messages: {},
  open(room) {
    let count = 0;
    let lead: Lead | null = null;
    const letGo = room.lead((mine) => {
      lead = mine;
    });
    const timer = setInterval(() => {
      if (lead?.holds() !== true) return;
      const payload = { by: process.pid, fence: lead.fence, count: ++count };
      room.append({ type: "beat", payload, fence: lead.fence }).catch(() => {});
    }, BEAT_MS);
    return {
      isBusy: true,
      close() {
        clearInterval(timer);
        letGo();
      },
    };
  },
});

const { values } = parseArgs({
  options: { port: { type: "string" }, log: { type: "string" } },
  strict: false,
  allowPositionals: true,
});
const server = createServer({
  log: String(values.log),
  host: "127.0.0.1",
  port: Number(values.port),
  dev: true,
  auth: { secret: process.env.YAMABIKO_JWT_SECRET ?? "" },
  namespaces: [game({ meadow }), ticker],
});
const { url } = await server.listen();
console.log(`The server is listening on ${url}`);
process.once("SIGTERM", () => void server.close().then(() => process.exit(0)));

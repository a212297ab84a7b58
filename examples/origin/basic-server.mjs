// The broadcast server of the origin document: whatever anyone sends, everyone gets. Run: node examples/origin/basic-server.mjs
import { createServer, defineNamespace } from "yamabiko";

const broadcast = defineNamespace({
  name: "broadcast",
  messages: { "*": { handle: (context, payload) => context.event(context.type, payload) } },
});

const server = createServer({ namespaces: [broadcast], defaultRoom: "broadcast:all", guests: true, log: "memory:" });
const { url } = await server.listen(Number(process.env.PORT ?? 8080));
console.log(`listening on ${url}`);

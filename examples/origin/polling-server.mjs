// What the origin document's polling and EventSource snippets run against, as they stand. Run: node examples/origin/polling-server.mjs
import { fileURLToPath } from "node:url";
import { createServer } from "yamabiko";

const server = createServer({
  dev: true,
  log: "memory:",
  defaultRoom: "chat:lobby",
  staticDir: fileURLToPath(new URL(".", import.meta.url)),
});
const { url } = await server.listen(Number(process.env.PORT ?? 8080));
console.log(`listening on ${url}`);

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const server = process.env.YAMABIKO_URL ?? "http://127.0.0.1:8080";

/** A door of the client, as its source: exactly that name. */
function door(name: string, file: string): { find: RegExp; replacement: string } {
  return {
    find: new RegExp(`^${name}$`),
    replacement: fileURLToPath(new URL(`../src/client/${file}`, import.meta.url)),
  };
}

/** The playground talks to the server that serves it; in development Vite hands `/ws` and `/api` on to one on port 8080. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  resolve: {
    alias: [
      door("yamabiko/client/dashboard", "dashboard.ts"),
      door("yamabiko/client/game", "game/index.ts"),
      door("yamabiko/client/documents", "documents/index.ts"),
      door("yamabiko/client/documents/codemirror", "documents/codemirror.ts"),
      door("yamabiko/client/documents/textarea", "documents/textarea.ts"),
      door("yamabiko/client", "index.ts"),
    ],
  },
  build: { outDir: "dist", emptyOutDir: true, target: "es2022" },
  server: {
    proxy: {
      "/ws": { target: server, ws: true },
      "/api": { target: server },
    },
  },
});

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const server = process.env.YAMABIKO_URL ?? "http://127.0.0.1:8080";

/** The playground talks to the server that serves it; in development Vite hands `/ws` and `/api` on to one on port 8080. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  resolve: {
    alias: { "yamabiko/client": fileURLToPath(new URL("../src/client/index.ts", import.meta.url)) },
  },
  build: { outDir: "dist", emptyOutDir: true, target: "es2022" },
  server: {
    proxy: {
      "/ws": { target: server, ws: true },
      "/api": { target: server },
    },
  },
});

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const server = process.env.YAMABIKO_ADMIN_URL ?? "http://127.0.0.1:8081";
const path = (from: string): string => fileURLToPath(new URL(from, import.meta.url));

/** The admin console. It is part of the package: the admin listener serves it from `dist/admin`. */
export default defineConfig({
  root: path("."),
  publicDir: path("public"),
  base: "./",
  resolve: {
    alias: [
      { find: /^yamabiko\/client\/dashboard$/, replacement: path("../../src/client/dashboard.ts") },
      // It comes by WebSocket alone.
      { find: /^yamabiko\/client$/, replacement: path("../../src/client/core.ts") },
    ],
  },
  build: { outDir: path("../../dist/admin"), emptyOutDir: true, target: "es2022" },
  server: { proxy: { "/ws": { target: server, ws: true }, "/api": { target: server } } },
});

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const server = process.env.YAMABIKO_ADMIN_URL ?? "http://127.0.0.1:8081";
const path = (from: string): string => fileURLToPath(new URL(from, import.meta.url));

/** What of others is in the bundle. */
const BUNDLED = ["react", "react-dom", "scheduler", "uplot"];

/** Puts the licences of what is bundled beside it, as they ask. */
const licences: Plugin = {
  name: "licences",
  generateBundle() {
    const texts = BUNDLED.map((name) => {
      const text = readFileSync(path(`../../node_modules/${name}/LICENSE`), "utf8");
      return `${name}\n\n${text.trim()}\n`;
    });
    this.emitFile({ type: "asset", fileName: "licences.txt", source: texts.join("\n---\n\n") });
  },
};

/** The admin console. It is part of the package: the admin listener serves it from `dist/admin`. */
export default defineConfig({
  root: path("."),
  publicDir: path("public"),
  base: "./",
  plugins: [licences],
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

import { readFile } from "node:fs/promises";
import { HocuspocusProvider } from "@hocuspocus/provider";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { documents } from "../../../src/features/index.ts";
import { createLogger } from "../../../src/observe/logger.ts";
import { createServer, type YamabikoServer } from "../../../src/server/server.ts";
import { devToken, startServer } from "../../harness.ts";
import { until } from "./yjs-provider.ts";

type Run = (...values: unknown[]) => Promise<unknown>;
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (...words: string[]) => Run;

const ends: (() => unknown)[] = [];
let samples: string[] = [];
const before = globalThis.WebSocket;

beforeAll(async () => {
  // Node 20 has none of its own.
  globalThis.WebSocket = WebSocket as never;
  const guide = await readFile(new URL("../../../docs/guides/documents-yjs.md", import.meta.url), "utf8");
  samples = [...guide.matchAll(/^```[jt]s\n([\s\S]*?)^```$/gm)].map(([, code]) => code!.replace(/^import .*$/gm, ""));
});

afterAll(async () => {
  for (const end of ends) await end();
  globalThis.WebSocket = before;
});

/** Runs a sample of the guide with what it imports and takes for granted; gives what it calls `result`. */
function run(code: string, values: Record<string, unknown>, result: string): Promise<unknown> {
  return new AsyncFunction(...Object.keys(values), `${code}; return ${result};`)(...Object.values(values));
}

it("the guide's providers work as they stand", async () => {
  const server = await startServer();
  ends.push(() => server.close());
  const here = (code: string) => code.replaceAll("ws://localhost:8080", server.url.replace("http", "ws"));
  const token = await devToken(server.url, "ann");
  const lines: string[] = [];
  const values = {
    Y,
    WebsocketProvider,
    HocuspocusProvider,
    token,
    console: { log: (line: string) => lines.push(line) },
  };
  const one = (await run(here(samples[0]!), values, "provider")) as WebsocketProvider;
  const two = (await run(here(samples[1]!), values, "provider")) as HocuspocusProvider;
  ends.unshift(
    () => one.destroy(),
    () => two.destroy(),
  );
  const texts = () => [one.doc, two.document].map((doc) => doc.getText("text").toString());
  await until("both have both words", () => texts().every((text) => text.includes("Hello") && text.includes("world")));
  expect(new Set(texts()).size).toBe(1);
  await until("what was said was said", () => lines.includes("in sync") && lines.includes("saved"));
});

it("the guide's server works as it stands", async () => {
  const code = samples[2]!.replace("listen()", "listen(0)");
  const silent = { log: "memory:", host: "127.0.0.1", logger: createLogger({ level: "silent" }) };
  const values = {
    createServer: (options: object) => createServer({ ...silent, ...options }),
    documents,
    process: { env: { YAMABIKO_JWT_SECRET: "0123456789abcdef0123456789abcdef" } },
  };
  const server = (await run(code, values, "server")) as YamabikoServer;
  ends.unshift(() => server.close());
  expect(server.connections).toBe(0);
});

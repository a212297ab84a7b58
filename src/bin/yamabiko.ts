#!/usr/bin/env node
import { createInterface } from "node:readline";
import { keepYoungGenerationSmall } from "./young-generation.ts";

if (process.argv[2] === "serve") keepYoungGenerationSmall(process.execArgv, process.env.NODE_OPTIONS);
// Only now: what is loaded makes the young generation grow.
const { main } = await import("./main.ts");

const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) process.exit(130);
    stopping.abort();
  });
}
// `yamabiko tail … | head` closes our output early; that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const code = await main(process.argv.slice(2), {
  env: process.env,
  directory: process.cwd(),
  print: (line) => void process.stdout.write(`${line}\n`),
  flushed: () => new Promise((resolve) => process.stdout.write("", () => resolve())),
  note: (line) => void process.stderr.write(`${line}\n`),
  lines: () => createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }),
  stopped: stopping.signal,
});
// A server that could not start may leave a timer or a thread behind, and the command is over all the same. What was
// written has to reach a pipe first.
process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));

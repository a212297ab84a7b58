// Measures what a page pays for each door of the client: one bundle, minified, gzip -9. Fails when one is above its limit.

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/**
 * By door: its module, and how much it may weigh, bytes. One with a list is weighed without what the page has already, CodeMirror and
 * what the client itself is made of, and without the modules of the list, which are loaded when they are needed.
 */
const DOORS = {
  "yamabiko/client": ["index.ts", 11_264],
  "yamabiko/client/core": ["core.ts", 8_192],
  "yamabiko/client/game": ["game/index.ts", 6_144],
  "yamabiko/client/dashboard": ["dashboard.ts", 3_072],
  "yamabiko/client/documents": ["documents/index.ts", 3_072, ["./merging.ts"]],
  "yamabiko/client/documents/codemirror": ["documents/codemirror.ts", 2_048, []],
  "yamabiko/client/documents/textarea": ["documents/textarea.ts", 2_048, []],
};

/** What every page that has a client has. */
const OF_THE_CLIENT = ["@codemirror/*", "../emitter.ts", "../message-id.ts", "../../protocol/clock.ts"];

for (const [door, [module, limit, later]] of Object.entries(DOORS)) {
  const result = await build({
    entryPoints: [fileURLToPath(new URL(`../src/client/${module}`, import.meta.url))],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    metafile: true,
    external: later === undefined ? [] : [...OF_THE_CLIENT, ...later],
  });
  const [bundle] = result.outputFiles;
  const bytes = gzipSync(bundle.contents, { level: 9 }).length;
  console.log(`${door}: ${bytes} bytes min+gzip (${bundle.contents.length} minified), limit ${limit}`);
  if (process.argv.includes("--verbose")) {
    const [output] = Object.values(result.metafile.outputs);
    const inputs = Object.entries(output.inputs).sort((a, b) => b[1].bytesInOutput - a[1].bytesInOutput);
    for (const [path, { bytesInOutput }] of inputs) console.log(`${String(bytesInOutput).padStart(6)}  ${path}`);
  }
  if (bytes > limit) process.exitCode = 1;
}

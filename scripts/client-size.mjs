// Measures what a page pays for `yamabiko/client`: one bundle, minified, gzip -9. Fails above the limit.

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LIMIT_BYTES = 8192;

const result = await build({
  entryPoints: [fileURLToPath(new URL("../src/client/index.ts", import.meta.url))],
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  write: false,
  metafile: true,
});
const [bundle] = result.outputFiles;
const bytes = gzipSync(bundle.contents, { level: 9 }).length;
console.log(`yamabiko/client: ${bytes} bytes min+gzip (${bundle.contents.length} minified), limit ${LIMIT_BYTES}`);
if (process.argv.includes("--verbose")) {
  const [output] = Object.values(result.metafile.outputs);
  const inputs = Object.entries(output.inputs).sort((a, b) => b[1].bytesInOutput - a[1].bytesInOutput);
  for (const [path, { bytesInOutput }] of inputs) console.log(`${String(bytesInOutput).padStart(6)}  ${path}`);
}
if (bytes > LIMIT_BYTES) process.exit(1);

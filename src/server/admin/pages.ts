import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createStatic, type StaticHandler } from "../static.ts";

/** Where the pages of the console are: beside the built server, or where the build puts them for one that runs from its source. */
const DIRECTORIES = ["../../admin", "../../../dist/admin"].map((path) => fileURLToPath(new URL(path, import.meta.url)));

/** Serves the pages of the admin console. Null where they were not built. */
export function createConsolePages(): StaticHandler | null {
  const directory = DIRECTORIES.find((each) => existsSync(join(each, "index.html")));
  return directory === undefined ? null : createStatic(directory);
}

import { setFlagsFromString } from "node:v8";

/** What says that whoever starts the process has chosen the size already. */
const CHOSEN = /semi[-_]space/;

/**
 * Keeps the young generation of V8's heap at the size it starts with (1 MiB for each half) instead of letting it grow to 16.
 * A server that holds many quiet connections has that memory for nothing: it is a third of what 10,000 of them take. It
 * costs shorter and more frequent collections. To be called before much is loaded, since it never shrinks.
 *
 * Does nothing where a size was chosen: `NODE_OPTIONS=--max-semi-space-size=16` gives it back.
 */
export function keepYoungGenerationSmall(execArgv: readonly string[], nodeOptions: string | undefined): boolean {
  if (CHOSEN.test([...execArgv, nodeOptions ?? ""].join(" "))) return false;
  // Read at each growth, unlike the sizes themselves, which count only until the heap is made.
  setFlagsFromString("--semi-space-growth-factor=1");
  return true;
}

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findBun } from "./bun.mjs";
import { compile } from "./native.mjs";

const bench = fileURLToPath(new URL("../", import.meta.url));
/** Where everything is kept that a run makes or fetches. */
export const CACHE = `${bench}.cache`;

/**
 * What a run needs besides Node. A peer whose program is null is left out.
 *
 * @typedef {object} Programs
 * @property {"c" | "node"} kind of the load generator
 * @property {readonly string[]} load the command of the load generator
 * @property {string | null} limit
 * @property {string | null} bun
 */

/**
 * Compiles or fetches what is needed for these peers.
 *
 * @param {readonly import("../peers/peers.mjs").Peer[]} peers
 * @param {"auto" | "c" | "node"} choice of the load generator
 * @param {(text: string) => void} say
 * @returns {Programs}
 */
export function findPrograms(peers, choice, say) {
  const needs = (runtime) => peers.some((peer) => peer.runtime === runtime);
  const limit = needs("native") ? compile(CACHE, "limit", [`${bench}peers/limit.c`]) : null;
  if (needs("native") && limit === null) say("There is no C compiler (`cc`): the limit is left out.");
  const bun = needs("bun") ? findBun(CACHE, say) : null;
  return { ...chooseLoadGenerator(choice), limit, bun };
}

/** The native load generator, compiled when needed, or the one in JavaScript. */
function chooseLoadGenerator(choice) {
  const inNode = { kind: /** @type {const} */ ("node"), load: [process.execPath, `${bench}load/fanout.mjs`] };
  if (choice === "node") return inNode;
  const sources = readdirSync(`${bench}load`).filter((name) => /\.[ch]$/.test(name));
  const program = compile(
    CACHE,
    "load",
    sources.map((name) => `${bench}load/${name}`),
    [["-DWITH_ZLIB", "-lz"], []],
  );
  if (program !== null) return { kind: /** @type {const} */ ("c"), load: [program] };
  if (choice === "c") throw new Error("The native load generator needs a C compiler (`cc`).");
  return inNode;
}

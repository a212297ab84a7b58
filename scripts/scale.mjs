#!/usr/bin/env node
/**
 * How many nodes, Redis shards, memory and messages: computed from what was measured (`scale/costs.mjs`).
 *
 *   node scripts/scale.mjs                         the tables of docs/guides/scale.md
 *   node scripts/scale.mjs --write                 writes them into the guide
 *   node scripts/scale.mjs --connections 50000 [--rooms N --members N --room-nodes N --messages-per-minute N --kept-events N
 *                          --tail-events N --heartbeat-seconds N --openings-per-minute N]       of a workload of your own; the rest is that of the guide's chat
 *   node scripts/scale.mjs --connections … --json  the numbers
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { sizeOf } from "./scale/model.mjs";
import { CHAT, ownTables, tables } from "./scale/tables.mjs";

const GUIDE = new URL("../docs/guides/scale.md", import.meta.url);
const NAMES = ["connections", "roomNodes", ...Object.keys(CHAT)];

try {
  run();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}

function run() {
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(NAMES.map((name) => [optionOf(name), { type: "string" }])),
      json: { type: "boolean" },
      write: { type: "boolean" },
    },
  });
  const named = NAMES.filter((name) => values[optionOf(name)] !== undefined);
  if (values.write) write();
  else if (named.length === 0) print(tables());
  else {
    const workload = { connections: 10_000, ...CHAT };
    for (const name of named) workload[name] = Number(values[optionOf(name)]);
    if (values.json) process.stdout.write(`${JSON.stringify(sizeOf(workload), null, 2)}\n`);
    else print(ownTables(workload));
  }
}

function optionOf(name) {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function print(all) {
  process.stdout.write(
    Object.entries(all)
      .map(([name, text]) => `<!-- scale: ${name} -->\n${text}\n<!-- end -->\n`)
      .join("\n"),
  );
}

/** Puts each table where the guide has its name. */
function write() {
  let guide = readFileSync(GUIDE, "utf8");
  for (const [name, text] of Object.entries(tables())) {
    const place = new RegExp(`(<!-- scale: ${name} -->\n)[\\s\\S]*?(<!-- end -->)`);
    if (!place.test(guide)) throw new Error(`the guide has no place for "${name}"`);
    guide = guide.replace(place, `$1${text}\n$2`);
  }
  writeFileSync(GUIDE, guide);
}

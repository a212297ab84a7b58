import { readFile, rename, writeFile } from "node:fs/promises";

/** What was written for this file last. */
export async function readPosition(path) {
  const text = await readFile(`${path}.position`, "utf8").catch(() => null);
  return text === null ? { ino: 0, name: "", bytes: 0 } : JSON.parse(text);
}

/** Replaces it as a whole, so that a crash leaves the one or the other, and returns it. */
export async function writePosition(path, position) {
  await writeFile(`${path}.position.new`, JSON.stringify(position));
  await rename(`${path}.position.new`, `${path}.position`);
  return position;
}

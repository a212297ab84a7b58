// tail -F into a room, through rotation, restarts and lost connections, each line once: node log.mjs app.log [feed:log]
import { randomUUID } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { publish } from "../publish.mjs";
import { readLines } from "./lines.mjs";
import { readPosition, writePosition } from "./position.mjs";

const [path, roomId = "feed:log"] = process.argv.slice(2);
const look = (name) => stat(name).catch(() => ({ ino: null }));
/** What is in the room: of which file, by its inode and a name of ours, how many bytes. */
let at = await readPosition(path);
// What was rotated away while nobody looked comes first.
const name = (await look(`${path}.1`)).ino === at.ino ? `${path}.1` : path;
let file = (await look(name)).ino === at.ino ? await open(name) : null;
let isOver = false;

for (;;) {
  const { lines, bytes } = await readLines(file, at.bytes, isOver);
  if (lines.length > 0) {
    const type = "line";
    // A line is called by where it begins: published again after a crash, it is the same event.
    const event = ({ text, from }) => ({ type, payload: { text }, messageId: `${at.name}:${from}` });
    await publish(roomId, lines.map(event));
    at = await writePosition(path, { ...at, bytes });
    continue;
  }
  await new Promise((resolve) => setTimeout(resolve, 250));
  const { ino, size } = await look(path);
  if (ino === null || (file !== null && ino === at.ino && size >= at.bytes)) continue;
  // Rotated. Who writes may not have let go of the old one yet: it is read once more.
  isOver = file !== null && ino !== at.ino && !isOver;
  if (isOver) continue;
  await file?.close();
  file = await open(path);
  at = await writePosition(path, { ino: (await file.stat()).ino, name: randomUUID(), bytes: 0 });
}

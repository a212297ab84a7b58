/** Appends without end to the log whose path it is given, and says of each append which seq and number it had. */
import { createSqliteLog } from "../../src/log/sqlite.ts";

const [path, start] = process.argv.slice(2) as [string, string];
const ROOMS = 3;
const IN_FLIGHT = 50;

const log = await createSqliteLog({ path });
let next = Number(start);

async function appendForEver(): Promise<never> {
  for (;;) {
    const number = next++;
    const room = `chat:room-${number % ROOMS}`;
    const { seq } = await log.append(room, "user", `m-${number}`, { type: "said", data: `${number}` });
    process.stdout.write(`${room} ${seq} ${number}\n`);
  }
}

await Promise.all(Array.from({ length: IN_FLIGHT }, appendForEver));
